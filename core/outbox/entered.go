package outbox

import (
	"context"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// A server may come into a room on the other side of a cut, or at the moment when something is said here. Nothing that this
// server said before it heard of that was sent there, and where nobody says anything afterwards it would never be asked for, as no event
// there follows it. So the newcomer is told how the room ends here, and may ask (package wake).

// entrance is a server that has come into a room.
type entrance struct {
	room   id.Room
	server id.Server
}

// entrance says whether an event brings a server into its room of which this server did not know that it was there.
func (o *Outbox) entrance(tx *sqldb.Tx, e *room.Stored) (x entrance, is bool, err error) {
	x = entrance{e.Event.Room(), e.Event.Sender().Server()}
	if o.Entered == nil || x.server == o.Server || e.Membership() != string(authrule.Join) {
		return x, false, nil
	}
	before, err := o.Rooms.StateBefore(tx, e)
	if err != nil {
		return x, false, err
	}
	present, _, err := o.Rooms.Presence(tx, e.Room, before)
	return x, !among(present, x.server), err
}

// greet tells of those that came into rooms which have forked.
func (o *Outbox) greet(ctx context.Context, all []entrance) error {
	for _, x := range all {
		ends, err := o.Rooms.Extremities(ctx, x.room)
		switch {
		case fault.Is(err, fault.NotFound): // it has been removed
		case err != nil:
			return err
		case len(ends) > 1:
			o.Entered(x.server)
		}
	}
	return nil
}
