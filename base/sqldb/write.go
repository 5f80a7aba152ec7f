package sqldb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"freehold.example/matrix/fault"
)

// writer is the one goroutine that writes.
type writer struct {
	db     *DB
	conn   *conn      // nil while the connection is lost
	batch  []*Pending // being written
	saved  Pos        // what the table position holds
	mark   string     // the savepoint of the last write
	marked bool       // it is still there
	undue  bool       // the last COMMIT went unanswered: whether it happened is not known yet
}

const (
	sqlHigh     = `SELECT high FROM position WHERE id = 1`
	sqlSaveHigh = `UPDATE position SET high = $1 WHERE id = 1`

	schemaOwn = `
CREATE TABLE IF NOT EXISTS schema_version (number BIGINT PRIMARY KEY, name TEXT NOT NULL, sum TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS position (id BIGINT PRIMARY KEY, high BIGINT NOT NULL);
INSERT INTO position (id, high) VALUES (1, 0) ON CONFLICT (id) DO NOTHING;
CREATE TABLE IF NOT EXISTS epoch (number BIGINT PRIMARY KEY, name TEXT NOT NULL, shared BIGINT NOT NULL,
	begins BIGINT NOT NULL, at BIGINT NOT NULL);
`
)

var errUnreachable = fault.New(fault.Unknown, "The database cannot be reached, please try again in a moment").WithStatus(503)

// prepare looks at the database and readies it.
func (w *writer) prepare(ctx context.Context) (Pos, error) {
	if err := w.takeState(ctx); err != nil {
		return 0, err
	}
	high, err := w.prepareTables(ctx)
	if err != nil {
		return 0, err
	}
	if err := w.readEpochs(ctx); err != nil {
		return 0, fmt.Errorf("read table epoch: %w", err)
	}
	return high, nil
}

// prepareTables makes the tables of this package and reads the last position that was saved.
func (w *writer) prepareTables(ctx context.Context) (Pos, error) {
	if _, err := w.conn.sql.ExecContext(ctx, w.db.dialect.schema(schemaOwn)); err != nil {
		return 0, fmt.Errorf("create table position: %w", err)
	}
	if err := w.conn.row(ctx, sqlHigh).Scan(&w.saved); err != nil {
		return 0, fmt.Errorf("read table position: %w", err)
	}
	return w.saved, nil
}

func (w *writer) connect(ctx context.Context) error {
	c, err := w.db.write.connect(ctx, w.db.dialect)
	if err != nil {
		return err
	}
	w.conn = c
	return nil
}

func (w *writer) disconnect() {
	if w.conn != nil {
		w.conn.close()
		w.conn = nil
	}
}

// run writes batches until the queue is closed and empty.
func (w *writer) run() {
	finished := false
	defer func() {
		if !finished {
			// A write function ended this goroutine (runtime.Goexit, which is what t.Fatal does).
			w.abandon(errors.New("bug: a write function ended the writer's goroutine"))
			go w.run()
			return
		}
		w.disconnect()
		close(w.db.stopped)
	}()
	for {
		w.batch = w.db.queue.take(w.batch[:0], w.db.dialect.maxBatch, true)
		if len(w.batch) == 0 {
			finished = true
			return
		}
		w.commit()
		if w.undue { // learn how the last COMMIT ended even when nobody writes
			_ = w.reconnect() // otherwise the next write tries
		}
	}
}

// commit writes the batch, and what arrives meanwhile as long as there is room, and releases all that waited for it.
func (w *writer) commit() {
	start := time.Now()
	if c := w.db.checkpoints; c != nil {
		c.turn.Lock()
		defer func() {
			c.turn.Unlock()
			c.note()
		}()
	}
	var err error
	for attempt := 1; ; attempt++ {
		if err = w.attempt(attempt == 1); err == nil || !w.db.dialect.retriable(err) || attempt == 10 {
			break
		}
		w.db.stats.reruns.Add(1)
		time.Sleep(time.Duration(attempt) * time.Millisecond)
	}
	s := &w.db.stats
	if err != nil {
		s.lost.Add(1)
		err = fmt.Errorf("write to the database: %w", w.db.explain(err))
		w.lost(err)
	} else {
		w.kept()
	}
	took := time.Since(start)
	s.batches.Add(1)
	s.commit.Add(int64(took))
	w.settle(err)
	if w.db.config.OnCommit != nil {
		w.db.config.OnCommit(len(w.batch), took)
	}
}

// settle tells everyone in the batch how it ended; err is for all of them.
func (w *writer) settle(err error) {
	for _, p := range w.batch {
		if p.err == nil {
			p.err = err
		}
		if p.after != nil {
			p.after(p.err)
		}
	}
	last := w.batch[len(w.batch)-1]
	if !w.undue {
		w.db.saved.Store(int64(w.saved)) // before the other: who reads that finds this
		w.db.committed.Store(int64(last.last))
	}
	for _, p := range w.batch {
		w.db.stats.writes.Add(1)
		if p.err != nil {
			w.db.stats.failed.Add(1)
		} else {
			for _, fn := range p.then {
				fn()
			}
		}
		p.fn, p.after, p.then, p.ctx = nil, nil, nil, nil // who remembers the write for its outcome need not keep what it wrote
		close(p.done)
	}
	clear(w.batch)
}

// abandon fails the batch when the goroutine ends under it.
func (w *writer) abandon(err error) {
	w.disconnect() // ends the transaction
	if len(w.batch) > 0 && w.batch[0] != nil {
		w.settle(err)
	}
}

