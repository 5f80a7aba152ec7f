package route

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// stall is how long a caller may take to accept one portion of an answer. A long answer over a slow link gets a new span
// for each portion; one who has stopped reading loses his connection.
const (
	stall   = time.Minute
	portion = 1 << 20
)

// writer counts what is written and keeps slow readers from holding a goroutine for ever.
type writer struct {
	http.ResponseWriter
	status int
	bytes  int64
	wrote  bool // the status line is out
	broken bool // an error came after it
}

// Unwrap is for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *writer) WriteHeader(status int) {
	if status >= 200 && !w.wrote {
		w.status, w.wrote = status, true
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *writer) begin() {
	if !w.wrote {
		w.status, w.wrote = http.StatusOK, true
	}
	// A writer without deadlines is one of a test.
	_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(stall))
}

func (w *writer) Write(p []byte) (int, error) {
	w.begin()
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
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
