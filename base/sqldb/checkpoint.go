package sqldb

import (
	"context"
	"database/sql"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// When SQLite's log (the WAL) is copied into the database file, in pages of 4 KiB. Copying late is cheaper, as a page
// that was written often is copied once; what is not copied yet has to be read through at the next start.
const (
	copyAfter  = 4000   // pages in the log that are not copied: copy, while writes go on
	restartAt  = 16000  // pages in the log at all: pause the writes for a moment, so that the log can begin anew
	warnAt     = 250000 // a reader that never ends keeps the log from beginning anew
	askPause   = 50 * time.Millisecond
	restPause  = time.Second // after the last write, copy whatever there is
	sqlAskLog  = `PRAGMA wal_checkpoint(NOOP)`
	sqlCopyLog = `PRAGMA wal_checkpoint(PASSIVE)`
)

// checkpoints copies the log into the database file on a connection of its own. SQLite would do it in the commit that
// fills the log: one write in a few hundred would wait for tens of megabytes to be written, and everyone behind it.
type checkpoints struct {
	db  *sql.DB
	log *slog.Logger

	copyAfter, restartAt int          // the constants; others in a test
	restarts             atomic.Int64 // times the writes were paused

	// turn is held by the writer during a commit, and by a checkpoint for the short rest of the pages when the log has
	// to begin anew; that needs a moment in which everything is copied.
	turn sync.Mutex

	wrote chan struct{} // of size one: something was written since it was last taken
	stop  context.CancelFunc
	done  chan struct{}
}

func newCheckpoints(db *sql.DB, log *slog.Logger) *checkpoints {
	ctx, stop := context.WithCancel(context.Background())
	c := &checkpoints{
		db: db, log: log, copyAfter: copyAfter, restartAt: restartAt,
		wrote: make(chan struct{}, 1), stop: stop, done: make(chan struct{}),
	}
	go c.run(ctx) // ends with close
	return c
}

// note says that the log has grown. It never blocks.
func (c *checkpoints) note() {
	select {
	case c.wrote <- struct{}{}:
	default:
	}
}

// close ends the copying. What is left in the log is copied by SQLite when the last connection closes.
func (c *checkpoints) close() error {
	c.stop()
	<-c.done
	return c.db.Close()
}

func (c *checkpoints) run(ctx context.Context) {
	defer close(c.done)
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.wrote:
		}
		for resting := false; !resting; {
			// Let some writes gather; when there are none for a while, copy all and rest.
			idle := time.NewTimer(restPause)
			select {
			case <-ctx.Done():
				return
			case <-idle.C:
				resting = true
			case <-c.wrote:
				idle.Stop()
				select {
				case <-ctx.Done():
					return
				case <-time.After(askPause):
				}
			}
			if err := c.copy(ctx, resting); err != nil && ctx.Err() == nil {
				c.log.Warn("cannot checkpoint the database", "err", err)
			}
		}
	}
}

// copy copies the log when it is long enough, or in any case.
func (c *checkpoints) copy(ctx context.Context, all bool) error {
	length, copied, err := c.pragma(ctx, sqlAskLog)
	if err != nil || length == copied || !all && length-copied < c.copyAfter {
		return err
	}
	// The numbers are of the log as it was when the copying began: by now more may have been written.
	if length, _, err = c.pragma(ctx, sqlCopyLog); err != nil || length < c.restartAt {
		return err
	}
	c.restarts.Add(1)
	c.turn.Lock()
	defer c.turn.Unlock()
	length, copied, err = c.pragma(ctx, sqlCopyLog)
	if err == nil && length > copied && length > warnAt {
		c.log.Warn("the database log cannot begin anew: something has been reading for a long time",
			"pages", length, "copied", copied)
	}
	return err
}

// pragma runs one of the statements above: how many pages the log has and how many of them are copied.
func (c *checkpoints) pragma(ctx context.Context, q string) (length, copied int, err error) {
	var busy int
	err = c.db.QueryRowContext(ctx, q).Scan(&busy, &length, &copied)
	return length, copied, err
}
