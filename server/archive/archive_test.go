package archive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"freehold.example/base/blob"
	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
	"freehold.example/server/archive"
)

const accounts = 30

// source is a server that has a few rows and files.
func source(t *testing.T, c sqldb.Config) archive.Source {
	t.Helper()
	db := sqldbtest.Open(t, schema.FS, c)
	dir := t.TempDir()
	blobs, err := blob.Open(filepath.Join(dir, "media"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "signing.key"), []byte("ed25519 a_1 the key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	err = db.Write(t.Context(), func(tx *sqldb.Tx) error {
		for i := range accounts {
			info, err := blobs.Put(t.Context(), strings.NewReader(strings.Repeat("file ", 1000*(i/2))), 1<<20)
			if err != nil {
				return err
			}
			user := fmt.Sprintf("@user%d:house.example", i)
			for q, args := range map[string][]any{
				`INSERT INTO account (user_id, password, admin, locked, suspended, erase, created) VALUES ($1, NULL, TRUE, FALSE, FALSE, FALSE, $2)`: {user, i},
				`INSERT INTO media (media_id, user_id, blob, size, content_type, name, created, expires) VALUES ($1, $2, $3, $4, '', 'ä', 0, 0)`:     {fmt.Sprint(i), user, info.Hash.String(), info.Size},
				`INSERT INTO fallback_key (user_id, device_id, algorithm, key_id, body, used) VALUES ($1, 'D', 'a', 'k', $2, FALSE)`:                 {user, []byte{0xff, byte(i)}},
				`INSERT INTO one_time_key (user_id, device_id, algorithm, key_id, body, uploaded, claimed) VALUES ($1, 'D', 'a', 'k', $2, 1, 0)`:     {user, []byte("{}")},
				`INSERT INTO device_change (user_id, device_id, seen_by, pos) VALUES ($1, 'D', '', 1)`:                                               {user},
			} {
				if _, err := tx.Exec(q, args...); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return archive.Source{DB: db, Blobs: blobs, Dir: dir, Server: "house.example", Program: "test", Now: time.Now}
}

func written(t *testing.T, s archive.Source) []byte {
	t.Helper()
	var out bytes.Buffer
	if _, err := s.Write(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// From either database into either.
func TestRestore(t *testing.T) {
	for _, from := range []string{"sqlite", "postgres"} {
		for _, to := range []string{"sqlite", "postgres"} {
			t.Run(from+" to "+to, func(t *testing.T) {
				c := sqldb.Config{Dir: t.TempDir()}
				if from == "postgres" {
					c = sqldb.Config{URL: sqldbtest.Postgres(t)}
				}
				file := written(t, source(t, c))
				target := archive.Target{Dir: filepath.Join(t.TempDir(), "new", "data"), Now: time.Now}
				if to == "postgres" {
					target.DatabaseURL = sqldbtest.Postgres(t)
				}
				sum, err := target.Restore(t.Context(), bytes.NewReader(file))
				if err != nil {
					t.Fatal(err)
				}
				if sum.Files.Number != accounts/2 {
					t.Errorf("got %d media files, want %d", sum.Files.Number, accounts/2)
				}
				restored(t, target)
				if _, err := target.Restore(t.Context(), bytes.NewReader(file)); err == nil || !strings.Contains(err.Error(), "not empty") {
					t.Errorf("a second restore: got %v, want a refusal", err)
				}
				if to == "postgres" {
					target.Dir = t.TempDir()
					if _, err := target.Restore(t.Context(), bytes.NewReader(file)); err == nil || !strings.Contains(err.Error(), "has tables already") {
						t.Errorf("a second restore into the database: got %v, want a refusal", err)
					}
				}
			})
		}
	}
}

// restored looks at what has been made of source.
func restored(t *testing.T, target archive.Target) {
	t.Helper()
	db, err := sqldb.Open(t.Context(), sqldb.Config{URL: target.DatabaseURL, Dir: target.Dir})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	high := db.Committed()
	if e := db.Epoch(); e.Number != 1 || e.Begins != high || high < sqldb.Pos(time.Now().Unix()<<20) {
		t.Errorf("got %+v at %d", e, high)
	}
	for q, want := range map[string]int{
		`SELECT count(*) FROM account WHERE admin AND password IS NULL`:              accounts,
		`SELECT count(*) FROM media WHERE name = 'ä'`:                                accounts,
		`SELECT count(*) FROM fallback_key WHERE used AND length(body) = 2`:          accounts,
		`SELECT count(*) FROM one_time_key`:                                          0,
		`SELECT count(*) FROM device_change WHERE pos = (SELECT high FROM position)`: 2 * accounts,
		`SELECT count(*) FROM nid_block`:                                             1,
		`SELECT count(*) FROM server`:                                                0,
	} {
		var n int
		err := db.Read(t.Context(), func(tx *sqldb.Tx) error { return tx.Row(q).Scan(&n) })
		if err != nil || n != want {
			t.Errorf("%s: got %d, %v, want %d", q, n, err, want)
		}
	}
	key, err := os.ReadFile(filepath.Join(target.Dir, "signing.key"))
	if err != nil || string(key) != "ed25519 a_1 the key\n" {
		t.Errorf("got the signing key %q, %v", key, err)
	}
	name, err := os.ReadFile(filepath.Join(target.Dir, "server_name"))
	if err != nil || string(name) != "house.example\n" {
		t.Errorf("got the server name %q, %v", name, err)
	}
	blobs, err := blob.Open(filepath.Join(target.Dir, "media"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Read(t.Context(), func(tx *sqldb.Tx) error {
		names, err := sqldb.Column[string](tx, `SELECT blob FROM media`)
		for _, name := range names {
			h, err := blob.ParseHash(name)
			if err != nil {
				return err
			}
			if _, err := blobs.Stat(t.Context(), h); err != nil {
				t.Errorf("file %s: %v", name, err)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"restoring", "restore.lock"} {
		if _, err := os.Stat(filepath.Join(target.Dir, name)); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", name, err)
		}
	}
}

// A file that is not whole is found out before anything is changed: cut off anywhere, or changed anywhere.
func TestDamaged(t *testing.T) {
	file := written(t, source(t, sqldb.Config{Dir: t.TempDir()}))
	whole := read(t, file)
	refused := func(what string, bad []byte) {
		t.Helper()
		target := archive.Target{Dir: filepath.Join(t.TempDir(), "data"), Now: time.Now}
		_, err := target.Restore(t.Context(), bytes.NewReader(bad))
		if _, ok := errors.AsType[*archive.DamagedError](err); !ok {
			t.Errorf("%s: got %v, want that it is damaged", what, err)
		}
		if _, err := os.Stat(target.Dir); !os.IsNotExist(err) {
			t.Errorf("%s: it was found out too late: %v", what, err)
		}
	}
	end := bytes.LastIndexByte(file, '}') // of the manifest; padding follows
	step := max(len(file)/300, 1)
	for n := 0; n < end; n += step {
		refused(fmt.Sprint("the first ", n), file[:n])
	}
	changed, harmless := 0, 0
	for n := 0; n < len(file); n += step + 1 {
		bad := bytes.Clone(file)
		bad[n] ^= 1 << (n % 8)
		sum, err := archive.Read(bytes.NewReader(bad), archive.Visitor{})
		if err == nil { // the padding between members
			if diff := cmp.Diff(whole, sum); diff != "" {
				t.Errorf("byte %d was changed, and what is read is other (-want +got):\n%s", n, diff)
			}
			harmless++
			continue
		}
		changed++
	}
	t.Logf("%d bytes: %d changes were found, %d meant nothing", len(file), changed, harmless)
	for what, bad := range map[string][]byte{
		"nothing":          {},
		"text":             []byte(strings.Repeat("this is no archive\n", 200)),
		"a tar of nothing": make([]byte, 10240),
	} {
		refused(what, bad)
	}
}

func read(t *testing.T, file []byte) archive.Summary {
	t.Helper()
	sum, err := archive.Read(bytes.NewReader(file), archive.Visitor{})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// A backup that nobody reads ends with its caller, and lets go of the database and the files.
func TestWriteEnds(t *testing.T) {
	s := source(t, sqldb.Config{Dir: t.TempDir()})
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := s.Write(ctx, w)
		done <- err
	}()
	if _, err := io.CopyN(io.Discard, r, 1000); err != nil {
		t.Fatal(err)
	}
	cancel()
	r.Close()
	if err := <-done; err == nil {
		t.Error("it was written to the end")
	}
	var hash blob.Hash
	if err := s.Blobs.Walk(t.Context(), func(i blob.Info) error { hash = i.Hash; return nil }); err != nil {
		t.Fatal(err)
	}
	release := s.Blobs.Hold()
	later := time.Now().Add(time.Hour)
	if gone, err := s.Blobs.Delete(t.Context(), hash, later); gone || err != nil {
		t.Errorf("deleted during a hold: %v, %v", gone, err)
	}
	release()
	if gone, err := s.Blobs.Delete(t.Context(), hash, later); !gone || err != nil {
		t.Errorf("not deleted after a hold: %v, %v", gone, err)
	}
}

// A backup that names a file that is gone says so, and is whole without it; one whose bytes are wrong is none.
func TestMediaGone(t *testing.T) {
	s := source(t, sqldb.Config{Dir: t.TempDir()})
	var hashes []blob.Hash
	if err := s.Blobs.Walk(t.Context(), func(i blob.Info) error { hashes = append(hashes, i.Hash); return nil }); err != nil {
		t.Fatal(err)
	}
	h := hashes[0].String()
	path := filepath.Join(s.Dir, "media", h[:2], h[2:4], h)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got := read(t, written(t, s)).Missing; len(got) != 1 || got[0] != h {
		t.Errorf("got %v, want that %s is missing", got, h)
	}
	if err := os.WriteFile(path, []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write(t.Context(), io.Discard); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("got %v, want that a file is damaged", err)
	}
}
