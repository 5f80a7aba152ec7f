package room

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// CreateRequest is a new room as POST /createRoom describes it, its defaults resolved.
type CreateRequest struct {
	Version         string // "" for the server's default
	Preset          string // private_chat, trusted_private_chat or public_chat
	CreationContent map[string]json.RawMessage
	PowerLevels     map[string]json.RawMessage // laid over the defaults, key by key at the top level
	InitialState    []StateEntry
	Name, Topic     string
	Alias           id.Alias // becomes the canonical alias
	Invite          []id.User
	IsDirect        bool

	// Also is what other packages write together with the room, such as its alias; it may be nil.
	Also func(tx *sqldb.Tx, room id.Room) error
}

// StateEntry is a piece of state.
type StateEntry struct {
	Type     string          `json:"type"`
	StateKey string          `json:"state_key"`
	Content  json.RawMessage `json:"content"`
}

// maxInitial bounds the events a room is made of.
const maxInitial = 1000

// Create makes a room, all of its first events in one transaction, in the order that createRoom prescribes. Errors:
// M_UNSUPPORTED_ROOM_VERSION, M_INVALID_ROOM_STATE, M_BAD_JSON, M_TOO_LARGE.
func (r *Rooms) Create(ctx context.Context, c Caller, q CreateRequest) (id.Room, error) {
	if q.Version == "" {
		q.Version = r.DefaultVersion
	}
	v, ok := version.Lookup(q.Version)
	if !ok {
		return "", fault.Newf(fault.UnsupportedRoomVersion, "This server does not know room version %q", q.Version)
	}
	q.Invite = unique(q.Invite)
	for _, user := range q.Invite {
		if err := r.invitable(ctx, c.User, user); err != nil {
			return "", err
		}
	}
	for _, e := range q.InitialState {
		if e.Type == "" {
			return "", fault.New(fault.BadJSON, "An event of initial_state has no type")
		}
		if e.Type == "m.room.member" {
			if id.User(e.StateKey).Server() != r.Server {
				return "", fault.New(fault.Forbidden, "Users of other servers are invited by invite, not by initial_state")
			}
			if err := r.invitable(ctx, c.User, id.User(e.StateKey)); err != nil {
				return "", err
			}
		}
	}
	drafts, err := r.firstEvents(ctx, c.User, v, &q)
	if err != nil {
		return "", err
	}
	if len(drafts) > maxInitial {
		return "", fault.New(fault.TooLarge, "A room cannot be made with more than 1,000 events")
	}
	w, err := r.plan(ctx, c.User, v, "", drafts)
	if err != nil {
		return "", err
	}
	made := w.head.room
	if q.Also != nil {
		w.also = func(tx *sqldb.Tx) error { return q.Also(tx, made) }
	}
	if err := r.queue(w).Wait(context.WithoutCancel(ctx)); err != nil {
		return "", err
	}
	r.heads.put(w.head)
	r.committed(w)
	r.inviteOthers(ctx, c, made, &q)
	return made, nil
}

// unique is the users in their order, each once.
func unique(users []id.User) []id.User {
	seen := make(map[id.User]bool, len(users))
	var out []id.User
	for _, user := range users {
		if !seen[user] {
			seen[user] = true
			out = append(out, user)
		}
	}
	return out
}

// plan builds the events of a new room on a head of its own, which nobody else can know of yet, and so needs no lane. room
// is its id, "" for one that is made here or follows from the create event.
func (r *Rooms) plan(ctx context.Context, creator id.User, v *version.Version, room id.Room, drafts []Draft) (*write, error) {
	keys := make([]authrule.StateKey, len(drafts))
	for i, d := range drafts {
		keys[i] = authrule.StateKey{Type: d.Type, Key: *d.StateKey}
		if err := checkKey(keys[i]); err != nil {
			return nil, err
		}
	}
	if err := r.intern(ctx, keys...); err != nil {
		return nil, err
	}
	first, err := r.allot(ctx, len(drafts)+1)
	if err != nil {
		return nil, err
	}
	if room == "" && !v.RoomIDIsCreateHash {
		room = newRoomID(r.Server)
	}
	h := newHead(room)
	h.nid, h.version = first, v
	events := make([]*planned, len(drafts))
	for i, d := range drafts {
		p, err := r.append(ctx, h, creator, d, first+1+NID(i))
		if err != nil {
			if _, refused := errors.AsType[*authrule.Refused](err); refused {
				err = fault.Newf(fault.InvalidRoomState, "The room cannot be made: its %s event would not be allowed", d.Type).Because(err)
			}
			return nil, err
		}
		h.room = p.event.Room()
		events[i] = p
	}
	w := h.write(events)
	w.creator, w.typ = creator, typeIn(events[0].event)
	return w, nil
}

