package sqldb

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// TestLogBeginsAnew writes without a pause several times what the log may hold, with bounds lowered for the purpose.
func TestLogBeginsAnew(t *testing.T) {
	db, err := Open(t.Context(), Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	c := db.checkpoints
	c.copyAfter, c.restartAt = 50, 200 // nothing was written yet: the copying goroutine has not looked at them
	if err := db.Submit(0, func(tx *Tx) error {
		_, err := tx.Exec(`CREATE TABLE big (id INTEGER PRIMARY KEY, body BLOB)`)
		return err
	}).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, 16<<10)
	var wg sync.WaitGroup
	deadline := time.Now().Add(20 * time.Second)
	for w := range 4 {
		wg.Go(func() {
			for i := 0; c.restarts.Load() < 4 && time.Now().Before(deadline); i++ {
				err := db.Write(t.Context(), func(tx *Tx) error {
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
	if n := c.restarts.Load(); n < 4 {
		t.Errorf("the log began anew %d times, want 4", n)
	}
	length, _, err := c.pragma(context.Background(), sqlAskLog)
	if err != nil || length > 20_000 {
		t.Errorf("got a log of %d pages, %v, want it bounded", length, err)
	}
}

// TestLogIsCopied: some time after the last write everything is in the database file.
func TestLogIsCopied(t *testing.T) {
	dir := t.TempDir()
	db, err := Open(t.Context(), Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Write(t.Context(), func(tx *Tx) error {
		_, err := tx.Exec(`CREATE TABLE later (id BIGINT)`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; {
		info, err := os.Stat(filepath.Join(dir, "freehold.db"))
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() >= 3*4096 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the database file has only %d bytes", info.Size())
		}
		time.Sleep(50 * time.Millisecond)
	}
}
