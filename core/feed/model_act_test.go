package feed_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/core/ephemeral"
	"freehold.example/core/inbox"
	"freehold.example/core/keys"
	"freehold.example/core/room"
	"freehold.example/matrix/id"
)

// model is a world in which things happen at random, and what is known of them.
type model struct {
	*world
	r     *rand.Rand
	users []id.User
	all   []id.Room
	logs  map[id.Room][]logged
	upto  map[id.Room]sqldb.Pos

	ignores map[id.User]map[id.User]bool
	ignored map[id.User]map[id.User]bool // at any time
	forgot  map[id.User]map[id.Room]bool // at any time
	data    map[id.User]map[dataKey]string
	marks   map[id.Room]map[mark]id.Event
	merged  map[mark]bool // receipts that may not be told, as another of the same user stands on the same event
	uploads map[id.User]int
	sent    map[id.User][]int // messages to the devices of each
	txn     int
}

type dataKey struct {
	room id.Room
	typ  string
}

// mark is whose receipt it is.
type mark struct {
	user   id.User
	typ    string
	thread string
}

func newModel(w *world, seed uint64, users, rooms int) *model {
	m := &model{
		world: w, r: rand.New(rand.NewPCG(seed, 0)), logs: map[id.Room][]logged{}, upto: map[id.Room]sqldb.Pos{},
		ignores: map[id.User]map[id.User]bool{}, ignored: map[id.User]map[id.User]bool{}, forgot: map[id.User]map[id.Room]bool{},
		data: map[id.User]map[dataKey]string{}, marks: map[id.Room]map[mark]id.Event{}, merged: map[mark]bool{},
		uploads: map[id.User]int{}, sent: map[id.User][]int{},
	}
	for i := range users {
		u := id.User(fmt.Sprintf("@u%d:a.test", i))
		m.users = append(m.users, u)
		m.ignores[u], m.ignored[u], m.forgot[u] = map[id.User]bool{}, map[id.User]bool{}, map[id.Room]bool{}
		m.data[u] = map[dataKey]string{}
	}
	for i := range rooms {
		preset := []string{"public_chat", "private_chat", "public_chat"}[i%3]
		in := m.create(m.users[i%users], room.CreateRequest{Preset: preset, Invite: []id.User{m.users[(i+1)%users]}})
		m.all = append(m.all, in)
		m.marks[in] = map[mark]id.Event{}
	}
	return m
}

func (m *model) everIgnored(user, other id.User) bool { return m.ignored[user][other] }

func (m *model) pick(of ...string) string { return of[m.r.IntN(len(of))] }

// someEvent is an event of a room, the newer the likelier.
func (m *model) someEvent(in id.Room) id.Event {
	log := m.log(in)
	return log[len(log)-1-m.r.IntN(min(len(log), 1+m.r.IntN(len(log))))].ID
}

