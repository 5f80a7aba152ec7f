package sqldb

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// shortLog is a database with a table big, whose log is bounded much lower than usual.
func shortLog(t *testing.T) (*DB, *checkpoints) {
	t.Helper()
	db, err := Open(t.Context(), Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	c := db.checkpoints
	c.copyAfter, c.restartAt = 50, 200 // nothing was written yet: the copying goroutine has not looked at them
	if err := db.Submit(0, func(tx *Tx) error {
		_, err := tx.Exec(`CREATE TABLE big (id INTEGER PRIMARY KEY, body BLOB)`)
		return err
	}).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db, c
}

// TestLogBeginsAnew writes without a pause several times what the log may hold, with bounds lowered for the purpose.
func TestLogBeginsAnew(t *testing.T) {
	db, c := shortLog(t)
	body := make([]byte, 16<<10)
	var wg sync.WaitGroup
	deadline := time.Now().Add(2 * time.Minute)
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

// TestLogBeginsAnewAmongReaders: there is never a moment in which nobody reads, and still the log is bounded.
func TestLogBeginsAnewAmongReaders(t *testing.T) {
	db, c := shortLog(t)
	var wg sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	defer wg.Wait()
	defer stop()
	for r := range 3 {
		wg.Go(func() {
			time.Sleep(time.Duration(r) * 2 * time.Millisecond) // each begins while others are at it
			for ctx.Err() == nil {
				err := db.Read(ctx, func(tx *Tx) error {
					var n int
					if err := tx.Row(`SELECT count(*) FROM big`).Scan(&n); err != nil {
						return err
					}
					time.Sleep(6 * time.Millisecond)
					return nil
				})
				if err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	body := make([]byte, 16<<10)
	longest := 0
	for i := range 6000 {
		err := db.Write(t.Context(), func(tx *Tx) error {
			_, err := tx.Exec(`INSERT INTO big (id, body) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET body = excluded.body`, i%10, body)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if i%100 == 0 {
			length, _, err := c.pragma(context.Background(), sqlAskLog)
			if err != nil {
				t.Fatal(err)
			}
			longest = max(longest, length)
		}
	}
	t.Logf("at most %d pages", longest)
	if longest > 3000 {
		t.Errorf("the log grew to %d pages of the %d that were written", longest, 6000*5)
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
	db.checkpoints.briefPause = 2 * time.Second // nothing was written yet: the copying goroutine has not looked at it
	err = db.Write(t.Context(), func(tx *Tx) error {
		_, err := tx.Exec(`CREATE TABLE later (id BIGINT)`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; {
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

// TestLogIsCut: a log that has become long does not stay on the disk when nothing is written any more.
func TestLogIsCut(t *testing.T) {
	dir := t.TempDir()
	db, err := Open(t.Context(), Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Write(t.Context(), func(tx *Tx) error {
		if _, err := tx.Exec(`CREATE TABLE big (body BLOB)`); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO big (body) VALUES ($1)`, make([]byte, cutFrom*4096))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; {
		info, err := os.Stat(filepath.Join(dir, "freehold.db-wal"))
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the log still has %d bytes", info.Size())
		}
		time.Sleep(50 * time.Millisecond)
	}
}
