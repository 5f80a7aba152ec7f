package handshake

import (
	"context"

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

// Joining is the version of a room that somebody here is just joining; nil where nobody is.
func (h *Handshakes) Joining(in id.Room) *version.Version {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.joins[in].version
}

// Joined waits until nobody is joining a room any more, whether it was joined or not. Errors: those of ctx.
func (h *Handshakes) Joined(ctx context.Context, in id.Room) error {
	h.mu.Lock()
	j, is := h.joins[in]
	h.mu.Unlock()
	if !is {
		return nil
	}
	select {
	case <-j.over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
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