// act lets someone do something. What is not allowed fails, as it should.
func (m *model) act() string {
	r := m.r
	in, by, other := m.all[r.IntN(1+r.IntN(len(m.all)))], m.users[r.IntN(len(m.users))], m.users[r.IntN(len(m.users))]
	ctx, n := m.t.Context(), r.IntN(1_000_000)
	set := func(typ, key, content string) error {
		_, err := m.rooms.SetState(ctx, as(by), in, typ, key, []byte(content))
		return err
	}
	say := func(typ, content string) error {
		_, err := m.rooms.Send(ctx, as(by), in, room.Draft{Type: typ, Content: []byte(content)}, "")
		return err
	}
	var what string
	var err error
	switch r.IntN(30) {
	case 0, 1, 2, 3, 4:
		what, err = "message", say("m.room.message", fmt.Sprintf(`{"body":"%d"}`, n))
	case 5:
		what, err = "topic", set("m.room.topic", "", fmt.Sprintf(`{"topic":"%d"}`, n))
	case 6:
		what, err = "state", set("org.test", m.pick("a", "b", "c"), fmt.Sprintf(`{"n":%d}`, n))
	case 7:
		what, err = "name", set("m.room.member", string(by), fmt.Sprintf(`{"membership":"join","displayname":"%d"}`, n))
	case 8, 9, 10, 11:
		what, err = "join", m.rooms.Join(ctx, as(by), in, "", nil)
	case 12:
		what, err = "leave", m.rooms.Leave(ctx, as(by), in, "")
	case 13, 14:
		what, err = "invite", m.rooms.Invite(ctx, as(by), in, other, "")
	case 15:
		what, err = "kick", m.rooms.Kick(ctx, as(by), in, other, "")
	case 16:
		if r.IntN(3) > 0 {
			what, err = "unban", m.rooms.Unban(ctx, as(by), in, other, "")
		} else {
			what, err = "ban", m.rooms.Ban(ctx, as(by), in, other, "")
		}
	case 17:
		if log := m.log(in); r.IntN(2) == 0 {
			what = "redact"
			_, err = m.rooms.Redact(ctx, as(by), in, log[1+r.IntN(len(log)-1)].ID, json.RawMessage(`{}`), "")
		}
	case 18:
		if r.IntN(3) == 0 {
			h := m.pick("shared", "joined", "invited", "world_readable")
			what, err = h, set("m.room.history_visibility", "", `{"history_visibility":"`+h+`"}`)
		}
	case 19:
		what, err = "knock", m.rooms.Knock(ctx, as(by), in, "")
		if r.IntN(3) == 0 {
			rule := m.pick("public", "knock", "invite", "knock")
			what, err = rule, set("m.room.join_rules", "", `{"join_rule":"`+rule+`"}`)
		}
	case 20, 21:
		what, err = "receipt", m.read(in, by)
	case 22:
		on := r.IntN(3) > 0
		long := time.Minute
		what, err = "typing", m.ephemeral.SetTyping(ctx, by, in, on, &long)
	case 23:
		state := m.pick("online", "unavailable", "offline")
		what, err = state, m.ephemeral.SetPresence(ctx, by, "DEV", state, nil)
	case 24:
		what, err = "account data", m.setData(in, by, n)
	case 25:
		what, err = "keys", m.upload(by, n)
	case 26:
		if r.IntN(3) == 0 {
			what, err = "ignores", m.ignore(by, other)
		}
	case 27:
		what, err = "to-device", m.inbox.Send(ctx, inbox.Sender{User: by, Device: "DEV", Txn: fmt.Sprint(m.txn)}, "org.test",
			map[id.User]map[id.Device]json.RawMessage{other: {"*": fmt.Appendf(nil, `{"n":%d}`, m.txn)}})
		m.sent[other] = append(m.sent[other], m.txn)
		m.txn++
	case 28:
		if r.IntN(4) == 0 {
			if what, err = "forget", m.rooms.Forget(ctx, by, in); err == nil {
				m.forgot[by][in] = true
			}
		}
	case 29:
		what = "threaded"
		rel := m.pick("m.thread", "m.annotation", "m.replace")
		err = say("m.room.message", fmt.Sprintf(`{"body":"%d","m.relates_to":{"rel_type":%q,"event_id":%q,"key":"x"}}`, n, rel, m.someEvent(in)))
	}
	if err != nil {
		what += " (refused)"
	}
	return fmt.Sprintf("%s: %s %s %s", in, by, what, other)
}

// read moves a receipt.
func (m *model) read(in id.Room, by id.User) error {
	event := m.someEvent(in)
	at := mark{user: by, typ: m.pick(ephemeral.Read, ephemeral.Read, ephemeral.ReadPrivate)}
	q := ephemeral.Mark{Type: at.typ, Event: event}
	if m.r.IntN(2) == 0 {
		at.thread = m.pick("main", string(m.someEvent(in)))
		q.Thread = &at.thread
	}
	if err := m.ephemeral.SetReceipts(m.t.Context(), by, in, q); err != nil {
		return err
	}
	log := m.log(in)
	index := func(e id.Event) int { return slices.IndexFunc(log, func(l logged) bool { return l.ID == e }) }
	if old := m.marks[in][at]; old != "" && index(old) > index(event) {
		return nil
	}
	m.marks[in][at] = event
	for other, e := range m.marks[in] {
		if other.user == by && other.typ == at.typ && other.thread != at.thread && e == event {
			m.merged[at], m.merged[other] = true, true
		}
	}
	return nil
}

