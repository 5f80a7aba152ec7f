// Package bus wakes those who sleep until something changes. A wake carries a topic and never data: who wakes reads the
// database. A lost wake costs at most one poll period, a needless one costs one read.
//
// The order is what makes it right: register first (Sleep), read second, wait third (C). A change that commits after the
// read finds the sleeper registered; one that committed before it was read.
package bus

import "sync"

// Local wakes sleepers within this process. The zero value is ready to use.
type Local struct {
	mu      sync.RWMutex          // guards all below; nothing is called while it is held
	topics  map[string][]*Sleeper // bounded by the connections: who waits on one has a few topics
	lengths [64]int32             // how many topics have that length, modulo 64: most of the members of a room that few wait for need no look-up
}

// on lists who sleeps on a topic.
func (b *Local) on(topic string) []*Sleeper {
	if b.lengths[len(topic)%len(b.lengths)] == 0 {
		return nil
	}
	return b.topics[topic]
}

// Sleeper waits for any of its topics.
type Sleeper struct {
	bus    *Local
	topics []string
	wake   chan struct{} // of size one: further wakes while one is pending say nothing new
	call   func()        // called in the place of wake; nil without
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
		if b.topics[t] == nil {
			b.lengths[len(t)%len(b.lengths)]++
		}
		b.topics[t] = append(b.topics[t], s)
	}
	return s
}

// C yields a value after a topic was woken; wakes that come before the value is taken are one.
func (s *Sleeper) C() <-chan struct{} { return s.wake }

// Call has fn called for each wake from now on, in the place of C; at once when one is pending. fn is called with the bus
// locked: it must not wait for anything, nor use the bus.
func (s *Sleeper) Call(fn func()) {
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	s.call = fn
	select {
	case <-s.wake:
		fn()
	default:
	}
}

// Close ends the registration. C yields nothing further, apart from a wake that is pending. It may be called twice.
func (s *Sleeper) Close() {
	b := s.bus
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range s.topics {
		list := b.topics[t]
		if list == nil {
			continue // it was named twice
		}
		kept := list[:0]
		for _, other := range list {
			if other != s {
				kept = append(kept, other)
			}
		}
		clear(list[len(kept):])
		if len(kept) == 0 {
			delete(b.topics, t)
			b.lengths[len(t)%len(b.lengths)]--
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
		wake(b.on(t))
	}
}

func wake(sleepers []*Sleeper) {
	for _, s := range sleepers {
		if s.call != nil {
			s.call()
			continue
		}
		select {
		case s.wake <- struct{}{}:
		default: // one is pending
		}
	}
}

// WakeEach is Wake for many topics that begin alike, such as those of users.
func WakeEach[T ~string](b *Local, prefix string, names []T) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if len(b.topics) == 0 {
		return
	}
	topic := make([]byte, 0, 128)
	for _, n := range names {
		topic = append(append(topic[:0], prefix...), n...)
		wake(b.topics[string(topic)])
	}
}

// Has says whether anyone sleeps on the topic, so that work for nobody can be left out.
func (b *Local) Has(topic string) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return len(b.topics[topic]) > 0
}
