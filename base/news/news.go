// Package news remembers in memory what was written of late, so that who asks the database what is new since a position
// can be told "nothing" without a query.
//
// Everything here is a hint, kept so that it errs on one side: a write is noted by the function that writes it, before its
// commit, so that what is noted may never come to pass, but nothing that was committed since the start is missing. What is
// too long ago to be known counts as news. The database stays the truth.
package news

import (
	"sync"

	"freehold.example/base/sqldb"
)

// Latest remembers for each key the position at which it was last written. It is two maps: when the newer one is full the
// older is forgotten, and what it held can be answered only from its last position on. It is bounded by limit.
type Latest[K comparable] struct {
	mu    sync.RWMutex // guards all below
	new   map[K]sqldb.Pos
	old   map[K]sqldb.Pos
	high  sqldb.Pos // the greatest position in new
	mid   sqldb.Pos // the greatest position in old
	floor sqldb.Pos // what was at or before it may be missing
	limit int       // keys in each map
}

// NewLatest remembers about limit keys and at most twice as many. floor is the newest position when nothing had been noted
// yet: DB.Committed.
func NewLatest[K comparable](floor sqldb.Pos, limit int) *Latest[K] {
	return &Latest[K]{new: map[K]sqldb.Pos{}, floor: floor, limit: max(limit, 1)}
}

// Note is called in the function that writes, with the position it writes at.
func (l *Latest[K]) Note(key K, pos sqldb.Pos) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.new[key]; !known && len(l.new) >= l.limit {
		l.floor = max(l.floor, l.mid)
		l.old, l.mid = l.new, l.high
		l.new = make(map[K]sqldb.Pos, l.limit)
		l.high = 0
	}
	l.new[key] = max(l.new[key], pos)
	l.high = max(l.high, pos)
}

// After says whether the key may have been written after a position.
func (l *Latest[K]) After(key K, pos sqldb.Pos) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return pos < l.floor || l.new[key] > pos || l.old[key] > pos
}

// Log remembers the newest writes in their order, bounded by limit.
type Log[K comparable] struct {
	mu    sync.RWMutex // guards all below
	log   []Entry[K]
	floor sqldb.Pos // what was at or before it may be missing
	limit int
}

// Entry is one write.
type Entry[K comparable] struct {
	Pos sqldb.Pos
	Key K
}

// NewLog remembers the last limit writes, twice as many at times. floor is as in NewLatest.
func NewLog[K comparable](floor sqldb.Pos, limit int) *Log[K] {
	return &Log[K]{floor: floor, limit: max(limit, 1)}
}

// Note is called in the function that writes, with the position it writes at. Positions do not fall.
func (l *Log[K]) Note(key K, pos sqldb.Pos) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.log) >= 2*l.limit {
		l.floor = l.log[l.limit-1].Pos
		n := copy(l.log, l.log[l.limit:])
		clear(l.log[n:])
		l.log = l.log[:n]
	}
	l.log = append(l.log, Entry[K]{pos, key})
}

// Since calls fn with the writes after a position, the newest first, until it returns false. ok is false when that was too
// long ago: some may be missing. fn must not call the log.
func (l *Log[K]) Since(pos sqldb.Pos, fn func(Entry[K]) bool) (ok bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if pos < l.floor {
		return false
	}
	for i := len(l.log) - 1; i >= 0 && l.log[i].Pos > pos; i-- {
		if !fn(l.log[i]) {
			break
		}
	}
	return true
}

// After says whether anything may have been written after a position.
func (l *Log[K]) After(pos sqldb.Pos) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return pos < l.floor || len(l.log) > 0 && l.log[len(l.log)-1].Pos > pos
}

// Before is a position before pos after which, up to pos, nothing was written that match picks: that of the newest such
// write, or where the memory begins. match must not call the log.
func (l *Log[K]) Before(pos sqldb.Pos, match func(K) bool) sqldb.Pos {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for i := len(l.log) - 1; i >= 0; i-- {
		if e := &l.log[i]; e.Pos < pos && match(e.Key) {
			return e.Pos
		}
	}
	return min(l.floor, pos)
}
