package change

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"freehold.example/test/harness"
)

// given is one bad thing that a flag or the environment says.
type given struct {
	name  string
	env   string
	flags []string
}

func (s *site) given() []given {
	env := func(name, env string) given { return given{name: name, env: env} }
	return []given{
		env("no level", "FREEHOLD_LOG_LEVEL=loud"),
		env("no duration", "FREEHOLD_DRILL_EVERY=often"),
		env("no size", "FREEHOLD_MEDIA_MAX_FILE=0"),
		env("no such registration", "FREEHOLD_REGISTRATION=perhaps"),
		env("no address", "FREEHOLD_LISTEN_CLIENT=nonsense"),
		env("a port taken", "FREEHOLD_LISTEN_CLIENT="+s.taken),
		env("another name", "FREEHOLD_SERVER_NAME=other.example"),
		env("no certificate", "FREEHOLD_TLS_CERT="+filepath.Join(s.dir, "nothing")),
		env("wrong authorities", "FREEHOLD_TLS_CA="+s.write("garbage", "this is no PEM")),
		env("no database", "FREEHOLD_DATABASE_URL=mysql://localhost/freehold"),
		env("a dead database", "FREEHOLD_DATABASE_URL=postgres://freehold@127.0.0.1:1/freehold?connect_timeout=1"),
		{name: "a flag", flags: []string{"--log-level", "loud"}},
		{name: "a flag that takes a port", flags: []string{"--listen-client", s.taken}},
	}
}

// What a flag or the environment says and nobody can use: the server runs with what they said before, and says so, wherever its
// settings come from; when they are mended it is as before.
func TestBadFlagsAndEnvironment(t *testing.T) {
	for name, file := range map[string]bool{"beside a file": true, "without a file": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, "")
			h.Stop()
			if !file {
				h.File = "" // all that there is comes from the environment
				h.Start()
				h.Stop()
			}
			s := newSite(t)
			for _, g := range s.given() {
				t.Run(strings.ReplaceAll(g.name, " ", "_"), func(t *testing.T) {
					h.t = t
					if g.env != "" {
						defer h.With(g.env)()
					}
					h.Flags = g.flags
					defer func() { h.Flags = nil }()
					h.Start()
					if err := h.readable(); err != nil {
						t.Error(err)
					}
					if out := h.run("status"); !strings.Contains(out, "\n! what a flag or the environment says cannot be used: ") {
						t.Errorf("status says nothing: %s", out)
					}
					if out := h.run("logs"); !strings.Contains(out, "CONFIGURATION") {
						t.Errorf("the log says nothing: %s", out)
					}
					if out := h.health(); !strings.Contains(out, `"status":"ok"`) || !strings.Contains(out, "cannot be used") {
						t.Errorf("health says %s", out)
					}
					if out := h.run("config", "check", s.write("new.toml", h.good+"presence = \"off\"\n")); !strings.Contains(out, "presence") || strings.Contains(out, "✗") {
						t.Errorf("a change cannot be checked: %s", out)
					}
					h.Stop()
				})
				h.t = t
			}
			h.Start()
			if out := h.run("status"); strings.Contains(out, "\n! what a flag") {
				t.Errorf("mended, and still %s", out)
			}
			h.Stop()
		})
	}
}

// health is what the server says of itself to everybody.
func (h *house) health() string {
	resp, err := http.Get(h.URL + "/health")
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	var b strings.Builder
	_ = resp.Write(&b) // it is looked at
	return b.String()
}

// Where there is nothing to go back to, and where nobody can tell what was meant, the start ends in words.
func TestBadFirstStart(t *testing.T) {
	s := newSite(t)
	for _, g := range s.given() {
		if g.name == "another name" || g.name == "a dead database" {
			continue // a new server may have that name; a database may come yet, and is told of in another way
		}
		t.Run(strings.ReplaceAll(g.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			h := harness.On(t, t.TempDir(), g.env)
			h.Flags = g.flags
			if err := h.TryStart(); err == nil {
				t.Error("it runs")
			}
			if _, err := os.Stat(filepath.Join(h.Dir, "config", "given.json")); err == nil {
				t.Error("what was never good is kept")
			}
		})
	}
	h := newHouse(t, "")
	h.Stop()
	h.Flags = []string{"--lisen-client", "127.0.0.1:1"}
	if err := h.TryStart(); err == nil || !strings.Contains(err.Error(), "lisen-client") {
		t.Errorf("a flag that there is not: %v", err)
	}
}
