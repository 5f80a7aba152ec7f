package feed

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"freehold.example/matrix/fault"
)

// heard is a sink that is written to in the end.
type heard struct{ parts int }

func (h *heard) Whole([]byte) error             { h.parts++; return nil }
func (h *heard) Write(part []byte) (int, error) { h.parts++; return len(part), nil }

// TestAdmission: as many as there are turns are let in at once, the others in their order; who waits too long, or finds too many
// before him, is told when to come back, and not when everybody is.
func TestAdmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &admission{turns: make(chan struct{}, 2)}
		first, err := a.enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		second, err := a.enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var order []int
		for i := range 3 {
			go func() {
				leave, err := a.enter(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				order = append(order, i)
				leave()
			}()
			synctest.Wait()
		}
		if len(order) != 0 {
			t.Fatalf("%v were let in", order)
		}
		to := leaving{new(heard), first}
		if _, err := to.Write(nil); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if len(order) != 3 || order[0] != 0 || order[2] != 2 {
			t.Errorf("got %v", order)
		}
		_ = to.Whole(nil) // ends no other turn
		first()

		if _, err = a.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := a.enter(gone); !errors.Is(err, context.Canceled) {
			t.Errorf("somebody who has gone: %v", err)
		}
		began := time.Now()
		waits := map[time.Duration]bool{}
		refused := func(after time.Duration) {
			t.Helper()
			_, err := a.enter(t.Context())
			f, is := errors.AsType[*fault.Fault](err)
			if !is || f.Code != fault.LimitExceeded || f.RetryAfter < backAfter || f.RetryAfter > backAfter+backSpread || time.Since(began) != after {
				t.Errorf("after %s: got %v", time.Since(began), err)
				return
			}
			waits[f.RetryAfter] = true
		}
		refused(queueTime)
		a.queued.Store(maxQueued)
		for range 5 {
			refused(queueTime)
		}
		if len(waits) < 5 {
			t.Errorf("they come back together: %v", waits)
		}
		if a.queued.Load() != maxQueued {
			t.Errorf("%d wait", a.queued.Load())
		}
		second()
	})
}