func (m *model) setData(in id.Room, by id.User, n int) error {
	key := dataKey{typ: m.pick("org.a", "org.b")}
	if m.r.IntN(2) == 0 {
		key.room = in
	}
	content := fmt.Sprintf(`{"n":%d}`, n)
	if m.r.IntN(4) == 0 {
		content = `{}`
	}
	if key.room != "" && m.r.IntN(3) == 0 {
		key.typ, content = "m.tag", fmt.Sprintf(`{"tags":{"u.%d":{}}}`, n)
		if err := m.people.DropTag(m.t.Context(), by, in, "u.x"); err != nil {
			return err
		}
	}
	if err := m.people.SetData(m.t.Context(), by, key.room, key.typ, json.RawMessage(content)); err != nil {
		return err
	}
	m.data[by][key] = content
	return nil
}

func (m *model) ignore(by, other id.User) error {
	if by == other {
		return nil
	}
	list := maps.Clone(m.ignores[by])
	if list[other] {
		delete(list, other)
	} else {
		list[other] = true
	}
	users := map[id.User]struct{}{}
	for u := range list {
		users[u] = struct{}{}
	}
	raw, err := json.Marshal(map[string]any{"ignored_users": users})
	if err != nil {
		return err
	}
	if err := m.people.SetData(m.t.Context(), by, "", "m.ignored_user_list", raw); err != nil {
		return err
	}
	m.ignores[by] = list
	m.ignored[by][other] = true
	return nil
}

// upload changes the user's device list, or what others can claim.
func (m *model) upload(by id.User, n int) error {
	up := keys.Upload{OneTimeKeys: map[string]json.RawMessage{fmt.Sprintf("signed_curve25519:%d", n): json.RawMessage(`{"key":"x"}`)}}
	if m.r.IntN(2) == 0 {
		up.DeviceKeys = fmt.Appendf(nil, `{"user_id":%q,"device_id":"DEV","algorithms":[],"keys":{"n:DEV":"%d"},"signatures":{}}`, by, n)
	}
	_, err := m.keys.Upload(m.t.Context(), by, "DEV", up)
	if err == nil && up.DeviceKeys != nil {
		m.uploads[by]++
	}
	return err
}

// TestModel runs the model once, or as often as FH_MODEL_RUNS says; FH_MODEL_SEED is that of the first run.
func TestModel(t *testing.T) {
	for seed := range seeds() {
		each(t, func(t *testing.T, w *world) { modelRun(t, w, seed, 300) })
	}
}

// TestModelSmall is TestModel with next to no memory, so that what was remembered is forgotten all the time.
func TestModelSmall(t *testing.T) {
	for seed := range seeds() {
		eachSmall(t, func(t *testing.T, w *world) { modelRun(t, w, seed, 200) })
	}
}

func seeds() func(func(uint64) bool) {
	runs, seed := uint64(1), rand.Uint64()
	if n, err := strconv.ParseUint(os.Getenv("FH_MODEL_RUNS"), 10, 64); err == nil {
		runs = n
	}
	if n, err := strconv.ParseUint(os.Getenv("FH_MODEL_SEED"), 10, 64); err == nil {
		seed = n
	}
	return func(yield func(uint64) bool) {
		for i := range runs {
			if !yield(seed + i) {
				return
			}
		}
	}
}

func modelRun(t *testing.T, w *world, seed uint64, steps int) {
	t.Logf("seed %d", seed)
	m := newModel(w, seed, 10, 20)
	u := m.users
	clients := []*client{
		{user: u[0]},
		{user: u[1], lens: lens{stateAfter: true}},
		{user: u[2], lens: lens{threads: true}},
		{user: u[2], lens: lens{stateAfter: true}},
		{user: u[3], lens: lens{lazy: true}},
		{user: u[3], lens: lens{lazy: true, stateAfter: true}},
		{user: u[0], lens: lens{notTypes: []string{"org.test", "m.room.message"}}},
		{user: u[1], lens: lens{notSenders: u[4:7], notRooms: m.all[1:5:5]}},
		{user: u[4], lens: lens{notTypes: []string{"m.room.member"}, stateAfter: true}},
	}
	for i, c := range clients {
		c.model = m
		c.device = id.Device(fmt.Sprint(i))
		c.rooms = map[id.Room]*known{}
	}
	for range steps {
		did := m.act()
		for _, c := range clients {
			c.steps = append(c.steps, did)
			if m.r.IntN(10) == 0 {
				c.step()
				c.check()
			}
		}
	}
	peeked, read := w.feed.Looks()
	t.Logf("%d looks from memory, %d from the database", peeked, read)
}
