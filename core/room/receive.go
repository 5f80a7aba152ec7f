package room

import (
	"cmp"
	"context"
	"slices"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Events that other servers made come in here, after their format, hashes and signatures were looked at (Server-Server API,
// "Checks performed on receipt of a PDU", 1 to 3). The path: receive.go -> judge.go (checks 4 to 6) -> fork.go (the state
// where the room's graph forks) -> accept.go, and from there that of a local send. Nothing is fetched here: what cannot be
// judged yet is Lacking, and whoever brought it may bring what is missing.

// Verdict is what became of an event of another server's.
type Verdict string

const (
	Accepted   Verdict = "accepted"    // it is in the timeline
	SoftFailed Verdict = "soft_failed" // stored, not shown, and followed by no event of this server
	Rejected   Verdict = "rejected"    // stored, so that it need not be judged again
	Known      Verdict = "known"       // it was here already
	Lacking    Verdict = "lacking"     // it cannot be judged yet, and nothing of it is stored
	Outlier    Verdict = "outlier"     // stored for what refers to it, without a place in the room
)

// Receipt tells what became of an event.
type Receipt struct {
	Event   id.Event
	Verdict Verdict
	Missing []id.Event // of one that is Lacking: prev and auth events that are not here
	Cause   error      // of one that is Rejected or SoftFailed: *authrule.Refused or *fault.Fault
}

// Incoming is an event whose format, hash and signatures were checked.
type Incoming struct {
	Event     *event.Event
	SignedBy  []id.Server // whose signatures were found valid, besides the sender's server's
	Before    []id.Event  // the state before it as another server told it, all of it stored; nil: that of its prev_events
	Objection error       // of the room's policy server: the event is soft failed for it
}

// errForeign refuses an event id that another room has.
var errForeign = fault.New(fault.Forbidden, "The event's id is that of an event of another room")

// Receive judges events of one room in the order given, and writes what may be written in one commit. Each has its receipt;
// one that is bad spoils nothing for the others. Errors: M_NOT_FOUND for a room this server does not have.
func (r *Rooms) Receive(ctx context.Context, room id.Room, in []Incoming) ([]Receipt, error) {
	if err := r.internKeys(ctx, in); err != nil {
		return nil, err
	}
	return r.judgeAll(ctx, room, in, arriving)
}

// Return is Receive for a join through another server of a room that this one was in before. It is Lacking where the room has
// to be adopted: the join follows what is not here, or all that is here of the room is what others said.
func (r *Rooms) Return(ctx context.Context, join Incoming) (Receipt, error) {
	in := []Incoming{join}
	if err := r.internKeys(ctx, in); err != nil {
		return Receipt{}, err
	}
	if loose, err := r.loose(ctx, join.Event); loose || err != nil {
		return Receipt{Event: join.Event.ID(), Verdict: Lacking}, err
	}
	receipts, err := r.judgeAll(ctx, join.Event.Room(), in, returning)
	if fault.Is(err, fault.NotFound) {
		return Receipt{Event: join.Event.ID(), Verdict: Lacking}, nil
	}
	if err != nil {
		return Receipt{}, err
	}
	return receipts[0], nil
}

// loose says whether an event follows memberships of this server's users of when nobody of it was in the room: others have invited or
// kicked them, or they turned an invitation down. These came without what they follow: the state here at them is that of when the last
// one left.
func (r *Rooms) loose(ctx context.Context, e *event.Event) (is bool, err error) {
	const most = 20 // of them in a row
	err = r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		is = false
		todo := slices.Clone(e.Prev())
		for i := 0; i < len(todo) && i < most; i++ {
			s, err := r.ByID(tx, todo[i])
			if err != nil {
				return err
			}
			if s == nil || !r.besides(s) {
				continue
			}
			holes, err := r.Unplaced(tx, s.Event.Prev())
			if is = len(holes) > 0; is || err != nil {
				return err
			}
			todo = append(todo, s.Event.Prev()...)
		}
		return nil
	})
	return is, err
}

// besides says whether an event is a membership of a user of this server by which she is not in the room: it may stand in the timeline
// without having had a place in the room's graph.
func (r *Rooms) besides(s *Stored) bool {
	m := s.Membership()
	key, _ := s.Event.StateKey()
	return m != "" && m != string(authrule.Join) && id.User(key).Server() == r.Server
}

// coming is how events come into a room.
type coming int

const (
	arriving  coming = iota
	backfill         // they get their places in its past
	returning        // with this server
)

// judgeAll is Receive, Backfilled or Return.
func (r *Rooms) judgeAll(ctx context.Context, room id.Room, in []Incoming, how coming) ([]Receipt, error) {
	receipts := make([]Receipt, len(in))
	_, err := r.commit(ctx, room, len(in), func(ctx context.Context, h *head, first NID) (events []*planned, err error) {
		elsewhere := h.state.Create == nil
		if how != returning {
			elsewhere, err = r.livesElsewhere(ctx, h)
		}
		if elsewhere || err != nil {
			return nil, cmp.Or(err, error(errUnknownRoom))
		}
		err = r.look(ctx, h, func(s *sight) error {
			s.history, events = how == backfill, nil
			if err := s.expect(in); err != nil {
				return err
			}
			for i := range in {
				p, receipt, err := s.judge(&in[i], first+NID(i))
				if err != nil {
					return err
				}
				receipts[i] = receipt
				if p != nil {
					events = append(events, p)
				}
			}
			return nil
		})
		return events, err
	})
	if err != nil {
		return nil, err
	}
	return receipts, nil
}

// internKeys gives numbers to the state keys of events that are to come in.
func (r *Rooms) internKeys(ctx context.Context, in []Incoming) error {
	var keys []authrule.StateKey
	for _, x := range in {
		if key, is := keyOf(x.Event); is {
			keys = append(keys, key)
		}
	}
	return r.intern(ctx, keys...)
}
