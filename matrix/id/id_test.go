package id_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"freehold.example/matrix/id"
)

func TestParse(t *testing.T) {
	long := strings.Repeat("a", 255)
	user := func(s string) error { _, err := id.ParseUser(s); return err }
	room := func(s string) error { _, err := id.ParseRoom(s); return err }
	event := func(s string) error { _, err := id.ParseEvent(s); return err }
	alias := func(s string) error { _, err := id.ParseAlias(s); return err }
	server := func(s string) error { _, err := id.ParseServer(s); return err }
	key := func(s string) error { _, err := id.ParseKey(s); return err }
	for _, c := range []struct {
		kind  string
		parse func(string) error
		in    string
		ok    bool
	}{
		{"user", user, "@alice:example.org", true},
		{"user", user, "@alice:example.org:8448", true},
		{"user", user, "@alice:[::1]:8448", true},
		{"user", user, "@Älice with spaces\x01/\\:example.org", true}, // Appendices, "Historical User IDs"
		{"user", user, "@:example.org", true},                         // the same: an empty localpart
		{"user", user, "@" + long[:255-len("@:a")] + ":a", true},
		{"user", user, "@" + long[:256-len("@:a")] + ":a", false},
		{"user", user, "@" + strings.Repeat("ä", 127) + ":a", false}, // 127 characters, but 257 bytes
		{"user", user, "@alice", false},
		{"user", user, "@alice:", false},
		{"user", user, "alice:example.org", false},
		{"user", user, "!alice:example.org", false},
		{"user", user, "@a\x00b:example.org", false},
		{"user", user, "@a\xffb:example.org", false},
		{"user", user, "@a\xed\xa0\x80b:example.org", false}, // half a surrogate pair
		{"user", user, "@a:b:c", false},
		{"user", user, "@a:exa mple.org", false},
		{"user", user, "", false},
		{"user", user, "@", false},
		{"room", room, "!opaque:example.org", true},
		{"room", room, "!31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM", true},
		{"room", room, "!", false},
		{"room", room, "!opaque:", false},
		{"room", room, "#opaque:example.org", false},
		{"event", event, "$opaque:example.org", true},
		{"event", event, "$acR1l0raoZnm60CBwAVgqbZqoO/mYU81xysh1u7XcJk", true},
		{"event", event, "$Rqnc-F-dvnEYJTyHq_iKxU2bZ1CI92-kuZq3a5lr5Zg", true},
		{"event", event, "$", false},
		{"event", event, "Rqnc-F-dvnEYJTyHq_iKxU2bZ1CI92-kuZq3a5lr5Zg", false},
		{"alias", alias, "#room with ümlaut/:example.org", true},
		{"alias", alias, "#room", false},
		{"server", server, "matrix.org", true},
		{"server", server, "matrix.org:8888", true},
		{"server", server, "1.2.3.4", true},
		{"server", server, "1.2.3.4:1234", true},
		{"server", server, "[1234:5678::abcd]", true},
		{"server", server, "[1234:5678::abcd]:5678", true},
		{"server", server, "[::ffff:1.2.3.4]", true},
		{"server", server, "localhost", true},
		{"server", server, "MATRIX.org", true},
		{"server", server, long[:253], true},
		{"server", server, long[:254], false},
		{"server", server, "", false},
		{"server", server, ":8448", false},
		{"server", server, "matrix.org:", false},
		{"server", server, "matrix.org:http", false},
		{"server", server, "matrix.org:+80", false},
		{"server", server, "matrix.org:65536", false},
		{"server", server, "matrix.org:000080", false}, // port = 1*5DIGIT
		{"server", server, "matrix.org:80:80", false},
		{"server", server, "matrix_org", false},
		{"server", server, "matrix.org/", false},
		{"server", server, "user@matrix.org", false},
		{"server", server, "mätrix.org", false},
		{"server", server, "[::1", false},
		{"server", server, "[::1]8448", false},
		{"server", server, "[::1]:", false},
		{"server", server, "[]", false},
		{"server", server, "[1.2.3.4]", false},
		{"server", server, "[fe80::1%eth0]", false},
		{"server", server, "::1", false},
		{"key", key, "ed25519:1", true},
		{"key", key, "ed25519:a_Bc", true},
		{"key", key, "ed25519:", false},
		{"key", key, ":1", false},
		{"key", key, "ed25519", false},
		{"key", key, "ed25519:a.b", false},
		{"key", key, "ed25519:a:b", false},
		{"key", key, "ed25519:" + long, false},
	} {
		err := c.parse(c.in)
		if (err == nil) != c.ok {
			t.Errorf("%s %q: got %v, want ok %v", c.kind, c.in, err, c.ok)
		}
		if err != nil && !errors.Is(err, id.ErrSyntax) {
			t.Errorf("%s %q: got %v, want an ErrSyntax", c.kind, c.in, err)
		}
	}
}

