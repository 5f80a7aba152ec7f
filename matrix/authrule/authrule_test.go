package authrule_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"freehold.example/matrix/authrule"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
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

// partial is a partial event of JSON text.
func partial(t testing.TB, text string) map[string]json.RawMessage {
	t.Helper()
	var p map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestNeeded(t *testing.T) {
	member := "m.room.member"
	carol := "@carol:c"
	create, power, rules := authrule.StateKey{Type: "m.room.create"}, authrule.StateKey{Type: "m.room.power_levels"}, authrule.StateKey{Type: "m.room.join_rules"}
	of := func(user string) authrule.StateKey { return authrule.StateKey{Type: member, Key: user} }
	for _, test := range []struct {
		name, version, typ string
		key                *string
		content            string
		want               []authrule.StateKey
	}{
		{"create", "11", "m.room.create", new(string), `{}`, nil},
		{"message", "11", "m.room.message", nil, `{}`, []authrule.StateKey{create, power, of("@bob:b")}},
		{"message, where the room id implies the create event", "12", "m.room.message", nil, `{}`, []authrule.StateKey{power, of("@bob:b")}},
		{"invitation", "12", member, &carol, `{"membership": "invite"}`, []authrule.StateKey{power, of("@bob:b"), of(carol), rules}},
		{"ban", "12", member, &carol, `{"membership":"ban"}`, []authrule.StateKey{power, of("@bob:b"), of(carol)}},
		{"knock", "12", member, &carol, `{"membership":"knock"}`, []authrule.StateKey{power, of("@bob:b"), of(carol), rules}},
		{
			"third-party invitation", "6", member, &carol, `{"membership":"invite","third_party_invite":{"signed":{"token":"t"}}}`,
			[]authrule.StateKey{create, power, of("@bob:b"), of(carol), rules, {Type: "m.room.third_party_invite", Key: "t"}},
		},
		{
			"third-party invitation without token", "6", member, &carol, `{"membership":"invite","third_party_invite":{"signed":{}}}`,
			[]authrule.StateKey{create, power, of("@bob:b"), of(carol), rules},
		},
		{
			"restricted join", "8", member, new("@bob:b"), `{"membership":"join","join_authorised_via_users_server":"@carol:c"}`,
			[]authrule.StateKey{create, power, of("@bob:b"), rules, of(carol)},
		},
		{
			"restricted join, before there were any", "7", member, new("@bob:b"), `{"membership":"join","join_authorised_via_users_server":"@carol:c"}`,
			[]authrule.StateKey{create, power, of("@bob:b"), rules},
		},
		{"no JSON", "12", member, &carol, `{"membership":`, []authrule.StateKey{power, of("@bob:b"), of(carol)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := authrule.Needed(lookup(t, test.version), test.typ, "@bob:b", test.key, []byte(test.content))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("needed (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPowerLevels(t *testing.T) {
	for _, test := range []struct {
		name, version, content string
		want                   string // what levels shows
	}{
		{"nothing said", "12", `{}`, "user 0 event 0 state 50 name 50 invite 0 kick 50 ban 50 redact 50 room 50"},
		{
			"all said", "12",
			`{"users":{"@u:u":7},"events_default":1,"state_default":2,"events":{"m.room.name":3},"invite":4,"kick":5,"ban":6,"redact":8,"notifications":{"room":9},"users_default":10}`,
			"user 7 event 1 state 2 name 3 invite 4 kick 5 ban 6 redact 8 room 9",
		},
		{"users_default", "12", `{"users_default":10}`, "user 10 event 0 state 50 name 50 invite 0 kick 50 ban 50 redact 50 room 50"},
		{"case counts", "12", `{"Ban":1,"Users":{"@u:u":100},"INVITE":7}`, "user 0 event 0 state 50 name 50 invite 0 kick 50 ban 50 redact 50 room 50"},
		{"white space, not canonical", "12", "{ \"ban\" : 1,\n\"kick\":2 }", "user 0 event 0 state 50 name 50 invite 0 kick 2 ban 1 redact 50 room 50"},
		{"strings", "9", `{"ban":"1","kick":" 002 ","redact":"+3","invite":"-4"}`, "user 0 event 0 state 50 name 50 invite -4 kick 2 ban 1 redact 3 room 50"},
		{"fractions", "1", `{"ban":50.57,"kick":-50.57,"redact":5.114698E4,"invite":1e3}`, "user 0 event 0 state 50 name 50 invite 1000 kick -50 ban 50 redact 51146 room 50"},
		{
			"beyond int64", "1", `{"ban":1e300,"kick":-1e300,"redact":123456789012345678901234567890,"invite":"99999999999999999999"}`,
			"user 0 event 0 state 50 name 50 invite 9223372036854775806 kick -9223372036854775806 ban 9223372036854775806 redact 9223372036854775806 room 50",
		},
		{"beyond a double", "1", `{"ban":1e999}`, "error"},
		{"fraction where there are none", "6", `{"ban":1.5}`, "error"},
		{"string where there are none", "10", `{"ban":"1"}`, "error"},
		{"no object", "12", `[]`, "error"},
		{"no JSON", "12", `{"ban":`, "error"},
		{"nothing", "12", ``, "error"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := "error"
			if p, err := authrule.ParsePowerLevels(lookup(t, test.version), []byte(test.content)); err == nil {
				got = levels(p)
			}
			if got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
	var none *authrule.PowerLevels
	if got, want := levels(none), "user 0 event 0 state 50 name 50 invite 0 kick 50 ban 50 redact 50 room 50"; got != want {
		t.Errorf("no power levels: got %s, want %s", got, want)
	}
}

func levels(p *authrule.PowerLevels) string {
	return fmt.Sprintf("user %d event %d state %d name %d invite %d kick %d ban %d redact %d room %d", p.User("@u:u"), p.Event("m.x", false),
		p.Event("m.x", true), p.Event("m.room.name", true), p.Invite(), p.Kick(), p.Ban(), p.Redact(), p.Notification("room"))
}

func TestLevel(t *testing.T) {
	create := partial(t, `{"type":"m.room.create","sender":"@alice:a","state_key":"","event_id":"$create","prev_events":[],
		"content":{"creator":"@carol:c","additional_creators":["@bob:b"]}}`)
	power := partial(t, `{"type":"m.room.power_levels","sender":"@alice:a","state_key":"","content":{"users_default":5}}`)
	for _, test := range []struct {
		version           string
		power             bool
		alice, bob, carol authrule.Level
	}{
		{"10", false, 0, 0, 100},
		{"11", false, 100, 0, 0},
		{"12", false, authrule.CreatorLevel, authrule.CreatorLevel, 0},
		{"11", true, 5, 5, 5},
		{"12", true, authrule.CreatorLevel, authrule.CreatorLevel, 5},
	} {
		list := []map[string]json.RawMessage{create}
		if test.power {
			list = append(list, power)
		}
		s := gather(t, lookup(t, test.version), list)
		got := []authrule.Level{s.Level("@alice:a"), s.Level("@bob:b"), s.Level("@carol:c")}
		if want := []authrule.Level{test.alice, test.bob, test.carol}; !slices.Equal(got, want) {
			t.Errorf("version %s, power levels %v: got %d, want %d", test.version, test.power, got, want)
		}
	}
}

func TestGatherRefusesWhatCannotBe(t *testing.T) {
	v := lookup(t, "12")
	for _, text := range []string{
		`{"type":"m.room.power_levels","sender":"@alice:a","state_key":"","content":{"ban":"50"}}`,
		`{"type":"m.room.create","sender":"@alice:a","state_key":"","content":{"additional_creators":1},"event_id":"$create"}`,
	} {
		if _, err := authrule.Gather(v, []*event.Event{pdu(t, v, partial(t, text), 1)}); err == nil {
			t.Errorf("%s: got no error", text)
		}
	}
}

// FuzzCheck checks that no content makes the rules panic, whichever event has it, and that a refusal has a rule.
func FuzzCheck(f *testing.F) {
	f.Add(uint8(11), uint8(0), []byte(`{"membership":"join","join_authorised_via_users_server":"@bob:b"}`))
	f.Add(uint8(3), uint8(0), []byte(`{"membership":"invite","third_party_invite":{"signed":{"mxid":"@dave:d","token":"t","signatures":{"x":{"ed25519:1":"AAAA"}}}}}`))
	f.Add(uint8(0), uint8(1), []byte(`{"users":{"@bob:b":"5","@x:y":1.5},"events":{"m.room.name":1}}`))
	f.Add(uint8(11), uint8(2), []byte(`{"room_version":"12","additional_creators":["@x:y"],"m.federate":false}`))
	f.Add(uint8(9), uint8(3), []byte(`{"join_rule":"restricted","allow":[{"type":"m.room_membership","room_id":"!x:y"}]}`))
	f.Add(uint8(9), uint8(4), []byte(`{"public_key":"AAAA","public_keys":[{"public_key":1}]}`))
	types := []string{"m.room.member", "m.room.power_levels", "m.room.create", "m.room.join_rules", "m.room.third_party_invite", "m.room.redaction", "m.room.aliases", "m.x"}
	f.Fuzz(func(t *testing.T, ver, kind uint8, content []byte) {
		v := version.All()[int(ver)%len(version.All())]
		typ := types[int(kind)%len(types)]
		key := ""
		if typ == "m.room.member" {
			key = "@dave:d"
		}
		authrule.Needed(v, typ, "@bob:b", &key, content)
		// As an event whose bytes were damaged, too: whatever is in place of the content.
		raw := fmt.Appendf(nil, `{"auth_events":[],"content":%s,"depth":1,"origin_server_ts":1,"prev_events":[],"room_id":"!room:a","sender":"@bob:b","state_key":%q,"type":%q}`, content, key, typ)
		e, err := event.Stored(v, "$e", raw, nil)
		if err != nil {
			return
		}
		s := &authrule.State{
			Create:  &authrule.Create{Room: e.Room(), Sender: "@alice:a", Creator: "@alice:a", Federate: true},
			Members: map[id.User]*authrule.Member{"@bob:b": authrule.MemberOf(authrule.Join)},
		}
		for range 2 { // in a room without such an event, and in one that has it
			if err := authrule.Check(e, s); err != nil {
				if r, ok := errors.AsType[*authrule.Refused](err); !ok || r.Rule == "" || r.Rule[0] == '.' {
					t.Fatalf("got %v, want a refusal by a rule", err)
				}
			}
			if s.Add(v, e) != nil || s.Create.Room != e.Room() {
				return
			}
		}
	})
}

// FuzzPowerLevels checks that what parses says the same to everybody who asks again, and that levels stay below a creator's.
func FuzzPowerLevels(f *testing.F) {
	f.Add(uint8(0), []byte(`{"users":{"@u:u":" +0005 "},"ban":1e10,"kick":-0.5,"invite":123456789012345678901}`))
	f.Add(uint8(11), []byte(`{"users":{"@u:u":5},"events":{"m.room.name":9007199254740991},"notifications":{"room":-1}}`))
	f.Fuzz(func(t *testing.T, ver uint8, content []byte) {
		v := version.All()[int(ver)%len(version.All())]
		p, err := authrule.ParsePowerLevels(v, content)
		if err != nil {
			return
		}
		again, err := authrule.ParsePowerLevels(v, content)
		if err != nil || levels(p) != levels(again) {
			t.Fatalf("got %v, then %v, %v", p, again, err)
		}
		for user, level := range p.Users() {
			if level >= authrule.CreatorLevel || p.User(user) != level {
				t.Fatalf("%s has level %d, asked by name %d", user, level, p.User(user))
			}
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	v := lookup(b, "12")
	users := make(map[string]int)
	for i := range 100 {
		users[fmt.Sprintf("@user%d:s%d", i, i)] = i
	}
	content, err := json.Marshal(map[string]any{"users": users, "events": map[string]int{"m.room.name": 50}})
	if err != nil {
		b.Fatal(err)
	}
	power, err := authrule.ParsePowerLevels(v, content)
	if err != nil {
		b.Fatal(err)
	}
	create, err := authrule.ParseCreate(pdu(b, v, partial(b, `{"type":"m.room.create","sender":"@alice:a","state_key":"","event_id":"$create"}`), 0))
	if err != nil {
		b.Fatal(err)
	}
	s := &authrule.State{Create: create, Power: power, JoinRules: &authrule.JoinRules{Rule: authrule.RulePublic}, Members: make(map[id.User]*authrule.Member)}
	for i := range 10000 {
		s.Members[id.User(fmt.Sprintf("@user%d:s%d", i, i))] = authrule.MemberOf(authrule.Join)
	}
	s.Members["@alice:a"] = authrule.MemberOf(authrule.Join)
	for name, text := range map[string]string{
		"message": `{"type":"m.room.message","sender":"@user77:s77","content":{"body":"hello"}}`,
		"join":    `{"type":"m.room.member","sender":"@new:n","state_key":"@new:n","content":{"displayname":"New","membership":"join"}}`,
		"power":   `{"type":"m.room.power_levels","sender":"@alice:a","state_key":"","content":` + string(content) + `}`,
	} {
		b.Run(name, func(b *testing.B) {
			e := pdu(b, v, partial(b, text), 1)
			b.ReportAllocs()
			for b.Loop() {
				if err := authrule.Check(e, s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
