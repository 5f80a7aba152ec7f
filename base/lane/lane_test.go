package lane

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Lanes[string]
		unlock, err := l.Lock(t.Context(), "room")
		if err != nil {
			t.Fatal(err)
		}
		var got []int
		for i := range 5 {
			go func() {
				u, err := l.Lock(t.Context(), "room")
				if err != nil {
					t.Error(err)
					return
				}
				got = append(got, i) // guarded by the lane
				u()
			}()
			synctest.Wait() // so that they queue in this order
		}
		if other, err := l.Lock(t.Context(), "other"); err != nil {
			t.Error("another key waits")
		} else {
			other()
		}
		unlock()
		unlock() // has no effect
		synctest.Wait()
		if want := []int{0, 1, 2, 3, 4}; !slices.Equal(got, want) {
			t.Errorf("got order %v, want %v", got, want)
		}
		if l.Len() != 0 {
			t.Errorf("got %d keys left, want 0", l.Len())
		}
	})
}

func TestGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Lanes[int]
		l.MaxWaiters = 2
		unlock, _ := l.Lock(t.Context(), 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		gone := make(chan error, 1)
		go func() {
			_, err := l.Lock(ctx, 1)
			gone <- err
		}()
		synctest.Wait()
		served := make(chan error, 1)
		go func() {
			u, err := l.Lock(t.Context(), 1)
			if err == nil {
				u()
			}
			served <- err
		}()
		synctest.Wait()
		if _, err := l.Lock(t.Context(), 1); !errors.Is(err, ErrFull) {
			t.Errorf("got %v, want ErrFull", err)
		}
		if _, ok := l.TryLock(1); ok {
			t.Error("TryLock took a held key")
		}
		if err := <-gone; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the deadline", err)
		}
		unlock()
		if err := <-served; err != nil {
			t.Errorf("the waiter behind the one that gave up got %v", err)
		}
		if u, ok := l.TryLock(1); !ok {
			t.Error("TryLock refused a free key")
		} else {
			u()
		}
	})
}

// TestExclusive has waiters that give up at random moments; the counters are plain, so that -race sees a broken lock.
func TestExclusive(t *testing.T) {
	var l Lanes[int]
	counts := make([]int, 3)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 2000 {
				key := (g + i) % 3
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i%7)*10*time.Microsecond)
				if u, err := l.Lock(ctx, key); err == nil {
					counts[key]++
					u()
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if l.Len() != 0 {
		t.Errorf("got %d keys left, want 0", l.Len())
	}
}

func BenchmarkLock(b *testing.B) {
	var l Lanes[string]
	for b.Loop() {
		u, err := l.Lock(b.Context(), "!room:example.org")
		if err != nil {
			b.Fatal(err)
		}
		u()
	}
}
