package sqldb_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
)

var benchSchema = sqldbtest.Schema(`
CREATE TABLE event (nid BIGINT PRIMARY KEY, room BIGINT NOT NULL, pos BIGINT NOT NULL, depth BIGINT NOT NULL,
	event_id TEXT NOT NULL, json BYTEA NOT NULL);
CREATE UNIQUE INDEX event_by_id ON event (event_id);
CREATE INDEX event_by_pos ON event (room, pos);
CREATE INDEX event_by_depth ON event (room, depth, pos);
CREATE TABLE room (nid BIGINT PRIMARY KEY, head BIGINT NOT NULL, depth BIGINT NOT NULL);
CREATE TABLE txn (device TEXT NOT NULL, txn TEXT NOT NULL, event BIGINT NOT NULL, PRIMARY KEY (device, txn));
`)

// cpu is the processor time this process has used.
func cpu() time.Duration {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkSubmit32 writes as 32 rooms do at once: an event of 800 bytes with its indexes, the room's head, a transaction
// id. cpu-us/op is what one write costs this process altogether, with SQLite's part and the system calls.
func BenchmarkSubmit32(b *testing.B) {
	engines := map[string]sqldb.Config{"sqlite": {}}
	if os.Getenv("FH_TEST_POSTGRES") != "" {
		engines["postgres"] = sqldb.Config{}
	}
	for engine, config := range engines {
		for _, writers := range []int{1, 32} {
			b.Run(fmt.Sprint(engine, "/", writers), func(b *testing.B) {
				if engine == "sqlite" {
					config.Dir = benchDir(b)
				} else {
					config.URL = sqldbtest.Postgres(b)
				}
				benchmarkSubmit(b, config, writers)
			})
		}
	}
}

// benchDir is on a real disk when FH_BENCH_DIR names one; /tmp is memory on many machines.
func benchDir(b *testing.B) string {
	if d := os.Getenv("FH_BENCH_DIR"); d != "" {
		dir, err := os.MkdirTemp(d, "sqldb")
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { os.RemoveAll(dir) })
		return dir
	}
	return b.TempDir()
}

func benchmarkSubmit(b *testing.B, config sqldb.Config, writers int) {
	var slowest atomic.Int64
	config.OnCommit = func(_ int, took time.Duration) {
		if int64(took) > slowest.Load() {
			slowest.Store(int64(took))
		}
	}
	db := sqldbtest.Open(b, benchSchema, config)
	ctx := context.Background()
	body := []byte(strings.Repeat("x", 800))
	err := db.Write(ctx, func(tx *sqldb.Tx) error {
		for i := range writers {
			if _, err := tx.Exec(`INSERT INTO room (nid, head, depth) VALUES ($1, 0, 0)`, i); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	var left atomic.Int64
	left.Store(int64(b.N))
	before := db.Stats()
	b.ResetTimer()
	began := cpu()
	var wg sync.WaitGroup
	for room := range writers {
		wg.Go(func() {
			for depth := 0; left.Add(-1) >= 0; depth++ {
				err := db.Write(ctx, func(tx *sqldb.Tx) error {
					pos := int64(tx.Pos())
					_, err := tx.Exec(`INSERT INTO event (nid, room, pos, depth, event_id, json) VALUES ($1, $2, $3, $4, $5, $6)`,
						pos, room, pos, depth, fmt.Sprintf("$%d-%040d", pos*7919%100_003, pos), body)
					if err != nil {
						return err
					}
					if _, err := tx.Exec(`UPDATE room SET head = $2, depth = $3 WHERE nid = $1`, room, pos, depth); err != nil {
						return err
					}
					_, err = tx.Exec(`INSERT INTO txn (device, txn, event) VALUES ($1, $2, $3)`, "DEVICE", fmt.Sprint(room, ".", depth), pos)
					return err
				})
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	after := db.Stats()
	n := float64(b.N)
	b.ReportMetric(float64(cpu()-began)/n/1000, "cpu-us/op")
	b.ReportMetric(n/float64(after.Batches-before.Batches), "writes/commit")
	b.ReportMetric(float64(slowest.Load())/1e6, "slowest-ms")
}

// BenchmarkRead is a small snapshot: two look-ups, one, and one without a snapshot.
func BenchmarkRead(b *testing.B) {
	engines := []string{"sqlite"}
	if os.Getenv("FH_TEST_POSTGRES") != "" {
		engines = append(engines, "postgres")
	}
	for _, engine := range engines {
		b.Run(engine, func(b *testing.B) {
			config := sqldb.Config{Dir: b.TempDir()}
			if engine == "postgres" {
				config = sqldb.Config{URL: sqldbtest.Postgres(b)}
			}
			db := sqldbtest.Open(b, benchSchema, config)
			ctx := b.Context()
			err := db.Write(ctx, func(tx *sqldb.Tx) error {
				for i := range 1000 {
					if _, err := tx.Exec(`INSERT INTO room (nid, head, depth) VALUES ($1, 0, 0)`, i); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
			for _, kind := range []struct {
				name string
				read func(context.Context, func(*sqldb.Tx) error) error
				asks int
			}{{"two", db.Read, 2}, {"single", db.Read, 1}, {"ReadOne", db.ReadOne, 1}} {
				b.Run(kind.name, func(b *testing.B) {
					i := 0
					began := cpu()
					for b.Loop() {
						err := kind.read(ctx, func(tx *sqldb.Tx) error {
							var head, depth int64
							for range kind.asks {
								i++
								if err := tx.Row(`SELECT head, depth FROM room WHERE nid = $1`, i%1000).Scan(&head, &depth); err != nil {
									return err
								}
							}
							return nil
						})
						if err != nil {
							b.Fatal(err)
						}
					}
					b.ReportMetric(float64(cpu()-began)/float64(b.N)/1000, "cpu-us/op")
				})
			}
		})
	}
}
