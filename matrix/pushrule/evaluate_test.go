package pushrule

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"freehold.example/matrix/canon"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// message is an m.room.message of Bob's.
func message(t testing.TB, content string) *Event {
	t.Helper()
	return flat(t, "m.room.message", nil, content)
}

func flat(t testing.TB, typ string, stateKey *string, content string) *Event {
	t.Helper()
	object, err := canon.Canonical([]byte(content), canon.Strict)
	if err != nil {
		t.Fatalf("%s: %v", content, err)
	}
	return Flatten(typ, "@bob:example.org", "!room:example.org", stateKey, object)
}

func TestDefaults(t *testing.T) {
	key := func(s string) *string { return &s }
	group := Occasion{Members: 3, SenderLevel: 0}
	two := Occasion{Members: 2}
	mod := Occasion{Members: 3, SenderLevel: 50}
	for _, tt := range []struct {
		name     string
		typ      string
		stateKey *string
		content  string
		o        Occasion
		want     string // rule, and n, s, h for notify, sound, highlight
	}{
		{"group message", "m.room.message", nil, `{"body":"hi"}`, group, ".m.rule.message n"},
		{"message between two", "m.room.message", nil, `{"body":"hi"}`, two, ".m.rule.room_one_to_one ns"},
		{"encrypted", "m.room.encrypted", nil, `{}`, group, ".m.rule.encrypted n"},
		{"encrypted between two", "m.room.encrypted", nil, `{}`, two, ".m.rule.encrypted_room_one_to_one ns"},
		{"call", "m.call.invite", nil, `{}`, group, ".m.rule.call ns"},
		{"notice", "m.room.message", nil, `{"body":"alice","msgtype":"m.notice"}`, two, ".m.rule.suppress_notices "},
		{"invite for her", "m.room.member", key(alice), `{"membership":"invite"}`, group, ".m.rule.invite_for_me ns"},
		{"invite for another", "m.room.member", key("@carol:x"), `{"membership":"invite"}`, group, ".m.rule.member_event "},
		{"invite for a namesake", "m.room.member", key("@Alice:example.org"), `{"membership":"invite"}`, group, ".m.rule.member_event "},
		{"join", "m.room.member", key(alice), `{"membership":"join"}`, group, ".m.rule.member_event "},
		{"mention", "m.room.message", nil, `{"body":"x","m.mentions":{"user_ids":["@z:z","@alice:example.org"]}}`, group, ".m.rule.is_user_mention nsh"},
		{"mention of another", "m.room.message", nil, `{"body":"x","m.mentions":{"user_ids":["@z:z"]}}`, group, ".m.rule.message n"},
		{"mention in another type", "org.x", nil, `{"m.mentions":{"user_ids":["@alice:example.org"]}}`, group, ".m.rule.is_user_mention nsh"},
		{"mention not nested", "m.room.message", nil, `{"m":{"mentions":{"user_ids":["@alice:example.org"]}}}`, group, ".m.rule.message n"},
		{"mentions no list", "m.room.message", nil, `{"m.mentions":{"user_ids":"@alice:example.org"}}`, group, ".m.rule.message n"},
		{"room mention", "m.room.message", nil, `{"m.mentions":{"room":true}}`, mod, ".m.rule.is_room_mention nh"},
		{"room mention without power", "m.room.message", nil, `{"m.mentions":{"room":true}}`, group, ".m.rule.message n"},
		{"room mention false", "m.room.message", nil, `{"m.mentions":{"room":"true"}}`, mod, ".m.rule.message n"},
		{"room mention, level set", "m.room.message", nil, `{"m.mentions":{"room":true}}`, Occasion{Members: 3, SenderLevel: 50, Levels: map[string]int64{"room": 51}}, ".m.rule.message n"},
		{"room mention, level lowered", "m.room.message", nil, `{"m.mentions":{"room":true}}`, Occasion{Members: 3, Levels: map[string]int64{"room": 0}}, ".m.rule.is_room_mention nh"},
		{"room mention by a creator", "m.room.message", nil, `{"m.mentions":{"room":true}}`, Occasion{SenderLevel: math.MaxInt64, Levels: map[string]int64{"room": 1 << 52}}, ".m.rule.is_room_mention nh"},
		{"legacy: name", "m.room.message", nil, `{"body":"hey Ally McBeal, hi"}`, group, ".m.rule.contains_display_name nsh"},
		{"legacy: part of a name", "m.room.message", nil, `{"body":"hey Ally McBeals"}`, group, ".m.rule.message n"},
		{"legacy: local part", "m.room.message", nil, `{"body":"ALICE: hi"}`, group, ".m.rule.contains_user_name nsh"},               // B236
		{"legacy: whole id", "m.room.message", nil, `{"body":"hi @alice:example.org"}`, group, ".m.rule.contains_user_name nsh"},     // B236
		{"legacy: but mentions", "m.room.message", nil, `{"body":"alice, Ally McBeal","m.mentions":{}}`, group, ".m.rule.message n"}, // decided by the sender's client
		{"legacy: mentions no object", "m.room.message", nil, `{"body":"alice","m.mentions":1}`, group, ".m.rule.contains_user_name nsh"},
		{"legacy: room", "m.room.message", nil, `{"body":"attention @room"}`, mod, ".m.rule.roomnotif nh"},
		{"legacy: room without power", "m.room.message", nil, `{"body":"attention @room"}`, group, ".m.rule.message n"},
		{"legacy: room but mentions", "m.room.message", nil, `{"body":"@room","m.mentions":{}}`, mod, ".m.rule.message n"},
		{"tombstone", "m.room.tombstone", key(""), `{}`, group, ".m.rule.tombstone nh"},
		{"tombstone, no state", "m.room.tombstone", nil, `{}`, group, " "},
		{"tombstone, other key", "m.room.tombstone", key("x"), `{}`, group, " "},
		{"reaction", "m.reaction", nil, `{}`, two, ".m.rule.reaction "},
		{"acl", "m.room.server_acl", key(""), `{}`, two, ".m.rule.room.server_acl "},
		{"edit", "m.room.message", nil, `{"body":"x","m.relates_to":{"rel_type":"m.replace"}}`, two, ".m.rule.suppress_edits "},
		{"edit with mention", "m.room.message", nil, `{"m.mentions":{"user_ids":["@alice:example.org"]},"m.relates_to":{"rel_type":"m.replace"}}`, two, ".m.rule.is_user_mention nsh"},
		{"poll", "org.matrix.msc3381.poll.start", nil, `{}`, two, ".org.matrix.msc3930.rule.poll_start_one_to_one ns"},
		{"poll response", "org.matrix.msc3381.poll.response", nil, `{}`, two, ".org.matrix.msc3930.rule.poll_response "},
		{"topic", "m.room.topic", key(""), `{"topic":"x"}`, two, " "},
		{"body no text", "m.room.message", nil, `{"body":{"x":"alice"}}`, group, ".m.rule.message n"},
		{"empty", "m.room.message", nil, `{}`, group, ".m.rule.message n"},
	} {
		r := Default().Evaluate(flat(t, tt.typ, tt.stateKey, tt.content), tt.o, Reader{User: alice, DisplayName: "Ally McBeal"})
		if got := show(r); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func show(r Result) string {
	s := r.Rule + " "
	if r.Notify {
		s += "n"
	}
	if r.Sound != "" {
		s += "s"
	}
	if r.Highlight {
		s += "h"
	}
	return s
}

func TestSenderHearsNothing(t *testing.T) {
	r := Default().Evaluate(message(t, `{"body":"bob"}`), Occasion{Members: 2}, Reader{User: "@bob:example.org"})
	if r.Notify || r.Rule != "" {
		t.Errorf("got %+v, want nothing", r)
	}
}

func TestConditions(t *testing.T) {
	const content = `{"body":"An example event.","n":5,"list":["a",1,true,null,["x"],{"y":1}],"deep":{"a.b":{"c\\d":"Value"}},"yes":true,"nil":null,"s":"x"}`
	for _, tt := range []struct {
		conditions string
		want       bool
	}{
		{``, true},
		{`{"kind":"event_match","key":"content.body","pattern":"ex*ple"}`, true},
		{`{"kind":"event_match","key":"content.body","pattern":"exam"}`, false},
		{`{"kind":"event_match","key":"content.s","pattern":"x"}`, true},
		{`{"kind":"event_match","key":"content.n","pattern":"*"}`, false},
		{`{"kind":"event_match","key":"content.none","pattern":"*"}`, false},
		{`{"kind":"event_match","key":"content.deep","pattern":"*"}`, false},
		{`{"kind":"event_match","key":"content.deep.a\\.b.c\\\\d","pattern":"VAL?E"}`, true},
		{`{"kind":"event_match","key":"content.deep.a\\.b.c\\d","pattern":"VAL?E"}`, true}, // \d means itself
		{`{"kind":"event_match","key":"content.deep.a.b.c\\\\d","pattern":"*"}`, false},
		{`{"kind":"event_match","key":"type","pattern":"m.room.*"}`, true},
		{`{"kind":"event_match","key":"room_id","pattern":"!room:example.org"}`, true},
		{`{"kind":"event_match","key":"sender","pattern":"@BOB:*"}`, true},
		{`{"kind":"event_match","key":"state_key","pattern":"*"}`, false},
		{`{"kind":"event_match","key":"sender","pattern":"$USER"}`, false}, // means itself in own rules
		{`{"kind":"event_property_is","key":"content.n","value":5}`, true},
		{`{"kind":"event_property_is","key":"content.n","value":"5"}`, false},
		{`{"kind":"event_property_is","key":"content.yes","value":true}`, true},
		{`{"kind":"event_property_is","key":"content.yes","value":1}`, false},
		{`{"kind":"event_property_is","key":"content.nil","value":null}`, true},
		{`{"kind":"event_property_is","key":"content.none","value":null}`, false},
		{`{"kind":"event_property_is","key":"content.s","value":"X"}`, false},
		{`{"kind":"event_property_contains","key":"content.list","value":"a"}`, true},
		{`{"kind":"event_property_contains","key":"content.list","value":1}`, true},
		{`{"kind":"event_property_contains","key":"content.list","value":null}`, true},
		{`{"kind":"event_property_contains","key":"content.list","value":"x"}`, false},
		{`{"kind":"event_property_contains","key":"content.s","value":"x"}`, false},
		{`{"kind":"contains_display_name"}`, true},
		{`{"kind":"room_member_count","is":"10"}`, true},
		{`{"kind":"room_member_count","is":"==10"}`, true},
		{`{"kind":"room_member_count","is":"<10"}`, false},
		{`{"kind":"room_member_count","is":"<=10"}`, true},
		{`{"kind":"room_member_count","is":">9"}`, true},
		{`{"kind":"room_member_count","is":">=11"}`, false},
		{`{"kind":"sender_notification_permission","key":"room"}`, false},
		{`{"kind":"sender_notification_permission","key":"low"}`, true},
		{`{"kind":"org.unknown"}`, false},
		{`{"kind":"event_match","key":"content.s","pattern":"x"},{"kind":"org.unknown"}`, false},
		{`{"kind":"event_match","key":"content.s","pattern":"x"},{"kind":"contains_display_name"}`, true},
	} {
		body := `{"actions":["notify"],"conditions":[` + tt.conditions + `]}`
		s, err := new(Ruleset).Put(Override, "mine", "", "", []byte(body))
		if err != nil {
			t.Errorf("%s: %v", tt.conditions, err)
			continue
		}
		o := Occasion{Members: 10, SenderLevel: 20, Levels: map[string]int64{"low": 20}}
		r := s.Compile().Evaluate(message(t, content), o, Reader{User: alice, DisplayName: "Example"})
		if got := r.Rule == "mine"; got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.conditions, got, tt.want)
		}
	}
}

