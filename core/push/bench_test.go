package push_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/room"
	"freehold.example/core/schema"
	"freehold.example/matrix/id"
)

// BenchmarkFanOut sends one message that mentions the room into one of 1,000 members with a pusher each, and measures how
// long its sender waits, how long the senders into another room wait at the worst until everybody has been told, and how
// long that takes. What each has not read is counted for the first time, over everybody's joins.
func BenchmarkFanOut(b *testing.B) {
	const members = 1000
	w, g := newWorld(b, sqldbtest.SQLite(b, schema.FS)), newGateway(b)
	in, other := w.room(), w.room()
	var joins sync.WaitGroup
	turns := make(chan struct{}, 64)
	for i := range members {
		turns <- struct{}{}
		joins.Go(func() {
			defer func() { <-turns }()
			u := id.User(fmt.Sprintf("@u%d:a.test", i))
			if err := w.rooms.Join(b.Context(), room.Caller{User: u}, in, "", nil); err != nil {
				b.Error(err)
			}
			if err := w.push.Set(b.Context(), u, "D", g.pusher(string(u), `{"format":"event_id_only"}`), false); err != nil {
				b.Error(err)
			}
		})
	}
	joins.Wait()
	w.run(w.push)
	for b.Loop() {
		begin := time.Now()
		w.say(in, "@room dinner")
		sent := time.Since(begin)
		var waits []time.Duration
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range members {
				<-g.told
			}
		}()
		for waiting := true; waiting; {
			at := time.Now()
			w.say(other, "elsewhere")
			waits = append(waits, time.Since(at))
			select {
			case <-done:
				waiting = false
			default:
			}
		}
		slices.Sort(waits)
		b.ReportMetric(sent.Seconds()*1000, "ms-send")
		b.ReportMetric(waits[len(waits)*99/100].Seconds()*1000, "ms-others-p99")
		b.ReportMetric(time.Since(begin).Seconds(), "s-all-told")
	}
}
