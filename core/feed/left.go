package feed

import (
	"freehold.example/core/room"
	"freehold.example/matrix/csapi"
)

// left is a room that the user is no longer in.
func (l *look) left(s *room.Standing, changed bool) error {
	initial := l.since.initial() || l.q.FullState
	was := "leave"
	switch {
	case s.Forgotten && !l.since.lost && (l.since.initial() || s.ForgotAt <= l.since.pos):
		return nil
	case changed && !l.since.initial():
		var err error
		if was, err = l.f.Rooms.MembershipAt(l.tx, s.Event, l.since.pos); err != nil {
			return err
		}
		if was == "leave" && s.Membership == "leave" {
			came, err := l.f.Rooms.CameAndWent(l.tx, s.Event, l.since.pos)
			if err != nil || !came {
				return err
			}
		}
	case !initial:
		return nil
	}
	if s.Forgotten { // what is left to tell is only that the room is gone
		return l.putLeft(s.RoomID, &history{timeline: csapi.Timeline{Events: none}})
	}
	v, err := l.f.Rooms.ViewerOf(l.tx, s, l.user)
	if err != nil {
		return err
	}
	if !changed || l.since.initial() {
		// Who was sent away is told, also long after; who went herself, if her client asks, or may have come back in a life
		// that is lost.
		sentAway := v.Parted != nil && s.Sender != l.user
		turnedDown := v.Parted == nil && l.q.FullState
		if !l.q.Filter.IncludeLeave && !sentAway && !turnedDown && !l.since.lost {
			return nil
		}
	}
	return l.gone(s, v, was)
}

// gone tells of a room that the user is no longer in: what was there while she was, and how it ended. was is what she was
// at the token.
func (l *look) gone(s *room.Standing, v *room.Viewer, was string) error {
	own, err := l.f.Rooms.Load(l.tx, s.Event)
	if err != nil {
		return err
	}
	h := new(history)
	if v.Parted == nil {
		h, err = l.turnedAway(v, own)
	} else {
		known := was == "join" || (was == "leave" || was == "ban") && v.Parted.Pos <= l.since.pos
		fresh := l.since.initial() || !known
		h, err = l.history(v, s, fresh, s.Pos)
	}
	if err != nil {
		return err
	}
	told := v.Parted != nil && v.Parted.NID == own.NID || h.newest == own.NID && !l.after()
	if !told && l.q.Filter.State.Event("m.room.member", s.Sender, s.RoomID, own.Event.Content()) {
		last, err := l.stateEvents([]*room.Stored{own}, v)
		if err != nil {
			return err
		}
		h.state = append(h.state, last...)
	}
	return l.putLeft(s.RoomID, h)
}

// turnedAway is the history of a room that the user never was in, for one whose invitation or knock came to nothing, or who
// is banned: her own member event alone.
func (l *look) turnedAway(v *room.Viewer, own *room.Stored) (*history, error) {
	h := &history{timeline: csapi.Timeline{Events: none, PrevBatch: room.StreamToken(own.Pos - 1).String()}}
	sees, err := v.Sees(own)
	if err != nil || !sees || !l.speaks(own, v.RoomID) {
		return h, err
	}
	if l.q.Filter.Timeline.Limit(usualLimit, maxTimeline) == 0 {
		h.timeline.Limited, h.timeline.PrevBatch = true, room.StreamToken(own.Pos).String()
		return h, nil
	}
	h.newest = own.NID
	h.timeline.Events, err = l.events([]*room.Stored{own}, v, false)
	return h, err
}
