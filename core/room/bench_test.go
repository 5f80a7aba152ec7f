package room_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/room"
	"freehold.example/core/schema"
	"freehold.example/matrix/id"
)

// BenchmarkSend measures what the engine takes for one 200-byte message of 32 senders at once, each commit on disk:
// wall time, and CPU of the whole process.
func BenchmarkSend(b *testing.B) {
	for _, count := range []int{1, 32} {
		b.Run(fmt.Sprintf("rooms=%d", count), func(b *testing.B) {
			rooms := newRooms(b, sqldbtest.SQLite(b, schema.FS))
			in := make([]id.Room, count)
			for i := range in {
				var err error
				if in[i], err = rooms.Create(b.Context(), as(alice), room.CreateRequest{Preset: "public_chat"}); err != nil {
					b.Fatal(err)
				}
			}
			users := make([]room.Caller, 32)
			for i := range users {
				users[i] = as(id.User(fmt.Sprintf("@u%d:a.test", i)))
				if err := rooms.Join(b.Context(), users[i], in[i%count], "", nil); err != nil {
					b.Fatal(err)
				}
			}
			message := text(fmt.Sprintf("%0200d", 0))
			ctx := context.WithoutCancel(b.Context())
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			before := cpu()
			for i, u := range users {
				wg.Go(func() {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						if _, err := rooms.Send(ctx, u, in[i%count], message, fmt.Sprint(n)); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

func cpu() int64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
