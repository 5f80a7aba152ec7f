package park

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"freehold.example/base/bus"
)

// limit: bytes of a request that is parked | %b | it waits the ordinary way
const maxKept = 8 << 10

// Request is one that may be parked: the same one before and after, though net/http has it twice.
type Request struct {
	conn     *Conn
	began    time.Time     // when it first came
	id       string        // by which the log knows it
	again    bool          // it was parked, and has been counted before
	http     *http.Request // nil while it is parked
	body     *bytes.Buffer // what was read of its body; nil when it has none
	kept     []byte        // what is read again
	deadline time.Time     // of its waiting; zero before that
	gone     func()        // called when the client goes away while it is parked
	left     *Wait         // what it waits for while it is parked; nil else
	stays    bool          // it is not parked again
	turn     bool          // it is one of those who come back at once
}

type requestKey struct{}

// Enter is called at the beginning of a request that may wait. It returns nil for one that cannot be parked, which the
// methods of Request take for one that need not be.
func Enter(r *http.Request) (*Request, *http.Request) {
	c, ok := r.Context().Value(connKey{}).(*Conn)
	if !ok {
		return nil, r
	}
	q := c.request.Swap(nil)
	if q != nil {
		q.again = true
		c.lot.arrived()
	} else {
		q = &Request{conn: c}
	}
	q.stays = q.stays || r.TLS != nil || r.ProtoMajor != 1 || len(r.TransferEncoding) > 0 || r.ContentLength > maxKept || r.Header["Expect"] != nil
	r = r.WithContext(context.WithValue(r.Context(), requestKey{}, q))
	if q.body = nil; r.ContentLength > 0 && !q.stays {
		q.body = new(bytes.Buffer)
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(r.Body, q.body), r.Body}
	}
	q.http = r
	return q, r
}

// Came says whether the request that ctx belongs to was here before: it was parked, and what is counted has been counted.
func Came(ctx context.Context) bool {
	q, _ := ctx.Value(requestKey{}).(*Request)
	return q.Again()
}

// Again says the same.
func (q *Request) Again() bool { return q != nil && q.again }

// As gives when the request first came and by which id the log knows it: as given, unless it was parked.
func (q *Request) As(began time.Time, id string) (time.Time, string) {
	if !q.again {
		q.began, q.id = began, id
	}
	return q.began, q.id
}

// Parked says whether err, which a handler has returned, is ErrParked.
func (q *Request) Parked(err error) bool {
	return q != nil && q.left != nil && errors.Is(err, ErrParked)
}

// Begun is called when the answer begins: who comes next from waiting need not wait for who reads slowly.
func (q *Request) Begun() {
	if q != nil && q.turn {
		q.turn = false
		<-q.conn.lot.turns
	}
}

// Done is called at the end of a request that is not parked.
func (q *Request) Done() {
	if q == nil {
		return
	}
	q.Begun()
	q.end()
}

// end ends what it has waited for.
func (q *Request) end() {
	if w := q.left; w != nil {
		q.left = nil
		w.end()
	}
}

// pack makes the bytes to read again. It says no when there are too many, or not all of them are known.
func (q *Request) pack() bool {
	r := q.http
	b := bytes.NewBuffer(make([]byte, 0, 1024))
	for _, part := range []string{r.Method, " ", r.RequestURI, " ", r.Proto, "\r\nHost: ", r.Host, "\r\n"} {
		b.WriteString(part)
	}
	if b.Len() > maxKept || r.Header.Write(b) != nil {
		return false
	}
	b.WriteString("\r\n")
	if q.body != nil {
		if int64(q.body.Len()) != r.ContentLength {
			return false
		}
		b.Write(q.body.Bytes())
	} else if r.ContentLength != 0 {
		return false
	}
	if b.Len() > maxKept {
		return false
	}
	q.kept = bytes.Clone(b.Bytes())
	return true
}

// ErrParked is what a handler returns whose request is to be parked. It is none of those that are answered.
var ErrParked = errors.New("the request is parked")

// Park takes the connection of a request whose handler has returned ErrParked. gone is called when the client goes away
// while it is parked. An error is that of a connection that is of no use any more.
func (q *Request) Park(w http.ResponseWriter, gone func()) error {
	_, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		q.Done()
		return err
	}
	c := q.conn
	c.again, q.kept = q.kept, nil
	if n := buffered.Reader.Buffered(); n > 0 { // see stay
		next, _ := buffered.Peek(n) // these are there
		c.again = append(c.again, next...)
		q.stays = true
	}
	q.http, q.body, q.gone = nil, nil, gone
	sleeper := q.left.sleeper
	c.request.Store(q)
	c.lot.depart()
	if q.stays || !c.park(q.deadline) {
		go c.comeBack() // ends when the server has it
		return nil
	}
	sleeper.Call(c.wake)
	go c.stay() // ends when the server has the connection, or nobody
	return nil
}

// Wait is the waiting of one request for news.
type Wait struct {
	request  *Request // nil when it cannot be parked
	sleeper  *bus.Sleeper
	after    []func()
	deadline time.Time
	timer    *time.Timer // made when it is needed
	parked   bool
}

// Begin begins the waiting of the request that ctx belongs to: until the sleeper is woken, for at most d after the request
// first came. End closes the sleeper and calls after.
func Begin(ctx context.Context, sleeper *bus.Sleeper, d time.Duration, after ...func()) *Wait {
	w := &Wait{sleeper: sleeper, after: after}
	if q, ok := ctx.Value(requestKey{}).(*Request); ok {
		w.request = q
		if q.deadline.IsZero() {
			q.deadline = time.Now().Add(d)
		}
		w.deadline = q.deadline
		q.end() // now that the new sleeper hears what the old one did
	} else {
		w.deadline = time.Now().Add(d)
	}
	return w
}

// Over says whether the time to wait has passed.
func (w *Wait) Over() bool { return !time.Now().Before(w.deadline) }

// Sleep waits for news. over says that there was none in all the time there was. The error is that of ctx, or ErrParked,
// which the handler has to return as it is, without having answered.
func (w *Wait) Sleep(ctx context.Context) (over bool, err error) {
	if w.request != nil {
		w.request.Begun()
	}
	for {
		left := time.Until(w.deadline)
		mayPark := w.request.mayPark(left)
		if mayPark {
			left = w.request.conn.lot.after
		}
		if w.timer == nil {
			w.timer = time.NewTimer(left)
		} else {
			w.timer.Reset(left)
		}
		select {
		case <-w.sleeper.C():
			return false, nil
		case <-w.timer.C:
			if !mayPark {
				return true, nil
			}
			if w.request.pack() {
				w.parked, w.timer = true, nil
				w.request.left = w
				return false, ErrParked
			}
			w.request.stays = true
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// mayPark says whether it is worth while to park a request that has so much time left.
func (q *Request) mayPark(left time.Duration) bool {
	return q != nil && !q.stays && left > 2*q.conn.lot.after && !q.conn.lot.stopping()
}

// Leave gives the sleeper away: whoever has it closes it. There is no Sleep after it.
func (w *Wait) Leave() *bus.Sleeper {
	s := w.sleeper
	w.sleeper = nil
	return s
}

// End ends the waiting, unless the request is parked: then it goes on.
func (w *Wait) End() {
	if !w.parked {
		w.end()
	}
}

func (w *Wait) end() {
	if w.timer != nil {
		w.timer.Stop()
	}
	if w.sleeper != nil {
		w.sleeper.Close()
	}
	for _, fn := range w.after {
		fn()
	}
}
