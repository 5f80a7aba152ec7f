package stateres_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"freehold.example/matrix/authrule"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/stateres"
	"freehold.example/matrix/version"
)

// source reads small numbers off the fuzzer's bytes; at their end it gives zeros.
type source []byte

func (s *source) below(n int) int {
	if len(*s) == 0 {
		return 0
	}
	b := int((*s)[0])
	*s = (*s)[1:]
	return b % n
}

// randomRoom makes events that name each other at random, sensible or not, and states of them.
func randomRoom(t testing.TB, v *version.Version, s *source) (sets []stateres.StateMap, events map[id.Event]*event.Event, rejected map[id.Event]bool) {
	users := []id.User{"@alice:a", "@bob:b", "@carol:c"}
	contents := []string{
		`{"membership":"join"}`, `{"membership":"leave"}`, `{"membership":"ban"}`, `{"membership":"invite"}`,
		`{"membership":"join","join_authorised_via_users_server":"@alice:a"}`,
		`{"users":{"@bob:b":50}}`, `{"users":{"@bob:b":50,"@alice:a":100}}`, `{"users":{"@carol:c":10},"events_default":20}`,
		`{"join_rule":"invite"}`, `{"join_rule":"public"}`, `{"join_rule":"restricted"}`, `{"topic":"x"}`, `{"ban":null}`,
	}
	types := []string{"m.room.member", "m.room.member", "m.room.power_levels", "m.room.join_rules", "m.room.topic", "m.room.third_party_invite", "m.room.create"}
	create := draft{id: "$create", typ: "m.room.create", key: new(string), sender: "@alice:a", content: `{"creator":"@alice:a"}`}
	drafts := []draft{create}
	for range 3 + s.below(20) {
		d := draft{id: id.Event(fmt.Sprintf("$%02d", len(drafts))), typ: types[s.below(len(types))], sender: users[s.below(len(users))], ts: int64(s.below(4)), depth: s.below(5)}
		d.content = contents[s.below(len(contents))]
		key := ""
		if d.typ == "m.room.member" {
			key = string(users[s.below(len(users))])
		}
		if s.below(20) != 19 {
			d.key = &key
		}
		for range s.below(5) {
			reach := len(drafts)
			if s.below(40) == 39 {
				reach += 2 // itself, or one that comes later or never
			}
			d.auth = append(d.auth, id.Event(fmt.Sprintf("$%02d", s.below(reach))))
		}
		for i, name := range d.auth {
			if name == "$00" {
				d.auth[i] = "$create"
			}
		}
		drafts = append(drafts, d)
	}
	events, rejected = make(map[id.Event]*event.Event), make(map[id.Event]bool)
	for _, d := range drafts {
		events[d.id] = d.build(t, v)
		if s.below(10) == 9 {
			rejected[d.id] = true
		}
	}
	for range 2 + s.below(3) {
		set := make(stateres.StateMap)
		for _, d := range drafts {
			if d.key != nil && s.below(3) != 0 {
				set[authrule.StateKey{Type: d.typ, Key: *d.key}] = d.id
			}
		}
		sets = append(sets, set)
	}
	return sets, events, rejected
}

// FuzzResolve checks that no room makes a resolution panic or hang, and that the result does not depend on the order of
// the sets, leaves alone what they agree on, and has nothing but what their events can bring.
func FuzzResolve(f *testing.F) {
	f.Add([]byte("a room of few events"))
	f.Add([]byte("\x00\x07\x00\x01\x00\x00\x00\x00\x00\x01\x00\x05\x00\x02\x01\x02\x01\x03\x01\x04"))
	f.Add([]byte("The quick brown fox jumps over the lazy dog, again and again and again and again, until the room is full of it."))
	f.Fuzz(func(t *testing.T, input []byte) {
		s := source(input)
		v := version.All()[s.below(len(version.All()))]
		sets, events, rejected := randomRoom(t, v, &s)
		before := make([]stateres.StateMap, len(sets))
		for i := range sets {
			before[i] = maps.Clone(sets[i])
		}
		got, err := stateres.Resolve(v, sets, events, rejected)
		if diff := cmp.Diff(before, sets); diff != "" {
			t.Fatalf("Resolve changed its input:\n%s", diff)
		}
		for range sets {
			sets = append(sets[1:], sets[0])
			again, err2 := stateres.Resolve(v, sets, events, rejected)
			if (err == nil) != (err2 == nil) {
				t.Fatalf("got %v, in another order %v", err, err2)
			}
			if diff := cmp.Diff(got, again); diff != "" {
				t.Fatalf("another order of the sets makes another result:\n%s", diff)
			}
		}
		if err != nil {
			return
		}
		checkResult(t, sets, got)
		for key, name := range got {
			if e := events[name]; e == nil || !e.IsState(key.Type, key.Key) {
				t.Errorf("%v: got %s, which is not such an event", key, name)
			}
			if !slices.ContainsFunc(sets, func(set stateres.StateMap) bool { _, has := set[key]; return has }) && v.StateRes == version.V1 {
				t.Errorf("%v is in the result, but in no set", key)
			}
		}
	})
}
