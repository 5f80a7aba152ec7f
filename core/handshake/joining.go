package handshake

import (
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// Once a server has taken a join it sends what is said in the room, and says how the room ends, and that may come before this server has
// made the room its own. Who takes that in waits here: what was dropped would not be asked for until somebody speaks again.

// pendingJoin is a room that is about to be one of this server's.
type pendingJoin struct {
	version *version.Version // as the template has it
	over    chan struct{}
}

// Joining is the version of a room that somebody here is just joining, and a channel that is closed when that is over, well or not.
// Both are nil where nobody is.
func (h *Handshakes) Joining(in id.Room) (v *version.Version, over <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if j, is := h.joins[in]; is {
		return j.version, j.over
	}
	return nil, nil
}

// beginJoin notes that a room is being joined, until over is called. There is one join of a room at a time, as its lane has it.
func (h *Handshakes) beginJoin(in id.Room, v *version.Version) (over func()) {
	j := pendingJoin{v, make(chan struct{})}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.joins[in] = j
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.joins, in)
		close(j.over)
	}
}
