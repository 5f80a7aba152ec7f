package room

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// membershipChange is one change of one user's membership.
type membershipChange struct {
	target     id.User
	membership string
	reason     string
	extra      map[string]any // what the client added to the content
	at         int64          // milliseconds since 1970; now when 0

	// allowed says, beyond the authorisation rules, whether the change makes sense where the target's membership is now;
	// known is false where the room never heard of the target. done ends it without an event: the target is there already.
	// nil allows everything.
	allowed func(now authrule.Membership, known bool) (done bool, err error)
}

// Join makes the caller a member. extra are further keys for the member event. Joining twice changes nothing.
// Errors: M_NOT_FOUND, M_FORBIDDEN.
func (r *Rooms) Join(ctx context.Context, c Caller, room id.Room, reason string, extra map[string]any) error {
	return r.setMembership(ctx, c, room, membershipChange{
		target: c.User, membership: "join", reason: reason, extra: extra,
		allowed: func(now authrule.Membership, _ bool) (bool, error) { return now == authrule.Join, nil },
	})
}

// Knock asks to be let in. Knocking twice changes nothing.
func (r *Rooms) Knock(ctx context.Context, c Caller, room id.Room, reason string) error {
	return r.setMembership(ctx, c, room, membershipChange{
		target: c.User, membership: "knock", reason: reason,
		allowed: func(now authrule.Membership, _ bool) (bool, error) { return now == authrule.Knock, nil },
	})
}

// Leave ends the caller's membership, or turns an invitation or one's own knock down. Leaving twice changes nothing.
func (r *Rooms) Leave(ctx context.Context, c Caller, room id.Room, reason string) error {
	return r.setMembership(ctx, c, room, membershipChange{
		target: c.User, membership: "leave", reason: reason,
		allowed: func(now authrule.Membership, known bool) (bool, error) { return now == authrule.Leave && known, nil },
	})
}

// Invite invites a user. Errors: M_FORBIDDEN, also when the target is a member or banned.
func (r *Rooms) Invite(ctx context.Context, c Caller, room id.Room, target id.User, reason string) error {
	if err := r.invitable(ctx, c.User, target); err != nil {
		return err
	}
	if target.Server() == r.Server {
		return r.setMembership(ctx, c, room, membershipChange{target: target, membership: "invite", reason: reason})
	}
	if len(reason) > maxReason {
		return errReason
	}
	content, err := r.memberContent(ctx, target, "invite", reason, nil)
	if err == nil {
		_, err = r.inviteOut(ctx, c, room, target, content)
	}
	return err
}

// Kick removes a member, or takes an invitation or knock back. Errors: M_FORBIDDEN, also when there is nobody to remove.
func (r *Rooms) Kick(ctx context.Context, c Caller, room id.Room, target id.User, reason string) error {
	return r.setMembership(ctx, c, room, membershipChange{
		target: target, membership: "leave", reason: reason,
		allowed: func(now authrule.Membership, _ bool) (bool, error) {
			if now == authrule.Leave || now == authrule.Ban {
				return false, fault.Newf(fault.Forbidden, "%s is not in the room", target)
			}
			return false, nil
		},
	})
}

// Ban keeps a user out.
func (r *Rooms) Ban(ctx context.Context, c Caller, room id.Room, target id.User, reason string) error {
	return r.setMembership(ctx, c, room, membershipChange{target: target, membership: "ban", reason: reason})
}

// Unban lets a banned user come back. Errors: M_FORBIDDEN, also when the target is not banned.
func (r *Rooms) Unban(ctx context.Context, c Caller, room id.Room, target id.User, reason string) error {
	return r.setMembership(ctx, c, room, membershipChange{
		target: target, membership: "leave", reason: reason,
		allowed: func(now authrule.Membership, _ bool) (bool, error) {
			if now != authrule.Ban {
				return false, fault.Newf(fault.Forbidden, "%s is not banned from the room", target)
			}
			return false, nil
		},
	})
}

// inviteOut invites a user of another server into a room that is not blocked.
func (r *Rooms) inviteOut(ctx context.Context, c Caller, room id.Room, target id.User, content map[string]any) (id.Event, error) {
	if err := r.enterable(ctx, room, "invite"); err != nil {
		return "", err
	}
	return r.InviteOut(ctx, c, room, target, content)
}

const maxReason = 4096 // bytes

var errReason = fault.New(fault.TooLarge, "A reason can have 4,096 bytes at most")

func (r *Rooms) setMembership(ctx context.Context, c Caller, room id.Room, m membershipChange) error {
	if len(m.reason) > maxReason {
		return errReason
	}
	content, err := r.memberContent(ctx, m.target, m.membership, m.reason, m.extra)
	if err != nil {
		return err
	}
	_, err = r.changeMembership(ctx, c, room, m, content)
	return err
}

