package filter

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"freehold.example/matrix/canon"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

func TestParseRefuses(t *testing.T) {
	var cases []string
	for _, at := range []string{`{"presence":%s}`, `{"account_data":%s}`, `{"room":%s}`} {
		for _, v := range []string{`0`, `"x"`, `[]`, `null`, `true`} {
			cases = append(cases, fmt.Sprintf(at, v)) // B190
		}
	}
	for _, part := range []string{"timeline", "state", "ephemeral", "account_data"} {
		for _, v := range []string{`0`, `"x"`, `[]`, `null`, `true`} {
			cases = append(cases, fmt.Sprintf(`{"room":{%q:%s}}`, part, v)) // B190
		}
		for _, list := range []string{"rooms", "not_rooms", "senders", "not_senders", "types", "not_types"} {
			for _, v := range []string{`0`, `"x"`, `{}`, `null`, `true`, `[0]`, `[null]`, `[["x"]]`, `["@a:b",{}]`} {
				cases = append(cases, fmt.Sprintf(`{"room":{%q:{%q:%s}}}`, part, list, v)) // B191
			}
		}
		for _, v := range []string{
			`{"rooms":["not a room"]}`, `{"rooms":["@a:b"]}`, `{"rooms":[""]}`, `{"senders":["alice"]}`, `{"senders":["@alice"]}`, // B192
			`{"not_rooms":["x"]}`, `{"not_senders":["x"]}`, `{"related_by_senders":["x"]}`, `{"related_by_rel_types":"x"}`,
			`{"limit":-1}`, `{"limit":"10"}`, `{"limit":1.5}`, `{"limit":null}`, `{"limit":99999999999999999999}`,
			`{"contains_url":1}`, `{"lazy_load_members":"yes"}`, `{"unread_thread_notifications":[]}`, `{"rel_types":{}}`,
		} {
			cases = append(cases, fmt.Sprintf(`{"room":{%q:%s}}`, part, v))
		}
	}
	cases = append(cases,
		``, `x`, `[]`, `"x"`, `null`, `{`, `{"room":{}`, "{\"x\":\"\xff\"}",
		`{"room":{"rooms":["x"]}}`, `{"room":{"not_rooms":"!x:y"}}`, `{"room":{"include_leave":1}}`,
		`{"event_format":"x"}`, `{"event_format":1}`, `{"event_fields":"x"}`, `{"event_fields":[1]}`,
		strings.Repeat(`{"a":`, 1000)+`1`+strings.Repeat(`}`, 1000),
		`{"event_fields":["`+strings.Repeat("a.", 30)+`"]}`,
		`{"event_fields":[`+strings.Repeat(`"x",`, 300)+`"x"]}`,
		`{"presence":{"types":[`+strings.Repeat(`"*x",`, 200)+`"x"]}}`,
	)
	for _, in := range cases {
		f, err := Parse([]byte(in))
		if f != nil || !fault.Is(err, fault.BadJSON) && !fault.Is(err, fault.NotJSON) {
			t.Errorf("%.80s: got %v, %v, want M_BAD_JSON or M_NOT_JSON", in, f, err)
		}
	}
	if _, err := Parse([]byte(`{"x":"` + strings.Repeat("x", MaxBytes) + `"}`)); !fault.Is(err, fault.TooLarge) {
		t.Errorf("got %v, want too large", err)
	}
}

func TestParseNamesThePlace(t *testing.T) {
	_, err := Parse([]byte(`{"room":{"timeline":{"senders":["alice"]}}}`))
	if err == nil || !strings.Contains(err.Error(), "room.timeline.senders") {
		t.Errorf("got %v, want the place room.timeline.senders", err)
	}
}

