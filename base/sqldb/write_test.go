package sqldb_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/matrix/fault"
)

// add writes one item at the write's position.
func add(name string) func(tx *sqldb.Tx) error {
	return func(tx *sqldb.Tx) error {
		_, err := tx.Exec(sqlAddItem, int64(tx.Pos()), name, nil, false)
		return err
	}
}

// names reads the items in the order of their positions.
func names(t *testing.T, db *sqldb.DB) []string {
	t.Helper()
	var got []string
	err := db.Read(context.Background(), func(tx *sqldb.Tx) error {
		got = nil
		rows, err := tx.Query(`SELECT name FROM item ORDER BY pos`)
		if err != nil {
			return err
		}
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				return err
			}
			got = append(got, s)
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// hold keeps the writer busy until the function it returns is called, so that what is submitted meanwhile shares a commit.
func hold(t *testing.T, db *sqldb.DB) (release func()) {
	t.Helper()
	held, free := make(chan struct{}), make(chan struct{})
	var once, freed sync.Once
	release = func() { freed.Do(func() { close(free) }) }
	t.Cleanup(release)
	p := db.Submit(0, func(*sqldb.Tx) error {
		once.Do(func() { close(held) })
		<-free
		return nil
	})
	select {
	case <-held:
	case <-time.After(30 * time.Second):
		t.Fatal("the writer does not run", p.Wait(t.Context()))
	}
	return release
}

// TestOneCommit: writes that wait together share a commit, in order; those that fail leave nothing and harm nobody.
func TestOneCommit(t *testing.T) {
	sqldbtest.Each(t, items, func(t *testing.T, db *sqldb.DB) {
		before := db.Stats()
		release := hold(t, db)
		boom := errors.New("boom")
		var order []int
		run := func(i int, fn func(*sqldb.Tx) error) func(*sqldb.Tx) error {
			return func(tx *sqldb.Tx) error { order = append(order, i); return fn(tx) }
		}
		wrong := func(tx *sqldb.Tx) error {
			if err := add("wrong")(tx); err != nil {
				return err
			}
			return boom
		}
		pending := []*sqldb.Pending{
			db.Submit(1, run(0, wrong)), // fails as the first that writes
			db.Submit(3, run(1, add("a"))),
			db.Submit(1, run(2, wrong)),
			db.Submit(1, run(3, add("a"))), // not unique: the engine refuses
			db.Submit(1, run(4, func(*sqldb.Tx) error { panic("oh") })),
			db.Submit(0, run(5, func(*sqldb.Tx) error { return nil })),
			db.Submit(2, run(6, add("b"))),
		}
		release()
		var errs []string
		for _, p := range pending {
			err := p.Wait(t.Context())
			switch {
			case err == nil:
				errs = append(errs, "")
			case errors.Is(err, boom):
				errs = append(errs, "boom")
			case strings.Contains(err.Error(), "panic in a write: oh"):
				errs = append(errs, "panic")
			case strings.Contains(strings.ToLower(err.Error()), "unique"):
				errs = append(errs, "unique")
			default:
				errs = append(errs, err.Error())
			}
		}
		if diff := cmp.Diff([]string{"boom", "", "boom", "unique", "panic", "", ""}, errs); diff != "" {
			t.Errorf("errors (-want +got):\n%s", diff)
		}
		if want := []int{0, 1, 2, 3, 4, 5, 6}; !slices.Equal(order, want) {
			t.Errorf("got order %v, want %v", order, want)
		}
		var firsts []sqldb.Pos
		for _, p := range pending {
			firsts = append(firsts, p.First()-pending[0].First())
		}
		if want := []sqldb.Pos{0, 1, 4, 5, 6, -pending[0].First(), 7}; !slices.Equal(firsts, want) {
			t.Errorf("got positions %v, want %v", firsts, want)
		}
		if got, want := db.Committed(), pending[6].First()+1; got != want {
			t.Errorf("got committed %d, want %d", got, want)
		}
		if got, want := names(t, db), []string{"a", "b"}; !slices.Equal(got, want) {
			t.Errorf("got items %q, want %q", got, want)
		}
		after := db.Stats()
		if n := after.Batches - before.Batches; n != 1 {
			t.Errorf("got %d commits, want 1", n)
		}
		if n := after.Failed - before.Failed; n != 4 {
			t.Errorf("got %d failed, want 4", n)
		}
	})
}

// TestSeesEarlier: a write sees what was written before it in the same commit, and a read does not until it is committed.
func TestSeesEarlier(t *testing.T) {
	sqldbtest.Each(t, items, func(t *testing.T, db *sqldb.DB) {
		db.Submit(1, add("a"))
		release := hold(t, db)
		db.Submit(1, add("b"))
		var n, outside int
		p := db.Submit(1, func(tx *sqldb.Tx) error {
			if err := tx.Row(`SELECT count(*) FROM item`).Scan(&n); err != nil {
				return err
			}
			return db.Read(t.Context(), func(r *sqldb.Tx) error { return r.Row(`SELECT count(*) FROM item`).Scan(&outside) })
		})
		release()
		if err := p.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n != 2 || outside > 1 {
			t.Errorf("got %d rows inside, %d outside, want 2 and at most 1", n, outside)
		}
	})
}

func TestPositionsSurvive(t *testing.T) {
	for engine, c := range map[string]func(t *testing.T) sqldb.Config{
		"sqlite":   func(t *testing.T) sqldb.Config { return sqldb.Config{Dir: t.TempDir()} },
		"postgres": func(t *testing.T) sqldb.Config { return sqldb.Config{URL: sqldbtest.Postgres(t)} },
	} {
		t.Run(engine, func(t *testing.T) {
			config := c(t)
			var high sqldb.Pos
			for round := range 3 {
				db, err := sqldb.Open(t.Context(), config)
				if err != nil {
					t.Fatal(err)
				}
				if err := db.Migrate(t.Context(), items); err != nil {
					t.Fatal(err)
				}
				if got := db.Committed(); got != high {
					t.Errorf("got committed %d after a restart, want %d", got, high)
				}
				p := db.Submit(5, add(fmt.Sprint("round ", round)))
				if err := p.Wait(t.Context()); err != nil {
					t.Fatal(err)
				}
				if p.First() != high+1 {
					t.Errorf("got position %d, want %d", p.First(), high+1)
				}
				high = p.First() + 4
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
				if err := db.Close(); err != nil {
					t.Error("a second Close:", err)
				}
				if err := db.Write(t.Context(), add("late")); !errors.Is(err, sqldb.ErrClosed) {
					t.Errorf("got %v from a write after Close, want ErrClosed", err)
				}
			}
		})
	}
}

// TestClose finishes what waits.
func TestClose(t *testing.T) {
	db, err := sqldb.Open(t.Context(), sqldb.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context(), items); err != nil {
		t.Fatal(err)
	}
	release := hold(t, db)
	p := db.Submit(1, add("a"))
	closed := make(chan error)
	go func() { closed <- db.Close() }()
	release()
	if err := p.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

func TestQueueFull(t *testing.T) {
	db := sqldbtest.Open(t, items, sqldb.Config{Dir: t.TempDir(), QueueLen: 2})
	release := hold(t, db)
	a, b := db.Submit(1, add("a")), db.Submit(1, add("b"))
	refused := db.Submit(1, add("c"))
	err := refused.Wait(t.Context())
	f, ok := errors.AsType[*fault.Fault](err)
	if !ok || f.Status != 503 || f.Code != fault.LimitExceeded || f.RetryAfter == 0 || refused.First() != 0 {
		t.Errorf("got %v at %d, want a 503 and no position", err, refused.First())
	}
	release()
	for _, p := range []*sqldb.Pending{a, b} {
		if err := p.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if got, want := db.Committed(), b.First(); got != want {
		t.Errorf("got committed %d, want %d: a refused write holds no position back", got, want)
	}
	if n := db.Stats().Refused; n != 1 {
		t.Errorf("got %d refused, want 1", n)
	}
}

// TestCallerGone: a write whose caller has gone before its turn is not run; one that runs is finished.
func TestCallerGone(t *testing.T) {
	sqldbtest.Each(t, items, func(t *testing.T, db *sqldb.DB) {
		release := hold(t, db)
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error)
		go func() { gone <- db.Write(ctx, add("gone")) }()
		for db.Stats().Queued == 0 {
			runtime.Gosched()
		}
		p := db.Submit(1, add("stays"))
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want Canceled", err)
		}
		if err := p.Wait(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want Canceled", err)
		}
		release()
		if err := p.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		if got, want := names(t, db), []string{"stays"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if err := db.Read(ctx, func(*sqldb.Tx) error { return nil }); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want Canceled or nothing", err)
		}
		err := db.Read(ctx, func(tx *sqldb.Tx) error { return tx.Row(`SELECT 1`).Scan(new(int)) })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v from a statement, want Canceled", err)
		}
	})
}

// TestGoexit: a test that fails inside a write ends the writer's goroutine; the database goes on.
func TestGoexit(t *testing.T) {
	sqldbtest.Each(t, items, func(t *testing.T, db *sqldb.DB) {
		p := db.Submit(1, func(tx *sqldb.Tx) error {
			if err := add("half")(tx); err != nil {
				return err
			}
			runtime.Goexit()
			return nil
		})
		if err := p.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "bug:") {
			t.Errorf("got %v, want a bug", err)
		}
		if err := db.Write(t.Context(), add("whole")); err != nil {
			t.Fatal(err)
		}
		if got, want := names(t, db), []string{"whole"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// TestTxOver: a transaction does not outlive its function, and rows it forgot to close hold nothing up.
func TestTxOver(t *testing.T) {
	sqldbtest.Each(t, items, func(t *testing.T, db *sqldb.DB) {
		var kept *sqldb.Tx
		use := func(tx *sqldb.Tx) error {
			kept = tx
			rows, err := tx.Query(`SELECT number FROM schema_version`)
			if err != nil {
				return err
			}
			rows.Next() // and no Close
			return rows.Err()
		}
		for _, run := range []func(context.Context, func(*sqldb.Tx) error) error{db.Write, db.Read} {
			if err := run(t.Context(), use); err != nil {
				t.Fatal(err)
			}
			if _, err := kept.Exec(`DELETE FROM item`); err == nil {
				t.Error("a statement ran after the transaction")
			}
			var n int
			if err := kept.Row(`SELECT 1`).Scan(&n); err == nil {
				t.Error("a query ran after the transaction")
			}
		}
		for i := range 20 { // more than there are connections
			func() {
				defer func() { recover() }()
				db.Read(t.Context(), func(*sqldb.Tx) error { panic(i) })
			}()
		}
		if err := db.Read(t.Context(), use); err != nil {
			t.Errorf("after panics in reads: %v", err)
		}
	})
}

// TestConcurrent has many writers and readers at once. A reader sees every position up to Tx.Pos: no gap ever fills later.
func TestConcurrent(t *testing.T) {
	sqldbtest.Each(t, items, func(t *testing.T, db *sqldb.DB) {
		const writers, each = 8, 60
		var written atomic.Int64
		stop := make(chan struct{})
		var readers, wg sync.WaitGroup
		for range 3 {
			readers.Go(func() {
				for done := false; !done; {
					select {
					case <-stop:
						done = true
					default:
					}
					var n int64
					var upTo sqldb.Pos
					err := db.Read(t.Context(), func(tx *sqldb.Tx) error {
						upTo = tx.Pos()
						return tx.Row(`SELECT count(*) FROM item WHERE pos <= $1`, upTo).Scan(&n)
					})
					// Every third write fails, so of positions 1..p exactly those that are not a multiple of 3 are there.
					if want := int64(upTo) - int64(upTo)/3; err != nil || n != want {
						t.Errorf("got %d items up to %d, %v, want %d", n, upTo, err, want)
						return
					}
				}
			})
		}
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
						if _, err := tx.Exec(sqlAddItem, tx.Pos(), fmt.Sprint(w, ".", i), []byte("x"), true); err != nil {
							return err
						}
						if tx.Pos()%3 == 0 {
							return errors.New("every third fails")
						}
						return nil
					})
					if err == nil {
						written.Add(1)
					}
				}
			})
		}
		wg.Wait()
		close(stop)
		readers.Wait()
		if got, want := db.Committed(), sqldb.Pos(writers*each); got != want {
			t.Errorf("got committed %d, want %d", got, want)
		}
		if got, want := written.Load(), int64(writers*each*2/3); got != want {
			t.Errorf("got %d written, want %d", got, want)
		}
	})
}

