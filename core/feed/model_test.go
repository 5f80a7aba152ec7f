package feed_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"freehold.example/base/sqldb"
	"freehold.example/core/feed"
	"freehold.example/core/room"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/id"
)

// The model: rooms change at random; clients sync at random moments, fill gaps with /messages, and must end up with what
// the log of the server says, worked out here from the log alone, event by event.

// logged is an event of the server's log.
type logged struct {
	ID       id.Event `json:"-"`
	Type     string
	Sender   id.User
	StateKey *string `json:"state_key"`
	Content  struct {
		Membership string
		Visibility string `json:"history_visibility"`
	}
}

func (e *logged) isState() bool { return e.StateKey != nil }

func (e *logged) key() string { return e.Type + "|" + *e.StateKey }

// log reads a room's events in the order they were written.
func (w *world) log(in id.Room) []logged {
	w.t.Helper()
	var all []logged
	err := w.db.Read(w.t.Context(), func(tx *sqldb.Tx) error {
		rows, err := tx.Query(`SELECT e.event_id, e.json FROM event e JOIN room r ON r.nid = e.room WHERE r.room_id = $1 ORDER BY e.pos`, in)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var e logged
			var raw []byte
			if err := rows.Scan(&e.ID, &raw); err != nil {
				return err
			}
			if err := json.Unmarshal(raw, &e); err != nil {
				return err
			}
			all = append(all, e)
		}
		return rows.Err()
	})
	w.ok(err)
	return all
}

// truth is what a user may know of a room.
type truth struct {
	membership string
	timeline   []id.Event          // what she may see
	state      map[string]id.Event // now, or when she was last in
	stays      bool                // whether she ever was in
	optional   map[id.Event]bool   // what was world-readable while she was gone
}

func truthOf(log []logged, user id.User) truth {
	t := truth{membership: "none", optional: map[id.Event]bool{}}
	state := map[string]id.Event{}
	visibility := "shared"
	var lastJoin, own, parted int         // the newest join, the newest membership, the end of the last stay
	before := make([][2]string, len(log)) // visibility and membership
	after := make([][2]string, len(log))
	for i, e := range log {
		before[i] = [2]string{visibility, t.membership}
		if e.isState() {
			state[e.key()] = e.ID
			switch {
			case e.Type == "m.room.history_visibility":
				visibility = e.Content.Visibility
			case e.Type == "m.room.member" && *e.StateKey == string(user):
				was := t.membership
				t.membership, own = e.Content.Membership, i
				if t.membership == "join" {
					lastJoin, t.stays = i, true
				} else if was == "join" {
					t.state, parted = maps.Clone(state), i
				}
			}
		}
		after[i] = [2]string{visibility, t.membership}
	}
	if t.membership == "join" {
		t.state = state
	}
	for i, e := range log {
		if t.membership != "join" && i > own {
			break // what is world-readable goes on, but is told no more
		}
		if t.membership != "join" && i > parted && i != own {
			t.optional[e.ID] = true
		}
		see := func(m [2]string) bool {
			switch {
			case m[0] == "world_readable", m[1] == "join":
				return true
			case m[0] == "shared":
				return t.stays && lastJoin > i
			}
			return m[0] == "invited" && m[1] == "invite"
		}
		own := e.Type == "m.room.member" && *e.StateKey == string(user)
		ends := own && e.Content.Membership == "leave" && slices.Contains([]string{"invite", "join", "knock"}, before[i][1])
		switch {
		case own && e.Content.Membership == "leave" || !own && e.Type != "m.room.history_visibility":
			if see(before[i]) || ends {
				t.timeline = append(t.timeline, e.ID)
			}
		case see(before[i]) || see(after[i]):
			t.timeline = append(t.timeline, e.ID)
		}
	}
	return t
}

// client is one device that follows its user's rooms.
type client struct {
	*world
	user       id.User
	device     id.Device
	stateAfter bool
	lazy       bool
	since      string
	rooms      map[id.Room]*known
	follows    map[id.User]bool // whose devices: by device_lists
	steps      []string         // what it did, for the report of a failure
}

