package appservice

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"freehold.example/matrix/id"
)

const irc = `
id: "IRC Bridge"
url: "http://127.0.0.1:1234"
as_token: "as-secret"
hs_token: "hs-secret"
sender_localpart: "_irc_bot"
namespaces:
  users:
    - exclusive: true
      regex: "@_irc_.*"
    - exclusive: false
      regex: "@guest.*:a\\.test"
  aliases:
    - exclusive: true
      regex: "#_irc_.*"
  rooms: []
rate_limited: false
de.sorunome.msc2409.push_ephemeral: true
`

func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestNamespaces(t *testing.T) {
	other := strings.NewReplacer("IRC Bridge", "other", "as-secret", "other-secret", "_irc_bot", "_other", "_irc_", "_other_", "@guest.*", "@none.*").Replace(irc)
	all, err := Load(folder(t, map[string]string{"irc.yaml": irc, "other.yml": other, "notes.txt": "no registration"}), "a.test")
	if err != nil {
		t.Fatal(err)
	}
	if len(all.All()) != 2 {
		t.Fatalf("got %d services, want 2", len(all.All()))
	}
	s, ok := all.ByToken("as-secret")
	if !ok || s.ID != "IRC Bridge" || s.Sender != "@_irc_bot:a.test" || s.RateLimited || s.URL.Host != "127.0.0.1:1234" {
		t.Fatalf("got %+v", s)
	}
	for _, token := range []string{"", "hs-secret", "as-secre", "as-secret "} {
		if _, ok := all.ByToken(token); ok {
			t.Errorf("the token %q is taken", token)
		}
	}
	for user, want := range map[id.User]struct{ owned, reserved bool }{
		"@_irc_bot:a.test":   {true, true},
		"@_irc_x:a.test":     {true, true},
		"@_irc_x:b.test":     {false, true}, // of another server: not to act as
		"@guest1:a.test":     {true, false},
		"@alice:a.test":      {false, false},
		"@x_irc_x:a.test":    {false, false}, // a namespace is of whole identifiers
		"@_other_one:a.test": {false, true},
	} {
		if got := s.Owns(user); got != want.owned {
			t.Errorf("%s: owned: got %v", user, got)
		}
		if got := all.Reserved(user, nil); got != want.reserved {
			t.Errorf("%s: reserved: got %v", user, got)
		}
	}
	if all.Reserved("@_irc_x:a.test", s) || !all.Reserved("@_other_one:a.test", s) {
		t.Error("a service's own users are kept from it, or another's are not")
	}
	if !s.OwnsAlias("#_irc_x:a.test") || s.OwnsAlias("#x:a.test") || all.MayAlias("#_irc_x:a.test", nil) || !all.MayAlias("#_irc_x:a.test", s) ||
		!all.MayAlias("#x:a.test", nil) || all.MayAlias("#x:a.test", s) {
		t.Error("aliases")
	}
	if none, err := Load("", "a.test"); err != nil || none.Reserved("@a:a.test", nil) {
		t.Errorf("no services: %v", err)
	}
}

func TestRefusedFiles(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"no id":       {`id: "IRC Bridge"`, ``, "id is missing"},
		"no token":    {`as_token: "as-secret"`, ``, "as_token is missing"},
		"url":         {`http://127.0.0.1:1234`, `ftp://x`, "url is not"},
		"sender":      {`_irc_bot`, `a:b`, "sender_localpart"},
		"regex":       {`@_irc_.*`, `@(`, "namespaces.users"},
		"no yaml":     {`id: "IRC Bridge"`, "{", "not a registration"},
		"wrong shape": {`rooms: []`, `rooms: 3`, "not a registration"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(folder(t, map[string]string{"x.yaml": strings.Replace(irc, c.old, c.new, 1)}), "a.test")
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "x.yaml") || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if _, err := Load(folder(t, map[string]string{"a.yaml": irc, "b.yaml": irc}), "a.test"); err == nil {
		t.Error("the same id and token twice were taken")
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none"), "a.test"); err == nil {
		t.Error("a folder that is not there was taken")
	}
}