// TestSwallowedError: a write that hides the failure of a statement is told so where the engine has given up on it,
// rather than that it was written; and it harms nobody.
func TestSwallowedError(t *testing.T) {
	sqldbtest.Each(t, items, func(t *testing.T, db *sqldb.DB) {
		if err := db.Write(t.Context(), add("a")); err != nil {
			t.Fatal(err)
		}
		swallow := func(tx *sqldb.Tx) error {
			add("b")(tx)
			add("a")(tx) // not unique
			return nil
		}
		release := hold(t, db)
		first, last := db.Submit(1, add("c")), db.Submit(1, swallow)
		middle := db.Submit(1, add("d"))
		release()
		for _, p := range []*sqldb.Pending{first, middle} {
			if err := p.Wait(t.Context()); err != nil {
				t.Error(err)
			}
		}
		for _, p := range []*sqldb.Pending{last, db.Submit(1, swallow)} { // with others, and alone
			err := p.Wait(t.Context())
			if got := strings.Contains(fmt.Sprint(err), "did not return the error"); got != (db.Engine() == "postgres") {
				t.Errorf("got %v", err)
			}
		}
	})
}

// TestRehearse runs everything twice and keeps it once.
func TestRehearse(t *testing.T) {
	for engine, c := range map[string]sqldb.Config{
		"sqlite":   {Dir: t.TempDir(), Rehearse: true},
		"postgres": {URL: sqldbtest.Postgres(t), Rehearse: true},
	} {
		t.Run(engine, func(t *testing.T) {
			db := sqldbtest.Open(t, items, c)
			release := hold(t, db)
			runs := 0
			var pending []*sqldb.Pending
			for _, name := range []string{"a", "b", "a", "c"} {
				pending = append(pending, db.Submit(1, func(tx *sqldb.Tx) error { runs++; return add(name)(tx) }))
			}
			release()
			for i, p := range pending {
				if err := p.Wait(t.Context()); (err != nil) != (i == 2) {
					t.Errorf("write %d: %v", i, err)
				}
			}
			if got, want := names(t, db), []string{"a", "b", "c"}; !slices.Equal(got, want) || runs != 8 {
				t.Errorf("got %q in %d runs, want %q in 8", got, runs, want)
			}
		})
	}
}

// TestFakeTime: a SQLite database works inside a synctest bubble, whose clock only moves when everything waits.
func TestFakeTime(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		db := sqldbtest.Open(t, items, sqldb.Config{Dir: dir})
		for i := range 10 {
			if err := db.Write(t.Context(), add(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
		}
		if got := len(names(t, db)); got != 10 {
			t.Errorf("got %d items, want 10", got)
		}
	})
}
