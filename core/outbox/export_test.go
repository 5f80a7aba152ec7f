package outbox

import (
	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// Running says whether events are sorted.
func (o *Outbox) Running() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ctx != nil
}

// Ground gives up what is in flight to a server, as happens after a minute.
func (o *Outbox) Ground(server id.Server) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if d := o.destinations[server]; d != nil && !d.busy {
		o.ground(d)
	}
}

// Sorted is how far the stream has been sorted.
func (o *Outbox) Sorted() sqldb.Pos {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.upto
}
