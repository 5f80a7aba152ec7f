package notify

import (
	"container/heap"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/id"
)

// Notification is an event that a user was notified of.
type Notification struct {
	Event     *room.Stored
	Standing  *room.Standing
	Actions   []byte // of the rule that matched: a JSON array
	Highlight bool
	Read      bool // her receipts say that she has read it
}

// The bounds of one look back.
const (
	maxLookedAt = 2000 // events
	roomStretch = 20   // events of a room that are read at once
)

// Recent lists the newest events up to a position that notified the user in the rooms she is in, judged by her rules of
// today: at most limit of them. next is where the rest begins, 0 when there is none.
func (n *Notify) Recent(tx *sqldb.Tx, user id.User, upto sqldb.Pos, limit int, highlights bool) (all []Notification, next sqldb.Pos, err error) {
	standings, err := n.Rooms.Standings(tx, user)
	if err != nil {
		return nil, 0, err
	}
	var h merge
	for _, s := range standings {
		if s.Membership == "join" {
			h = append(h, &stretch{at: min(s.Head, upto), s: s})
		}
	}
	heap.Init(&h)
	for looked := 0; len(h) > 0; {
		if len(all) == limit || looked >= maxLookedAt {
			return all, h[0].at, nil
		}
		at := h[0]
		if len(at.events) == 0 {
			if at.more, err = n.older(tx, user, at); err != nil {
				return nil, 0, err
			}
			looked += len(at.events) + 1
			if len(at.events) == 0 {
				heap.Pop(&h)
				continue
			}
		} else {
			e := at.events[len(at.events)-1]
			at.events = at.events[:len(at.events)-1]
			heard, err := at.listener.Hear(e)
			if err != nil {
				return nil, 0, err
			}
			if len(heard) > 0 && (!highlights || heard[0].Result.Highlight) {
				x := Notification{Event: e, Standing: at.s, Actions: heard[0].Result.Actions, Highlight: heard[0].Result.Highlight}
				thread, err := n.threadOf(tx, e)
				if err != nil {
					return nil, 0, err
				}
				x.Read = e.Pos <= at.marks.everything || e.Pos <= at.marks.threads[thread]
				all = append(all, x)
			}
			at.at = e.Pos - 1
		}
		if k := len(at.events); k > 0 {
			at.at = at.events[k-1].Pos
		} else if !at.more {
			heap.Pop(&h)
			continue
		}
		heap.Fix(&h, 0)
	}
	return all, 0, nil
}

// older reads the next stretch of a room, and says whether there is more before it.
func (n *Notify) older(tx *sqldb.Tx, user id.User, at *stretch) (more bool, err error) {
	if at.listener == nil {
		at.listener = n.Listen(tx, at.s.Room, []id.User{user})
		if at.marks, err = n.read(tx, user, at.s); err != nil {
			return false, err
		}
		if at.since, err = n.Rooms.JoinedSince(tx, at.s.Event); err != nil {
			return false, err
		}
	}
	keep := func(*room.Stored) (room.Choice, error) { return room.Keep, nil }
	w, err := n.Rooms.Window(tx, at.s.Room, at.since, at.at, roomStretch, keep)
	if err != nil {
		return false, err
	}
	at.events = w.Events
	return w.Limited, nil
}

// stretch is how far a look back has come in one room.
type stretch struct {
	s        *room.Standing
	at       sqldb.Pos      // nothing after this one is left to look at
	events   []*room.Stored // read and not looked at, oldest first
	more     bool           // there are events before those
	since    sqldb.Pos      // when she joined
	marks    marks
	listener *Listener
}

// merge is a heap of rooms, that with the newest event first.
type merge []*stretch

func (m merge) Len() int           { return len(m) }
func (m merge) Less(i, j int) bool { return m[i].at > m[j].at }
func (m merge) Swap(i, j int)      { m[i], m[j] = m[j], m[i] }
func (m *merge) Push(x any)        { *m = append(*m, x.(*stretch)) } //nolint:forcetypeassert // heap puts back what was in it
func (m *merge) Pop() any {
	old := *m
	last := old[len(old)-1]
	*m = old[:len(old)-1]
	return last
}