// known is what a client has of a room.
type known struct {
	membership string
	timeline   []id.Event
	state      map[string]id.Event
}

type shown struct {
	ID       id.Event `json:"event_id"`
	Type     string
	Sender   id.User
	StateKey *string `json:"state_key"`
}

func (c *client) read(raw []json.RawMessage) []shown {
	c.t.Helper()
	out := make([]shown, len(raw))
	for i := range raw {
		c.ok(json.Unmarshal(raw[i], &out[i]))
	}
	return out
}

// step syncs once, with some limit, and takes in what it is told.
func (c *client) step(r *rand.Rand) {
	c.t.Helper()
	limit := []int{0, 1, 2, 3, 5, 20}[r.IntN(6)]
	q := feed.Request{
		Caller: room.Caller{User: c.user, Device: c.device}, Since: c.since, StateAfter: c.stateAfter, FullState: r.IntN(12) == 0,
		Filter: c.filter(fmt.Sprintf(`{"room":{"include_leave":true,"timeline":{"limit":%d},"state":{"lazy_load_members":%v}}}`, limit, c.lazy)),
	}
	if r.IntN(4) == 0 {
		c.ask(q) // the answer is lost
	}
	if r.IntN(40) == 0 { // begins anew
		q.Since, c.rooms = "", map[id.Room]*known{}
	}
	out := c.ask(q)
	c.steps = append(c.steps, fmt.Sprintf("%s syncs from %q with limit %d, full %v, to %s", c.user, q.Since, limit, q.FullState, out.NextBatch))
	for in := range out.Rooms.Invite {
		c.rooms[in] = &known{membership: "invite"}
	}
	for in := range out.Rooms.Knock {
		c.rooms[in] = &known{membership: "knock"}
	}
	for in, j := range out.Rooms.Join {
		c.take(in, "join", q.Since, j.State, j.StateAfter, j.Timeline)
	}
	for in, l := range out.Rooms.Leave {
		c.take(in, "leave", q.Since, l.State, l.StateAfter, l.Timeline)
	}
	if q.Since == "" { // from here on the server says what changes
		c.follows = c.shares()
	}
	if d := out.DeviceLists; d != nil {
		for _, u := range d.Changed {
			c.follows[u] = true
		}
		for _, u := range d.Left {
			delete(c.follows, u)
		}
	}
	c.since = out.NextBatch
}

// shares is who is in a room with the user, and the user.
func (c *client) shares() map[id.User]bool {
	c.t.Helper()
	all := map[id.User]bool{c.user: true}
	c.ok(c.db.Read(c.t.Context(), func(tx *sqldb.Tx) error {
		users, err := c.world.rooms.SharedUsers(tx, c.user)
		for _, u := range users {
			all[u] = true
		}
		return err
	}))
	return all
}

func (c *client) take(in id.Room, membership, since string, state, after *csapi.Events, timeline csapi.Timeline) {
	c.t.Helper()
	k := c.rooms[in]
	if k == nil || k.membership != "join" && k.membership != membership {
		k = &known{state: map[string]id.Event{}}
		since = ""
	}
	if k.membership == "leave" && timeline.Limited { // she was in again meanwhile, and may see what she missed before
		k.timeline, since = nil, ""
	}
	k.membership = membership
	c.rooms[in] = k
	if (state == nil) != c.stateAfter || (after == nil) == c.stateAfter {
		c.t.Errorf("%s: got state %v and state_after %v", in, state, after)
	}
	if after != nil {
		state = after
	}
	for _, e := range c.read(state.Events) {
		k.state[e.Type+"|"+*e.StateKey] = e.ID
	}
	events := c.read(timeline.Events)
	if timeline.Limited || since == "" {
		k.timeline = append(k.timeline, c.fill(in, timeline.PrevBatch, since)...)
	}
	for _, e := range events {
		k.timeline = append(k.timeline, e.ID)
		if e.StateKey != nil && !c.stateAfter {
			k.state[e.Type+"|"+*e.StateKey] = e.ID
		}
	}
	for _, e := range events {
		if member := "m.room.member|" + string(e.Sender); c.lazy && membership == "join" && k.state[member] == "" {
			c.t.Errorf("%s: %s is not told who %s is", in, c.user, e.Sender)
		}
	}
}

