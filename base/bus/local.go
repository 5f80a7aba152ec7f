// Package bus wakes those who sleep until something changes. A wake carries a topic and never data: who wakes reads the
// database. A lost wake costs at most one poll period, a needless one costs one read.
//
// The order is what makes it right: register first (Sleep), read second, wait third (C). A change that commits after the
// read finds the sleeper registered; one that committed before it was read.
package bus

import "sync"

// Local wakes sleepers within this process. The zero value is ready to use.
type Local struct {
	mu     sync.RWMutex // guards topics; nothing is called while it is held
	topics map[string][]*Sleeper
}

// Sleeper waits for any of its topics.
type Sleeper struct {
	bus    *Local
	topics []string
	wake   chan struct{} // of size one: further wakes while one is pending say nothing new
}

// Sleep registers for wakes of any of the topics, until Close.
func (b *Local) Sleep(topics ...string) *Sleeper {
	s := &Sleeper{bus: b, topics: topics, wake: make(chan struct{}, 1)}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.topics == nil {
		b.topics = make(map[string][]*Sleeper)
	}
	for _, t := range topics {
		b.topics[t] = append(b.topics[t], s)
	}
	return s
}

// C yields a value after a topic was woken; wakes that come before the value is taken are one.
func (s *Sleeper) C() <-chan struct{} { return s.wake }

// Close ends the registration. C yields nothing further, apart from a wake that is pending. It may be called twice.
func (s *Sleeper) Close() {
	b := s.bus
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range s.topics {
		list := b.topics[t]
		kept := list[:0]
		for _, other := range list {
			if other != s {
				kept = append(kept, other)
			}
		}
		clear(list[len(kept):])
		if len(kept) == 0 {
			delete(b.topics, t)
		} else {
			b.topics[t] = kept
		}
	}
	s.topics = nil
}

// Wake wakes every sleeper of the topics. It never blocks.
func (b *Local) Wake(topics ...string) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, t := range topics {
		for _, s := range b.topics[t] {
			select {
			case s.wake <- struct{}{}:
			default: // one is pending
			}
		}
	}
}

// Has says whether anyone sleeps on the topic, so that work for nobody can be left out.
func (b *Local) Has(topic string) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return len(b.topics[topic]) > 0
}
