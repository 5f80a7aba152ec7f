package outbox

import (
	"context"
	"errors"
	"maps"
	"slices"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/id"
)

// batch is how many events are read at once.
const batch = 500

// follow sorts the stream until ctx ends.
func (o *Outbox) follow(ctx context.Context, news <-chan struct{}) error {
	for {
		if err := o.sort(ctx); err != nil {
			return err
		}
		select {
		case <-news:
		case <-ctx.Done():
			return nil
		}
	}
}

// address is whom an event concerns. The zero value is nobody.
type address struct {
	present []id.Server // in the room once it was in it; shared, sorted
	leaver  id.Server   // it takes the last user of this server out, or takes an invitation back; "" for none
	undone  []id.Server // what brought these in is undone by it, and they do not know it from elsewhere
	author  id.Server   // which has it
}

// has says whether a server is to be sent the event.
func (a *address) has(server id.Server) bool {
	return server != a.author && (among(a.present, server) || server == a.leaver || slices.Contains(a.undone, server))
}

// letter is an event and whom it concerns.
type letter struct {
	item *item
	address
}

// sort hands all that was committed since it last looked to those whom it concerns.
func (o *Outbox) sort(ctx context.Context) error {
	o.mu.Lock()
	after := o.upto
	o.mu.Unlock()
	for more := true; more && after < o.DB.Committed(); {
		var all []letter
		var newcomers []entrance
		upto := after
		look := func(tx *sqldb.Tx) (err error) {
			all, newcomers, upto, more, err = o.address(tx, after)
			return err
		}
		err := o.DB.Peek(ctx, look) // what was said a moment ago is in memory
		if errors.Is(err, sqldb.ErrPeek) {
			err = o.DB.Read(ctx, look)
		}
		if err != nil {
			return err
		}
		if err := o.greet(ctx, newcomers); err != nil {
			return err
		}
		o.deliver(all, upto)
		after = upto
	}
	return nil
}

// address reads a batch of the stream after a position, and says whom its events concern and which servers they bring into rooms. upto and
// more are as Rooms.Stream has them.
func (o *Outbox) address(tx *sqldb.Tx, after sqldb.Pos) (all []letter, newcomers []entrance, upto sqldb.Pos, more bool, err error) {
	events, upto, more, err := o.Rooms.Stream(tx, after, batch)
	if err != nil {
		return nil, nil, 0, false, err
	}
	for _, e := range events {
		x, entered, err := o.entrance(tx, e)
		if err != nil {
			return nil, nil, 0, false, err
		}
		if entered {
			newcomers = append(newcomers, x)
		}
		to, err := o.whom(tx, e)
		if err != nil {
			return nil, nil, 0, false, err
		}
		if to.leaver != "" || len(to.undone) > 0 || slices.ContainsFunc(to.present, func(s id.Server) bool { return s != o.Server }) {
			all = append(all, letter{&item{e.Room, e.Pos, e.Event.Bytes()}, to})
		}
	}
	return all, newcomers, upto, more, nil
}

// deliver hands events to destinations.
func (o *Outbox) deliver(all []letter, upto sqldb.Pos) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, l := range all {
		for _, server := range l.present {
			if server != l.author {
				o.put(server, l.item)
			}
		}
		if l.leaver != "" {
			o.put(l.leaver, l.item)
		}
		for _, server := range l.undone {
			o.put(server, l.item)
		}
	}
	o.upto = upto
}

// put hands an event to one server. o.mu is held.
func (o *Outbox) put(server id.Server, it *item) {
	if !o.allowed(server) {
		return
	}
	d := o.to(server)
	if d == nil {
		o.unsaved.stray(server, it.room, it.pos-1)
		return
	}
	o.hand(d, it)
	o.startLocked(d)
}

// whom says which servers are to be sent an event by this one: those in the room once it was in it, and one that it takes out. An
// event that this server made and another brought into the room is for that one to send.
func (o *Outbox) whom(tx *sqldb.Tx, e *room.Stored) (to address, err error) {
	to.author = e.Event.Sender().Server()
	if to.author != o.Server && !o.passesOn(e) {
		to.undone, err = o.undone(tx, e)
		return to, err
	}
	present, own, err := o.Rooms.Presence(tx, e.Room, e.State)
	if err != nil {
		return address{}, err
	}
	to.present = present
	if to.undone, err = o.parted(tx, e, present); err != nil {
		return address{}, err
	}
	membership := e.Membership()
	if membership == "" {
		return to, nil
	}
	was := ""
	if e.Replaces != 0 {
		before, err := o.Rooms.Load(tx, e.Replaces)
		if err != nil {
			return address{}, err
		}
		was = before.Membership()
	}
	target, _ := e.Event.StateKey()
	switch server := id.User(target).Server(); membership {
	case "join":
		if server == o.Server && own == 1 && was != "join" {
			return address{}, nil // it brought this server in, by way of another, which tells the others
		}
	case "leave", "ban":
		if server != to.author && !to.has(server) && (was == "join" || was == "invite" || was == "knock") {
			to.leaver = server
		}
	}
	return to, nil
}

// undone lists the servers that are out of the room by an event which follows none of what brought them in. They hear of it by whom
// they joined through, or by everybody where that one is not in the room.
func (o *Outbox) undone(tx *sqldb.Tx, e *room.Stored) (servers []id.Server, err error) {
	joins, err := o.Rooms.Undone(tx, e)
	if err != nil || len(joins) == 0 {
		return nil, err
	}
	present, _, err := o.Rooms.Presence(tx, e.Room, e.State)
	if err != nil {
		return nil, err
	}
	here := func(server id.Server) bool { return among(present, server) }
	return o.out(joins, present, func(join *room.Stored) bool {
		by := join.Event.Signatures()
		_, through := by[o.Server]
		return through || !slices.ContainsFunc(slices.Collect(maps.Keys(by)), here) // the newcomer's own is there, and it is out
	}), nil
}

// parted lists the servers that an event which brings the sides of a fork together leaves out of the room, and that may not follow what
// took them out until they have the event.
func (o *Outbox) parted(tx *sqldb.Tx, e *room.Stored, present []id.Server) (servers []id.Server, err error) {
	joins, err := o.Rooms.Parted(tx, e)
	return o.out(joins, present, func(*room.Stored) bool { return true }), err
}

// out lists the servers of some joins that are not in the room, each once, where tells says that this one is to tell them.
func (o *Outbox) out(joins []*room.Stored, present []id.Server, tells func(*room.Stored) bool) (servers []id.Server) {
	for _, join := range joins {
		server := join.Event.Sender().Server()
		if server != o.Server && !among(present, server) && !slices.Contains(servers, server) && tells(join) {
			servers = append(servers, server)
		}
	}
	return servers
}

// among says whether a server is among those present, which are sorted.
func among(present []id.Server, server id.Server) bool {
	_, in := slices.BinarySearch(present, server)
	return in
}

// passesOn says whether an event of another server's user came into the room through this server, which others therefore hear of
// it from (Server-Server API, "Joining Rooms"): it has signed it, and is not the invited.
func (o *Outbox) passesOn(e *room.Stored) bool {
	if e.Event.Type() != "m.room.member" || canon.Get(canon.Get(e.Event.Bytes(), "signatures"), string(o.Server)) == nil {
		return false
	}
	target, _ := e.Event.StateKey()
	return e.Membership() != "invite" || id.User(target).Server() != o.Server
}
