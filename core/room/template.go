package room

import (
	"context"
	"slices"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// Template is a member event that a user of another server may send: built on this room's head, neither hashed nor
// signed. Her server makes an event of its own of it.
type Template struct {
	Version *version.Version
	Event   []byte // a JSON object
}

// Template makes one for a user's own membership: join, leave or knock. known are the room versions that her server knows.
// Errors: M_NOT_FOUND where this server is not in the room, M_INCOMPATIBLE_ROOM_VERSION, M_FORBIDDEN where the
// authorisation rules do not allow it, M_UNABLE_TO_AUTHORISE_JOIN and M_UNABLE_TO_GRANT_JOIN of a restricted room.
func (r *Rooms) Template(ctx context.Context, room id.Room, user id.User, m authrule.Membership, known []string) (*Template, error) {
	unlock, err := r.lanes.Lock(ctx, room)
	if err != nil {
		return nil, err
	}
	defer unlock()
	h, err := r.headOf(ctx, room)
	if fault.Is(err, fault.NotFound) || err == nil && len(h.joined) == 0 {
		return nil, errNotHere
	}
	if err != nil {
		return nil, err
	}
	if known != nil && !slices.Contains(known, h.version.ID) {
		return nil, fault.New(fault.IncompatibleRoomVersion, "Your server does not know the version of the room").
			With("room_version", h.version.ID)
	}
	content := map[string]any{"membership": string(m)}
	if m == authrule.Join {
		by, err := r.vouch(ctx, h, user)
		if err != nil {
			return nil, err
		}
		if by != "" {
			content[keyAuthoriser] = by
		}
	}
	raw, err := canon.Marshal(content)
	if err != nil {
		return nil, err
	}
	key := string(user)
	d, err := r.draft(ctx, h, user, Draft{Type: "m.room.member", StateKey: &key, Content: raw})
	if err != nil {
		return nil, err
	}
	// The rules look at whole events: this one bears a signature that is thrown away.
	e, err := event.Build(h.version, d, r.Signer)
	if err != nil {
		return nil, buildFault(err)
	}
	if err := authrule.Check(e, &h.state, r.Server); err != nil {
		return nil, refusal(err)
	}
	t := &Template{Version: h.version}
	t.Event, err = event.Template(h.version, d, r.Server)
	return t, err
}

// CheckVouched looks whether this server may sign the join of another server's user into a restricted room, where the event
// says that a user of this server vouches for her: she is in a room whose members are let in. That he may invite is for the
// authorisation rules. Errors: M_UNABLE_TO_AUTHORISE_JOIN, M_UNABLE_TO_GRANT_JOIN, M_FORBIDDEN.
func (r *Rooms) CheckVouched(ctx context.Context, e *event.Event) error {
	by := authrule.ParseMember(e.Content()).Authoriser
	if by == "" || by.Server() != r.Server || !e.Version().RestrictedJoin {
		return nil
	}
	unlock, err := r.lanes.Lock(ctx, e.Room())
	if err != nil {
		return err
	}
	defer unlock()
	h, err := r.headOf(ctx, e.Room())
	if err != nil {
		return err
	}
	able, err := r.vouch(ctx, h, e.Sender())
	if err != nil {
		return err
	}
	if _, in := h.joined[by]; !in || able == "" && !h.inOrInvited(e.Sender()) {
		return fault.New(fault.Forbidden, "The user who is said to vouch for the join cannot")
	}
	return nil
}

// vouch picks the local member in whose name another server's user may join a restricted room; "" where nobody need vouch
// for her, or nobody will (https://spec.matrix.org/v1.19/server-server-api/#restricted-rooms). The caller holds the lane.
// Errors: M_UNABLE_TO_AUTHORISE_JOIN where this server is not in all of the rooms whose members are let in and she is in
// none of the others; M_UNABLE_TO_GRANT_JOIN where she would be let in, and nobody here may invite.
func (r *Rooms) vouch(ctx context.Context, h *head, user id.User) (id.User, error) {
	if err := r.need(ctx, h, memberKey(user)); err != nil {
		return "", err
	}
	if now := h.state.Membership(user); !h.restricted() || now == authrule.Ban || h.inOrInvited(user) {
		return "", nil
	}
	allow := h.state.JoinRules.Allow
	allow = allow[:min(len(allow), maxAllow)]
	var met, all bool
	err := r.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		met, all, err = r.inAnyOf(tx, user, allow)
		return err
	})
	switch {
	case err != nil:
		return "", err
	case !met && !all:
		return "", fault.New(fault.UnableToAuthoriseJoin, "This server cannot tell whether you may join")
	case !met:
		return "", nil
	}
	for member := range h.joined {
		if h.state.Level(member) >= h.state.Power.Invite() {
			return member, nil
		}
	}
	return "", fault.New(fault.UnableToGrantJoin, "Nobody of this server may let you in; try another one").WithStatus(400)
}

// maxAllow is how many of the rooms whose members are let in are looked at.
const maxAllow = 100

// inAnyOf says whether the user is in any of the rooms, of those that this server is in; and whether it is in all of them.
func (r *Rooms) inAnyOf(tx *sqldb.Tx, user id.User, rooms []id.Room) (in, all bool, err error) {
	memberships, err := r.Memberships(tx, user, rooms...)
	if err != nil {
		return false, false, err
	}
	places, err := r.Places(tx, rooms)
	if err != nil {
		return false, false, err
	}
	here := map[id.Room]bool{}
	for _, p := range places {
		if here[p.RoomID], err = r.hasServer(tx, p.Room, r.Server); err != nil {
			return false, false, err
		}
		if here[p.RoomID] && memberships[p.RoomID] == "join" {
			return true, false, nil
		}
	}
	for _, room := range rooms {
		if !here[room] {
			return false, false, nil
		}
	}
	return false, true, nil
}

func (h *head) restricted() bool {
	rules := h.state.JoinRules
	return rules != nil && (rules.Rule == authrule.RuleRestricted && h.version.RestrictedJoin ||
		rules.Rule == authrule.RuleKnockRestricted && h.version.KnockRestricted)
}

func (h *head) inOrInvited(user id.User) bool {
	now := h.state.Membership(user)
	return now == authrule.Join || now == authrule.Invite
}
