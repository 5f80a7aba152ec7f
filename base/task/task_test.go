package task

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGroup(t.Context(), slog.New(slog.DiscardHandler))
		began := time.Now()
		var starts []time.Duration
		err := g.Go("flaky", func(ctx context.Context) error {
			starts = append(starts, time.Since(began))
			switch len(starts) {
			case 1:
				return errors.New("no luck")
			case 2:
				panic("worse")
			case 3:
				time.Sleep(settled)
				return errors.New("after a long run")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		g.Wait()
		want := []time.Duration{0, firstPause, 3 * firstPause, 3*firstPause + settled + firstPause}
		for i := range want {
			if i >= len(starts) || starts[i] != want[i] {
				t.Fatalf("got starts %v, want %v", starts, want)
			}
		}
		s := g.Status()[0]
		if s.Name != "flaky" || s.Restarts != 3 || s.Panics != 1 || s.Running != 0 || s.LastErr != "after a long run" {
			t.Errorf("got %+v", s)
		}
	})
}

// TestPauseIsBounded: a task that always fails is tried each minute in the end.
func TestPauseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
		defer cancel()
		n := 0
		hopeless := func(context.Context) error { return errors.New("no") }
		run(ctx, slog.New(slog.DiscardHandler), "hopeless", hopeless, func(error, bool) { n++ })
		if n < 24*60 || n > 24*60+15 {
			t.Errorf("got %d starts in a day, want one a minute", n)
		}
	})
}

func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGroup(t.Context(), slog.New(slog.DiscardHandler))
		g.Go("good", func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		})
		g.Go("deaf", func(context.Context) error {
			time.Sleep(time.Hour)
			return nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := g.Stop(ctx)
		if err == nil || !strings.Contains(err.Error(), "deaf") || strings.Contains(err.Error(), "good") {
			t.Errorf("got %v, want an error that names the deaf task", err)
		}
		if err := g.Go("late", nil); !errors.Is(err, ErrStopped) {
			t.Errorf("got %v, want ErrStopped", err)
		}
		if err := g.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		for _, s := range g.Status() {
			if s.Restarts != 0 {
				t.Errorf("%s was started again while stopping", s.Name)
			}
		}
	})
}
