package visible_test

import (
	"fmt"
	"strings"
	"testing"

	"freehold.example/matrix/authrule"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
	"freehold.example/matrix/visible"
)

func TestAllowed(t *testing.T) {
	memberships := []authrule.Membership{authrule.Join, authrule.Invite, authrule.Knock, authrule.Leave, authrule.Ban}
	for _, test := range []struct {
		history     visible.History
		joinedLater bool
		want        string // y or n for each membership
	}{
		{visible.WorldReadable, false, "yyyyy"},
		{visible.WorldReadable, true, "yyyyy"},
		{visible.Shared, false, "ynnnn"},
		{visible.Shared, true, "yyyyy"},
		{visible.Invited, false, "yynnn"},
		{visible.Invited, true, "yynnn"},
		{visible.Joined, false, "ynnnn"},
		{visible.Joined, true, "ynnnn"},
		{"", true, "yyyyy"},
		{"", false, "ynnnn"},
		{"secret", true, "yyyyy"},
	} {
		var got strings.Builder
		for _, m := range memberships {
			got.WriteString(yes(visible.Allowed(test.history, m, test.joinedLater)))
		}
		if got.String() != test.want {
			t.Errorf("%s, joined later %v: got %s, want %s for %v", test.history, test.joinedLater, got.String(), test.want, memberships)
		}
	}
}

func yes(b bool) string {
	if b {
		return "y"
	}
	return "n"
}

func TestParseHistory(t *testing.T) {
	for content, want := range map[string]visible.History{
		`{"history_visibility":"world_readable"}`: visible.WorldReadable,
		`{"history_visibility":"joined"}`:         visible.Joined,
		`{"history_visibility":"invited"}`:        visible.Invited,
		`{"history_visibility":"shared"}`:         visible.Shared,
		`{"history_visibility":"Joined"}`:         visible.Shared,
		`{"history_visibility":7}`:                visible.Shared,
		`{}`:                                      visible.Shared,
		``:                                        visible.Shared,
	} {
		if got := visible.ParseHistory([]byte(content)); got != want {
			t.Errorf("%s: got %s, want %s", content, got, want)
		}
	}
}

// state makes a state event that carol's server sent.
func state(t *testing.T, typ, key, content string) *event.Event {
	t.Helper()
	v, _ := version.Lookup("12")
	raw := fmt.Appendf(nil, `{"auth_events":[],"content":%s,"depth":1,"origin_server_ts":1,"prev_events":[],"room_id":"!r","sender":"@carol:c","state_key":%q,"type":%q}`, content, key, typ)
	e, err := event.Stored(v, "$e", raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

const alice = id.User("@alice:a")

func TestToUser(t *testing.T) {
	history := func(h string) *event.Event {
		return state(t, "m.room.history_visibility", "", `{"history_visibility":"`+h+`"}`)
	}
	member := func(user id.User, m string) *event.Event {
		return state(t, "m.room.member", string(user), `{"membership":"`+m+`"}`)
	}
	for _, test := range []struct {
		name    string
		e       *event.Event
		history visible.History
		m       authrule.Membership
		later   bool
		want    bool
	}{
		{"joined to world_readable", history("world_readable"), visible.Joined, authrule.Leave, false, true},
		{"world_readable to joined", history("joined"), visible.WorldReadable, authrule.Leave, false, true},
		{"joined to invited", history("invited"), visible.Joined, authrule.Invite, false, true},
		{"joined to invited, not invited", history("invited"), visible.Joined, authrule.Leave, false, false},
		{"joined to shared, joined later", history("shared"), visible.Joined, authrule.Leave, true, true},
		{"history visibility with a state key", state(t, "m.room.history_visibility", "x", `{"history_visibility":"world_readable"}`), visible.Joined, authrule.Leave, false, false},
		{"one's own join", member(alice, "join"), visible.Joined, authrule.Leave, false, true},
		{"another's join", member("@bob:b", "join"), visible.Joined, authrule.Leave, false, false},
		{"one's own leave", member(alice, "leave"), visible.Joined, authrule.Join, false, true},
		{"one's own ban", member(alice, "ban"), visible.Joined, authrule.Join, false, true},
		{"one's own ban, not joined", member(alice, "ban"), visible.Joined, authrule.Leave, false, false},
		{"one's own invitation, visibility invited", member(alice, "invite"), visible.Invited, authrule.Leave, false, true},
		{"one's own invitation, visibility joined", member(alice, "invite"), visible.Joined, authrule.Leave, false, false},
		{"one's own invitation rejected (B222)", member(alice, "leave"), visible.Joined, authrule.Invite, false, true},
		{"one's own knock taken back", member(alice, "leave"), visible.Joined, authrule.Knock, false, true},
		{"one's own ban lifted", member(alice, "leave"), visible.Joined, authrule.Ban, false, false},
		{"a topic", state(t, "m.room.topic", "", `{}`), visible.Shared, authrule.Leave, false, false},
		{"a topic, joined later", state(t, "m.room.topic", "", `{}`), visible.Shared, authrule.Leave, true, true},
	} {
		if got := visible.ToUser(alice, test.e, test.history, test.m, test.later); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}

func TestToServer(t *testing.T) {
	topic := state(t, "m.room.topic", "", `{}`)
	opened := state(t, "m.room.history_visibility", "", `{"history_visibility":"shared"}`)
	for _, test := range []struct {
		name    string
		server  id.Server
		e       *event.Event
		history visible.History
		best    authrule.Membership
		want    bool
	}{
		{"shared", "a", topic, visible.Shared, authrule.Leave, true},
		{"world_readable", "a", topic, visible.WorldReadable, authrule.Leave, true},
		{"joined, nobody there", "a", topic, visible.Joined, authrule.Leave, false},
		{"joined, somebody invited", "a", topic, visible.Joined, authrule.Invite, false},
		{"joined, somebody there", "a", topic, visible.Joined, authrule.Join, true},
		{"invited, somebody invited", "a", topic, visible.Invited, authrule.Invite, true},
		{"invited, nobody there", "a", topic, visible.Invited, authrule.Leave, false},
		{"its own event", "c", topic, visible.Joined, authrule.Leave, true},
		{"joined to shared", "a", opened, visible.Joined, authrule.Leave, true},
	} {
		if got := visible.ToServer(test.server, test.e, test.history, test.best); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}