// setMember is SetState for a member event that a client wrote itself.
func (r *Rooms) setMember(ctx context.Context, c Caller, room id.Room, d Draft) (id.Event, error) {
	target, err := id.ParseUser(*d.StateKey)
	if err != nil {
		return "", fault.New(fault.BadJSON, "The state key of a member event must be a user id").Because(err)
	}
	var members map[string]json.RawMessage // numbers stay as they were written
	if err := json.Unmarshal(d.Content, &members); err != nil {
		return "", fault.New(fault.BadJSON, "The content is not a JSON object").Because(err)
	}
	m := membershipChange{target: target, at: d.Timestamp}
	if err := json.Unmarshal(members["membership"], &m.membership); err != nil {
		return "", fault.New(fault.BadJSON, "A member event needs a membership").Because(err)
	}
	if m.membership == "invite" {
		if err := r.invitable(ctx, c.User, target); err != nil {
			return "", err
		}
	}
	content := make(map[string]any, len(members)+1)
	for k, v := range members {
		content[k] = v
	}
	if m.membership == "invite" && target.Server() != r.Server {
		delete(content, keyAuthoriser)
		return r.inviteOut(ctx, c, room, target, content)
	}
	return r.changeMembership(ctx, c, room, m, content)
}

// changeMembership writes the member event, and gives its id or that of the event which it would only repeat.
func (r *Rooms) changeMembership(ctx context.Context, c Caller, room id.Room, m membershipChange, content map[string]any) (id.Event, error) {
	if err := r.enterable(ctx, room, m.membership); err != nil {
		return "", err
	}
	if err := r.intern(ctx, memberKey(m.target)); err != nil {
		return "", err
	}
	var there id.Event
	events, err := r.commit(ctx, room, 1, func(ctx context.Context, h *head, first NID) ([]*planned, error) {
		if err := r.need(ctx, h, memberKey(m.target), memberKey(c.User)); err != nil {
			return nil, err
		}
		if c.User != m.target && h.state.Membership(c.User) != authrule.Join {
			return nil, errNotIn // before anything is said of the target
		}
		there = h.auth[memberKey(m.target)]
		if m.allowed != nil {
			done, err := m.allowed(h.state.Membership(m.target), there != "")
			if done || err != nil {
				return nil, err
			}
		}
		delete(content, keyAuthoriser)
		if m.membership == "join" {
			by, err := r.authoriser(ctx, h, m.target)
			if err != nil {
				return nil, err
			}
			if by != "" {
				content[keyAuthoriser] = by
			}
		}
		raw, err := canon.Marshal(content)
		if err != nil {
			return nil, fault.New(fault.BadJSON, "The content is not valid JSON").Because(err)
		}
		key := string(m.target)
		d := Draft{Type: "m.room.member", StateKey: &key, Content: raw, Timestamp: m.at}
		if same, err := r.sameState(ctx, h, c.User, d); same != "" || err != nil {
			there = same
			return nil, err
		}
		p, err := r.append(ctx, h, c.User, d, first)
		if err != nil {
			return nil, err
		}
		return []*planned{p}, nil
	})
	if err != nil || len(events) == 0 {
		return there, err
	}
	return events[0].event.ID(), nil
}

// authoriser picks the local member in whose name a restricted join is allowed: the rule names a room the user is in, and
// the member may invite (Server-Server API, "Restricted rooms"). "" where the room is not restricted, the user is in or
// invited already, or no one can.
func (r *Rooms) authoriser(ctx context.Context, h *head, user id.User) (id.User, error) {
	rules := h.state.JoinRules
	restricted := rules != nil && h.version.RestrictedJoin &&
		(rules.Rule == authrule.RuleRestricted || rules.Rule == authrule.RuleKnockRestricted)
	if !restricted {
		return "", nil
	}
	if now := h.state.Membership(user); now == authrule.Join || now == authrule.Invite {
		return "", nil
	}
	rooms, err := r.Joined(ctx, user)
	if err != nil {
		return "", err
	}
	if !slices.ContainsFunc(rules.Allow, func(room id.Room) bool { return slices.Contains(rooms, room) }) {
		return "", nil
	}
	for member := range h.joined {
		if h.state.Level(member) >= h.state.Power.Invite() {
			return member, nil
		}
	}
	return "", nil
}

// keyAuthoriser names the member in whose name a restricted join is allowed. It counts for as much as this server's
// signature on it: a client that could choose it could let itself into any restricted room.
const keyAuthoriser = "join_authorised_via_users_server"

const (
	sqlJoined = `SELECT r.room_id FROM membership m JOIN room r ON r.nid = m.room
		WHERE m.user_id = $1 AND m.membership = 'join' ORDER BY r.nid`
	sqlForget = `UPDATE membership SET forgotten = $1 WHERE room = $2 AND user_id = $3 AND membership IN ('leave', 'ban')`
)

// Joined lists the rooms a user is in.
func (r *Rooms) Joined(ctx context.Context, user id.User) ([]id.Room, error) {
	var rooms []id.Room
	err := r.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		rooms, err = sqldb.Column[id.Room](tx, sqlJoined, user)
		return err
	})
	return rooms, err
}

