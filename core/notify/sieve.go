package notify

import (
	"maps"
	"slices"
	"sync"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/id"
	"freehold.example/matrix/pushrule"
)

// sieve is which of a crowded room's newest events can notify somebody who has not touched the push rules. Most events of
// such a room are its members' comings and goings, which notify nobody; without a sieve everybody who is counted for the first
// time, as when all their telephones are to be told of one message, would have each of them judged.
type sieve struct {
	mu    sync.Mutex            // guards all below; held while the database is read, so that one of many readers fills it
	floor sqldb.Pos             // the events after this one ...
	upto  sqldb.Pos             // ... up to this one were looked at
	loud  []mark                // those that must be judged, oldest first; bounded, with quiet, as below
	quiet map[id.User]sqldb.Pos // bounded likewise: of the others, which are all state, the newest that each user sent
	full  bool                  // there are events before floor that are not looked at any more
}

type mark struct {
	pos sqldb.Pos
	nid room.NID
}

// The bounds of sieves.
const (
	crowded = 100 // members of a room that has one
	// limit: newest events of a crowded room that are known to notify or not, in memory | %d of at most 100 bytes | the older half is forgotten
	maxSieved = 20_000
	// limit: crowded rooms of whose events that is known | %d | others are looked at anew
	maxSieves = 32
)

// sieves keeps sieves of rooms.
type sieves struct {
	mu sync.Mutex          // guards m; taken with no other lock held
	m  map[room.NID]*sieve // bounded by maxSieves
}

func (s *sieves) of(in room.NID) *sieve {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.m[in]; found != nil {
		return found
	}
	for other := range s.m {
		if len(s.m) < maxSieves {
			break
		}
		delete(s.m, other)
	}
	if s.m == nil {
		s.m = map[room.NID]*sieve{}
	}
	fresh := &sieve{quiet: map[id.User]sqldb.Pos{}}
	s.m[in] = fresh
	return fresh
}

// sift gives the newest events of a room, after a position and up to another, that can notify somebody who has not touched
// the push rules: at most maxJudged of them, oldest first; and where the user last sent one of the others. ok is false where
// that cannot be said.
func (n *Notify) sift(tx *sqldb.Tx, in room.NID, user id.User, after, upto sqldb.Pos) (events []*room.Stored, own sqldb.Pos, ok bool, err error) {
	s := n.sieves.of(in)
	nids, own, ok, err := s.marks(after, upto, user, func(after, upto sqldb.Pos, see func(*room.Stored)) (sqldb.Pos, error) {
		return n.each(tx, in, after, upto, see)
	})
	if err != nil || !ok {
		return nil, 0, false, err
	}
	events, err = n.Rooms.LoadAll(tx, nids)
	return events, own, true, err
}

// each shows the events of a room between two positions, newest first, maxSieved of them at most. It says after which
// position that is all of them.
func (n *Notify) each(tx *sqldb.Tx, in room.NID, after, upto sqldb.Pos, see func(*room.Stored)) (all sqldb.Pos, err error) {
	keep := func(*room.Stored) (room.Choice, error) { return room.Keep, nil }
	for seen := 0; seen < maxSieved; {
		w, err := n.Rooms.Window(tx, in, after, upto, 500, keep)
		if err != nil {
			return 0, err
		}
		for _, e := range slices.Backward(w.Events) {
			see(e)
		}
		if seen += len(w.Events); !w.Limited || len(w.Events) == 0 {
			return after, nil
		}
		upto = w.Before
	}
	return upto, nil
}

// marks is what sift needs to know. each shows the events between two positions.
func (s *sieve) marks(after, upto sqldb.Pos, user id.User, each func(after, upto sqldb.Pos, see func(*room.Stored)) (sqldb.Pos, error)) (
	nids []room.NID, own sqldb.Pos, ok bool, err error,
) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.upto == 0 {
		s.floor, s.upto = upto, upto
	}
	if s.upto < upto {
		all, err := s.look(s.upto, upto, each)
		if err != nil {
			return nil, 0, false, err
		}
		if all > s.upto { // between what it had and what is new some are left out
			s.forget(all)
		}
		s.upto = upto
	}
	if after < s.floor && !s.full {
		all, err := s.look(after, s.floor, each)
		if err != nil {
			return nil, 0, false, err
		}
		s.floor, s.full = all, all > after
	}
	if len(s.loud)+len(s.quiet) > maxSieved {
		s.halve()
	}
	if own = s.quiet[user]; own > upto {
		return nil, 0, false, nil // what she sent before it is not known
	}
	if own <= after {
		own = 0
	}
	for _, m := range slices.Backward(s.loud) {
		if m.pos <= after || len(nids) == maxJudged {
			break
		}
		if m.pos <= upto {
			nids = append(nids, m.nid)
		}
	}
	slices.Reverse(nids)
	return nids, own, true, nil
}

// look takes in the events between two positions, above all that it has or below, and says after which that is all of them.
func (s *sieve) look(after, upto sqldb.Pos, each func(after, upto sqldb.Pos, see func(*room.Stored)) (sqldb.Pos, error)) (sqldb.Pos, error) {
	var loud []mark
	quiet := map[id.User]sqldb.Pos{}
	all, err := each(after, upto, func(e *room.Stored) {
		if _, isState := e.Event.StateKey(); !isState || canon.Get(e.Event.Content(), "m.relates_to") != nil || !pushrule.Default().Quiet(flatten(e)) {
			loud = append(loud, mark{e.Pos, e.NID})
			return
		}
		sender := e.Event.Sender()
		quiet[sender] = max(quiet[sender], e.Pos)
	})
	if err != nil {
		return 0, err
	}
	slices.Reverse(loud)
	if upto <= s.floor {
		s.loud = append(loud, s.loud...)
	} else {
		s.loud = append(s.loud, loud...)
	}
	for user, pos := range quiet {
		s.quiet[user] = max(s.quiet[user], pos)
	}
	return all, nil
}

// halve forgets the older half.
func (s *sieve) halve() {
	all := slices.Collect(maps.Values(s.quiet))
	for _, m := range s.loud {
		all = append(all, m.pos)
	}
	slices.Sort(all)
	s.forget(all[len(all)/2])
}

// forget forgets what there was up to a position, for good.
func (s *sieve) forget(upto sqldb.Pos) {
	s.floor, s.full = upto, true
	s.loud = slices.DeleteFunc(s.loud, func(m mark) bool { return m.pos <= upto })
	maps.DeleteFunc(s.quiet, func(_ id.User, pos sqldb.Pos) bool { return pos <= upto })
}
