package outbox

import (
	"cmp"
	"slices"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/id"
)

// item is an event in memory, shared by all that it is sent to.
type item struct {
	room room.NID
	pos  sqldb.Pos
	body []byte // its JSON
}

// gap is a room in which a server lacks events: those with a position after one and up to another. It may have some of
// them, as twice is better than never.
type gap struct {
	after, upto sqldb.Pos
	kind        gapKind
}

// gapKind says what comes next of a gap. The lower ones are seen to first.
type gapKind int

const (
	missed gapKind = iota // the server was not reached: its newest events come first
	lag                   // it is slow: all in order, and what comes meanwhile after that
	rest                  // the newest have been sent
)

// gapKey names a gap.
type gapKey struct {
	server id.Server
	room   room.NID
}

const (
	// limit: events in memory that a server is to be sent | %d for each | they are read from the disk when it has taken those before
	maxLive = 1000
	// limit: bytes of events in memory that servers are to be sent, counted for each | 64 MiB | they are read from the disk
	maxPinned = 64 << 20
)

// hand gives an event to a destination. o.mu is held.
func (o *Outbox) hand(d *destination, it *item) {
	g := d.gaps[it.room]
	switch {
	case d.failing && !d.busy:
		o.widen(d, it.room, it.pos-1, it.pos, missed)
	case g != nil && g.kind == lag:
		o.widen(d, it.room, it.pos-1, it.pos, lag)
	case len(d.live) >= maxLive || o.pinned+len(it.body) > maxPinned:
		o.lagBehind(d, d.held, lag)
		o.widen(d, it.room, it.pos-1, it.pos, lag)
	default:
		d.live = append(d.live, it)
		o.pinned += len(it.body)
	}
}

// lagBehind has the live events from the n-th on be sent from the database. o.mu is held.
func (o *Outbox) lagBehind(d *destination, n int, kind gapKind) {
	for _, it := range d.live[n:] {
		o.widen(d, it.room, it.pos-1, it.pos, kind)
		o.pinned -= len(it.body)
	}
	clear(d.live[n:])
	d.live = d.live[:n]
}

// shift takes the first n live events out. o.mu is held.
func (o *Outbox) shift(d *destination, n int) {
	for _, it := range d.live[:n] {
		o.pinned -= len(it.body)
	}
	clear(d.live[:n])
	if d.live = d.live[n:]; len(d.live) == 0 {
		d.live = nil
	}
}

// widen notes that a destination may lack a room's events in an interval. o.mu is held.
func (o *Outbox) widen(d *destination, in room.NID, after, upto sqldb.Pos, kind gapKind) {
	g := d.gaps[in]
	if g == nil {
		if d.gaps == nil {
			d.gaps = map[room.NID]*gap{}
		}
		d.gaps[in] = &gap{after, upto, kind}
		o.unsaved.gap(d.server, in)
		return
	}
	if after < g.after {
		g.after = after
		o.unsaved.gap(d.server, in)
	}
	g.upto = max(g.upto, upto)
	g.kind = min(g.kind, kind)
}

// fallBehind has what a destination that is not reached was to be sent from memory be read from the database, but for what is in
// flight, which is sent again as it is at first. o.mu is held.
func (o *Outbox) fallBehind(d *destination) {
	o.lagBehind(d, d.held, missed)
	for _, g := range d.gaps {
		g.kind = missed
	}
}

// ground gives up the transaction that is in flight: what it has is sent in others. o.mu is held.
func (o *Outbox) ground(d *destination) {
	if d.flight == nil {
		return
	}
	n := d.held
	o.flying -= len(d.flight.body)
	d.flight, d.held = nil, 0
	for _, it := range d.live[:n] {
		o.widen(d, it.room, it.pos-1, it.pos, missed)
	}
	o.shift(d, n)
}

// step is what a transaction does to a gap once it has arrived.
type step struct {
	room  room.NID
	after sqldb.Pos // where the gap began
	tail  bool      // it has the newest events of the gap, or else the oldest
	from  sqldb.Pos // tail: the first of them; zero when there are none before
	upto  sqldb.Pos // where the gap ended, or the oldest ones do
	whole bool      // the gap had nothing else
}

// fill narrows the gaps of a destination by what has arrived. o.mu is held.
func (o *Outbox) fill(d *destination, steps []step) {
	for _, s := range steps {
		g := d.gaps[s.room]
		if g == nil {
			continue
		}
		switch {
		case g.after < s.after: // it was found to begin earlier while this was under way
			if s.whole && g.upto == s.upto {
				g.upto, g.kind = s.after, rest
			}
		case s.whole, !s.tail:
			g.after = max(g.after, s.upto)
		case g.upto == s.upto:
			g.upto, g.kind = s.from-1, rest
		}
		if g.after >= g.upto {
			delete(d.gaps, s.room)
		}
		o.unsaved.gap(d.server, s.room)
	}
}

// open is a gap to look into.
type open struct {
	room room.NID
	gap
}

// openGaps lists the gaps to look into next, of one kind, those first that something was missed in last. o.mu is held.
func (d *destination) openGaps() []open {
	kind := rest
	for _, g := range d.gaps {
		kind = min(kind, g.kind)
	}
	var gaps []open
	for in, g := range d.gaps {
		if g.kind == kind {
			gaps = append(gaps, open{in, *g})
		}
	}
	slices.SortFunc(gaps, func(a, b open) int { return cmp.Or(cmp.Compare(b.upto, a.upto), cmp.Compare(a.room, b.room)) })
	return gaps[:min(len(gaps), maxPDUs)]
}
