package removal

import (
	"context"
	"encoding/json"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// RoomRequest asks for a room to be emptied, and for it to be removed.
type RoomRequest struct {
	Room    id.Room
	NewUser id.User `json:",omitempty"` // who makes a room in which those who were in this one are told of it; "" for none
	Name    string  // of that room
	Message string  // what is said there
	Keep    bool    // everybody leaves, and nothing is removed
	Force   bool    // it is removed even if somebody cannot be made to leave
}

// Result is what became of who was in a room.
type Result struct {
	Kicked  []id.User  `json:"kicked_users"`         // bounded by maxNamed
	Failed  []id.User  `json:"failed_to_kick_users"` // bounded by maxNamed
	Aliases []id.Alias `json:"local_aliases"`        // that lead to the new room now; bounded by maxNamed
	NewRoom *id.Room   `json:"new_room_id"`

	Gone   room.NID `json:"gone,omitempty"` // the number of the room, once it is removed; what it was made of follows
	Events int64    `json:"events,omitempty"`
	Stuck  int      `json:"stuck,omitempty"` // how many are in the room yet
}

// maxNamed is how many are named in the result of a removal.
const maxNamed = 10_000

const (
	defaultName    = "A room has been closed"
	defaultMessage = "An administrator of this server has closed a room that you were in."
)

// Remove begins to empty and remove a room. Errors: M_NOT_FOUND, M_UNKNOWN while it is being removed.
func (r *Removals) Remove(ctx context.Context, by room.Caller, q RoomRequest) (number string, err error) {
	if _, err := r.Rooms.Overview(ctx, q.Room); err != nil {
		return "", err
	}
	return r.add(ctx, Job{Kind: Room, Target: string(q.Room), By: by.User, Device: by.Device}, q, true)
}

func (r *Removals) room(ctx context.Context, j *Job) error {
	var q RoomRequest
	state := Result{Kicked: []id.User{}, Failed: []id.User{}, Aliases: []id.Alias{}}
	if err := json.Unmarshal(j.Request, &q); err != nil {
		return err
	}
	if err := json.Unmarshal(j.State, &state); err != nil {
		return err
	}
	if state.Gone == 0 {
		if err := r.empty(ctx, j, &q, &state); err != nil {
			return err
		}
		switch {
		case q.Keep:
			return nil
		case state.Stuck > 0 && !q.Force:
			return fault.New(fault.Unknown, "Somebody could not be made to leave the room; it has not been removed")
		}
		if err := r.takeAway(ctx, j, &q, &state); err != nil {
			return err
		}
	}
	for more := true; more; {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		n, again, err := r.Rooms.Sweep(ctx, state.Gone, r.ofEvents)
		if err != nil {
			return err
		}
		more = again
		state.Events += n
		if err := r.tell(ctx, j, &state); err != nil {
			return err
		}
	}
	r.Notify.Forget(state.Gone)
	return nil
}

// empty makes everybody of this server leave the room, and brings them into the new one if there is to be one.
func (r *Removals) empty(ctx context.Context, j *Job, q *RoomRequest, state *Result) error {
	if q.NewUser != "" && state.NewRoom == nil {
		in, err := r.haven(ctx, q)
		if err != nil {
			return err
		}
		state.NewRoom = &in
		if err := r.tell(ctx, j, state); err != nil {
			return err
		}
	}
	present, err := r.Rooms.Present(ctx, q.Room)
	if err != nil {
		return err
	}
	state.Stuck = 0
	for i, user := range present {
		switch err := r.lead(ctx, q.Room, user, state.NewRoom); {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			state.Stuck++
			state.Failed = name(state.Failed, user)
		default:
			state.Kicked = name(state.Kicked, user)
		}
		if i%50 == 49 {
			if err := r.tell(ctx, j, state); err != nil {
				return err
			}
		}
	}
	return r.tell(ctx, j, state)
}

// name adds somebody to a list that is not too long.
func name[T any](list []T, who T) []T {
	if len(list) >= maxNamed {
		return list
	}
	return append(list, who)
}

// lead takes a user out of a room, and into another if there is one.
func (r *Removals) lead(ctx context.Context, from id.Room, user id.User, to *id.Room) error {
	as := room.Caller{User: user, Exempt: true}
	if err := r.Rooms.Leave(ctx, as, from, ""); err != nil {
		return err
	}
	if to == nil {
		return nil
	}
	err := r.Rooms.Join(ctx, as, *to, "", nil)
	if _, refused := err.(*fault.Fault); refused { //nolint:errorlint // room answers faults as they are
		return nil // she is out of the old one, which is what matters
	}
	return err
}

// haven makes the room in which those who were in the other are told what has become of it.
func (r *Removals) haven(ctx context.Context, q *RoomRequest) (id.Room, error) {
	if q.Name == "" {
		q.Name = defaultName
	}
	if q.Message == "" {
		q.Message = defaultMessage
	}
	as := room.Caller{User: q.NewUser, Exempt: true}
	in, err := r.Rooms.Create(ctx, as, room.CreateRequest{
		Preset: "public_chat", Name: q.Name, PowerLevels: map[string]json.RawMessage{"users_default": json.RawMessage("-10")},
	})
	if err != nil {
		return "", err
	}
	content, err := json.Marshal(map[string]string{"msgtype": "m.text", "body": q.Message})
	if err != nil {
		return "", err
	}
	_, err = r.Rooms.Send(ctx, as, in, room.Draft{Type: "m.room.message", Content: content}, "")
	return in, err
}

// takeAway removes the room itself, and writes down in the same transaction that it is gone.
func (r *Removals) takeAway(ctx context.Context, j *Job, q *RoomRequest, state *Result) error {
	aliases, err := r.aliases(ctx, q.Room)
	if err != nil {
		return err
	}
	after := *state
	_, err = r.Rooms.Remove(ctx, q.Room, func(tx *sqldb.Tx, x room.Removal) error {
		if state.NewRoom != nil {
			if err := r.Directory.Move(tx, q.Room, *state.NewRoom); err != nil {
				return err
			}
		}
		for _, remove := range r.OfRoom {
			if err := remove(tx, q.Room, x.Users); err != nil {
				return err
			}
		}
		after.Gone, after.Aliases = x.Room, aliases
		text, err := json.Marshal(&after)
		if err != nil {
			return err
		}
		now := *j
		now.State, now.Status = text, Active
		return r.put(tx, &now)
	})
	if err == nil {
		*state = after
	}
	return err
}

func (r *Removals) aliases(ctx context.Context, in id.Room) (list []id.Alias, err error) {
	err = r.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		list, err = r.Directory.AliasesOf(tx, in)
		return err
	})
	return list[:min(len(list), maxNamed)], err
}
