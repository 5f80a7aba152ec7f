package room

import (
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/event"
)

// shown is the event as the viewer gets it: redacted where its sender has been erased from the server and the viewer did
// not have it before that (Client-Server API, POST /account/deactivate: "users which join the room after the erasure
// request are served redacted copies"). Who was in when it was sent, or joined between it and the erasure, has had it.
//
// Of state only member events are redacted: the name of a room, or that it is encrypted, is the room's and not a person's.
func (v *Viewer) shown(s *Stored) (*event.Event, error) {
	hidden, err := v.erased(s)
	if err != nil || !hidden {
		return s.Event, err
	}
	return s.Event.Redact()
}

// SeesWhole says whether the user may see the event, and not redacted: whether its words may be looked for.
func (v *Viewer) SeesWhole(s *Stored) (bool, error) {
	sees, err := v.Sees(s)
	if err != nil || !sees {
		return false, err
	}
	hidden, err := v.erased(s)
	return !hidden, err
}

func (v *Viewer) erased(s *Stored) (bool, error) {
	if v == nil || v.r.Erased == nil || s.Event.Sender() == v.user {
		return false, nil
	}
	at, ok := v.r.Erased(s.Event.Sender())
	if !ok {
		return false, nil
	}
	if _, state := s.Event.StateKey(); state && s.Event.Type() != "m.room.member" {
		return false, nil
	}
	m, err := v.at(s.State)
	if err != nil || m.membership == authrule.Join {
		return false, err
	}
	for x, err := range v.memberships {
		if err != nil || x.membership == "join" && s.Pos < x.from && x.from < at {
			return false, err
		}
	}
	return true, nil
}