// fill pages back from a token to where the client was, and gives what lies between, oldest first.
func (c *client) fill(in id.Room, from, to string) []id.Event {
	c.t.Helper()
	if from == "" {
		return nil
	}
	parse := func(s string) *room.Token {
		if s == "" {
			return nil
		}
		token, err := room.ParseToken(s)
		c.ok(err)
		return &token
	}
	var all []id.Event
	for at := parse(from); at != nil; {
		var end string
		q := room.PageRequest{Room: in, User: c.user, From: at, To: parse(to), Limit: 4}
		err := c.world.rooms.Messages(c.t.Context(), q, func(_ *sqldb.Tx, _ *room.Viewer, p *room.Page) error {
			for _, e := range p.Events {
				all = append(all, e.Event.ID())
			}
			if p.End != nil {
				end = p.End.String()
			}
			return nil
		})
		if err != nil { // a room that one was never in
			return nil
		}
		at = parse(end)
	}
	slices.Reverse(all)
	return all
}

// check compares what the client has with the truth.
func (c *client) check(all []id.Room) {
	c.t.Helper()
	c.follows[c.user] = true
	if d := cmp.Diff(c.shares(), c.follows); d != "" {
		c.t.Errorf("%s follows the devices of (-want +got):\n%s", c.user, d)
	}
	for _, in := range all {
		want := truthOf(c.log(in), c.user)
		k := c.rooms[in]
		switch {
		case want.membership == "none" || k == nil && want.membership == "ban" && !want.stays:
			if k != nil {
				c.t.Errorf("%s: %s is told of a room she has nothing to do with", in, c.user)
			}
			continue
		case k == nil && !want.stays:
			continue // an invitation taken back before it was seen, and the like
		case k == nil:
			c.t.Errorf("%s: %s has %s and is not told", in, c.user, want.membership)
			continue
		}
		membership := want.membership
		if membership == "ban" {
			membership = "leave"
		}
		if k.membership != membership {
			c.t.Errorf("%s: %s believes %s, want %s", in, c.user, k.membership, want.membership)
		}
		if membership == "invite" || membership == "knock" {
			continue
		}
		if membership == "join" || want.stays {
			optional := func(e id.Event) bool { return want.optional[e] }
			got := slices.DeleteFunc(slices.Clone(k.timeline), optional)
			if d := cmp.Diff(slices.DeleteFunc(want.timeline, optional), got); d != "" {
				c.t.Errorf("%s: timeline of %s (-want +got):\n%s", in, c.user, d)
			}
		}
		c.checkState(in, k.state, want)
	}
	if c.t.Failed() {
		for _, s := range c.steps {
			c.t.Log(s)
		}
		c.t.FailNow()
	}
}

func (c *client) checkState(in id.Room, got map[string]id.Event, want truth) {
	c.t.Helper()
	got, want.state = maps.Clone(got), maps.Clone(want.state)
	if c.lazy {
		for key := range want.state {
			// Whom she does not know, and in rooms she left those whom she knew from an earlier stay.
			if strings.HasPrefix(key, "m.room.member|") && (got[key] == "" || want.membership != "join") {
				delete(want.state, key)
				delete(got, key)
			}
		}
	}
	if want.membership != "join" && !want.stays { // only what she did herself
		for key := range got {
			if key != "m.room.member|"+string(c.user) {
				c.t.Errorf("%s: %s was never in it, and is shown %s", in, c.user, key)
			}
		}
		return
	}
	if want.membership != "join" {
		key := "m.room.member|" + string(c.user)
		delete(got, key)
		delete(want.state, key) // a ban after the leave is told too
		for key, e := range got {
			if want.optional[e] { // came with the timeline
				want.state[key] = e
			}
		}
	}
	if d := cmp.Diff(want.state, got); d != "" {
		c.t.Errorf("%s: state of %s (-want +got):\n%s", in, c.user, d)
	}
}

