package sqldb

import (
	"context"
	"database/sql"
	"log/slog"
	"os"
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
	restPause  = time.Second     // after the last write, copy whatever there is
	briefPause = 5 * time.Minute // ... where that is less than cutFrom: each copying waits for the disk twice, as often as a commit does
	framePage  = 24 + 4096       // bytes of a page in the log
	sqlAskLog  = `PRAGMA wal_checkpoint(NOOP)`
	sqlCopyLog = `PRAGMA wal_checkpoint(PASSIVE)`

	// For how long, and how often, the log is asked to begin anew while the writes are paused; when it could not, the next
	// time is after restartAt more pages.
	restartTime   = 40 * time.Millisecond
	restartPause  = 2 * time.Millisecond
	sqlRestartLog = `PRAGMA wal_checkpoint(RESTART)`

	cutFrom   = 1000 // a log of so many pages is cut when nothing is written: the disk is for what is kept
	sqlCutLog = `PRAGMA wal_checkpoint(TRUNCATE)`
)

// checkpoints copies the log into the database file on a connection of its own. SQLite would do it in the commit that
// fills the log: one write in a few hundred would wait for tens of megabytes to be written, and everyone behind it.
type checkpoints struct {
	db   *sql.DB
	file string // the log's
	log  *slog.Logger

	copyAfter, restartAt int           // the constants; others in a test
	briefPause           time.Duration // likewise
	restarts             atomic.Int64  // times the writes were paused
	next                 int           // how long the log must be for the next time, after one that was in vain

	// turn is held by the writer during a commit, and by a checkpoint for the short rest of the pages when the log has
	// to begin anew; that needs a moment in which everything is copied.
	turn sync.Mutex

	wrote chan struct{} // bounded, of size one: something was written since it was last taken
	stop  context.CancelFunc
	done  chan struct{} // bounded: it is closed, never sent to
}

func newCheckpoints(db *sql.DB, file string, log *slog.Logger) *checkpoints {
	ctx, stop := context.WithCancel(context.Background())
	c := &checkpoints{
		db: db, file: file, log: log, copyAfter: copyAfter, restartAt: restartAt, briefPause: briefPause,
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
				if resting = true; !c.reaches(cutFrom) {
					resting = c.rest(ctx)
				}
			case <-c.wrote:
				idle.Stop()
				select {
				case <-ctx.Done():
					return
				case <-time.After(askPause):
				}
			}
			if ctx.Err() != nil {
				return
			}
			if !resting && !c.reaches(c.copyAfter) {
				continue
			}
			if err := c.copy(ctx, resting); err != nil && ctx.Err() == nil {
				c.log.Warn("cannot checkpoint the database", "err", err)
			}
		}
	}
}

// rest waits for longer, as there is little to copy, and says whether nothing was written.
func (c *checkpoints) rest(ctx context.Context) bool {
	longer := time.NewTimer(c.briefPause - restPause)
	defer longer.Stop()
	select {
	case <-ctx.Done():
	case <-c.wrote:
		c.note() // for the next turn
	case <-longer.C:
		return true
	}
	return false
}

// reaches says whether the log may have so many pages. Its file is as long as it ever was since it was cut.
func (c *checkpoints) reaches(pages int) bool {
	info, err := os.Stat(c.file)
	return err != nil || info.Size() >= int64(pages)*framePage
}

// copy copies the log when it is long enough, or in any case.
func (c *checkpoints) copy(ctx context.Context, all bool) error {
	length, copied, err := c.pragma(ctx, sqlAskLog)
	if err != nil {
		return err
	}
	if all && length >= cutFrom {
		return c.cut(ctx)
	}
	if length == copied || !all && length-copied < c.copyAfter {
		return nil
	}
	// The numbers are of the log as it was when the copying began: by now more may have been written.
	if length, _, err = c.pragma(ctx, sqlCopyLog); err != nil || length < max(c.restartAt, c.next) {
		return err
	}
	return c.restart(ctx)
}

// restart pauses the writes until the log can begin anew, or for as long as they can be asked to wait.
func (c *checkpoints) restart(ctx context.Context) error {
	c.restarts.Add(1)
	c.turn.Lock()
	defer c.turn.Unlock()
	// Whoever was reading when the writes were paused is soon done, and who begins once all is copied does not need the log:
	// there is hardly ever a moment without readers, but there is one soon without such as hold it.
	began := time.Now()
	for {
		busy, length, copied, err := c.checkpoint(ctx, sqlRestartLog)
		switch {
		case err != nil:
			return err
		case !busy:
			c.next = 0
			return nil
		case time.Since(began) >= restartTime:
			if c.next = length + c.restartAt; length > warnAt {
				c.log.Warn("the database log cannot begin anew: something has been reading for a long time",
					"pages", length, "copied", copied)
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(restartPause):
		}
	}
}

// cut copies the rest of the log and makes its file empty. It does less when somebody is reading: this connection does not
// wait for others (busy_timeout), as the writer would with it.
func (c *checkpoints) cut(ctx context.Context) error {
	if _, _, err := c.pragma(ctx, sqlCopyLog); err != nil { // the most of it, while writes may go on
		return err
	}
	c.turn.Lock()
	defer c.turn.Unlock()
	_, _, err := c.pragma(ctx, sqlCutLog)
	return err
}

// pragma runs one of the statements above: how many pages the log has and how many of them are copied.
func (c *checkpoints) pragma(ctx context.Context, q string) (length, copied int, err error) {
	_, length, copied, err = c.checkpoint(ctx, q)
	return length, copied, err
}

// checkpoint is pragma, and whether somebody's reading kept it from doing all that it is for.
func (c *checkpoints) checkpoint(ctx context.Context, q string) (busy bool, length, copied int, err error) {
	var n int
	err = c.db.QueryRowContext(ctx, q).Scan(&n, &length, &copied)
	return n != 0, length, copied, err
}
