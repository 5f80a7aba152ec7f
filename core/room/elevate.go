package room

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Elevate gives a user the greatest power in a room that somebody of this server has who may give it, for an administrator
// whose room has lost its own. It is done in that member's name, as the room's rules know nobody else; the user is invited
// when she is not in it. Errors: M_NOT_FOUND, M_INVALID_PARAM when nobody here has the power.
func (r *Rooms) Elevate(ctx context.Context, room id.Room, user id.User) error {
	helper, content, err := r.elevation(ctx, room, user)
	if err != nil {
		return err
	}
	as := Caller{User: helper, Exempt: true}
	if content != nil {
		if _, err := r.SetState(ctx, as, room, keyPower.Type, "", content); err != nil {
			return err
		}
	}
	member, err := r.IsMember(ctx, room, user)
	if err != nil || member {
		return err
	}
	return r.Invite(ctx, as, room, user, "")
}

// elevation finds the member who helps, and the power levels that are to be set: nil where the user has the power already.
func (r *Rooms) elevation(ctx context.Context, room id.Room, user id.User) (helper id.User, content []byte, err error) {
	members, err := r.LocalMembers(ctx, room)
	if err != nil {
		return "", nil, err
	}
	slices.SortFunc(members, func(a, b id.User) int { return strings.Compare(string(a), string(b)) })
	err = r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		helper, content = "", nil
		now, err := r.Current(tx, room)
		if err != nil {
			return err
		}
		if len(now) == 0 {
			return errUnknownRoom
		}
		levels, err := r.LevelsAt(tx, now[0].State)
		if err != nil {
			return err
		}
		for _, m := range members {
			if helper == "" || levels.User(m) > levels.User(helper) {
				helper = m
			}
		}
		if helper == "" || levels.User(helper) < levels.Event(keyPower.Type, true) {
			return fault.New(fault.InvalidParam, "No user of this server who is in the room may change who has power in it")
		}
		level := levels.User(helper)
		if level == authrule.CreatorLevel { // which cannot be given
			level = max(100, levels.Event(keyPower.Type, true), levels.Event("m.room.tombstone", true))
		}
		if levels.User(user) >= level {
			return nil
		}
		content, err = r.withLevel(tx, now[0], user, level)
		return err
	})
	return helper, content, err
}

// withLevel is the content of the room's power levels with one user's changed.
func (r *Rooms) withLevel(tx *sqldb.Tx, now Current, user id.User, level authrule.Level) ([]byte, error) {
	content := map[string]json.RawMessage{}
	s, err := r.StateEvent(tx, now.State, keyPower.Type, "")
	if err != nil {
		return nil, err
	}
	if s != nil {
		if err := json.Unmarshal(s.Event.Content(), &content); err != nil {
			return nil, err
		}
	}
	users := map[id.User]json.RawMessage{}
	if raw := content["users"]; raw != nil {
		if err := json.Unmarshal(raw, &users); err != nil {
			return nil, fault.New(fault.InvalidParam, "The room's power levels are damaged").Because(err)
		}
	}
	if users[user], err = json.Marshal(level); err != nil {
		return nil, err
	}
	if content["users"], err = json.Marshal(users); err != nil {
		return nil, err
	}
	return json.Marshal(content)
}

// Bring makes a user join a room for an administrator: by herself where the room lets her, and otherwise on an invitation by
// the administrator, who has to be in it and allowed to invite. Errors: M_NOT_FOUND, M_FORBIDDEN.
func (r *Rooms) Bring(ctx context.Context, by Caller, room id.Room, user id.User) error {
	as := Caller{User: user, Exempt: true}
	err := r.Join(ctx, as, room, "", nil)
	if !fault.Is(err, fault.Forbidden) {
		return err
	}
	if invited := r.Invite(ctx, by, room, user, ""); invited != nil {
		return invited
	}
	return r.Join(ctx, as, room, "", nil)
}

const sqlSentBefore = `SELECT ` + storedColumns + ` FROM event e JOIN room r ON r.nid = e.room
	WHERE r.room_id = $1 AND e.pos < $2 ORDER BY e.pos DESC LIMIT $3`

// SentBy finds messages of a user in a room that are not redacted, the newest first, among the next few hundred events
// before a position; it says where to carry on, 0 at the beginning of the room.
func (r *Rooms) SentBy(ctx context.Context, room id.Room, user id.User, before sqldb.Pos) (found []id.Event, next sqldb.Pos, err error) {
	const atOnce = 500
	err = r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		found, next = nil, 0
		events, err := sqldb.All(tx, new(storedReader).scan, sqlSentBefore, room, before, atOnce)
		if err != nil {
			return err
		}
		for _, s := range events {
			_, state := s.Event.StateKey()
			if s.Event.Sender() == user && !state && s.RedactedBy == 0 && s.Event.Type() != "m.room.redaction" {
				found = append(found, s.Event.ID())
			}
		}
		if len(events) == atOnce {
			next = events[atOnce-1].Pos
		}
		return nil
	})
	return found, next, err
}