// act lets someone do something. What is not allowed fails, as it should.
func (w *world) act(r *rand.Rand, all []id.Room) string {
	users := []id.User{alice, bob, carol, dave}
	in, by, other := all[r.IntN(len(all))], users[r.IntN(4)], users[r.IntN(4)]
	ctx, n := w.t.Context(), r.IntN(1_000_000)
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	set := func(typ, key, content string) error {
		_, err := w.rooms.SetState(ctx, as(by), in, typ, key, []byte(content))
		return err
	}
	var what string
	var err error
	switch r.IntN(16) {
	case 0, 1, 2, 3, 4:
		what = "message"
		_, err = w.rooms.Send(ctx, as(by), in, room.Draft{Type: "m.room.message", Content: fmt.Appendf(nil, `{"body":"%d"}`, n)}, "")
	case 5:
		what, err = "topic", set("m.room.topic", "", fmt.Sprintf(`{"topic":"%d"}`, n))
	case 6:
		what, err = "state", set("org.test", pick("a", "b", "c"), fmt.Sprintf(`{"n":%d}`, n))
	case 7:
		what, err = "name", set("m.room.member", string(by), fmt.Sprintf(`{"membership":"join","displayname":"%d"}`, n))
	case 8, 9:
		what, err = "join", w.rooms.Join(ctx, as(by), in, "", nil)
	case 10:
		what, err = "leave", w.rooms.Leave(ctx, as(by), in, "")
	case 11:
		what, err = "invite", w.rooms.Invite(ctx, as(by), in, other, "")
	case 12:
		what, err = "kick", w.rooms.Kick(ctx, as(by), in, other, "")
	case 13:
		if r.IntN(3) > 0 {
			what, err = "unban", w.rooms.Unban(ctx, as(by), in, other, "")
		} else {
			what, err = "ban", w.rooms.Ban(ctx, as(by), in, other, "")
		}
	case 14:
		if log := w.log(in); r.IntN(2) == 0 {
			what = "redact"
			_, err = w.rooms.Redact(ctx, as(by), in, log[1+r.IntN(len(log)-1)].ID, json.RawMessage(`{}`), "")
		}
	case 15:
		if r.IntN(3) == 0 {
			h := pick("shared", "joined", "invited", "world_readable")
			what, err = h, set("m.room.history_visibility", "", `{"history_visibility":"`+h+`"}`)
		}
	}
	if err != nil {
		what += " (refused)"
	}
	return fmt.Sprintf("%s: %s %s %s", in, by, what, other)
}

func TestModel(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		model(t, w, seed, 500)
	})
}

func model(t *testing.T, w *world, seed uint64, steps int) {
	r := rand.New(rand.NewPCG(seed, 0))
	users := []id.User{alice, bob, carol, dave}
	var all []id.Room
	for i := range 3 {
		preset := []string{"public_chat", "private_chat", "public_chat"}[i]
		all = append(all, w.create(users[i], room.CreateRequest{Preset: preset, Invite: []id.User{users[(i+1)%4]}}))
	}
	clients := []*client{
		{world: w, user: alice},
		{world: w, user: bob, stateAfter: true},
		{world: w, user: dave},
		{world: w, user: dave, stateAfter: true},
		{world: w, user: carol, lazy: true},
		{world: w, user: carol, lazy: true, stateAfter: true},
	}
	for i, c := range clients {
		c.device = id.Device(fmt.Sprint(i))
		c.rooms = map[id.Room]*known{}
	}
	for range steps {
		did := w.act(r, all)
		for _, c := range clients {
			c.steps = append(c.steps, did)
			if r.IntN(10) == 0 {
				c.step(r)
				c.check(all)
			}
		}
	}
}
