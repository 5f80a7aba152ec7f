package feed_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"freehold.example/base/sqldb"
	"freehold.example/core/feed"
	"freehold.example/core/room"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/id"
)

// The model: ten users do things in twenty rooms at random; clients with filters of their own sync at random moments, fill
// gaps with /messages, and must end up with what the log of the server says, worked out here from the log alone, event by
// event. Each answer is also compared with that of a feed that has just been started on the same database and remembers
// nothing (model_cold_test.go), and what belongs to no timeline with what was done (model_rest_test.go).

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
func (m *model) log(in id.Room) []logged {
	m.t.Helper()
	all, last := m.logs[in], m.upto[in]
	m.ok(m.db.Read(m.t.Context(), func(tx *sqldb.Tx) error {
		rows, err := tx.Query(`SELECT e.pos, e.event_id, e.json FROM event e JOIN room r ON r.nid = e.room
			WHERE r.room_id = $1 AND e.pos > $2 ORDER BY e.pos`, in, m.upto[in])
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var e logged
			var raw []byte
			if err := rows.Scan(&last, &e.ID, &raw); err != nil {
				return err
			}
			if err := json.Unmarshal(raw, &e); err != nil {
				return err
			}
			all = append(all, e)
		}
		return rows.Err()
	}))
	m.logs[in], m.upto[in] = all, last
	return all
}

// truth is what a user may know of a room.
type truth struct {
	membership string
	timeline   []logged          // what she may see
	state      map[string]logged // now, or when she was last in
	stays      bool              // whether she ever was in
	own        logged            // her own newest member event
	optional   map[id.Event]bool // what was world-readable while she was gone
}