// firstEvents lists what the room begins with.
func (r *Rooms) firstEvents(ctx context.Context, creator id.User, v *version.Version, q *CreateRequest) ([]Draft, error) {
	initial := slices.Clone(q.InitialState)
	take := func(typ string) (last *StateEntry) { // removes the entries that something else stands in for
		initial = slices.DeleteFunc(initial, func(e StateEntry) bool {
			if e.Type != typ || e.StateKey != "" {
				return false
			}
			last = &e
			return true
		})
		return last
	}
	has := func(typ string) bool {
		return slices.ContainsFunc(initial, func(e StateEntry) bool { return e.Type == typ && e.StateKey == "" })
	}

	create, err := createContent(creator, v, q)
	if err != nil {
		return nil, err
	}
	join, err := r.memberContent(ctx, creator, "join", "", nil)
	if err != nil {
		return nil, err
	}
	drafts := []Draft{
		state("m.room.create", "", create),
		state("m.room.member", string(creator), join),
	}
	drafts[0].Timestamp = r.createTime()
	if given := take("m.room.power_levels"); given != nil {
		drafts = append(drafts, Draft{Type: given.Type, StateKey: new(string), Content: given.Content})
	} else {
		drafts = append(drafts, state("m.room.power_levels", "", powerLevels(creator, v, q)))
	}
	if q.Alias != "" {
		take("m.room.canonical_alias")
		drafts = append(drafts, state("m.room.canonical_alias", "", map[string]any{"alias": q.Alias}))
	}
	rule, guests := "invite", true
	if q.Preset == "public_chat" {
		rule, guests = "public", false
	}
	if !has("m.room.join_rules") {
		drafts = append(drafts, state("m.room.join_rules", "", map[string]any{"join_rule": rule}))
	}
	if !has("m.room.history_visibility") {
		drafts = append(drafts, state("m.room.history_visibility", "", map[string]any{"history_visibility": "shared"}))
	}
	if guests && !has("m.room.guest_access") {
		drafts = append(drafts, state("m.room.guest_access", "", map[string]any{"guest_access": "can_join"}))
	}
	if q.Name != "" {
		take("m.room.name")
	}
	if q.Topic != "" {
		take("m.room.topic")
	}
	for _, e := range initial {
		key := e.StateKey
		drafts = append(drafts, Draft{Type: e.Type, StateKey: &key, Content: e.Content})
	}
	if q.Name != "" {
		drafts = append(drafts, state("m.room.name", "", map[string]any{"name": q.Name}))
	}
	if q.Topic != "" {
		drafts = append(drafts, state("m.room.topic", "", topicContent(q.Topic)))
	}
	for _, user := range q.Invite {
		if user.Server() != r.Server {
			continue // once there is a room: inviteOthers
		}
		content, err := r.memberContent(ctx, user, "invite", "", q.invitation())
		if err != nil {
			return nil, err
		}
		drafts = append(drafts, state("m.room.member", string(user), content))
	}
	return drafts, nil
}

// invitation is what an invitation into the new room says beyond that it is one.
func (q *CreateRequest) invitation() map[string]any {
	if q.IsDirect {
		return map[string]any{"is_direct": true}
	}
	return nil
}

// inviteOthers invites users of other servers into a room that was made. It is there whether or not their servers answer.
func (r *Rooms) inviteOthers(ctx context.Context, c Caller, made id.Room, q *CreateRequest) {
	for _, user := range q.Invite {
		if user.Server() == r.Server {
			continue
		}
		content, err := r.memberContent(ctx, user, "invite", "", q.invitation())
		if err == nil {
			_, err = r.InviteOut(ctx, c, made, user, content)
		}
		if err != nil {
			r.Log.WarnContext(ctx, "somebody could not be invited into a new room", "room", made, "user", user, "cause", err)
		}
	}
}

