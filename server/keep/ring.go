package keep

import (
	"io"
	"os"
	"sync"
)

// limit: last lines of the log, in memory for `freehold logs` | %b | the oldest are dropped
const ringBytes = 1 << 20

// ring keeps the end of what is written, and passes it on. What cannot be passed on, as to a full disk, is kept all the
// same: nothing stops because of it.
type ring struct {
	out io.Writer

	mu      sync.Mutex    // guards all below
	b       []byte        // bounded by ringBytes
	first   int64         // position of b[0] in all that was written
	changed chan struct{} // closed, and made anew, when there is more; bounded: nothing is sent
}

func newRing(out io.Writer) *ring { return &ring{out: out, changed: make(chan struct{})} }

// Write keeps p and passes it on. It never fails.
func (r *ring) Write(p []byte) (int, error) {
	r.mu.Lock()
	r.b = append(r.b, p...)
	if over := len(r.b) - ringBytes; over > 0 {
		over += min(ringBytes/8, len(r.b)-over) // so that not every line moves all of it
		r.b, r.first = append(r.b[:0], r.b[over:]...), r.first+int64(over)
	}
	close(r.changed)
	r.changed = make(chan struct{})
	r.mu.Unlock()
	_, _ = r.out.Write(p)
	return len(p), nil
}

// Terminal says whether a person reads along.
func (r *ring) Terminal() bool {
	f, ok := r.out.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// read copies what there is from a position on, and says what is closed when there is more.
func (r *ring) read(from int64) (b []byte, next int64, more <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	from = max(from, r.first)
	return append(b, r.b[min(from-r.first, int64(len(r.b))):]...), r.first + int64(len(r.b)), r.changed
}