func TestKindsInOrder(t *testing.T) {
	s := new(Ruleset)
	add := func(k Kind, id, body string) {
		t.Helper()
		var err error
		if s, err = s.Put(k, id, "", "", []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	matched := func() string {
		return s.Compile().Evaluate(message(t, `{"body":"tea time"}`), Occasion{Members: 2}, Reader{User: alice}).Rule
	}
	for _, step := range []struct {
		k        Kind
		id, body string
	}{
		{Underride, "u", `{"actions":[]}`},
		{Sender, "@bob:example.org", `{"actions":[]}`},
		{Room, "!room:example.org", `{"actions":[]}`},
		{Content, "tea", `{"actions":[],"pattern":"tea"}`},
		{Content, "time", `{"actions":[],"pattern":"time"}`},
		{Override, "o", `{"actions":[]}`},
	} {
		add(step.k, step.id, step.body)
		if got := matched(); got != step.id {
			t.Errorf("got %s, want %s, which is more important than what was before", got, step.id)
		}
	}
	add(Sender, "@carol:example.org", `{"actions":[]}`)
	add(Room, "!other:example.org", `{"actions":[]}`)
	var err error
	for _, step := range []struct {
		k        Kind
		id, want string
	}{{Override, "o", "time"}, {Content, "time", "tea"}, {Content, "tea", "!room:example.org"}, {Room, "!room:example.org", "@bob:example.org"}, {Sender, "@bob:example.org", "u"}} {
		if s, err = s.SetEnabled(step.k, step.id, false); err != nil {
			t.Fatal(err)
		}
		if got := matched(); got != step.want {
			t.Errorf("without %s: got %s, want %s", step.id, got, step.want)
		}
	}
	if s, err = s.SetEnabled(Override, ".m.rule.master", true); err != nil {
		t.Fatal(err)
	}
	if got := matched(); got != ".m.rule.master" {
		t.Errorf("got %s, want master before all", got)
	}
}

// TestThreads: what a user who has turned the rules of MSC4306 on hears of threads.
func TestThreads(t *testing.T) {
	on := new(Ruleset)
	if on.Threads() {
		t.Error("the rules are on before they are turned on")
	}
	for _, rule := range []string{"unsubscribed_thread", "subscribed_thread"} {
		var err error
		if on, err = on.SetEnabled(PostContent, ".io.element.msc4306.rule."+rule, true); err != nil {
			t.Fatal(err)
		}
	}
	muted, err := on.Put(Room, "!room:example.org", "", "", []byte(`{"actions":[]}`))
	if err != nil || !muted.Threads() {
		t.Fatalf("got %v (%v), want a ruleset that looks at threads", muted.Threads(), err)
	}
	keyword, err := on.Put(Content, "tea", "", "", []byte(`{"actions":["notify"],"pattern":"tea"}`))
	if err != nil {
		t.Fatal(err)
	}
	own, err := new(Ruleset).Put(Override, "mine", "", "", []byte(`{"actions":["notify"],"conditions":[{"kind":"io.element.msc4306.thread_subscription","subscribed":true}]}`))
	if err != nil || !own.Threads() {
		t.Fatalf("got %v (%v), want a ruleset that looks at threads", own.Threads(), err)
	}
	const unsubscribed, subscribed = ".io.element.msc4306.rule.unsubscribed_thread ", ".io.element.msc4306.rule.subscribed_thread ns"
	for _, tt := range []struct {
		name               string
		rules              *Ruleset
		thread, subscribed bool
		want               string
	}{
		{"off", new(Ruleset), true, false, ".m.rule.message n"},
		{"main", on, false, false, ".m.rule.message n"},
		{"unsubscribed", on, true, false, unsubscribed},
		{"subscribed", on, true, true, subscribed},
		{"subscribed in a muted room", muted, true, true, subscribed},
		{"main of a muted room", muted, false, true, "!room:example.org "},
		{"keyword", keyword, true, false, "tea n"},
		{"own", own, true, true, "mine n"},
		{"own, unsubscribed", own, true, false, ".m.rule.message n"},
	} {
		o := Occasion{Members: 3, Thread: tt.thread}
		r := tt.rules.Compile().Evaluate(message(t, `{"body":"tea time"}`), o, Reader{User: alice, Subscribed: tt.subscribed})
		if got := show(r); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	if _, err := on.Put(PostContent, "mine", "", "", []byte(`{"actions":[]}`)); !fault.Is(err, fault.InvalidParam) {
		t.Errorf("a rule of one's own: got %v, want it refused", err)
	}
	stored, err := Parse(muted.Stored())
	if err != nil || string(stored.Stored()) != string(muted.Stored()) {
		t.Errorf("got %s (%v), want %s", stored.Stored(), err, muted.Stored())
	}
	foreign, err := Parse([]byte(`{"postcontent":[{"rule_id":"mine","actions":["notify"]}]}`))
	if err != nil || foreign.Stored() != nil {
		t.Errorf("got %s (%v), want nothing of a rule that cannot be", foreign.Stored(), err)
	}
}

func TestChangedDefaults(t *testing.T) {
	s, err := new(Ruleset).SetActions(Underride, ".m.rule.message", []byte(`["dont_notify"]`))
	if err != nil {
		t.Fatal(err)
	}
	if s, err = s.SetEnabled(Content, ".m.rule.contains_user_name", false); err != nil {
		t.Fatal(err)
	}
	r := s.Compile().Evaluate(message(t, `{"body":"alice"}`), Occasion{Members: 3}, Reader{User: alice})
	if r.Rule != ".m.rule.message" || r.Notify || string(r.Actions) != `["dont_notify"]` {
		t.Errorf("got %+v, want the message rule with no notification", r)
	}
}

func TestActions(t *testing.T) {
	for _, tt := range []struct{ actions, want string }{
		{`[]`, " "},
		{`["dont_notify"]`, " "},
		{`["coalesce"]`, " "},
		{`["notify",{"set_tweak":"highlight","value":false}]`, " n"},
		{`["notify",{"set_tweak":"highlight","value":true}]`, " nh"},
		{`["notify",{"set_tweak":"highlight"}]`, " nh"},
		{`["notify",{"set_tweak":"sound","value":"x"},{"set_tweak":"flash","value":{"a":1}}]`, " ns"},
		{`[{"set_tweak":"sound","value":1}]`, " "},
	} {
		if got := show(result(Room, "", []byte(tt.actions))); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.actions, got, tt.want)
		}
	}
}

// TestTogetherAsAlone: what is done once for many must not change what any of them hears.
func TestTogetherAsAlone(t *testing.T) {
	for _, content := range []string{
		`{"body":"user3 and user4!"}`, `{"body":"User 7: hello"}`, `{"m.mentions":{"user_ids":["@user5:x"]}}`, `{"body":"x"}`,
	} {
		ready := Default().On(message(t, content), Occasion{Members: 20})
		for i := range 20 {
			u := Reader{User: id.User(fmt.Sprintf("@user%d:x", i)), DisplayName: fmt.Sprintf("User %d", i)}
			got, want := ready.For(u), Default().Evaluate(message(t, content), Occasion{Members: 20}, u)
			if got.Rule != want.Rule || got.Highlight != want.Highlight {
				t.Errorf("%s for %s: got %+v, want %+v", content, u.User, got, want)
			}
		}
	}
}

func FuzzFlatten(f *testing.F) {
	f.Add("m.room.message", "", true, []byte(`{"body":"hi","a.b":{"c\\":[1,{"d":null}]},"m.mentions":{"user_ids":["@a:b",1],"room":true}}`))
	f.Add("m", "@a:b", false, []byte(`{"":{"":{"":1}},"body":1,"m.mentions":[]}`))
	f.Add("m", "", false, []byte(strings.Repeat(`{"a":`, 100)+`1`+strings.Repeat(`}`, 100)))
	f.Fuzz(func(t *testing.T, typ, stateKey string, isState bool, content []byte) {
		var key *string
		if isState {
			key = &stateKey
		}
		// Bytes that are not canonical must do no harm either.
		Default().Evaluate(Flatten(typ, "@bob:x", "!r", key, content), Occasion{}, Reader{User: alice, DisplayName: "x"})
		object, err := canon.Canonical(content, canon.Strict)
		if err != nil || object[0] != '{' {
			return
		}
		e := Flatten(typ, "@bob:x", "!r", key, object)
		if len(e.fields) > maxFields+4 {
			t.Fatalf("%d fields", len(e.fields))
		}
		for path, field := range e.fields {
			if clean(path) != path {
				t.Fatalf("path %q is read as %q", path, clean(path))
			}
			if scalar(field.raw) && !field.holds(&condition{op: opIs, value: string(field.raw)}) {
				t.Fatalf("%s is not what it is", path)
			}
		}
	})
}

// BenchmarkEvaluateDefaults1000Users is one message of a room of 1,000 local users: the whole has to stay under 1 ms.
func BenchmarkEvaluateDefaults1000Users(b *testing.B) {
	readers := make([]Reader, 1000)
	for i := range readers {
		readers[i] = Reader{User: id.User(fmt.Sprintf("@user%d:example.org", i)), DisplayName: fmt.Sprintf("Some One %d", i)}
	}
	for name, body := range map[string]string{"short": "Good morning everyone, see you all at the meeting at ten!", "long": strings.Repeat("Lorem ipsum dolor. ", 3000)} {
		content := fmt.Sprintf(`{"body":%q,"msgtype":"m.text"}`, body)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ready := Default().On(message(b, content), Occasion{Members: 1000})
				for _, u := range readers {
					ready.For(u)
				}
			}
		})
	}
}

func BenchmarkEvaluateOne(b *testing.B) {
	s, err := new(Ruleset).Put(Content, "cake", "", "", []byte(`{"actions":["notify"],"pattern":"cake"}`))
	if err != nil {
		b.Fatal(err)
	}
	p, u := s.Compile(), Reader{User: alice, DisplayName: "Alice"}
	e := message(b, `{"body":"Good morning everyone","msgtype":"m.text"}`)
	b.ReportAllocs()
	for b.Loop() {
		p.Evaluate(e, Occasion{Members: 5}, u)
	}
}

func BenchmarkCompile(b *testing.B) {
	s, err := new(Ruleset).Put(Content, "cake", "", "", []byte(`{"actions":["notify"],"pattern":"cake"}`))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		s.Compile()
	}
}