// createContent is the content of m.room.create: what the client gave, under what the room version fixes.
func createContent(creator id.User, v *version.Version, q *CreateRequest) (map[string]any, error) {
	content := map[string]any{}
	for k, value := range q.CreationContent {
		content[k] = value
	}
	delete(content, "creator")
	if !v.ImplicitCreator {
		content["creator"] = creator
	}
	content["room_version"] = v.ID
	if !v.CreatorsPrivileged || q.Preset != "trusted_private_chat" {
		return content, nil
	}
	var others []id.User
	if raw, ok := q.CreationContent["additional_creators"]; ok {
		if err := json.Unmarshal(raw, &others); err != nil {
			return nil, fault.New(fault.BadJSON, "additional_creators must be an array of user ids").Because(err)
		}
	}
	for _, user := range q.Invite {
		if !slices.Contains(others, user) {
			others = append(others, user)
		}
	}
	if len(others) > 0 {
		content["additional_creators"] = others
	}
	return content, nil
}

// powerLevels is the default m.room.power_levels, every level spelled out.
func powerLevels(creator id.User, v *version.Version, q *CreateRequest) map[string]any {
	users := map[id.User]int{}
	tombstone := 100
	if v.CreatorsPrivileged {
		tombstone = 150 // only creators can upgrade the room unless they say otherwise
	} else {
		users[creator] = 100
		if q.Preset == "trusted_private_chat" {
			for _, user := range q.Invite {
				users[user] = 100
			}
		}
	}
	content := map[string]any{
		"ban": 50, "kick": 50, "redact": 50, "invite": 50,
		"users_default": 0, "events_default": 0, "state_default": 50,
		"users": users,
		"events": map[string]int{
			"m.room.name": 50, "m.room.avatar": 50, "m.room.canonical_alias": 50,
			"m.room.power_levels": 100, "m.room.history_visibility": 100, "m.room.server_acl": 100,
			"m.room.encryption": 100, "m.room.tombstone": tombstone,
		},
		"notifications": map[string]int{"room": 50},
	}
	for k, value := range q.PowerLevels {
		content[k] = value
	}
	return content
}

// topicContent has the topic in the old form and in the rich one (m.room.topic, "m.topic").
func topicContent(topic string) map[string]any {
	return map[string]any{
		"topic":   topic,
		"m.topic": map[string]any{"m.text": []any{map[string]any{"body": topic, "mimetype": "text/plain"}}},
	}
}

// state drafts a state event. The content is one this package composed, so that it can always be marshalled; what cannot
// be is left empty, and refused as an event without content.
func state(typ, key string, content map[string]any) Draft {
	raw, _ := canon.Marshal(content)
	return Draft{Type: typ, StateKey: &key, Content: raw}
}

// createTime is the time of a new create event. No two are the same, as in room version 12 the room's id would be too.
func (r *Rooms) createTime() int64 {
	now := r.Now().UnixMilli()
	for {
		last := r.lastCreate.Load()
		next := max(now, last+1)
		if r.lastCreate.CompareAndSwap(last, next) {
			return next
		}
	}
}

// newRoomID makes a room id for the room versions that do not derive it.
func newRoomID(server id.Server) id.Room {
	return id.Room("!" + rand.Text()[:18] + ":" + string(server))
}

// invitable says whether a user can be invited, and by this inviter. Errors: M_FORBIDDEN, M_INVITE_BLOCKED.
func (r *Rooms) invitable(ctx context.Context, inviter, user id.User) error {
	if user.Server() != r.Server && r.InviteOut != nil {
		return nil // her own server says
	}
	if user.Server() != r.Server {
		return fault.Newf(fault.Forbidden, "%s belongs to another server, and this server does not talk to others", user)
	}
	if r.MayInvite == nil {
		return nil
	}
	return r.MayInvite(ctx, inviter, user)
}

// memberContent is the content of a member event: the membership, the user's name and picture, the reason, and what the
// client added. Profiles are only attached to those of this server.
func (r *Rooms) memberContent(ctx context.Context, user id.User, membership, reason string, extra map[string]any) (map[string]any, error) {
	content := map[string]any{}
	maps.Copy(content, extra)
	delete(content, keyAuthoriser)
	content["membership"] = membership
	if reason != "" {
		content["reason"] = reason
	}
	if (membership == "join" || membership == "invite" || membership == "knock") && user.Server() == r.Server {
		name, picture, err := r.Profiles.MemberProfile(ctx, user)
		if err != nil {
			return nil, errors.Join(errors.New("read profile for a member event"), err)
		}
		setOrDelete(content, "displayname", name)
		setOrDelete(content, "avatar_url", picture)
	}
	return content, nil
}
