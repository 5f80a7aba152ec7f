package sqldb_test

import (
	"io/fs"
	"log/slog"
	"strings"
	"testing"
	"testing/fstest"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
)

func files(pairs ...string) fs.FS {
	m := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return m
}

func TestMigrate(t *testing.T) {
	const one, two = "CREATE TABLE one (a BIGINT PRIMARY KEY);", "CREATE TABLE two (b TEXT);\nINSERT INTO two VALUES ('x;y');"
	tests := []struct {
		name  string
		first fs.FS
		then  fs.FS
		want  string // part of the error, "" for none
	}{
		{"again", files("0001_one.sql", one), files("0001_one.sql", one), ""},
		{"one more", files("0001_one.sql", one), files("0001_one.sql", one, "0002_two.sql", two), ""},
		{"a gap", files("0001_one.sql", one), files("0001_one.sql", one, "0007_two.sql", two), ""},
		{"newer", files("0001_one.sql", one, "0002_two.sql", two), files("0001_one.sql", one), "newer version of the program (it has migration 0002_two.sql"},
		{"changed", files("0001_one.sql", one), files("0001_one.sql", one+" "), "0001_one.sql was changed after it ran"},
		{"in between", files("0002_two.sql", two), files("0001_one.sql", one, "0002_two.sql", two), "0001_one.sql was never run"},
		{"same number", nil, files("0001_a.sql", one, "0001_b.sql", two), "same number"},
		{"bad name", nil, files("1_one.sql", one), "not of the form"},
		{"bad SQL", nil, files("0001_one.sql", one, "0002_bad.sql", two+" CREATE NONSENSE;"), "migration 0002_bad.sql"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sqldbtest.Each(t, tt.first, func(t *testing.T, db *sqldb.DB) {
				err := db.Migrate(t.Context(), tt.then)
				if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
					t.Errorf("got %v, want %q", err, tt.want)
				}
				if tt.name == "bad SQL" { // the good file stays, nothing of the bad one does
					if err := db.Migrate(t.Context(), files("0001_one.sql", one, "0002_two.sql", two)); err != nil {
						t.Errorf("after the bad file was mended: %v", err)
					}
				}
			})
		})
	}
}

// TestMigrationLog: a new database is one line in the log, however long the history of its schema; each change of an old one is named.
func TestMigrationLog(t *testing.T) {
	var out strings.Builder
	db, err := sqldb.Open(t.Context(), sqldb.Config{Dir: t.TempDir(), Log: slog.New(slog.NewTextHandler(&out, nil))})
	if err != nil {
		t.Fatal(err)
	}
	const one, two, three = "CREATE TABLE one (a BIGINT);", "CREATE TABLE two (a BIGINT);", "CREATE TABLE three (a BIGINT);"
	for _, fsys := range []fs.FS{files("0001_one.sql", one, "0002_two.sql", two), files("0001_one.sql", one, "0002_two.sql", two, "0003_three.sql", three)} {
		if err := db.Migrate(t.Context(), fsys); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	log := out.String()
	if made, changed := strings.Count(log, "database made"), strings.Count(log, "database schema changed"); made != 1 || changed != 1 || !strings.Contains(log, "migration=0003_three.sql") {
		t.Errorf("got %d made and %d changed in:\n%s", made, changed, log)
	}
}

// TestSchemaForms: what a migration may say is understood by both engines in the same way.
func TestSchemaForms(t *testing.T) {
	schema := sqldbtest.Schema(`
-- owner: base/sqldb
CREATE TABLE a (
	id   BIGINT NOT NULL PRIMARY KEY,
	blob BYTEA,
	mark TEXT NOT NULL DEFAULT 'postgres' -- only: postgres
	mark TEXT NOT NULL DEFAULT 'sqlite' -- only: sqlite
);

-- only: postgres
CREATE TABLE pg (
	a BIGINT
);

-- only: sqlite
CREATE TABLE lite (
	a BIGINT
);

CREATE TABLE b (a BIGINT REFERENCES a (id));
`)
	sqldbtest.Each(t, schema, func(t *testing.T, db *sqldb.DB) {
		var mark, text string
		var blob []byte
		err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
			if _, err := tx.Exec(`INSERT INTO a (id, blob) VALUES ($2, $1)`, []byte("12"), 7); err != nil {
				return err
			}
			if err := tx.Row(`SELECT mark, blob FROM a WHERE id = 7`).Scan(&mark, &blob); err != nil {
				return err
			}
			q := `SELECT count(*) FROM pg`
			if db.Engine() == "sqlite" {
				q = `SELECT count(*) FROM lite`
			}
			return tx.Row(q).Scan(&text)
		})
		if err != nil {
			t.Fatal(err)
		}
		if mark != db.Engine() || string(blob) != "12" {
			t.Errorf("got %q, %q", mark, blob)
		}
		err = db.Write(t.Context(), func(tx *sqldb.Tx) error {
			_, err := tx.Exec(`INSERT INTO b (a) VALUES (8)`)
			return err
		})
		if err == nil {
			t.Error("a foreign key to nothing was taken")
		}
	})
}
