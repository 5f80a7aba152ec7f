package arrival

import (
	"context"
	"slices"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

// supplyTime is how long somebody who waits for an answer waits for what it lacks to be fetched.
const supplyTime = 15 * time.Second

// Supply fetches the events that one follows which did not come in a transaction: a join, say, made with the help of another
// server of the room. They are had from servers that are in the room, from before that of the event if it is. An error says that
// one was not had.
func (a *Arrivals) Supply(ctx context.Context, from id.Server, e *event.Event) error {
	ctx, cancel := context.WithTimeout(ctx, supplyTime)
	defer cancel()
	gate, here, err := a.gate(ctx, e.Room(), from)
	if err != nil || !here {
		return err
	}
	servers, err := a.residents(ctx, gate.Room, from)
	if err != nil {
		return err
	}
	lack, err := a.lack(ctx, e.Prev())
	if err != nil {
		return err
	}
	for _, name := range lack[:min(len(lack), event.MaxPrev)] {
		had := false
		for _, server := range servers {
			if had = a.bring(ctx, server, gate, e.Room(), name) == nil; had {
				break
			}
		}
		if !had {
			return errNotGiven
		}
	}
	return nil
}

// residents are some servers of a room, among them first the one given, if it is in it.
func (a *Arrivals) residents(ctx context.Context, in room.NID, first id.Server) (servers []id.Server, err error) {
	var all []id.Server
	err = a.DB.Read(ctx, func(tx *sqldb.Tx) error {
		all, err = a.Rooms.Servers(tx, in)
		return err
	})
	if slices.Contains(all, first) {
		servers = append(servers, first)
	}
	return append(servers, a.elsewhere(ctx, in, first)...), err
}

// bring has an event fetched from a server, and judged with all that comes before it.
func (a *Arrivals) bring(ctx context.Context, server id.Server, gate room.Gate, in id.Room, name id.Event) error {
	raws, err := a.askEvent(ctx, server, name)
	if err != nil {
		return err
	}
	got := a.sound(ctx, gate.Version, server, in, raws, a.lack)
	if len(got) != 1 || got[0].Event.ID() != name {
		return errNotGiven
	}
	a.policed(ctx, gate, got)
	return a.filler(&item{origin: server, room: in, event: got[0].Event}, gate).run(ctx, got[0])
}
