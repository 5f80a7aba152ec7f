package doctor_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"freehold.example/base/blob"
	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
	"freehold.example/server"
	"freehold.example/server/doctor"
)

// lived is the settings of a server that has been started once, on the database of the URL.
func lived(t *testing.T, url string) server.Config {
	t.Helper()
	c := server.Defaults()
	c.ServerName, c.DataDir, c.DatabaseURL = "house.example", filepath.Join(t.TempDir(), "data"), url
	c.ListenClient, c.ListenFederation, c.Federation = "127.0.0.1:0", "", "off"
	c.Out, c.PasswordHashing = new(strings.Builder), "fast"
	s, err := server.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	c.PasswordHashing = "standard"
	return c
}

func examine(c server.Config, change func(*doctor.Patient)) doctor.Report {
	p := doctor.Patient{Config: c, Version: "test", Now: time.Now}
	if change != nil {
		change(&p)
	}
	return doctor.Examine(context.Background(), p)
}

func engines(t *testing.T, fn func(t *testing.T, url string)) {
	t.Run("sqlite", func(t *testing.T) { fn(t, "") })
	t.Run("postgres", func(t *testing.T) { fn(t, sqldbtest.Postgres(t)) })
}

// Nothing is wrong with a server that has just been set up, but that there is no backup.
func TestWell(t *testing.T) {
	engines(t, func(t *testing.T, url string) {
		c := lived(t, url)
		r := examine(c, func(p *doctor.Patient) { p.Deep = true })
		if r.Count(doctor.Bad) > 0 {
			t.Errorf("got\n%s", r.String())
		}
		if text := r.String(); !strings.Contains(text, "There is no backup") {
			t.Errorf("got\n%s", text)
		}
		if err := server.NoteBackup(c.DataDir, server.LastBackup{At: time.Now(), To: "x"}); err != nil {
			t.Fatal(err)
		}
		r = examine(c, nil)
		if text := r.String(); !strings.Contains(text, "The last backup was made") {
			t.Errorf("got\n%s", text)
		}
		if b, err := json.Marshal(r); err != nil || !strings.Contains(string(b), `"grade":"good"`) {
			t.Errorf("got %s, %v", b, err)
		}
	})
}

