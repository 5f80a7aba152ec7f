package appservice

import (
	"encoding/json"
	"slices"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/core/ephemeral"
	"freehold.example/core/inbox"
	"freehold.example/core/keys"
	"freehold.example/core/room"
	"freehold.example/matrix/id"
)

// news is what a transaction tells: all that is the service's business between two positions, and what is not on disk.
type news struct {
	after, upto sqldb.Pos

	events   []*room.Stored
	shown    []json.RawMessage // the events in the form of clients
	messages []inbox.Delivery
	receipts []ephemeral.Moved
	typing   []ephemeral.Typists
	presence []ephemeral.Presence
	changed  map[id.User]bool
	left     map[id.User]bool
	stocks   map[id.User]map[id.Device]keys.Stock

	now time.Time
}

// The bounds of a transaction. What is beyond them goes into the next one.
const (
	batch       = 500 // events that are looked at in one go
	maxEvents   = 100 // of one transaction
	maxMessages = 200 // to devices; more where one request sent more
	maxReceipts = 500 // that are looked at
	maxChanges  = 500 // of devices, that are looked at
	maxTypists  = 100 // rooms in which people type
	maxPresence = 200 // people
	maxMet      = 1000
)

// next looks for news after a position. upto is where it ends, which is what was looked at when there is none; more says
// whether that was not all there is.
//
// Everything that has a position ends at the same one, so that a service hears of a message's key before the message.
func (q *Queue) next(tx *sqldb.Tx, after sqldb.Pos) (n *news, more bool, err error) {
	n = &news{after: after, now: q.Now()}
	met := map[room.NID]bool{}
	if more, err = q.events(tx, n, met); err != nil {
		return nil, false, err
	}
	all := n.upto
	if err := q.rest(tx, n, true); err != nil {
		return nil, false, err
	}
	if n.upto < all {
		n.events = slices.DeleteFunc(n.events, func(e *room.Stored) bool { return e.Pos > n.upto })
		q.interest = nil // who came and went after it will be looked at again
	}
	if more = more || n.upto < all; !more && q.service.Ephemeral {
		if err := q.passing(tx, n); err != nil {
			return nil, false, err
		}
	}
	return n, more, q.finish(tx, n, met)
}

// again is the news of a transaction that was begun before.
func (q *Queue) again(tx *sqldb.Tx, at cursor) (n *news, err error) {
	n = &news{after: at.pos, upto: at.upto, now: q.Now()}
	if n.events, err = q.Rooms.LoadAll(tx, at.events); err != nil {
		return nil, err
	}
	if err := q.rest(tx, n, false); err != nil {
		return nil, err
	}
	return n, q.finish(tx, n, nil)
}

// events fills in those that are the service's business. met are the rooms that are only so since one of them.
func (q *Queue) events(tx *sqldb.Tx, n *news, met map[room.NID]bool) (more bool, err error) {
	events, end, more, err := q.Rooms.Stream(tx, n.after, batch)
	if err != nil {
		return false, err
	}
	n.upto = end
	for _, e := range events {
		known := q.interest[e.Room]
		wanted, err := q.interesting(tx, e)
		if err != nil {
			return false, err
		}
		if !wanted {
			continue
		}
		if key, _ := e.Event.StateKey(); !known && e.Event.Type() == "m.room.member" && e.Membership() == "join" && q.service.Owns(id.User(key)) {
			met[e.Room] = true
		}
		if n.events = append(n.events, e); len(n.events) == maxEvents {
			n.upto = e.Pos
			return true, nil
		}
	}
	return more, nil
}

// rest fills in what else has a position up to upto, which bounded brings down to where the bounds are reached.
func (q *Queue) rest(tx *sqldb.Tx, n *news, bounded bool) (err error) {
	limit := func(of int) int {
		if bounded {
			return of
		}
		return 1 << 30 // all that the transaction had
	}
	s := q.service
	if s.devices() {
		messages := limit(maxMessages)
		if !bounded {
			messages = 0
		}
		if n.messages, n.upto, err = q.Inbox.Deliveries(tx, s.ID, n.upto, messages); err != nil {
			return err
		}
	}
	var changes []keys.Change
	if s.Encryption {
		if changes, n.upto, err = q.Keys.ChangesAfter(tx, n.after, n.upto, limit(maxChanges)); err != nil {
			return err
		}
	}
	if s.Ephemeral {
		if n.receipts, n.upto, err = q.Ephemeral.ReceiptsAfter(tx, n.after, n.upto, limit(maxReceipts)); err != nil {
			return err
		}
		if n.receipts, err = q.ownReceipts(tx, n.receipts, n.upto); err != nil {
			return err
		}
	}
	n.messages = slices.DeleteFunc(n.messages, func(d inbox.Delivery) bool { return d.Pos > n.upto })
	n.changed = map[id.User]bool{}
	for _, c := range changes {
		if c.Pos > n.upto || n.changed[c.User] {
			continue
		}
		ours, err := q.caresFor(tx, c.User, n.upto)
		if err != nil {
			return err
		}
		if ours {
			n.changed[c.User] = true
		}
	}
	return nil
}