func truthOf(log []logged, user id.User) truth {
	t := truth{membership: "none", optional: map[id.Event]bool{}}
	state := map[string]logged{}
	visibility := "shared"
	var lastJoin, newest, parted int      // the newest join, the newest membership, the end of the last stay
	before := make([][2]string, len(log)) // visibility and membership
	after := make([][2]string, len(log))
	for i, e := range log {
		before[i] = [2]string{visibility, t.membership}
		if e.isState() {
			state[e.key()] = e
			switch {
			case e.Type == "m.room.history_visibility":
				visibility = e.Content.Visibility
			case e.Type == "m.room.member" && *e.StateKey == string(user):
				was := t.membership
				t.own = e
				t.membership, newest = e.Content.Membership, i
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
		if t.membership != "join" && i > newest {
			break // what is world-readable goes on, but is told no more
		}
		if t.membership != "join" && i > parted && i != newest {
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
				t.timeline = append(t.timeline, e)
			}
		case see(before[i]) || see(after[i]):
			t.timeline = append(t.timeline, e)
		}
	}
	return t
}

// lens is what a client asks for all its life, beside the limits of each sync.
type lens struct {
	stateAfter, lazy, threads bool
	notRooms                  []id.Room
	notTypes                  []string
	notSenders                []id.User
}

func (l *lens) wants(in id.Room) bool { return !slices.Contains(l.notRooms, in) }

func (l *lens) event(e *logged) bool {
	return !slices.Contains(l.notTypes, e.Type) && !slices.Contains(l.notSenders, e.Sender)
}

// asFilter is the lens as a filter, with a limit of the timeline.
func (l *lens) asFilter(limit int) string {
	part := func(more map[string]any) map[string]any {
		if l.notTypes != nil {
			more["not_types"] = l.notTypes
		}
		if l.notSenders != nil {
			more["not_senders"] = l.notSenders
		}
		return more
	}
	timeline := part(map[string]any{"limit": limit, "unread_thread_notifications": l.threads})
	room := map[string]any{
		"include_leave": true, "timeline": timeline, "state": part(map[string]any{"lazy_load_members": l.lazy}),
	}
	if l.notRooms != nil {
		room["not_rooms"] = l.notRooms
	}
	raw, err := json.Marshal(map[string]any{"room": room})
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// client is one device that follows its user's rooms.
type client struct {
	*model
	lens
	user    id.User
	device  id.Device
	since   string
	rooms   map[id.Room]*known
	follows map[id.User]bool // whose devices: by device_lists
	rest    rest
	steps   []string // what it did, for the report of a failure
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
func (c *client) step() {
	c.t.Helper()
	r := c.r
	limit := []int{0, 1, 2, 3, 5, 20}[r.IntN(6)]
	q := feed.Request{
		Caller: room.Caller{User: c.user, Device: c.device}, Since: c.since, StateAfter: c.stateAfter, FullState: r.IntN(12) == 0,
		Filter: c.filter(c.asFilter(limit)), SetPresence: "offline",
	}
	if r.IntN(40) == 0 { // begins anew
		q.Since = ""
	}
	if q.Since == "" {
		c.rooms = map[id.Room]*known{}
		c.forgetRest()
	}
	if r.IntN(4) == 0 { // the answer is lost
		lost := c.ask(q)
		c.compare("a retry", q, lost, c.ask(q))
	}
	out := c.ask(q)
	c.steps = append(c.steps, fmt.Sprintf("%s syncs from %q with limit %d, full %v, to %s", c.user, q.Since, limit, q.FullState, out.NextBatch))
	c.compare("a feed that remembers nothing", q, c.askCold(q), out)
	for in := range out.Rooms.Invite {
		c.rooms[in] = &known{membership: "invite"}
	}
	for in := range out.Rooms.Knock {
		c.rooms[in] = &known{membership: "knock"}
	}
	for in, j := range out.Rooms.Join {
		c.takeRoomRest(in, j, c.rooms[in] == nil || c.rooms[in].membership != "join")
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
	c.takeRest(out)
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
		if e.StateKey == nil && c.ignores[c.user][e.Sender] {
			c.t.Errorf("%s: %s is told what %s says, whom she ignores", in, c.user, e.Sender)
		}
		k.timeline = append(k.timeline, e.ID)
		if e.StateKey != nil && !c.stateAfter {
			k.state[e.Type+"|"+*e.StateKey] = e.ID
		}
	}
	for _, e := range events {
		if slices.Contains(c.notSenders, e.Sender) || slices.Contains(c.notTypes, e.Type) {
			c.t.Errorf("%s: %s is shown what her filter leaves out: %+v", in, c.user, e)
		}
		if slices.Contains(c.notTypes, "m.room.member") {
			continue
		}
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
		keep := func(s *room.Stored) bool {
			return c.event(&logged{Type: s.Event.Type(), Sender: s.Event.Sender()})
		}
		q := room.PageRequest{Room: in, User: c.user, From: at, To: parse(to), Limit: 4, Keep: keep}
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
func (c *client) check() {
	c.t.Helper()
	c.follows[c.user] = true
	if d := cmp.Diff(c.shares(), c.follows); d != "" {
		c.t.Errorf("%s follows the devices of (-want +got):\n%s", c.user, d)
	}
	c.checkRooms()
	c.checkRest()
	c.report()
}

// report ends the test where something was found.
func (c *client) report() {
	c.t.Helper()
	if c.t.Failed() {
		for _, s := range c.steps[max(0, len(c.steps)-100):] {
			c.t.Log(s)
		}
		c.t.FailNow()
	}
}

// checkRooms compares the rooms, their timelines and states.
func (c *client) checkRooms() {
	c.t.Helper()
	for _, in := range c.all {
		want := truthOf(c.log(in), c.user)
		k := c.rooms[in]
		switch {
		case !c.wants(in):
			if k != nil {
				c.t.Errorf("%s: %s is told of a room that her filter leaves out", in, c.user)
			}
			continue
		case want.membership == "none" || k == nil && want.membership == "ban" && !want.stays:
			if k != nil {
				c.t.Errorf("%s: %s is told of a room she has nothing to do with", in, c.user)
			}
			continue
		case k == nil && !want.stays:
			continue // an invitation taken back before it was seen, and the like
		case k == nil && c.forgot[c.user][in]:
			continue
		case k == nil:
			c.t.Errorf("%s: %s has %s and is not told", in, c.user, want.membership)
			continue
		}
		membership := want.membership
		if membership == "ban" {
			membership = "leave"
		}
		if membership == "invite" && k.membership != "invite" && c.everIgnored(c.user, want.own.Sender) {
			continue // whom she ignores does not invite her
		}
		if k.membership != membership {
			c.t.Errorf("%s: %s believes %s, want %s", in, c.user, k.membership, want.membership)
		}
		if membership == "invite" || membership == "knock" {
			continue
		}
		if (membership == "join" || want.stays) && !c.forgot[c.user][in] {
			var all []id.Event
			for i := range want.timeline {
				if e := &want.timeline[i]; c.event(e) && !want.optional[e.ID] && (e.isState() || !c.everIgnored(c.user, e.Sender)) {
					all = append(all, e.ID)
				}
			}
			byID := map[id.Event]*logged{}
			for i := range want.timeline {
				byID[want.timeline[i].ID] = &want.timeline[i]
			}
			got := slices.DeleteFunc(slices.Clone(k.timeline), func(e id.Event) bool {
				l := byID[e]
				return want.optional[e] || l != nil && !l.isState() && c.everIgnored(c.user, l.Sender)
			})
			if d := cmp.Diff(all, got); d != "" {
				c.t.Errorf("%s: timeline of %s (-want +got):\n%s", in, c.user, d)
			}
		}
		if !c.forgot[c.user][in] {
			c.checkState(in, k.state, want)
		}
	}
}

func (c *client) checkState(in id.Room, got map[string]id.Event, truth truth) {
	c.t.Helper()
	got = maps.Clone(got)
	want := map[string]id.Event{}
	for key, e := range truth.state {
		if c.event(&e) {
			want[key] = e.ID
		} else {
			delete(got, key) // perhaps what was there before, by somebody she does want to hear
		}
	}
	if c.lazy {
		for key := range want {
			// Whom she does not know, and in rooms she left those whom she knew from an earlier stay.
			if strings.HasPrefix(key, "m.room.member|") && (got[key] == "" || truth.membership != "join") {
				delete(want, key)
				delete(got, key)
			}
		}
	}
	if truth.membership != "join" && !truth.stays { // only what she did herself
		for key := range got {
			if key != "m.room.member|"+string(c.user) {
				c.t.Errorf("%s: %s was never in it, and is shown %s", in, c.user, key)
			}
		}
		return
	}
	if truth.membership != "join" {
		key := "m.room.member|" + string(c.user)
		delete(got, key)
		delete(want, key) // a ban after the leave is told too
		for key, e := range got {
			if truth.optional[e] { // came with the timeline
				want[key] = e
			}
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		c.t.Errorf("%s: state of %s (-want +got):\n%s", in, c.user, d)
	}
}