// Forget hides a room that the user has left from her history and syncs. Errors: M_UNKNOWN while she is in it.
func (r *Rooms) Forget(ctx context.Context, user id.User, room id.Room) error {
	err := r.DB.Write(ctx, func(tx *sqldb.Tx) error {
		s, err := r.standing(tx, room, user)
		if err != nil {
			return err
		}
		r.changes.Note(roomKey{s.Room, s.RoomID}, tx.Pos())
		r.owns.written.Note(user, tx.Pos())
		n, err := tx.Exec(sqlForget, tx.Pos(), s.Room, user)
		if err == nil && n == 0 {
			return fault.Newf(fault.Unknown, "Leave the room before forgetting it: %s is still in %s", user, room)
		}
		return err
	})
	return err
}

// SetMemberProfile writes a user's new name and picture into her member event of every room she is in. A room that
// refuses it keeps the old ones; that is logged, as the profile itself was changed.
func (r *Rooms) SetMemberProfile(ctx context.Context, user id.User, displayname, avatarURL string) error {
	rooms, err := r.Joined(ctx, user)
	if err != nil {
		return err
	}
	for _, room := range rooms {
		if err := r.renewMember(ctx, room, user, displayname, avatarURL); err != nil {
			r.Log.WarnContext(ctx, "member event not renewed after a profile change", "room", room, "err", err)
		}
	}
	return nil
}

func (r *Rooms) renewMember(ctx context.Context, room id.Room, user id.User, displayname, avatarURL string) error {
	var old *Stored
	err := r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		s, err := r.standing(tx, room, user)
		if err != nil {
			return err
		}
		old, err = r.Load(tx, s.Event)
		return err
	})
	if err != nil {
		return err
	}
	content := map[string]any{}
	if err := json.Unmarshal(old.Event.Content(), &content); err != nil {
		return fmt.Errorf("stored member event: %w", err)
	}
	setOrDelete(content, "displayname", displayname)
	setOrDelete(content, "avatar_url", avatarURL)
	_, err = r.changeMembership(ctx, Caller{User: user}, room, membershipChange{
		target: user, membership: "join",
		allowed: func(now authrule.Membership, _ bool) (bool, error) { return now != authrule.Join, nil }, // she has just left
	}, content)
	return err
}

func setOrDelete(content map[string]any, key, value string) {
	if value == "" {
		delete(content, key)
		return
	}
	content[key] = value
}

// Standing is a user's newest membership of a room, with what the room is.
type Standing struct {
	Room       NID
	RoomID     id.Room
	Version    string
	Head       sqldb.Pos // position of the room's newest event
	State      pmap.Root // once that was in
	Membership string
	Event      NID       // the member event
	Pos        sqldb.Pos // its position
	Sender     id.User   // who set it
	Forgotten  bool
	ForgotAt   sqldb.Pos

	// Whole is from which position on all members of the room are known; it is past all positions while some are not, in a
	// room that was joined a moment ago.
	Whole sqldb.Pos

	// Mended is at which position something that clients had been told of the room was taken back, when all members had become
	// known; 0 where nothing was.
	Mended sqldb.Pos
}

const standingColumns = `r.nid, r.room_id, r.version, r.head_pos, r.state, m.membership, m.event, m.pos, m.sender, m.forgotten, r.whole, r.mended`

const (
	sqlStanding  = `SELECT ` + standingColumns + ` FROM room r JOIN membership m ON m.room = r.nid AND m.user_id = $2 WHERE r.room_id = $1`
	sqlStandings = `SELECT ` + standingColumns + `, r.type FROM membership m JOIN room r ON r.nid = m.room WHERE m.user_id = $1`
)

func scanStanding(row sqldb.Scanner) (*Standing, error) {
	var s Standing
	var state []byte
	err := row.Scan(&s.Room, &s.RoomID, &s.Version, &s.Head, &state, &s.Membership, &s.Event, &s.Pos, &s.Sender, &s.ForgotAt, &s.Whole, &s.Mended)
	copy(s.State[:], state)
	s.Forgotten = s.ForgotAt != 0
	return &s, err
}

var errNotIn = fault.New(fault.Forbidden, "You are not in this room")

// standing reads a user's membership of a room. Errors: M_FORBIDDEN, alike for a room that is not there and one the user
// never had to do with.
func (r *Rooms) standing(tx *sqldb.Tx, room id.Room, user id.User) (*Standing, error) {
	s, err := scanStanding(tx.Row(sqlStanding, room, user))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNotIn
	}
	return s, err
}

// Standings reads every room the user has or had to do with, those she has forgotten included.
func (r *Rooms) Standings(tx *sqldb.Tx, user id.User) ([]*Standing, error) {
	known := map[NID]string{}
	scan := func(row sqldb.Scanner) (*Standing, error) {
		var typ *string
		s, err := scanStanding(more{row, &typ})
		if typ != nil {
			known[s.Room] = *typ
		}
		return s, err
	}
	all, err := sqldb.All(tx, scan, sqlStandings, user)
	if err == nil {
		r.types.learn(known)
	}
	return all, err
}

// more is a row with one more column than is asked of it.
type more struct {
	sqldb.Scanner
	last any
}

func (m more) Scan(dest ...any) error { return m.Scanner.Scan(append(dest, m.last)...) }
