package feed_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/feed"
	"freehold.example/core/room"
	"freehold.example/core/schema"
	"freehold.example/matrix/fault"
)

// TestTurns: who comes back after a while has to wait for a turn, with sliding sync as with /sync; who was answered a moment ago has
// not, and who has to begin anew is told so at once.
func TestTurns(t *testing.T) {
	w := newWorld(t, sqldbtest.SQLite(t, schema.FS))
	in := w.create(alice, room.CreateRequest{Preset: "public_chat"})
	now := time.Now()
	w.feed.Now = func() time.Time { return now }
	since, pos := "", ""
	sync := func(ctx context.Context) error {
		out, err := answer(ctx, w.feed, feed.Request{Caller: as(alice), Since: since})
		if err == nil {
			since = out.NextBatch
		}
		return err
	}
	slide := func(ctx context.Context) error {
		out, err := slideAnswer(ctx, w.feed, feed.Slide{Caller: as(alice), Connection: "c", Pos: pos, Lists: top(9, 5)})
		if err == nil {
			pos = out.Pos
		}
		return err
	}
	turn := func(what string, ask func(context.Context) error, waits bool) {
		t.Helper()
		leave := w.feed.TakeTurns()
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if !waits {
			ctx = t.Context()
		}
		if err := ask(ctx); errors.Is(err, context.DeadlineExceeded) != waits || !waits && err != nil {
			t.Errorf("%s: %v; want it to wait: %v", what, err, waits)
		}
		leave()
		if err := ask(t.Context()); err != nil {
			t.Errorf("%s, with a turn: %v", what, err)
		}
	}
	turn("sync, the first time", sync, true)
	turn("sliding sync, the first time", slide, true)
	w.send(in, alice, "meanwhile")
	turn("sliding sync, at once again", slide, false)
	for _, away := range []time.Duration{time.Minute, 8 * 24 * time.Hour} {
		now = now.Add(away)
		w.send(in, alice, "while you were away")
		turn("sync, back", sync, true)
		turn("sliding sync, back", slide, true)
		turn("sliding sync, and again", slide, false)
	}
	leave := w.feed.TakeTurns()
	defer leave()
	if _, err := slideAnswer(t.Context(), w.feed, feed.Slide{Caller: as(bob), Connection: "c", Pos: pos, Lists: top(9, 5)}); !fault.Is(err, fault.UnknownPos) {
		t.Errorf("a pos of nobody: %v", err)
	}
}
