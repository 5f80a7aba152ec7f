package lockorder

import (
	"strings"
	"testing"
)

type first struct{ mu Mutex }

func (f *first) in(fn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fn()
}

type second struct{ mu RWMutex }

func (s *second) in(fn func()) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	fn()
}

// TestCircle: locks that are taken in both orders are told of, once, though nobody had to wait.
func TestCircle(t *testing.T) {
	var said []string
	all.say = func(s string) { said = append(said, s) }
	nothing := func() {}
	a, b, another := new(first), new(second), new(first)
	a.in(func() { b.in(nothing) })
	a.in(func() { b.in(nothing) })
	if len(said) != 0 {
		t.Errorf("one order: got %q", said)
	}
	done := make(chan struct{})
	go func() { // the other order, elsewhere and with another lock of the kind
		defer close(done)
		for range 2 {
			b.in(func() { another.in(nothing) })
		}
	}()
	<-done
	if len(said) != 1 || !strings.Contains(said[0], "(*first)") || !strings.Contains(said[0], "(*second)") {
		t.Errorf("both orders: got %q", said)
	}
	said = nil
	Enter("one", "a thing")
	Enter("two", "a thing")
	if len(said) != 1 {
		t.Errorf("two of a kind: got %q", said)
	}
	go Leave("one")
	Leave("two")
}