// Each of these is seen, and named so that one knows what to do.
func TestUnwell(t *testing.T) {
	engines(t, func(t *testing.T, url string) {
		c := lived(t, url)
		key := filepath.Join(c.DataDir, "signing.key")
		good, err := os.ReadFile(key)
		if err != nil {
			t.Fatal(err)
		}
		write := func(path, text string) {
			t.Helper()
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer taken.Close()
		bridge := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		defer bridge.Close()
		const registration = "{id: a, url: 'http://127.0.0.1:1', as_token: b, hs_token: c, sender_localpart: d}\n"
		services := func(text string) string {
			t.Helper()
			dir := t.TempDir()
			write(filepath.Join(dir, "a.yaml"), text)
			return dir
		}
		for _, test := range []struct {
			name   string
			change func(p *doctor.Patient)
			grade  doctor.Grade
			want   string
			undo   func()
		}{
			{"settings", func(p *doctor.Patient) { p.Wrong = errors.New("presence: no") }, doctor.Bad, "presence: no", nil},
			{"a slip", func(p *doctor.Patient) { p.Unknown = []string{"FREEHOLD_X"} }, doctor.Warning, "FREEHOLD_X", nil},
			{"open", func(p *doctor.Patient) { p.Config.Registration = "open" }, doctor.Warning, "can make an account", nil},
			{"wide open", func(p *doctor.Patient) { p.Config.Registration, p.Config.RateLimits = "open", false }, doctor.Bad, "as many accounts", nil},
			{"a short secret", func(p *doctor.Patient) { p.Config.RegistrationSharedSecret = "secret" }, doctor.Warning, "can be guessed", nil},
			{"the clock is moved", func(p *doctor.Patient) { p.Config.ClockOffset = time.Hour }, doctor.Warning, "1h0m0s", nil},
			{"no encryption", func(p *doctor.Patient) { p.Config.ListenClient = ":0" }, doctor.Warning, "without encryption", nil},
			{"http", func(p *doctor.Patient) { p.Config.PublicURL = "http://chat.example" }, doctor.Warning, "begins with http", nil},
			{"another name", func(p *doctor.Patient) { p.Config.ServerName = "other.example" }, doctor.Bad, "other.example", nil},
			{"a registration without a token", func(p *doctor.Patient) { p.Config.AppservicesDir = services("id: a\n") }, doctor.Bad, "a.yaml: ", nil},
			{"a service that is down", func(p *doctor.Patient) { p.Config.AppservicesDir = services(registration) }, doctor.Warning, "a does not answer at 127.0.0.1:1", nil},
			{"a token that others can read", func(p *doctor.Patient) {
				p.Config.AppservicesDir = services(registration)
				if err := os.Chmod(filepath.Join(p.Config.AppservicesDir, "a.yaml"), 0o604); err != nil {
					t.Error(err)
				}
			}, doctor.Warning, "can read a.yaml", nil},
			{"a service", func(p *doctor.Patient) {
				p.Config.AppservicesDir = services(strings.Replace(registration, "http://127.0.0.1:1", bridge.URL, 1))
			}, doctor.Good, "a answers after", nil},
			{"a port in use", func(p *doctor.Patient) { p.Config.ListenClient = taken.Addr().String() }, doctor.Bad, "another program listens", nil},
			{"no certificate", func(p *doctor.Patient) { p.Config.Federation, p.Config.ListenFederation = "on", "127.0.0.1:0" }, doctor.Warning, "no certificate", nil},
			{"no federation listener", func(p *doctor.Patient) { p.Config.Federation = "on" }, doctor.Warning, "cannot reach this one", nil},
			{
				"another key", func(*doctor.Patient) { write(key, "ed25519 a_x MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI\n") },
				doctor.Bad, "not the key of this server", func() { write(key, string(good)) },
			},
			{"half a key", func(*doctor.Patient) { write(key, "ed25519 a_x") }, doctor.Bad, "cannot be used", func() { write(key, string(good)) }},
			{"no key", func(*doctor.Patient) { _ = os.Remove(key) }, doctor.Bad, "is gone", func() { write(key, string(good)) }},
			{
				"others may look", func(*doctor.Patient) { _ = os.Chmod(c.DataDir, 0o755) }, doctor.Warning, "Others on this machine can look",
				func() { _ = os.Chmod(c.DataDir, 0o700) },
			},
			{
				"half restored", func(*doctor.Patient) { write(filepath.Join(c.DataDir, "restoring"), "{}") }, doctor.Bad, "was interrupted",
				func() { _ = os.Remove(filepath.Join(c.DataDir, "restoring")) },
			},
			{
				"from the future", func(*doctor.Patient) { _ = os.Chtimes(key, time.Now(), time.Now().AddDate(1, 0, 0)) }, doctor.Bad, "The clock is wrong",
				func() { _ = os.Chtimes(key, time.Now(), time.Now()) },
			},
			{"an old backup", func(p *doctor.Patient) {
				if err := server.NoteBackup(c.DataDir, server.LastBackup{At: time.Now().AddDate(0, 0, -30), To: "x"}); err != nil {
					t.Fatal(err)
				}
			}, doctor.Warning, "30 days old", nil},
		} {
			r := examine(c, test.change)
			found := false
			for _, f := range r.Findings {
				found = found || f.Grade == test.grade && strings.Contains(f.Text, test.want)
			}
			if !found {
				t.Errorf("%s: want %q, got\n%s", test.name, test.want, r.String())
			}
			if test.undo != nil {
				test.undo()
			}
		}
	})
}

// A file that a row names and that is not there, or is another.
func TestMedia(t *testing.T) {
	c := lived(t, "")
	blobs, err := blob.Open(filepath.Join(c.DataDir, "media"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	info, err := blobs.Put(t.Context(), strings.NewReader("a file"), 100)
	if err != nil {
		t.Fatal(err)
	}
	db := sqldbtest.Open(t, schema.FS, sqldb.Config{Dir: c.DataDir})
	err = db.Write(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(`INSERT INTO media (media_id, user_id, blob, size, content_type, name, created, expires) VALUES ('m', '@a:b', $1, 6, '', '', 0, 0)`, info.Hash.String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	deep := func(p *doctor.Patient) { p.Deep = true }
	for _, step := range []struct {
		do     func(path string) error
		change func(*doctor.Patient)
		want   string
	}{
		{func(string) error { return nil }, deep, "1 media file (0 MB), all there and whole."},
		{func(path string) error { return os.WriteFile(path, []byte("other!"), 0o600) }, nil, "1 media file (0 MB), all there."},
		{func(string) error { return nil }, deep, "0 are missing and 1 are damaged"},
		{os.Remove, nil, "1 are missing and 0 are damaged"},
	} {
		h := info.Hash.String()
		if err := step.do(filepath.Join(c.DataDir, "media", h[:2], h[2:4], h)); err != nil {
			t.Fatal(err)
		}
		if r := examine(c, step.change); !strings.Contains(r.String(), step.want) {
			t.Errorf("want %q, got\n%s", step.want, r.String())
		}
	}
}
