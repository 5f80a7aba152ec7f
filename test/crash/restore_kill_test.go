package crash

import (
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/test/harness"
)

// filled is a stopped server with something of everything in it, and a backup of it.
func filled(t *testing.T) (s *harness.Server, file string) {
	t.Helper()
	s = harness.Start(t, harness.SQLite, quiet)
	w := newCrowd(t, s.URL)
	w.busy(600, 0, func() {})
	w.settleOld()
	s.Stop()
	file = filepath.Join(t.TempDir(), "backup.tar")
	s.Run("backup", "--to", file)
	return s, file
}

// A restore is killed at any moment. What it leaves does not run, and says what to do; that is to restore again, which
// makes a whole server of it, whatever was there.
func TestKillRestore(t *testing.T) {
	old, file := filled(t)
	want := logs(t, old)
	harness.Engines(t, func(t *testing.T, e harness.Engine) {
		random, kills := chance(t), max(crashes(t)/3, 3)
		target := func() *harness.Server {
			s := harness.On(t, t.TempDir(), quiet)
			if e == harness.Postgres {
				s.DatabaseURL = sqldbtest.Postgres(t)
			}
			return s
		}
		began := time.Now()
		target().Run("restore", file)
		longest := time.Since(began) // what one takes that nobody kills
		refused := 0
		for range kills {
			s := target()
			whole := false
			for range 1 + random.IntN(3) {
				if whole {
					break
				}
				cmd, out := s.Command("restore", file)
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				time.AfterFunc(upTo(random, longest), func() { _ = cmd.Process.Kill() }) // it may have ended
				if err := cmd.Wait(); err == nil {
					whole = true
				} else if out.Len() > 0 && !strings.Contains(out.String(), "is restored") {
					t.Fatalf("a restore that follows an interrupted one is refused: %s", out)
				}
			}
			if _, err := os.Stat(filepath.Join(s.Dir, "server_name")); errors.Is(err, fs.ErrNotExist) && !whole {
				refused += halfRestored(t, s)
			}
			if _, err := os.Stat(filepath.Join(s.Dir, "restoring")); err == nil {
				s.Run("restore", file)
			} else if empty(t, s.Dir) {
				s.Run("restore", file)
			}
			checkStored(t, s)
			got := logs(t, s)
			for room, events := range want {
				if len(got[room]) != len(events) {
					t.Errorf("%s has %d events, want %d", room, len(got[room]), len(events))
				}
			}
			s.Start()
			s.Stop()
			if t.Failed() {
				t.FailNow()
			}
		}
		t.Logf("%d of %d restores left something that was refused", refused, kills)
	})
}

func empty(t *testing.T, dir string) bool {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "restore.lock" && !strings.HasPrefix(e.Name(), ".tmp-") {
			return false
		}
	}
	return true
}

// halfRestored tries to start the server on what an interrupted restore left, and for a database elsewhere on another
// directory too; it says whether there was anything.
func halfRestored(t *testing.T, s *harness.Server) int {
	t.Helper()
	if empty(t, s.Dir) {
		return 0
	}
	if s.DatabaseURL != "" && hasTables(t, s.DatabaseURL) {
		other := harness.On(t, t.TempDir(), quiet) // as when the directory has been made empty, and the database not
		other.DatabaseURL = s.DatabaseURL
		if err := other.TryStart(); err == nil {
			t.Error("a server runs on a half restored database")
			other.Kill()
		} else if text := err.Error(); !strings.Contains(text, "run `freehold restore` again") && !strings.Contains(text, "a backup has it") {
			// The second is of a database that is whole already, while the directory that belongs to it is not.
			t.Errorf("a server on a half restored database does not say what to do: %v", err)
		}
	}
	err := s.TryStart()
	if err == nil {
		t.Error("a half restored server runs")
		s.Kill()
	} else if !strings.Contains(err.Error(), "run `freehold restore` again") {
		t.Errorf("a half restored server does not say what to do: %v", err)
	}
	return 1
}

func hasTables(t *testing.T, url string) bool {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	n := 0
	if err := db.QueryRow(`SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n > 0
}

// A backup is killed, or the server that it is made of: there is no file under its name, or a whole one, and the server is
// as it was.
func TestKillBackup(t *testing.T) {
	s := harness.Start(t, harness.SQLite, quiet)
	w := newCrowd(t, s.URL)
	w.busy(600, 0, func() {})
	w.settle()
	random, kills := chance(t), max(crashes(t)/3, 3)
	whole := 0
	for n := range kills {
		file := filepath.Join(t.TempDir(), "backup.tar")
		cmd, out := s.Command("backup", "--to", file)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		server := n%2 == 1
		time.Sleep(upTo(random, 150*time.Millisecond))
		if server {
			s.Kill()
		} else {
			_ = cmd.Process.Kill() // it may have ended
		}
		err := cmd.Wait()
		_, missing := os.Stat(file)
		if err == nil && missing != nil {
			t.Errorf("the backup succeeded and is not there: %s", out)
		}
		if missing == nil {
			whole++
			again := harness.On(t, t.TempDir(), quiet)
			again.Run("restore", file)
			checkStored(t, again)
		}
		if server {
			checkStored(t, s)
			s.Start()
		}
		w.busy(20, 0, func() {})
		w.settle()
		w.verify()
		if t.Failed() {
			t.FailNow()
		}
	}
	t.Logf("%d of %d backups were whole", whole, kills)
}
