package sqldb_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
)

// TestLogIsBounded writes several times what the log may hold, without a pause: the log begins anew on the way.
func TestLogIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 300 MB")
	}
	dir := t.TempDir()
	db := sqldbtest.Open(t, sqldbtest.Schema(`CREATE TABLE big (id BIGINT PRIMARY KEY, body BYTEA)`), sqldb.Config{Dir: dir})
	body := make([]byte, 64<<10)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 1200 {
				err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
					// The same 40 rows again and again: the log grows, the database does not.
					_, err := tx.Exec(`INSERT INTO big (id, body) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET body = excluded.body`,
						w*10+i%10, body)
					return err
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	info, err := os.Stat(filepath.Join(dir, "freehold.db-wal"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > 200<<20 {
		t.Errorf("got a log of %d MB, want it bounded", info.Size()>>20)
	}
	t.Logf("log %d MB", info.Size()>>20)
}

// TestLogIsCopied: some time after the last write everything is in the database file.
func TestLogIsCopied(t *testing.T) {
	dir := t.TempDir()
	db := sqldbtest.Open(t, items, sqldb.Config{Dir: dir})
	if err := db.Write(t.Context(), add("a")); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; {
		info, err := os.Stat(filepath.Join(dir, "freehold.db"))
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() >= 5*4096 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the database file has only %d bytes", info.Size())
		}
		time.Sleep(50 * time.Millisecond)
	}
}
