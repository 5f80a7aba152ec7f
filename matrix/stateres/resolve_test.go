package stateres_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"freehold.example/matrix/authrule"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/stateres"
	"freehold.example/matrix/version"
)

func lookup(t testing.TB, name string) *version.Version {
	t.Helper()
	v, ok := version.Lookup(name)
	if !ok {
		t.Fatalf("no version %s", name)
	}
	return v
}

func TestResolveOfFewSets(t *testing.T) {
	v := lookup(t, "12")
	one := stateres.StateMap{{Type: "m.room.topic"}: "$a"}
	for name, test := range map[string]struct {
		sets []stateres.StateMap
		want stateres.StateMap
	}{
		"none":      {nil, stateres.StateMap{}},
		"one":       {[]stateres.StateMap{one}, one},
		"two alike": {[]stateres.StateMap{one, maps.Clone(one)}, one},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := stateres.Resolve(v, test.sets, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("resolved state (-want +got):\n%s", diff)
			}
			got[authrule.StateKey{Type: "m.own"}] = "$b" // the result is ours: this must not reach the sets
			if len(one) != 1 {
				t.Error("the result shares memory with a set")
			}
		})
	}
}

// room makes events of a room, one after the other, with the auth events that their state selects.
type room struct {
	t      testing.TB
	v      *version.Version
	events map[id.Event]*event.Event
	n      int
}

func newRoom(t testing.TB, v *version.Version) *room {
	return &room{t: t, v: v, events: make(map[id.Event]*event.Event)}
}

// send makes a state event on top of a state and puts it there.
func (r *room) send(state stateres.StateMap, typ, key string, sender id.User, content string) *event.Event {
	r.n++
	d := draft{id: id.Event(fmt.Sprintf("$%06d:a", r.n)), typ: typ, key: &key, sender: sender, ts: int64(r.n), content: content, depth: r.n}
	if typ == "m.room.create" {
		d.id = "$create"
	}
	for _, needed := range authrule.Needed(r.v, typ, sender, &key, []byte(content)) {
		if name, has := state[needed]; has {
			d.auth = append(d.auth, name)
		}
	}
	e := d.build(r.t, r.v)
	r.events[d.id] = e
	state[authrule.StateKey{Type: typ, Key: key}] = d.id
	return e
}

func (r *room) member(state stateres.StateMap, sender, user id.User, membership string) {
	r.send(state, "m.room.member", string(user), sender, `{"membership":"`+membership+`"}`)
}

func user(n int) id.User { return id.User(fmt.Sprintf("@user%d:s%d", n, n%100)) }

const admin = id.User("@admin:a")

// start makes a public room whose admin is not its creator, so that it is alike in all versions.
func (r *room) start(members int) stateres.StateMap {
	state := make(stateres.StateMap)
	r.send(state, "m.room.create", "", "@creator:a", `{"creator":"@creator:a"}`)
	r.member(state, "@creator:a", "@creator:a", "join")
	r.send(state, "m.room.power_levels", "", "@creator:a", `{"users":{}}`) // a first one, replaced below
	if !r.v.CreatorsPrivileged {
		delete(state, authrule.StateKey{Type: "m.room.power_levels"})
	}
	r.send(state, "m.room.power_levels", "", "@creator:a", `{"users":{"@admin:a":100,"@user1:s1":50,"@user2:s2":50}}`)
	r.send(state, "m.room.join_rules", "", "@creator:a", `{"join_rule":"public"}`)
	r.member(state, admin, admin, "join")
	for n := range members {
		r.member(state, user(n), user(n), "join")
	}
	return state
}

// forked is a room of many members whose state forked many ways: each fork has joins, leaves, profile changes, kicks and
// bans of its own, and some have changes of power levels.
func forked(t testing.TB, v *version.Version, members, forks int) ([]stateres.StateMap, map[id.Event]*event.Event) {
	r := newRoom(t, v)
	base := r.start(members)
	rnd := rand.New(rand.NewPCG(1, 2))
	sets := make([]stateres.StateMap, forks)
	for i := range sets {
		state := maps.Clone(base)
		if i%10 == 3 {
			r.send(state, "m.room.power_levels", "", admin,
				fmt.Sprintf(`{"users":{"@admin:a":100,"@user1:s1":50,"@user2:s2":50,"@user%d:s%d":10}}`, i, i))
		}
		for range 20 {
			u := user(10 + rnd.IntN(members-10))
			switch rnd.IntN(5) {
			case 0:
				r.member(state, u, u, "leave")
			case 1:
				r.member(state, admin, u, "ban")
			case 2:
				r.member(state, user(1), u, "leave")
			case 3:
				r.send(state, "m.room.member", string(u), u, `{"displayname":"New","membership":"join"}`)
			case 4:
				n := id.User(fmt.Sprintf("@new%d:s%d", rnd.IntN(1000), i))
				r.member(state, n, n, "join")
			}
		}
		r.send(state, "m.room.topic", "", admin, fmt.Sprintf(`{"topic":"%d"}`, i))
		sets[i] = state
	}
	return sets, r.events
}

func TestForkedRoom(t *testing.T) {
	for _, name := range []string{"1", "2", "11", "12"} {
		t.Run(name, func(t *testing.T) {
			v := lookup(t, name)
			sets, events := forked(t, v, 200, 70) // more sets than bits in a word
			got, err := stateres.Resolve(v, sets, events, nil)
			if err != nil {
				t.Fatal(err)
			}
			checkResult(t, sets, got)
			fromForks, err := stateres.ResolveForks(v, sets[0], forksOf(sets[0], sets[1:]), events, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, fromForks); diff != "" {
				t.Errorf("the result of the forks is another:\n%s", diff)
			}
			slices.Reverse(sets)
			again, err := stateres.Resolve(v, sets, events, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, again); diff != "" {
				t.Errorf("the result depends on the order of the sets:\n%s", diff)
			}
		})
	}
}

// forksOf is what sets have other than first.
func forksOf(first stateres.StateMap, sets []stateres.StateMap) (forks []stateres.StateMap) {
	for _, set := range sets {
		fork := maps.Clone(set)
		for key, name := range first {
			switch set[key] {
			case name:
				delete(fork, key)
			case "":
				fork[key] = ""
			}
		}
		forks = append(forks, fork)
	}
	return forks
}

// checkResult checks what must hold for every resolution: what all sets agree on stands, and no event comes to stand for a
// key that is not its own.
func checkResult(t testing.TB, sets []stateres.StateMap, got stateres.StateMap) {
	t.Helper()
	for key, name := range sets[0] {
		agreed := true
		for _, set := range sets {
			agreed = agreed && set[key] == name
		}
		if agreed && got[key] != name {
			t.Errorf("%v: got %s, though all sets have %s", key, got[key], name)
		}
	}
}

func BenchmarkResolve10kForked50(b *testing.B) {
	for _, name := range []string{"2", "12"} {
		b.Run("v"+name, func(b *testing.B) {
			v := lookup(b, name)
			sets, events := forked(b, v, 10000, 50)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := stateres.Resolve(v, sets, events, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkResolveForks10kForked50(b *testing.B) {
	v := lookup(b, "12")
	sets, events := forked(b, v, 10000, 50)
	forks := forksOf(sets[0], sets[1:])
	b.ReportAllocs()
	for b.Loop() {
		if _, err := stateres.ResolveForks(v, sets[0], forks, events, nil); err != nil {
			b.Fatal(err)
		}
	}
}