// attempt runs the batch in one transaction. An error is one of the batch; those of single writes are in their Pending.
func (w *writer) attempt(grow bool) (err error) {
	ctx := context.Background() // a commit is shared: no caller's context may end it
	if err := w.begin(ctx); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			w.rollback(ctx)
		}
	}()
	high := w.saved
	w.marked = false
	clean := true // nothing has been written in this transaction yet
	for i := 0; i < len(w.batch); i++ {
		p := w.batch[i]
		p.err, p.then = nil, nil
		if err := w.apply(ctx, p, clean); err != nil {
			return err
		}
		if p.err == nil {
			clean = false
			high = max(high, p.last)
		}
		if i == len(w.batch)-1 && grow {
			w.batch = w.db.queue.take(w.batch, w.db.dialect.maxBatch-len(w.batch), false)
		}
	}
	last := &Tx{ctx: ctx, conn: w.conn}
	if high > w.saved {
		if err := last.Put(sqlSaveHigh, int64(high)); err != nil {
			return err
		}
	}
	if _, err := last.Exec("COMMIT"); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	w.saved = high
	return nil
}

// apply runs one write. The first needs no savepoint: when it fails, the whole transaction is begun anew.
func (w *writer) apply(ctx context.Context, p *Pending, clean bool) error {
	if p.err = p.ctx.Err(); p.err != nil {
		return nil
	}
	if w.db.config.Rehearse {
		if err := w.rehearse(ctx, p); err != nil {
			return err
		}
	}
	tx := &Tx{ctx: ctx, conn: w.conn, pos: p.first}
	if !clean {
		if err := w.setMark(tx); err != nil {
			return err
		}
	}
	p.err = w.db.explain(call(tx, p.fn))
	p.then = tx.then
	tx.end()
	if p.err == nil && w.db.dialect.aborted != nil && w.db.dialect.aborted(w.conn.sql) {
		p.err = errors.New("bug: a write did not return the error of a statement")
	}
	switch {
	case p.err == nil && (clean || w.marked):
		return nil
	case p.err == nil:
		_, err := w.conn.exec(ctx, "RELEASE SAVEPOINT "+w.mark)
		return err
	case w.db.dialect.retriable(p.err), w.db.dialect.full(p.err): // SQLite may have taken all back by then
		return p.err
	case clean:
		if _, err := w.conn.exec(ctx, "ROLLBACK"); err != nil {
			return err
		}
		_, err := w.conn.exec(ctx, w.db.dialect.beginWrite)
		return err
	}
	if _, err := w.conn.exec(ctx, "ROLLBACK TO SAVEPOINT "+w.mark); err != nil || w.marked {
		return err
	}
	_, err := w.conn.exec(ctx, "RELEASE SAVEPOINT "+w.mark)
	return err
}

// setMark sets the savepoint that the next write can be rolled back to. Where a statement is a round trip, it is sent with the first of the
// write, and the savepoint before is released only now. The two have different names: if it came to nothing, going back to it must fail,
// and not undo the write before.
func (w *writer) setMark(tx *Tx) error {
	if w.marked {
		if err := tx.Put("RELEASE SAVEPOINT " + w.mark); err != nil {
			return err
		}
	}
	if w.mark == "odd" {
		w.mark = "even"
	} else {
		w.mark = "odd"
	}
	err := tx.Put("SAVEPOINT " + w.mark)
	tx.marks = len(tx.puts)
	w.marked = w.db.dialect.trips
	return err
}

// rehearse runs a write and takes it back: see Config.Rehearse.
func (w *writer) rehearse(ctx context.Context, p *Pending) error {
	if _, err := w.conn.exec(ctx, "SAVEPOINT rehearsal"); err != nil {
		return err
	}
	tx := &Tx{ctx: ctx, conn: w.conn, pos: p.first}
	err := call(tx, p.fn)
	tx.end()
	if w.db.dialect.retriable(err) || w.db.dialect.full(err) {
		return err
	}
	if _, err := w.conn.exec(ctx, "ROLLBACK TO SAVEPOINT rehearsal"); err != nil {
		return err
	}
	_, err = w.conn.exec(ctx, "RELEASE SAVEPOINT rehearsal")
	return err
}

// call runs the function of a write, and what it has put.
func call(tx *Tx, fn func(*Tx) error) error {
	err := protect(tx, fn)
	if err != nil {
		tx.puts = tx.puts[:tx.marks] // the savepoint, which is gone back to
	}
	_, late := tx.flush()
	return cmp.Or(err, late)
}

// protect turns a panic of fn into its error.
func protect(tx *Tx, fn func(*Tx) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic in a write: %v\n%s", r, debug.Stack())
		}
	}()
	return fn(tx)
}

// begin starts the transaction, on a new connection when the last one was lost.
func (w *writer) begin(ctx context.Context) error {
	if w.conn != nil {
		if _, err := w.conn.exec(ctx, w.db.dialect.beginWrite); err == nil {
			return nil
		}
		w.disconnect()
	}
	if err := w.reconnect(); err != nil {
		return errUnreachable.Because(err)
	}
	_, err := w.conn.exec(ctx, w.db.dialect.beginWrite)
	return err
}

// reconnect replaces a lost connection. The new one has the database alone, so that what the old one did is decided.
func (w *writer) reconnect() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := w.connect(ctx); err != nil {
		return err
	}
	w.undue = false
	if !w.db.full.Load() { // then the connection was fine
		w.db.log.Info("connected to the database again")
	}
	return nil
}

// rollback leaves the connection ready for the next batch, or drops it.
func (w *writer) rollback(ctx context.Context) {
	if w.conn == nil {
		return
	}
	if _, err := w.conn.exec(ctx, "ROLLBACK"); err != nil {
		w.undue = true
		w.disconnect()
	}
}
