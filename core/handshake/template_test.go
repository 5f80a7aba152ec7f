package handshake

import (
	"crypto/ed25519"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"freehold.example/matrix/canon"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

const (
	alice = id.User("@alice:a.test")
	there = id.Room("!room:b.test")
	far   = id.Server("b.test")
)

func joining() *wish {
	return &wish{room: there, user: alice, membership: "join", content: map[string]any{"displayname": "Alice"}}
}

func good() map[string]any {
	return map[string]any{"room_version": "10", "event": map[string]any{
		"type": "m.room.member", "room_id": there, "sender": alice, "state_key": alice, "depth": 7, "origin": far, "origin_server_ts": 1,
		"content":     map[string]any{"membership": "join"},
		"prev_events": []any{"$prev"}, "auth_events": []any{"$create", "$power"},
	}}
}

// changed is a good template in which one member of the event, or of its content, is another; nil takes it away.
func changed(key string, value any) []byte {
	t := good()
	e := t["event"].(map[string]any)
	in := e
	switch name, inContent := strings.CutPrefix(key, "content."); {
	case inContent:
		key, in = name, e["content"].(map[string]any)
	case key == "room_version":
		in = t
	}
	if in[key] = value; value == nil {
		delete(in, key)
	}
	b, err := json.Marshal(t)
	if err != nil {
		panic(err)
	}
	return b
}

// TestTemplatesAreNotSignedBlindly: what is signed is what this server wants, whatever a template says; one that is of
// something else is refused (CVE-2026-24471).
func TestTemplatesAreNotSignedBlindly(t *testing.T) {
	for _, tt := range []struct {
		key   string
		value any
	}{
		{"type", "m.room.power_levels"},
		{"type", nil},
		{"room_id", "!other:b.test"},
		{"room_id", nil},
		{"sender", "@bob:a.test"},
		{"sender", "@mallory:b.test"},
		{"state_key", "@bob:a.test"},
		{"state_key", ""},
		{"state_key", nil},
		{"content.membership", "ban"},
		{"content.membership", "invite"},
		{"content.membership", nil},
		{"content.membership", []any{"join"}},
		{"content", nil},
		{"content", []any{}},
		{"room_version", "99"},
		{"room_version", "12"}, // whose rooms have ids without a server
		{"room_version", nil},  // 1, where references are pairs
		{"prev_events", []any{}},
		{"prev_events", nil},
		{"prev_events", make([]string, 21)},
		{"prev_events", []any{"$a", "$a"}},
		{"prev_events", []any{"a"}},
		{"prev_events", []any{[]any{"$a", map[string]any{"sha256": "x"}}}},
		{"prev_events", "$a"},
		{"auth_events", []any{"$1", "$2", "$3", "$4", "$5", "$6", "$7", "$8", "$9", "$10", "$11"}},
		{"auth_events", map[string]any{}},
		{"depth", -1},
		{"depth", 1.5},
		{"depth", "x"},
		{"content." + keyAuthoriser, "@other:c.test"}, // who could not have signed
		{"content." + keyAuthoriser, "b.test"},
		{"content." + keyAuthoriser, 5},
	} {
		if got, err := joining().read(far, changed(tt.key, tt.value)); err == nil {
			t.Errorf("%s = %v: got a template with %s", tt.key, tt.value, got.draft.Content)
		}
	}
	if _, err := joining().read(far, changed("room_version", "99")); !fault.Is(err, fault.IncompatibleRoomVersion) {
		t.Errorf("an unknown version: got %v", err)
	}
	twice := strings.Replace(string(changed("depth", 7)), `"type":"m.room.member"`, `"type":"m.room.member","type":"m.room.member"`, 1)
	if _, err := joining().read(far, []byte(twice)); err == nil {
		t.Error("a key given twice was taken")
	}
	if _, err := joining().read(far, make([]byte, maxTemplate+1)); err == nil {
		t.Error("a huge template was taken")
	}
}

// TestWhatATemplateDecides: of all that a template says, the event made from it has its place in the room and who vouches
// for it, and nothing else.
func TestWhatATemplateDecides(t *testing.T) {
	h := &Handshakes{Config: Config{
		Now:    func() time.Time { return time.UnixMilli(1234) },
		Signer: event.Signer{Server: "a.test", Key: "ed25519:1", Private: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))},
	}}
	for _, tt := range []struct {
		key     string
		value   any
		content string
	}{
		{"extra", "x", `{"displayname":"Alice","membership":"join"}`},
		{"redacts", "$x", `{"displayname":"Alice","membership":"join"}`},
		{"content.displayname", "Mallory", `{"displayname":"Alice","membership":"join"}`},
		{"content.third_party_invite", map[string]any{}, `{"displayname":"Alice","membership":"join"}`},
		{"content." + keyAuthoriser, "@mod:b.test", `{"displayname":"Alice","join_authorised_via_users_server":"@mod:b.test","membership":"join"}`},
	} {
		tpl, err := joining().read(far, changed(tt.key, tt.value))
		if err != nil {
			t.Errorf("%s: %v", tt.key, err)
			continue
		}
		e, err := h.build(tpl)
		if err != nil {
			t.Errorf("%s: %v", tt.key, err)
			continue
		}
		if string(e.Content()) != tt.content || e.Depth() != 7 || e.Timestamp() != 1234 || len(e.Prev()) != 1 || len(e.Auth()) != 2 {
			t.Errorf("%s: got %s", tt.key, e.Bytes())
		}
		for _, key := range []string{"extra", "redacts", "origin"} {
			if canon.Get(e.Bytes(), key) != nil {
				t.Errorf("%s: the event has %s: %s", tt.key, key, e.Bytes())
			}
		}
	}
	old := joining()
	old.content[keyAuthoriser] = "@mod:b.test" // a client's own
	tpl, err := old.read(far, changed("depth", 3))
	if err != nil || strings.Contains(string(tpl.draft.Content), keyAuthoriser) {
		t.Errorf("got %v, %v", tpl, err)
	}
}

// TestTemplatesOfOldRooms: in room versions 1 and 2 references are pairs. In version 1, where the deeper of two events stays, a join
// comes deeper than what this server knows, such as that its user has left.
func TestTemplatesOfOldRooms(t *testing.T) {
	pair := []any{[]any{"$e:b.test", map[string]any{"sha256": strings.Repeat("A", 43)}}}
	for v, depth := range map[string]int64{"1": 9, "2": 7} {
		tpl := good()
		e := tpl["event"].(map[string]any)
		e["prev_events"], e["auth_events"], tpl["room_version"] = pair, pair, v
		b, err := json.Marshal(tpl)
		if err != nil {
			t.Fatal(err)
		}
		w := joining()
		w.depth = 9
		got, err := w.read(far, b)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := got.draft.Hashes["$e:b.test"]; !ok || got.draft.Depth != depth {
			t.Errorf("version %s: got %v", v, got.draft)
		}
	}
}
