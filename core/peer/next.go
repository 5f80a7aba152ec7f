package peer

import (
	"time"

	"freehold.example/matrix/id"
)

// Next is when a server that did not answer is asked again; zero, or past, for one that may be asked now.
func (p *Peers) Next(server id.Server) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if x := p.known[server]; x != nil {
		return x.next
	}
	return time.Time{}
}