const full = `{
	"event_fields": ["type", "content.body"],
	"event_format": "federation",
	"presence": {"types": ["m.presence"], "not_senders": ["@alice:example.com"]},
	"account_data": {"not_types": ["*"]},
	"room": {
		"include_leave": true,
		"rooms": ["!a:example.com", "!b:example.com"],
		"not_rooms": ["!b:example.com"],
		"account_data": {"limit": 0},
		"ephemeral": {"types": ["m.receipt", "m.typing"]},
		"state": {"types": [], "lazy_load_members": true, "include_redundant_members": true},
		"timeline": {
			"limit": 10, "types": ["m.room.*"], "not_senders": ["@spam:example.com"], "unread_thread_notifications": true,
			"related_by_senders": ["@a:b"], "related_by_rel_types": ["m.thread"], "unknown": {"x": 1.5}
		}
	}
}`

func TestParse(t *testing.T) {
	f, err := Parse([]byte(full))
	if err != nil {
		t.Fatal(err)
	}
	for name, ok := range map[string]bool{
		"federation":          f.Federation,
		"include_leave":       f.IncludeLeave,
		"fields":              !f.Fields.All(),
		"room a":              f.Room("!a:example.com"),
		"room b":              !f.Room("!b:example.com"),
		"room c":              !f.Room("!c:example.com"),
		"presence":            f.Presence.Event("m.presence", "@bob:x", "", nil) && !f.Presence.Sender("@alice:example.com"),
		"account data":        f.AccountData.Nothing() && !f.AccountData.Type("m.direct"),
		"state nothing":       f.State.Nothing() && !f.State.Type("m.room.name"),
		"lazy":                f.State.LazyLoadMembers && f.State.IncludeRedundantMembers,
		"threads":             f.Timeline.UnreadThreadNotifications,
		"timeline in":         f.Timeline.Event("m.room.message", "@a:b", "!a:example.com", nil),
		"timeline type":       !f.Timeline.Event("m.reaction", "@a:b", "!a:example.com", nil),
		"timeline sender":     !f.Timeline.Event("m.room.message", "@spam:example.com", "!a:example.com", nil),
		"limit given":         f.Timeline.Limit(20, 100) == 10 && f.Timeline.Limit(20, 5) == 5,
		"limit usual":         f.State.Limit(20, 100) == 20 && f.State.Limit(200, 100) == 100,
		"limit zero":          f.RoomAccountData.Limit(20, 100) == 0,
		"related":             slices.Equal(f.Timeline.RelatedBySenders, []id.User{"@a:b"}) && slices.Equal(f.Timeline.RelatedByRelTypes, []string{"m.thread"}),
		"timeline not simple": !f.Timeline.Everything() && !f.Timeline.Nothing(),
	} {
		if !ok {
			t.Errorf("%s is wrong", name)
		}
	}
}

