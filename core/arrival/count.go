package arrival

import (
	"sync/atomic"

	"freehold.example/core/room"
)

// counters are totals since the start.
type counters struct {
	accepted, softFailed, rejected, known, lacking atomic.Int64
	malformed, forged, refused, kept               atomic.Int64
	filled, unfilled, backfilled                   atomic.Int64
}

func (c *counters) verdict(v room.Verdict) {
	switch v {
	case room.Accepted:
		c.accepted.Add(1)
	case room.SoftFailed:
		c.softFailed.Add(1)
	case room.Rejected:
		c.rejected.Add(1)
	case room.Known:
		c.known.Add(1)
	case room.Lacking:
		c.lacking.Add(1)
	case room.Outlier: // not what a transaction brings
	}
}

// Stats are what has arrived since the start, and what waits.
type Stats struct {
	Accepted, SoftFailed, Rejected, Known int64 // events, by verdict
	Lacking                               int64 // times that an event could not be judged yet
	Malformed, Forged                     int64 // events dropped for their form, and for their signatures
	Refused                               int64 // transactions answered 429
	Kept                                  int64 // events written before they were judged
	Filled, Unfilled                      int64 // gaps that were closed, and attempts that failed
	Backfilled                            int64 // events of the past that were fetched as somebody scrolled back
	Waiting, Parked                       int   // events to be judged, and events that lack something, now
}

// Stats reads the totals.
func (a *Arrivals) Stats() Stats {
	c := &a.counts
	s := Stats{
		Accepted: c.accepted.Load(), SoftFailed: c.softFailed.Load(), Rejected: c.rejected.Load(), Known: c.known.Load(),
		Lacking: c.lacking.Load(), Malformed: c.malformed.Load(), Forged: c.forged.Load(), Refused: c.refused.Load(),
		Kept: c.kept.Load(), Filled: c.filled.Load(), Unfilled: c.unfilled.Load(), Backfilled: c.backfilled.Load(),
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, o := range a.origins {
		s.Waiting += o.events
	}
	for _, rooms := range a.parked {
		for _, p := range rooms {
			s.Parked += len(p.items)
		}
	}
	return s
}
