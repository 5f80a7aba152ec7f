package removal

import (
	"context"
	"encoding/json"
	"math"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// HistoryRequest asks for a part of a room's history to go.
type HistoryRequest struct {
	room.Purge
	Rehearse bool // nothing goes: only what would is counted
}

// Purge begins to remove history. Errors: those of room.Rooms.CheckPurge, M_UNKNOWN while a purge of the room goes on.
func (r *Removals) Purge(ctx context.Context, by room.Caller, q HistoryRequest) (number string, err error) {
	if err := r.Rooms.CheckPurge(ctx, q.Purge); err != nil {
		return "", err
	}
	return r.add(ctx, Job{Kind: History, Target: string(q.Room), By: by.User, Device: by.Device}, q, true)
}

func (r *Removals) purge(ctx context.Context, j *Job) error {
	var q HistoryRequest
	var before room.Purged // what was done before the server was stopped
	if err := json.Unmarshal(j.Request, &q); err != nil {
		return err
	}
	if err := json.Unmarshal(j.State, &before); err != nil {
		return err
	}
	if q.Rehearse {
		before = room.Purged{}
	}
	defer r.forget(ctx, q.Room)
	_, err := r.Rooms.Purge(ctx, q.Purge, q.Rehearse, r.ofEvents, func(sum room.Purged) error {
		sum.Events, sum.Bytes = sum.Events+before.Events, sum.Bytes+before.Bytes
		return r.tell(ctx, j, sum)
	})
	return err
}

// forget throws away what was counted in a room.
func (r *Removals) forget(ctx context.Context, in id.Room) {
	_ = r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		now, err := r.Rooms.Current(tx, in)
		for _, c := range now {
			r.Notify.Forget(c.Room)
		}
		return err
	})
}

// SaidRequest asks for what a user has said to be redacted.
type SaidRequest struct {
	User    id.User
	Rooms   []id.Room // all that she is in when there are none
	Reason  string
	Limit   int  // messages of each room; 1000 when 0
	ByAdmin bool // in the administrator's name, who has to be in the rooms and to have the power
}

// Failures is why messages could not be redacted, and how many were.
type Failures struct {
	Redacted int64               `json:"redacted"`
	Failed   map[id.Event]string `json:"failed"` // bounded by maxFailures
	Done     []id.Room           `json:"done"`   // rooms that need not be looked at again
}

const maxFailures = 1000

// Redact begins to redact what a user has said.
func (r *Removals) Redact(ctx context.Context, by room.Caller, q SaidRequest) (number string, err error) {
	if q.Limit <= 0 {
		q.Limit = 1000
	}
	if len(q.Rooms) == 0 {
		if q.Rooms, err = r.Rooms.Joined(ctx, q.User); err != nil {
			return "", err
		}
	}
	return r.add(ctx, Job{Kind: Said, Target: string(q.User), By: by.User, Device: by.Device}, q, false)
}

func (r *Removals) redact(ctx context.Context, j *Job) error {
	var q SaidRequest
	state := Failures{Failed: map[id.Event]string{}}
	if err := json.Unmarshal(j.Request, &q); err != nil {
		return err
	}
	if err := json.Unmarshal(j.State, &state); err != nil {
		return err
	}
	for _, in := range q.Rooms[min(len(state.Done), len(q.Rooms)):] {
		if err := r.redactIn(ctx, j, &q, in, &state); err != nil {
			return err
		}
		state.Done = append(state.Done, in)
		if err := r.tell(ctx, j, &state); err != nil {
			return err
		}
	}
	return nil
}

func (r *Removals) redactIn(ctx context.Context, j *Job, q *SaidRequest, in id.Room, state *Failures) error {
	as := room.Caller{User: q.User, Exempt: true}
	member, err := r.Rooms.IsMember(ctx, in, q.User)
	if err != nil {
		return err
	}
	if q.ByAdmin || !member {
		as.User = j.By
	}
	content, err := json.Marshal(map[string]string{"reason": q.Reason})
	if q.Reason == "" || err != nil {
		content = []byte("{}")
	}
	left := q.Limit
	for before := sqldb.Pos(math.MaxInt64); before != 0 && left > 0; {
		found, next, err := r.Rooms.SentBy(ctx, in, q.User, before)
		if err != nil {
			return err
		}
		before = next
		for _, e := range found[:min(left, len(found))] {
			left--
			_, err := r.Rooms.Redact(ctx, as, in, e, content, "")
			if ctx.Err() != nil {
				return ctx.Err()
			}
			f, refused := err.(*fault.Fault) //nolint:errorlint // room answers faults as they are
			switch {
			case err == nil:
				state.Redacted++
			case !refused:
				return err
			case len(state.Failed) < maxFailures:
				state.Failed[e] = f.Text
			}
		}
		if err := r.tell(ctx, j, state); err != nil {
			return err
		}
	}
	return nil
}
