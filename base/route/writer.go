package route

import (
	"errors"
	"io"
	"net/http"
	"time"

	"freehold.example/base/park"
)

// stall is how long a caller may take to accept one portion of an answer. A long answer over a slow link gets a new span
// for each portion; one who has stopped reading loses his connection.
const (
	stall   = 90 * time.Second
	portion = 256 << 10
)

// bodyTime is how long a body, or a portion of a large one, may take to come. It is shorter than stall, so that there is
// time left to answer who was too slow.
const bodyTime = time.Minute

// body is a request's body that has to come in time: bodyTime for all of it, or for each portion where the endpoint reads it
// as it comes. The time runs whether anybody reads or not, since net/http waits for a body that nobody wanted before it
// writes an answer.
type body struct {
	io.ReadCloser
	conn     *http.ResponseController
	portions bool
}

// timeBody starts the time.
func timeBody(w http.ResponseWriter, r *http.Request) *body {
	b := &body{ReadCloser: r.Body}
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
		return b
	}
	b.conn = http.NewResponseController(w)
	_ = b.conn.SetReadDeadline(time.Now().Add(bodyTime)) // a connection without deadlines is one of a test
	r.Body = b
	return b
}

// Read lifts the deadline at the body's end: it would end the context of a request that waits for long.
func (b *body) Read(p []byte) (int, error) {
	if b.portions {
		_ = b.conn.SetReadDeadline(time.Now().Add(bodyTime))
	}
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		_ = b.conn.SetReadDeadline(time.Time{})
	}
	return n, err
}

// writer counts what is written and keeps slow readers from holding a goroutine for ever.
type writer struct {
	http.ResponseWriter
	status int
	bytes  int64
	wrote  bool          // the status line is out
	broken bool          // an error came after it
	waits  *park.Request // nil for what does not wait
}

// Unwrap is for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *writer) WriteHeader(status int) {
	if status >= 200 && !w.wrote {
		w.status, w.wrote = status, true
		w.waits.Begun()
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *writer) begin() {
	if !w.wrote {
		w.status, w.wrote = http.StatusOK, true
		w.waits.Begun()
	}
	// A writer without deadlines is one of a test.
	_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(stall))
}

func (w *writer) Write(p []byte) (total int, err error) {
	for {
		w.begin()
		n, err := w.ResponseWriter.Write(p[:min(len(p), portion)])
		total += n
		w.bytes += int64(n)
		if p = p[n:]; err != nil || len(p) == 0 {
			return total, err
		}
	}
}

// ReadFrom lets files go out by sendfile, a portion at a time.
func (w *writer) ReadFrom(src io.Reader) (total int64, err error) {
	for {
		w.begin()
		n, err := io.CopyN(w.ResponseWriter, src, portion)
		total += n
		w.bytes += n
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}