// ownReceipts keeps the receipts of rooms that are the service's business; private ones of its users only.
func (q *Queue) ownReceipts(tx *sqldb.Tx, all []ephemeral.Moved, at sqldb.Pos) ([]ephemeral.Moved, error) {
	if len(all) == 0 {
		return nil, nil
	}
	var rooms []id.Room
	for _, m := range all {
		rooms = append(rooms, m.Room)
	}
	cares, err := q.which(tx, rooms, at)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(m ephemeral.Moved) bool {
		return !cares[m.Room] || m.Type != ephemeral.Read && !q.service.Owns(m.User)
	}), nil
}

// which of some rooms are the service's business.
func (q *Queue) which(tx *sqldb.Tx, rooms []id.Room, at sqldb.Pos) (map[id.Room]bool, error) {
	slices.Sort(rooms)
	places, err := q.Rooms.Places(tx, slices.Compact(rooms))
	if err != nil {
		return nil, err
	}
	ours := map[id.Room]bool{}
	for _, in := range places {
		if ours[in.RoomID], err = q.cares(tx, in, at); err != nil {
			return nil, err
		}
	}
	return ours, nil
}

// passing fills in who types and who is there: what is told as it is now, and only to a service that has heard the rest.
func (q *Queue) passing(tx *sqldb.Tx, n *news) error {
	typing, typed := q.Ephemeral.TypingAfter(q.typed, maxTypists)
	if len(typing) > 0 {
		var rooms []id.Room
		for _, t := range typing {
			rooms = append(rooms, t.Room)
		}
		cares, err := q.which(tx, rooms, n.upto)
		if err != nil {
			return err
		}
		n.typing = slices.DeleteFunc(typing, func(t ephemeral.Typists) bool { return !cares[t.Room] })
	}
	presence, seen := q.Ephemeral.PresenceAfter(q.seen, maxPresence)
	for _, p := range presence {
		ours, err := q.caresFor(tx, p.User, n.upto)
		if err != nil {
			return err
		}
		if ours {
			n.presence = append(n.presence, p)
		}
	}
	q.typed, q.seen = typed, seen
	return nil
}

// finish works out what follows from the rest: how the events look, whom the service has met and lost, and what keys are left
// of devices that somebody writes to.
func (q *Queue) finish(tx *sqldb.Tx, n *news, met map[room.NID]bool) (err error) {
	if n.shown, err = q.Rooms.Render(tx, n.events, room.Form{Caller: room.Caller{User: q.service.Sender}}); err != nil {
		return err
	}
	if !q.service.Encryption {
		return nil
	}
	n.left = map[id.User]bool{}
	for _, e := range n.events {
		key, ok := e.Event.StateKey()
		user := id.User(key)
		if !ok || e.Event.Type() != "m.room.member" || q.service.Owns(user) {
			continue
		}
		switch e.Membership() {
		case "join":
			n.changed[user] = true
			delete(n.left, user)
		case "leave", "ban":
			ours, err := q.caresFor(tx, user, n.upto)
			if err != nil {
				return err
			}
			if !ours {
				n.left[user] = true
				delete(n.changed, user)
			}
		}
	}
	for in := range met {
		members, err := q.Rooms.Members(tx, in)
		if err != nil {
			return err
		}
		for _, user := range members[:min(len(members), maxMet)] { // the others are asked for when they are written to
			n.changed[user] = true
		}
	}
	return q.stock(tx, n)
}

// stock fills in what keys are left of the service's devices that others have claimed some of, or written to.
func (q *Queue) stock(tx *sqldb.Tx, n *news) error {
	wanted := map[keys.Owner]bool{}
	for _, d := range n.messages {
		wanted[keys.Owner{User: d.User, Device: d.Device}] = true
	}
	q.Keys.Restocked(n.after, n.upto, func(o keys.Owner) {
		if len(wanted) < maxChanges && q.service.alone(o.User) {
			wanted[o] = true
		}
	})
	n.stocks = map[id.User]map[id.Device]keys.Stock{}
	for o := range wanted {
		s, err := q.Keys.Stock(tx, o.User, o.Device)
		if err != nil {
			return err
		}
		if n.stocks[o.User] == nil {
			n.stocks[o.User] = map[id.Device]keys.Stock{}
		}
		n.stocks[o.User][o.Device] = s
	}
	return nil
}

func (n *news) nids() []room.NID {
	nids := make([]room.NID, len(n.events))
	for i, e := range n.events {
		nids[i] = e.NID
	}
	return nids
}

func (n *news) empty() bool { return !n.durable() && len(n.typing)+len(n.presence)+len(n.stocks) == 0 }

// durable says whether there is news that must arrive.
func (n *news) durable() bool {
	return len(n.events)+len(n.messages)+len(n.receipts)+len(n.changed)+len(n.left) > 0
}
