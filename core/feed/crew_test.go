package feed

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestCrew: everything is done, by no more workers than there may be, which end when there was nothing to do for a while.
func TestCrew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(3)
		var at, most, done atomic.Int32
		for round := range 20 {
			var all sync.WaitGroup
			for i := range 1 + round%7 {
				all.Go(func() {
					c.do(func() {
						if n := at.Add(1); n > most.Load() {
							most.Store(n)
						}
						time.Sleep(time.Duration(i) * time.Millisecond)
						done.Add(1)
						at.Add(-1)
					})
				})
			}
			all.Wait()
			switch round % 4 {
			case 1:
				time.Sleep(patience) // some are called just as they end
			case 3:
				time.Sleep(2 * patience)
				synctest.Wait()
				if c.workers != 0 || c.idle != 0 || len(c.more) != 0 {
					t.Fatalf("round %d: %d workers are left, %d idle, %d calls", round, c.workers, c.idle, len(c.more))
				}
			}
		}
		c.do(func() {})
		c.end()
		synctest.Wait()
		if c.workers != 0 {
			t.Errorf("%d workers wait for more after the end", c.workers)
		}
		if most.Load() > 3 || done.Load() != 77 {
			t.Errorf("%d things were done, %d at once", done.Load(), most.Load())
		}
	})
}
