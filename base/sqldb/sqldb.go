// Package sqldb is the one door to the database: one SQL text for SQLite and PostgreSQL, read-only snapshots, and a
// single writer whose commits are shared by everyone who waits.
//
// A write is a function. Submit queues it and reserves its stream positions at once; one goroutine runs the queued
// functions in order inside one database transaction, commits once, and then releases all that waited. So the order of
// Submit is the order of execution, of positions and of commit, and a released waiter's data is on disk.
//
// A write that need not know at once what comes of a statement hands it to Tx.Put: on PostgreSQL those go to the server together.
//
// SQL is written for PostgreSQL ($1, RETURNING, ON CONFLICT) with the types BIGINT, TEXT, BYTEA and BOOLEAN; for SQLite
// the text is rewritten, without being parsed: no '$' or '{' inside literals, values are always arguments. Lists are the
// one construct of our own: `IN ({list $1})` for text, `IN ({ints $1})` for BIGINT, `IN ({blobs $1})` for BYTEA, with an
// argument made by List or Blobs. An empty BYTEA that is not NULL reads as a nil slice on SQLite.
package sqldb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"freehold.example/matrix/fault"
)

// Pos is a stream position. Positions grow by one and are shared by all streams of the database; 0 is before the first.
type Pos int64

// Config says which database to open.
type Config struct {
	URL       string // "" for SQLite in Dir, or postgres://...
	Dir       string // holds freehold.db; made when it is not there
	ReadConns int    // connections for reading; 0 for one for each processor and at least four
	Log       *slog.Logger

	// QueueLen is how many writes may wait; further ones are refused with ErrBusy. 0 for 4096.
	//
	// limit: writes that wait for the disk | 4,096, and as much as the bodies of requests under way | 503 with Retry-After
	QueueLen int
	// OnCommit, when set, is told of each commit: how many writes shared it and how long it took from BEGIN until it was
	// on disk. It is called by the writer and must not block.
	OnCommit func(writes int, took time.Duration)
	// Rehearse is for tests: each write is run, taken back and run again, which shows the functions that cannot be run
	// twice.
	Rehearse bool
	// ReadOnly opens a database to look at it, also while a server uses it. Nothing in it is made or changed.
	ReadOnly bool
	// Restore names a restore, which fills the database and ends with EndRestore: Open then takes only one that has
	// nothing in it, or what a restore left that did not end, which is removed. A database that a restore has begun to fill
	// is refused without it.
	Restore string
}

// ErrBusy answers a write that found the queue full. Nothing was written.
var ErrBusy = fault.New(fault.LimitExceeded, "The server has too much to write, please try again in a moment").
	WithStatus(503).After(2 * time.Second)

// ErrClosed answers a write after Close.
var ErrClosed = errors.New("the database is closed")

// DB is one open database. It may be used by many goroutines.
type DB struct {
	dialect *dialect
	log     *slog.Logger
	config  Config

	write *pool // one connection, the writer's alone
	read  *pool
	idle  *idleConns // read connections that nobody uses
	spare *spares    // ... and those that are not open

	epochs      []Epoch // never changed after Open
	queue       queue
	committed   atomic.Int64
	saved       atomic.Int64 // the greatest position that a committed write has: what table position holds
	stats       counters
	full        atomic.Bool   // the last batch found no room on the disk
	stopped     chan struct{} // closed when the writer has ended
	checkpoints *checkpoints  // nil for PostgreSQL
	unlock      func() error  // gives the data directory back
	closeOnce   sync.Once
	closeErr    error
}

// Open connects, takes the database for this process alone, and prepares the tables that belong to this package.
func Open(ctx context.Context, c Config) (*DB, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.ReadConns = cmp.Or(c.ReadConns, max(4, runtime.GOMAXPROCS(0)))
	c.QueueLen = cmp.Or(c.QueueLen, 4096)
	db := &DB{config: c, log: c.Log, stopped: make(chan struct{})}
	db.queue.init(c.QueueLen)

	open := openSQLite
	if c.URL != "" {
		open = openPostgres
	}
	if err := open(ctx, db); err != nil {
		return nil, errors.Join(err, db.release())
	}
	db.idle, db.spare = newIdleConns(c.ReadConns), newSpares(c.ReadConns)
	if c.ReadOnly {
		db.queue.close()
		close(db.stopped)
		if err := db.look(ctx); err != nil {
			return nil, errors.Join(err, db.Close())
		}
		return db, nil
	}
	w := &writer{db: db}
	if err := w.connect(ctx); err != nil {
		return nil, errors.Join(db.explain(err), db.release())
	}
	high, err := w.prepare(ctx)
	if err != nil {
		w.disconnect()
		return nil, errors.Join(db.explain(err), db.release())
	}
	db.queue.reserved = high
	db.committed.Store(int64(high))
	db.saved.Store(int64(high))
	go w.run() // ends when Close closes the queue and everything in it is done
	return db, nil
}

// Engine is "sqlite" or "postgres".
func (db *DB) Engine() string { return db.dialect.name }

// Committed is the position up to which everything is decided: each write that reserved a position up to this one is
// committed or has failed. Take it before a Read and use it as the upper bound, so that no position is passed over that
// is committed later. (Tx.Pos of a Read is exactly that.)
func (db *DB) Committed() Pos { return Pos(db.committed.Load()) }

// Close refuses further writes, finishes those that wait, and closes the connections.
func (db *DB) Close() error {
	db.closeOnce.Do(func() {
		db.queue.close()
		<-db.stopped
		for range cap(db.idle.ready) { // waits for readers to end
			select {
			case <-db.idle.ready:
				db.idle.pop().close()
			case <-db.spare.turn:
				db.spare.opened(true) // and is never used
			}
		}
		db.closeErr = db.release()
	})
	return db.closeErr
}

// release gives back whatever openX has taken so far.
func (db *DB) release() error {
	var errs []error
	if db.checkpoints != nil {
		errs = append(errs, db.checkpoints.close())
	}
	for _, p := range []*pool{db.read, db.write} {
		if p != nil {
			errs = append(errs, p.db.Close())
		}
	}
	if db.unlock != nil {
		errs = append(errs, db.unlock())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close database: %w", err)
	}
	return nil
}

// Stats are totals since Open.
type Stats struct {
	Batches  int64         // commits
	Writes   int64         // functions run, failed ones included
	Failed   int64         // functions that returned an error
	Refused  int64         // writes refused because the queue was full
	Reruns   int64         // batches run again after a serialization failure
	Lost     int64         // batches lost with their connection or at COMMIT
	Commit   time.Duration // time from BEGIN to the end of COMMIT
	Queued   int           // writes waiting now
	Position Pos           // the highest position reserved
}

type counters struct {
	batches, writes, failed, refused, reruns, lost, commit atomic.Int64
}

// Stats reads the totals.
func (db *DB) Stats() Stats {
	queued, reserved := db.queue.state()
	s := &db.stats
	return Stats{
		Batches: s.batches.Load(), Writes: s.writes.Load(), Failed: s.failed.Load(), Refused: s.refused.Load(),
		Reruns: s.reruns.Load(), Lost: s.lost.Load(), Commit: time.Duration(s.commit.Load()),
		Queued: queued, Position: reserved,
	}
}
