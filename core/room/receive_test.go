package room_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/room"
	"freehold.example/core/schema"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// replica is a room engine of one of several servers that share a room.
type replica struct {
	*room.Rooms
	name id.Server
	user id.User
	in   id.Room
	have map[id.Event]bool // what it was given or made
}

// replicas opens engines of servers a.test, b.test ... of which the first makes a room and the others join it through it.
func replicas(t *testing.T, n int, v string) []*replica {
	t.Helper()
	var all []*replica
	for i := range n {
		name := id.Server(fmt.Sprintf("%c.test", 'a'+i))
		db := openSQLite(t)
		all = append(all, &replica{Rooms: newRoomsOf(t, db, name), name: name, user: id.User("@u:" + string(name)), have: map[id.Event]bool{}})
	}
	first := all[0]
	in, err := first.Create(t.Context(), room.Caller{User: first.user}, room.CreateRequest{Version: v, Preset: "public_chat"})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range all {
		x.in = in
	}
	for _, x := range all[1:] {
		join(t, first, x)
	}
	return all
}

func openSQLite(t *testing.T) *sqldb.DB {
	t.Helper()
	return sqldbtest.SQLite(t, schema.FS)
}

// stored reads events of one engine by their ids.
func (x *replica) stored(t *testing.T, names ...id.Event) (out []*room.Stored) {
	t.Helper()
	err := x.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
		for _, name := range names {
			s, err := x.ByID(tx, name)
			if err != nil {
				return err
			}
			if s == nil {
				t.Fatalf("%s does not have %s", x.name, name)
			}
			out = append(out, s)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// timeline lists what is in the room, oldest first, without the past.
func (x *replica) timeline(t *testing.T) []*room.Stored {
	t.Helper()
	return x.timelineOf(t)
}

func (x *replica) timelineOf(t testing.TB) (out []*room.Stored) {
	t.Helper()
	err := x.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
		events, _, _, err := x.Stream(tx, 0, 10_000)
		out = events
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// state is the room's state now.
func (x *replica) state(t *testing.T) map[string]id.Event {
	t.Helper()
	state := map[string]id.Event{}
	err := x.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
		now, err := x.Current(tx, x.in)
		if err != nil {
			return err
		}
		events, err := x.StateEvents(tx, now[0].State)
		for _, s := range events {
			key, _ := s.Event.StateKey()
			state[s.Event.Type()+"/"+key] = s.Event.ID()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// join has b's user join through a, as send_join does.
func join(t *testing.T, a, b *replica) {
	t.Helper()
	adoption := answer(t, a, b)
	if err := b.Adopt(t.Context(), adoption); err != nil {
		t.Fatal(err)
	}
	for _, x := range slices.Concat(adoption.State, adoption.Auth) {
		b.have[x.Event.ID()] = true
	}
	b.have[adoption.Join.Event.ID()] = true
}

// answer is what a says of a join of b's user, which it takes.
func answer(t *testing.T, a, b *replica) room.Adoption {
	t.Helper()
	var adoption room.Adoption
	var state, chain []*room.Stored
	var join *event.Event
	err := a.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
		now, err := a.Current(tx, a.in)
		if err != nil {
			return err
		}
		if state, err = a.StateEvents(tx, now[0].State); err != nil {
			return err
		}
		seen := map[id.Event]bool{}
		for open := slices.Clone(state); len(open) > 0; open = open[1:] {
			for _, name := range open[0].Event.Auth() {
				if seen[name] {
					continue
				}
				seen[name] = true
				x, err := a.ByID(tx, name)
				if err != nil {
					return err
				}
				chain, open = append(chain, x), append(open, x)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	last := a.timeline(t)
	tip := last[len(last)-1].Event
	draft := event.Draft{
		Room: a.in, Type: "m.room.member", StateKey: new(string), Sender: b.user, Content: []byte(`{"membership":"join"}`),
		Prev: []id.Event{tip.ID()}, Depth: tip.Depth() + 1, Timestamp: 1,
	}
	*draft.StateKey = string(b.user)
	draft.Hashes = map[id.Event][32]byte{tip.ID(): tip.ReferenceHash()}
	v := tip.Version()
	for _, s := range state {
		key, _ := s.Event.StateKey()
		switch typ := s.Event.Type(); {
		case typ == "m.room.create" && !v.RoomIDIsCreateHash, typ == "m.room.power_levels", typ == "m.room.join_rules", typ == "m.room.member" && key == string(b.user):
			draft.Auth = append(draft.Auth, s.Event.ID())
			draft.Hashes[s.Event.ID()] = s.Event.ReferenceHash()
		}
	}
	if join, err = event.Build(v, draft, b.Signer); err != nil {
		t.Fatal(err)
	}
	in := room.Incoming{Event: join}
	receipts, err := a.Receive(t.Context(), a.in, []room.Incoming{in})
	if err != nil || receipts[0].Verdict != room.Accepted {
		t.Fatalf("the join was not taken: %+v %v", receipts, err)
	}
	adoption = room.Adoption{Version: v, Room: a.in, Join: in}
	for _, s := range state {
		adoption.State = append(adoption.State, room.Incoming{Event: s.Event})
	}
	for _, s := range chain {
		adoption.Auth = append(adoption.Auth, room.Incoming{Event: s.Event})
	}
	return adoption
}

// exchange gives every engine what the others have and it has not, in an order that chance makes, until nobody lacks anything.
func exchange(t *testing.T, dice *rand.Rand, all []*replica) {
	t.Helper()
	events := map[id.Event]*event.Event{}
	for _, x := range all {
		for _, s := range x.timeline(t) {
			x.have[s.Event.ID()] = true
			if s.Event.Sender().Server() == x.name {
				events[s.Event.ID()] = s.Event
			}
		}
	}
	for _, x := range all {
		for tries := 0; ; tries++ {
			var batch []room.Incoming
			for name, e := range events {
				if !x.have[name] {
					batch = append(batch, room.Incoming{Event: e})
				}
			}
			if len(batch) == 0 {
				break
			}
			if tries > 500 {
				t.Fatalf("%s still lacks %d events", x.name, len(batch))
			}
			slices.SortFunc(batch, func(a, b room.Incoming) int { return cmpID(a.Event.ID(), b.Event.ID()) })
			dice.Shuffle(len(batch), func(i, j int) { batch[i], batch[j] = batch[j], batch[i] })
			batch = batch[:1+dice.IntN(len(batch))]
			receipts, err := x.Receive(t.Context(), x.in, batch)
			if fault.Is(err, fault.NotFound) {
				break // nobody of this server is in the room any more: it hears of it again when somebody is
			}
			if err != nil {
				t.Fatal(err)
			}
			for i, r := range receipts {
				if r.Event != batch[i].Event.ID() {
					t.Fatalf("receipt %d is of %s", i, r.Event)
				}
				if r.Verdict != room.Lacking {
					x.have[r.Event] = true
				}
			}
		}
	}
}

func cmpID(a, b id.Event) int {
	if a < b {
		return -1
	}
	return 1
}

// act has one engine's user do something that chance chooses. What the rules refuse is no fault.
func (x *replica) act(t *testing.T, dice *rand.Rand, all []*replica) {
	t.Helper()
	ctx, me := t.Context(), room.Caller{User: x.user, Exempt: true}
	other := all[dice.IntN(len(all))].user
	var err error
	switch dice.IntN(12) {
	case 0:
		_, err = x.SetState(ctx, me, x.in, "m.room.name", "", fmt.Appendf(nil, `{"name":"n%d"}`, dice.IntN(100)))
	case 1:
		_, err = x.SetState(ctx, me, x.in, "m.room.topic", "", fmt.Appendf(nil, `{"topic":"t%d"}`, dice.IntN(100)))
	case 2:
		levels := map[id.User]int{}
		for _, y := range all[1:] {
			levels[y.user] = []int{0, 50, 100}[dice.IntN(3)]
		}
		var content strings.Builder
		content.WriteString(`{"users":{`)
		for i, y := range all[1:] {
			if i > 0 {
				content.WriteString(",")
			}
			fmt.Fprintf(&content, "%q:%d", y.user, levels[y.user])
		}
		if v := x.timeline(t)[0].Event.Version(); !v.CreatorsPrivileged {
			fmt.Fprintf(&content, ",%q:100", all[0].user)
		}
		_, err = x.SetState(ctx, me, x.in, "m.room.power_levels", "", []byte(content.String()+`}}`))
	case 3:
		err = x.Kick(ctx, me, x.in, other, "")
	case 4:
		err = x.Ban(ctx, me, x.in, other, "")
	case 5:
		err = x.Unban(ctx, me, x.in, other, "")
	case 6:
		err = x.Leave(ctx, me, x.in, "")
	case 7, 8:
		err = x.Join(ctx, me, x.in, "", nil)
	case 9:
		_, err = x.SetState(ctx, me, x.in, "m.room.join_rules", "", fmt.Appendf(nil, `{"join_rule":%q}`, []string{"public", "invite"}[dice.IntN(2)]))
	default:
		_, err = x.Send(ctx, me, x.in, text(fmt.Sprint(dice.IntN(1000))), "")
	}
	if _, refused := errors.AsType[*fault.Fault](err); err != nil && !refused {
		t.Fatal(err)
	}
}

// TestForks: servers that part, go on by themselves and meet again agree on the room's state, in whatever order they hear of
// what the others did.
func TestForks(t *testing.T) {
	histories := 5
	if testing.Short() {
		histories = 2
	}
	for _, v := range []string{"1", "2", "6", "10", "11", "12"} {
		for seed := range histories {
			t.Run(fmt.Sprintf("v%s/%d", v, seed), func(t *testing.T) {
				dice := rand.New(rand.NewPCG(uint64(seed), 5))
				all := replicas(t, 3, v)
				exchange(t, dice, all)
				for range 4 {
					for _, x := range all {
						for range dice.IntN(6) {
							x.act(t, dice, all)
						}
					}
					settle(t, dice, all)
					agree(t, all)
				}
			})
		}
	}
}

// settle has everybody hear of everything and say something after that. What is soft failed by one server and was taken by
// another before it could know better is part of the state of only one of them, until that has said something.
func settle(t *testing.T, dice *rand.Rand, all []*replica) {
	t.Helper()
	for range 3 {
		exchange(t, dice, all)
		for _, x := range all {
			if _, err := x.Send(t.Context(), room.Caller{User: x.user}, x.in, text("so"), ""); err != nil && !fault.Is(err, fault.Forbidden) {
				t.Fatal(err)
			}
		}
	}
	exchange(t, dice, all)
}

// remembers compares what the engine says from memory of the last events with what is on disk.
func (x *replica) remembers(t *testing.T) {
	t.Helper()
	disk := newRoomsOf(t, x.DB, x.name)
	err := x.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
		all, _, _, err := disk.Stream(tx, 0, 10_000)
		if err != nil {
			return err
		}
		for at := max(0, len(all)-12); at < len(all); at++ {
			for _, limit := range []int{2, 100} {
				want := all[at:min(len(all), at+limit)]
				got, _, more, err := x.Stream(tx, all[at].Pos-1, limit)
				if err != nil {
					return err
				}
				same := slices.EqualFunc(got, want, func(a, b *room.Stored) bool {
					return a.Pos == b.Pos && a.NID == b.NID && a.State == b.State && a.RedactedBy == b.RedactedBy && bytes.Equal(a.Event.Bytes(), b.Event.Bytes())
				})
				if !same || !more && len(want) < len(all)-at {
					t.Errorf("%s, from position %d: %d events (more: %t), want %d of %d", x.name, all[at].Pos, len(got), more, len(want), len(all)-at)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// agree compares what the engines have of the room.
func agree(t *testing.T, all []*replica) {
	t.Helper()
	for _, x := range all {
		x.remembers(t)
	}
	// A server whose users are not in the room is told no more, and what it thinks of it is of no account.
	inside := slices.DeleteFunc(slices.Clone(all), func(x *replica) bool {
		return slices.ContainsFunc(all, func(y *replica) bool { return !y.joined(t, x.user) })
	})
	if len(inside) == 0 {
		return
	}
	all = inside
	want := all[0].state(t)
	for _, x := range all[1:] {
		got := x.state(t)
		for key := range want {
			if got[key] != want[key] {
				t.Errorf("%s of %s is %s, and %s of %s", key, x.name, got[key], want[key], all[0].name)
			}
		}
		for key := range got {
			if want[key] == "" {
				t.Errorf("%s of %s is %s, and not there in %s", key, x.name, got[key], all[0].name)
			}
		}
	}
	for _, x := range all {
		x.consistent(t)
	}
	if t.Failed() {
		t.FailNow()
	}
}

// joined says whether a user is in the room, as this engine has it.
func (x *replica) joined(t *testing.T, user id.User) (in bool) {
	t.Helper()
	rooms, err := x.Joined(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Contains(rooms, x.in)
}

// consistent compares the table of memberships with the state.
func (x *replica) consistent(t *testing.T) {
	t.Helper()
	err := x.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
		now, err := x.Current(tx, x.in)
		if err != nil {
			return err
		}
		members, err := x.Members(tx, now[0].Room)
		if err != nil {
			return err
		}
		joined, err := x.MemberEvents(tx, now[0].State, func(m string) bool { return m == "join" })
		if err != nil {
			return err
		}
		var state []id.User
		for _, s := range joined {
			key, _ := s.Event.StateKey()
			state = append(state, id.User(key))
		}
		slices.Sort(state)
		slices.Sort(members)
		if !slices.Equal(state, members) {
			t.Errorf("%s: the members are %v, in the state %v", x.name, members, state)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