func TestNothingGivenLetsEverythingThrough(t *testing.T) {
	parsed, err := Parse([]byte(`{"room":{"timeline":{}, "state":{"not_types":[], "not_rooms":[], "not_senders":[]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []*Filter{{}, parsed} {
		for _, p := range []*Part{&f.Timeline, &f.State, &f.Presence} {
			if !p.Everything() || p.Nothing() || !p.Event("x", "", "!r", []byte(`{}`)) || p.Limit(7, 9) != 7 {
				t.Errorf("%+v holds something back", p)
			}
		}
		if !f.Room("!any") || f.Federation || f.IncludeLeave || !f.Fields.All() {
			t.Errorf("%+v holds something back", f)
		}
	}
}

func TestEvent(t *testing.T) {
	for _, tt := range []struct {
		part, typ, sender, room, content string
		want                             bool
	}{
		{`{}`, "x", "@a:b", "!r:b", `{}`, true},
		{`{"types":["m.room.message"]}`, "m.room.message", "@a:b", "!r:b", `{}`, true},
		{`{"types":["m.room.message"]}`, "m.room.messages", "@a:b", "!r:b", `{}`, false},
		{`{"types":["m.*"],"not_types":["m.room.*"]}`, "m.reaction", "@a:b", "!r:b", `{}`, true},
		{`{"types":["m.*"],"not_types":["m.room.*"]}`, "m.room.name", "@a:b", "!r:b", `{}`, false},
		{`{"types":["m.x"],"not_types":["m.x"]}`, "m.x", "@a:b", "!r:b", `{}`, false},
		{`{"types":[]}`, "", "@a:b", "!r:b", `{}`, false},
		{`{"senders":["@a:b"]}`, "x", "@a:b", "!r:b", `{}`, true},
		{`{"senders":["@a:b"]}`, "x", "@A:b", "!r:b", `{}`, false},
		{`{"senders":["@a:b"]}`, "x", "", "!r:b", `{}`, false},
		{`{"senders":["@a:b"],"not_senders":["@a:b"]}`, "x", "@a:b", "!r:b", `{}`, false},
		{`{"rooms":["!r:b"]}`, "x", "@a:b", "!r:b", `{}`, true},
		{`{"rooms":["!r:b"]}`, "x", "@a:b", "!s:b", `{}`, false},
		{`{"rooms":["!r:b"]}`, "x", "@a:b", "", `{}`, true}, // belongs to no room
		{`{"not_rooms":["!r:b"]}`, "x", "@a:b", "!r:b", `{}`, false},
		{`{"contains_url":true}`, "x", "@a:b", "!r:b", `{"url":"mxc://x"}`, true},
		{`{"contains_url":true}`, "x", "@a:b", "!r:b", `{"body":"url","x":{"url":1}}`, false},
		{`{"contains_url":false}`, "x", "@a:b", "!r:b", `{"url":"mxc://x"}`, false},
		{`{"contains_url":false}`, "x", "@a:b", "!r:b", `{}`, true},
		{`{"contains_url":null}`, "x", "@a:b", "!r:b", `{}`, true},
		{`{"rel_types":["m.thread"]}`, "x", "@a:b", "!r:b", `{"m.relates_to":{"rel_type":"m.thread"}}`, true},
		{`{"org.matrix.msc3874.rel_types":["m.thread","m.x"]}`, "x", "@a:b", "!r:b", `{"m.relates_to":{"rel_type":"m.x"}}`, true}, // B539
		{`{"org.matrix.msc3874.rel_types":["m.thread"]}`, "x", "@a:b", "!r:b", `{}`, false},
		{`{"org.matrix.msc3874.not_rel_types":["m.thread"]}`, "x", "@a:b", "!r:b", `{"m.relates_to":{"rel_type":"m.thread"}}`, false}, // B540
		{`{"org.matrix.msc3874.not_rel_types":["m.thread"]}`, "x", "@a:b", "!r:b", `{"m.relates_to":{"rel_type":"m.x"}}`, true},
		{`{"org.matrix.msc3874.not_rel_types":["m.thread"]}`, "x", "@a:b", "!r:b", `{"m.relates_to":"x"}`, true},
	} {
		p, err := ParsePart([]byte(tt.part))
		if err != nil {
			t.Errorf("%s: %v", tt.part, err)
			continue
		}
		if got := p.Event(tt.typ, id.User(tt.sender), id.Room(tt.room), []byte(tt.content)); got != tt.want {
			t.Errorf("%s on %s %s %s %s: got %v, want %v", tt.part, tt.typ, tt.sender, tt.room, tt.content, got, tt.want)
		}
	}
}

func TestWildcard(t *testing.T) {
	for _, tt := range []struct {
		pattern, in string
		want        bool
	}{
		{"*", "", true},
		{"*", "m.x", true},
		{"**", "", true},
		{"m.*", "m.", true},
		{"m.*", "m", false},
		{"*.x", "m.x", true},
		{"*.x", "m.xy", false},
		{"a*a", "a", false},
		{"a*a", "aa", true},
		{"a*b*c", "abc", true},
		{"a*b*c", "acb", false},
		{"a*b*c", "aXbXbXc", true},
		{"*b*b*", "b", false},
		{"*b*b*", "bb", true},
		{"m.?*", "m.xy", false}, // ? is an ordinary character here
	} {
		w := split(tt.pattern)
		if got := w.match(tt.in); got != tt.want {
			t.Errorf("%s on %q: got %v, want %v", tt.pattern, tt.in, got, tt.want)
		}
	}
}

func TestFields(t *testing.T) {
	const event = `{"content":{"body":"hi","m.relates_to":{"event_id":"$x","rel_type":"t"},"a\"b":1},"sender":"@a:b","type":"m","unsigned":{"age":1}}`
	for _, tt := range []struct{ fields, want string }{
		{`["type"]`, `{"type":"m"}`},
		{`["content"]`, `{"content":{"body":"hi","m.relates_to":{"event_id":"$x","rel_type":"t"},"a\"b":1}}`},
		{`["content.body","sender"]`, `{"content":{"body":"hi"},"sender":"@a:b"}`},
		{`["content.m\\.relates_to.rel_type"]`, `{"content":{"m.relates_to":{"rel_type":"t"}}}`},
		{`["content.m.relates_to"]`, `{"content":{}}`},
		{`["content.a\"b"]`, `{"content":{"a\"b":1}}`},
		{`["content","content.body"]`, `{"content":{"body":"hi","m.relates_to":{"event_id":"$x","rel_type":"t"},"a\"b":1}}`},
		{`["sender.x","nothing"]`, `{}`},
		{`[]`, `{}`},
	} {
		f, err := Parse([]byte(`{"event_fields":` + tt.fields + `}`))
		if err != nil {
			t.Errorf("%s: %v", tt.fields, err)
			continue
		}
		if got := f.Fields.Append(nil, []byte(event)); string(got) != tt.want {
			t.Errorf("%s: got %s, want %s", tt.fields, got, tt.want)
		}
	}
	if got := (&Filter{}).Fields.Append([]byte("x"), []byte(event)); string(got) != "x"+event {
		t.Errorf("got %s, want the whole event", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(full, "m.room.message", "@a:b", "!r:b", `{"url":"x","m.relates_to":{"rel_type":"y"}}`)
	f.Add(`{"room":{"timeline":{"types":["*a*","b*"],"contains_url":true}}}`, "", "", "", "")
	f.Add(`{"event_fields":["content.m\\.x.y"]}`, "x", "y", "z", `{"m.x":{"y":1}}`)
	f.Fuzz(func(t *testing.T, raw, typ, sender, room, content string) {
		parsed, err := Parse([]byte(raw))
		if (parsed == nil) == (err == nil) {
			t.Fatalf("got %v, %v, want one of them", parsed, err)
		}
		if err != nil {
			return
		}
		object, err := canon.Canonical([]byte(content), canon.Lenient)
		if err != nil {
			object = []byte(`{}`)
		}
		for _, p := range []*Part{&parsed.Timeline, &parsed.State, &parsed.Presence} {
			shown := p.Event(typ, id.User(sender), id.Room(room), object)
			if shown && room != "" && p.Nothing() || !shown && p.Everything() {
				t.Fatalf("%s: shown %v, though everything %v and nothing %v", raw, shown, p.Everything(), p.Nothing())
			}
			if n := p.Limit(10, 100); n < 0 || n > 100 {
				t.Fatalf("%s: limit %d", raw, n)
			}
		}
		if object[0] == '{' {
			if _, err := canon.Canonical(parsed.Fields.Append(nil, object), canon.Lenient); err != nil {
				t.Fatalf("%s of %s is no JSON: %v", raw, object, err)
			}
		}
	})
}

func BenchmarkEvent(b *testing.B) {
	p, err := ParsePart([]byte(`{"types":["m.room.message","m.room.encrypted","m.call.*"],"not_senders":["@spam:example.com"]}`))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		p.Event("m.room.encrypted", "@alice:example.com", "!a:example.com", nil)
	}
}
