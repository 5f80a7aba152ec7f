package sqldb

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// Which connection a reader gets, and when another is opened.

// patience is how long a reader waits for a connection that others use before it opens another: most need it for less time than that
// takes, and each that is open has the schema, its statements and pages of its own.
const patience = time.Millisecond

// idleConn gives a connection that nobody uses, or nil and the right to open one, which ends with spares.opened.
func (db *DB) idleConn(ctx context.Context) (*conn, error) {
	select {
	case <-db.idle.ready:
		return db.idle.pop(), nil
	default:
	}
	select {
	case <-db.idle.ready:
		return db.idle.pop(), nil
	case first := <-db.spare.turn:
		if first {
			return nil, nil
		}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	wait := time.NewTimer(patience)
	defer wait.Stop()
	select {
	case <-db.idle.ready:
		db.spare.opened(false)
		return db.idle.pop(), nil
	case <-wait.C:
		return nil, nil
	case <-ctx.Done():
		db.spare.opened(false)
		return nil, ctx.Err()
	}
}

// idleConns are the connections that nobody uses. The one used last is the first to be taken: it has the pages and the statements of the
// moment, and one that is needed seldom keeps few.
type idleConns struct {
	ready chan struct{} // one for each of conns: who receives it may pop; bounded by ReadConns

	mu    sync.Mutex // guards conns
	conns []*conn    // bounded by ReadConns
}

func newIdleConns(most int) *idleConns { return &idleConns{ready: make(chan struct{}, most)} }

func (i *idleConns) push(c *conn) {
	i.mu.Lock()
	i.conns = append(i.conns, c)
	i.mu.Unlock()
	i.ready <- struct{}{}
}

// pop is for who has received from ready.
func (i *idleConns) pop() *conn {
	i.mu.Lock()
	defer i.mu.Unlock()
	last := len(i.conns) - 1
	c := i.conns[last]
	i.conns = i.conns[:last]
	return c
}

// takeAll is what there is at this moment, those used longest ago first.
func (i *idleConns) takeAll() []*conn {
	var all []*conn
	for {
		select {
		case <-i.ready:
			all = append(all, i.pop())
		default:
			slices.Reverse(all)
			return all
		}
	}
}

// spares are the connections that are not open. They are opened one at a time: who waits for that may get one that is given back.
type spares struct {
	turn chan bool // bounded, of size one: the right to open one, and whether it is the first; empty while somebody does, and when all are open
	most int

	mu sync.Mutex // guards n
	n  int
}

func newSpares(n int) *spares {
	s := &spares{turn: make(chan bool, 1), most: n, n: n}
	s.turn <- true
	return s
}

// opened ends the turn of who took it.
func (s *spares) opened(yes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if yes {
		s.n--
	}
	if s.n > 0 {
		s.turn <- s.n == s.most
	}
}

// back says that one that was open is not any more.
func (s *spares) back() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n++; s.n == 1 { // nobody can have the turn
		s.turn <- s.n == s.most
	}
}

// Trim gives back the memory that connections which nobody uses keep of the database, where they do: they read it again.
func (db *DB) Trim(ctx context.Context) error {
	if db.dialect.trim == "" {
		return nil
	}
	var errs []error
	for _, c := range db.idle.takeAll() {
		_, err := c.sql.ExecContext(ctx, db.dialect.trim)
		errs = append(errs, err)
		db.idle.push(c)
	}
	return errors.Join(errs...)
}
