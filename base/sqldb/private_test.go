//go:build unix

package sqldb_test

import (
	"os"
	"path/filepath"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
)

// Nobody but the server may read its database, also where its directory stood open before it came.
func TestFilesAreTheOwnersAlone(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "freehold.db"), nil, 0o644); err != nil { // as an older version left it
		t.Fatal(err)
	}
	sqldbtest.Open(t, sqldbtest.Schema(`CREATE TABLE t (n BIGINT PRIMARY KEY);`), sqldb.Config{Dir: dir})
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 3 {
		t.Fatalf("got %d files, %v, want the database, its log and what is shared", len(files), err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode != 0o600 {
			t.Errorf("%s has mode %o, want 600", f.Name(), mode)
		}
	}
}
