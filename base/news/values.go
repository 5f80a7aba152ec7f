package news

import (
	"sync"

	"freehold.example/base/sqldb"
)

// Values remembers what was read of a key for as long as nothing is written to it, bounded by limit.
type Values[K comparable, V any] struct {
	written *Latest[K]

	mu    sync.RWMutex // guards m
	m     map[K]value[V]
	limit int
}

type value[V any] struct {
	at sqldb.Pos // everything up to here had been written when it was read
	v  V
}

// NewValues remembers at most limit values. written is told of every write to their keys; others may share it.
func NewValues[K comparable, V any](written *Latest[K], limit int) *Values[K, V] {
	return &Values[K, V]{written: written, m: map[K]value[V]{}, limit: max(limit, 1)}
}

// Get gives a key's value if that is known to be what it was at a moment: Tx.Pos.
func (s *Values[K, V]) Get(key K, at sqldb.Pos) (v V, ok bool) {
	s.mu.RLock()
	x, ok := s.m[key]
	s.mu.RUnlock()
	if !ok || s.written.After(key, min(x.at, at)) {
		return v, false
	}
	return x.v, true
}

// Put remembers what was read in a snapshot that has everything up to at. When there are too many, any other value goes.
func (s *Values[K, V]) Put(key K, at sqldb.Pos, v V) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.m[key]; !known {
		for other := range s.m {
			if len(s.m) < s.limit {
				break
			}
			delete(s.m, other)
		}
	}
	s.m[key] = value[V]{at, v}
}
