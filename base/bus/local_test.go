package bus

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// woken says whether a wake is pending, and takes it.
func woken(s *Sleeper) bool {
	select {
	case <-s.C():
		return true
	default:
		return false
	}
}

func TestWake(t *testing.T) {
	var b Local
	s := b.Sleep("u:@a", "u:@b")
	other := b.Sleep("u:@c")
	defer other.Close()

	if woken(s) {
		t.Error("woken before any wake")
	}
	b.Wake("u:@a", "u:@b")
	b.Wake("u:@a")
	if !woken(s) {
		t.Error("not woken")
	}
	if woken(s) {
		t.Error("three wakes were kept as more than one")
	}
	if woken(other) {
		t.Error("woken by a topic that is not its own")
	}
	WakeEach(&b, "u:", []string{"@b", "@d"})
	if !woken(s) || woken(other) {
		t.Error("who sleeps on one of the topics is not woken, or who sleeps on none is")
	}
	if !b.Has("u:@b") || b.Has("u:@d") {
		t.Errorf("got Has %v, %v, want true, false", b.Has("u:@b"), b.Has("u:@d"))
	}
	s.Close()
	s.Close()
	b.Wake("u:@a")
	if woken(s) {
		t.Error("woken after Close")
	}
	if b.Has("u:@a") || len(b.topics) != 1 {
		t.Errorf("got %d topics after Close, want 1", len(b.topics))
	}
}

// TestCloseOne keeps the others of the same topic, also when one sleeper named the topic twice.
func TestCloseOne(t *testing.T) {
	var b Local
	one, two := b.Sleep("t", "t"), b.Sleep("t")
	lone := b.Sleep("v", "v")
	lone.Close()
	one.Close()
	b.Wake("t")
	if !woken(two) || woken(one) {
		t.Error("closing one sleeper changed another")
	}
}

// TestRegisterFirst is the use of a long poll: whatever the order of change and wait, the change is seen.
func TestRegisterFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b Local
		var mu sync.Mutex
		changed := 0
		go func() {
			for seen := 1; seen <= 100; seen++ {
				mu.Lock()
				changed = seen
				mu.Unlock()
				b.Wake("t")
				if seen < 100 {
					time.Sleep(time.Millisecond)
				}
			}
		}()
		s := b.Sleep("t")
		defer s.Close()
		for {
			mu.Lock()
			seen := changed
			mu.Unlock()
			if seen == 100 {
				return
			}
			select {
			case <-s.C():
			case <-time.After(time.Second):
				t.Fatalf("slept through a change; saw %d of 100", seen)
			}
		}
	})
}

func TestConcurrent(t *testing.T) {
	var b Local
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 500 {
				s := b.Sleep(fmt.Sprint("t", (i+j)%5))
				b.Wake("t0", "t1", "t2", "t3", "t4")
				<-s.C()
				s.Close()
			}
		})
	}
	wg.Wait()
	if len(b.topics) != 0 || b.lengths != [len(b.lengths)]int32{} {
		t.Errorf("got %d topics left, want 0, and lengths %v", len(b.topics), b.lengths)
	}
}

func BenchmarkWake(b *testing.B) {
	var bus Local
	topics := make([]string, 1000)
	for i := range topics {
		topics[i] = fmt.Sprintf("u:@user%d:example.org", i)
		if i%10 == 0 {
			bus.Sleep(topics[i])
		}
	}
	for b.Loop() {
		bus.Wake(topics...)
	}
}