func TestParts(t *testing.T) {
	for _, c := range []struct {
		in, localpart string
		server        id.Server
		host, port    string
	}{
		{"@alice:example.org", "alice", "example.org", "example.org", ""},
		{"@alice:example.org:8448", "alice", "example.org:8448", "example.org", "8448"},
		{"@a/b:[::1]:80", "a/b", "[::1]:80", "[::1]", "80"},
		{"@a:[::1]", "a", "[::1]", "[::1]", ""},
		{"@:a", "", "a", "a", ""},
		{"", "", "", "", ""},
	} {
		u := id.User(c.in)
		if u.Localpart() != c.localpart || u.Server() != c.server || u.Server().Host() != c.host || u.Server().Port() != c.port {
			t.Errorf("%q: got %q, %q, %q, %q, want %q, %q, %q, %q", c.in, u.Localpart(), u.Server(), u.Server().Host(),
				u.Server().Port(), c.localpart, c.server, c.host, c.port)
		}
	}
	if got := id.NewUser("alice", "example.org:8448"); got != "@alice:example.org:8448" {
		t.Errorf("NewUser: got %q", got)
	}
	if got := id.Alias("#x:example.org"); got.Localpart() != "x" || got.Server() != "example.org" {
		t.Errorf("alias: got %q, %q", got.Localpart(), got.Server())
	}
	if got := id.Room("!31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM").Server(); got != "" {
		t.Errorf("server of a version 12 room: got %q", got)
	}
	if got := id.Event("$x:example.org").Server(); got != "example.org" {
		t.Errorf("server of an event: got %q", got)
	}
	if got := id.Key("ed25519:1").Algorithm(); got != "ed25519" {
		t.Errorf("algorithm: got %q", got)
	}
}

func TestLocalpartAllowed(t *testing.T) {
	for in, want := range map[string]bool{
		"alice": true, "a.b_c=d-e/f+0": true, "": false, "Alice": false, "a b": false, "ä": false, "a:b": false, "a@b": false,
	} {
		if got := id.LocalpartAllowed(in); got != want {
			t.Errorf("%q: got %v, want %v", in, got, want)
		}
	}
}

func TestUnmarshal(t *testing.T) {
	var got struct {
		User   id.User
		Room   id.Room
		Event  id.Event
		Alias  id.Alias
		Device id.Device
		Server id.Server
		Key    id.Key
		Map    map[id.User]int
	}
	const in = `{"User":"@a:b","Room":"!a:b","Event":"$a","Alias":"#a:b","Device":"a b","Server":"b","Key":"ed25519:1","Map":{"@a:b":1}}`
	if err := json.Unmarshal([]byte(in), &got); err != nil {
		t.Fatal(err)
	}
	if out, err := json.Marshal(got); err != nil || string(out) != in {
		t.Errorf("got %s, %v, want %s", out, err, in)
	}
	for _, bad := range []string{
		`{"User":"a"}`, `{"Room":""}`, `{"Event":"!a"}`, `{"Alias":"#a"}`, `{"Device":""}`, `{"Server":"a b"}`, `{"Key":"1"}`, `{"Map":{"a":1}}`,
	} {
		if err := json.Unmarshal([]byte(bad), &got); !errors.Is(err, id.ErrSyntax) {
			t.Errorf("%s: got %v, want an ErrSyntax", bad, err)
		}
	}
}

// FuzzID checks that nothing panics, and that what is taken comes apart and together again.
func FuzzID(f *testing.F) {
	for _, seed := range []string{"@a:b", "!a:[::1]:80", "$a", "#a:b:80", "[", "[]:", "ed25519:1", "@:", "@\xff:b", ":"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if u, err := id.ParseUser(s); err == nil {
			if got := id.NewUser(u.Localpart(), u.Server()); got != u {
				t.Errorf("%q: got %q together", s, got)
			}
			if _, err := id.ParseServer(string(u.Server())); err != nil {
				t.Errorf("%q: %v", s, err)
			}
		}
		if r, err := id.ParseRoom(s); err == nil && r.Server() != "" {
			if _, err := id.ParseAlias("#" + s[1:]); err != nil {
				t.Errorf("%q: %v", s, err)
			}
		}
		if e, err := id.ParseEvent(s); err == nil && (s[0] != '$' || len(s) > id.MaxLength || e.Server() == "" != !strings.Contains(s, ":")) {
			t.Errorf("%q: taken as an event id", s)
		}
		if n, err := id.ParseServer(s); err == nil {
			together := n.Host()
			if n.Port() != "" {
				together += ":" + n.Port()
			}
			if together != s {
				t.Errorf("%q: got %q together", s, together)
			}
		}
		if k, err := id.ParseKey(s); err == nil && k.Algorithm() == "" {
			t.Errorf("%q: no algorithm", s)
		}
	})
}
