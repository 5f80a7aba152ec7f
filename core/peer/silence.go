package peer

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// Who has something for a server that is not reached tries less and less often (patience), up to a quarter of an hour. A cut
// that heals is to be noticed sooner, by either side. So the servers that once answered and have fallen silent are called
// besides, one after the other, by a budget that does not grow with their number (package wake does it): each every few
// seconds when it is lately that they fell silent, and every quarter of an hour after weeks. That holds for a cut between
// this machine and everybody as for one that runs through the middle, and nobody has to guess which it is.

const (
	callSoonest = 5 * time.Second  // between two calls to a silent server
	callLatest  = 15 * time.Minute // the same, at most
	callPart    = 2000             // between two calls passes this part of the silence: 43 s after a day, 5 min after a week

	// Of servers that have fallen silent together one is called every second, whichever is next: it is likely that a cut keeps
	// them all away, and any of them tells when it ends. That wears off too, later: 2 s after a day, 15 s after a week.
	together  = time.Minute // between the first silences and the last
	groupPart = 40_000      // as callPart, between two calls to one server of them
	maxGroup  = 100         // silent servers, past which the budget for calls is the narrower bound anyway

	lookedApart = 2 * time.Second // between two calls to a silent server of a room that somebody looks at
)

// fell notes that a server was not reached. p.mu is held.
func (p *Peers) fell(server id.Server, x *peer, now time.Time) {
	if _, is := p.silent[server]; is || !x.answered {
		return
	}
	x.since, x.called = now, now
	p.silent[server] = x
}

// rose notes a sign of life, and says whether it ends a silence. p.mu is held.
func (p *Peers) rose(server id.Server, x *peer) bool {
	_, was := p.silent[server]
	delete(p.silent, server)
	x.since, x.looked, x.doubted = time.Time{}, true, false
	return was
}

// callWait is the time between two calls to a silent server. p.mu is held.
func (p *Peers) callWait(x *peer, now time.Time) time.Duration {
	silence := now.Sub(x.since)
	wait := min(max(silence/callPart, callSoonest), callLatest)
	if len(p.silent) == 1 || len(p.silent) > maxGroup {
		return wait
	}
	group := 0
	for _, other := range p.silent {
		if other.since.Sub(x.since).Abs() <= together {
			group++
		}
	}
	if group > 1 {
		wait = min(wait, max(silence/groupPart, time.Duration(group)*time.Second))
	}
	return wait
}

// ToCallOf lists those of some servers that are silent and were not called just now. Each is taken as called.
func (p *Peers) ToCallOf(servers []id.Server) (silent []id.Server) {
	now := p.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, server := range servers {
		if x := p.silent[server]; x != nil && (now.Sub(x.called) >= lookedApart || now.Before(x.called)) {
			x.called = now
			silent = append(silent, server)
		}
	}
	return silent
}

// ToCall lists at most n silent servers whose turn it is to be called, those first that were called longest ago. Each is
// taken as called.
func (p *Peers) ToCall(n int) []id.Server {
	now := p.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	var due []id.Server
	for server, x := range p.silent {
		if now.Sub(x.called) >= p.callWait(x, now) || now.Before(x.called) {
			due = append(due, server)
		}
	}
	slices.SortFunc(due, func(a, b id.Server) int { return p.silent[a].called.Compare(p.silent[b].called) })
	due = due[:min(len(due), n)]
	for _, server := range due {
		p.silent[server].called = now
	}
	return due
}

// CallAll makes it every silent server's turn: one of them has come back, or the link has.
func (p *Peers) CallAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, x := range p.silent {
		x.called = time.Time{}
	}
}

// Again forgets the wait for one server: somebody wants it tried now.
func (p *Peers) Again(server id.Server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if x := p.known[server]; x != nil {
		x.alive()
	}
}

// Likely puts those of some servers first that are likely to answer: first who was heard of since the start, then of whom nothing
// is known, and last who was asked and did not answer. The rest of their order stays.
func (p *Peers) Likely(servers []id.Server) {
	now := p.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	rank := func(server id.Server) int {
		_, silent := p.silent[server]
		switch x := p.known[server]; {
		case silent, x != nil && now.Before(x.next):
			return 2
		case x == nil || x.heard.IsZero():
			return 1
		}
		return 0
	}
	slices.SortStableFunc(servers, func(a, b id.Server) int { return cmp.Compare(rank(a), rank(b)) })
}

// Silent is how many servers have answered before and are not reached now.
func (p *Peers) Silent() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.silent)
}

const sqlMet = `SELECT server FROM peer WHERE last_ok > 0 ORDER BY last_ok DESC, server LIMIT $1`

// Met lists at most limit servers that have answered at some time, those first whose last silence ended latest.
func (p *Peers) Met(ctx context.Context, limit int) (all []id.Server, err error) {
	err = p.DB.Read(ctx, func(tx *sqldb.Tx) error {
		all, err = sqldb.Column[id.Server](tx, sqlMet, limit)
		return err
	})
	return all, err
}

// Refused says whether an error of Ask is the server's own answer: it is there, and refuses or is busy.
func Refused(err error) bool {
	_, is := errors.AsType[*AnswerError](err)
	return is
}
