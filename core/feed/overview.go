package feed

import (
	"cmp"
	"slices"
	"sync"

	"freehold.example/base/sqldb"
	"freehold.example/core/person"
	"freehold.example/core/room"
	"freehold.example/matrix/id"
)

// overview is a user's rooms as a list, at a position: what the lists of sliding sync are made from. It is not changed.
type overview struct {
	upto   sqldb.Pos
	rooms  []*member // the one with the latest activity first
	labels *person.Labels
}

// member is a user's standing in a room.
type member struct {
	*room.Standing
	sentAway bool // she was in, and somebody else has ended that
}

// activity is when something happened in a room that the user can know of.
func (m *member) activity() sqldb.Pos {
	if m.Membership == "join" {
		return m.Head
	}
	return m.Pos
}

// overviews remembers the overviews of users who slide.
type overviews struct {
	mu    sync.Mutex            // guards all below
	of    map[id.User]*overview // bounded by maxOverviewRooms
	rooms int
}

// limit: rooms of users with sliding sync, in memory | %d of at most 1 KiB | those of any others are read again
const maxOverviewRooms = 200_000

func (o *overviews) get(user id.User) *overview {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.of[user]
}

// put remembers an overview, unless there is a newer one.
func (o *overviews) put(user id.User, v *overview) {
	o.mu.Lock()
	defer o.mu.Unlock()
	old := o.of[user]
	if old != nil && old.upto >= v.upto {
		return
	}
	if old != nil {
		o.rooms -= len(old.rooms) + 1
		delete(o.of, user)
	}
	for other, x := range o.of {
		if o.rooms+len(v.rooms)+1 <= maxOverviewRooms {
			break
		}
		o.rooms -= len(x.rooms) + 1
		delete(o.of, other)
	}
	if o.rooms+len(v.rooms)+1 <= maxOverviewRooms {
		o.of[user] = v
		o.rooms += len(v.rooms) + 1
	}
}

// overview reads the user's rooms as they are in this snapshot, which has everything up to upto: by what has changed since
// they were read last.
func (f *Feed) overview(tx *sqldb.Tx, user id.User, upto sqldb.Pos) (*overview, error) {
	old := f.overviews.get(user)
	switch {
	case old != nil && old.upto == upto:
		return old, nil
	case old == nil || old.upto > upto:
		if tx.Peeking() {
			return nil, sqldb.ErrPeek
		}
		old = new(overview)
	}
	v := &overview{upto: upto, labels: old.labels}
	var changed []*room.Standing
	var err error
	if old.upto == 0 {
		if v.labels, err = f.People.Labels(tx, user, upto); err != nil {
			return nil, err
		}
		changed, err = f.Rooms.Standings(tx, user)
	} else {
		var data []person.Datum
		if data, err = f.People.AccountData(tx, user, old.upto, upto); err != nil {
			return nil, err
		}
		if len(data) > 0 {
			v.labels = old.labels.With(data)
		}
		changed, err = f.Rooms.ChangedStandings(tx, user, old.upto, nil)
	}
	if err != nil {
		return nil, err
	}
	if v.rooms, err = f.renew(tx, old.rooms, changed, user); err != nil {
		return nil, err
	}
	f.overviews.put(user, v)
	return v, nil
}

// renew puts the standings that have changed in the place of those before.
func (f *Feed) renew(tx *sqldb.Tx, old []*member, changed []*room.Standing, user id.User) ([]*member, error) {
	if len(changed) == 0 {
		return old, nil
	}
	rooms := make([]*member, 0, len(old)+len(changed))
	again := make(map[room.NID]bool, len(changed))
	for _, s := range changed {
		m := &member{Standing: s}
		if (s.Membership == "leave" || s.Membership == "ban") && s.Sender != user && !s.Forgotten {
			v, err := f.Rooms.ViewerOf(tx, s, user)
			if err != nil {
				return nil, err
			}
			m.sentAway = v.Parted != nil
		}
		again[s.Room] = true
		rooms = append(rooms, m)
	}
	for _, m := range old {
		if !again[m.Room] {
			rooms = append(rooms, m)
		}
	}
	slices.SortFunc(rooms, func(a, b *member) int {
		return cmp.Or(cmp.Compare(b.activity(), a.activity()), cmp.Compare(b.Room, a.Room))
	})
	return rooms, nil
}
