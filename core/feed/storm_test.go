package feed_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/ephemeral"
	"freehold.example/core/feed"
	"freehold.example/core/room"
	"freehold.example/core/schema"
	"freehold.example/matrix/id"
)

// TestStorm: readers who wait while everything is written at once, failing writes too, are told each event once and in
// the order of the log, with much memory and with next to none.
func TestStorm(t *testing.T) {
	storm := func(t *testing.T, w *world) {
		const rooms, readers, senders, each = 3, 6, 6, 25
		var all []id.Room
		var users []id.User
		for i := range readers {
			users = append(users, id.User(fmt.Sprintf("@r%d:a.test", i)))
		}
		for range rooms {
			in := w.create(alice, room.CreateRequest{Preset: "public_chat"})
			for _, u := range users {
				w.ok(w.rooms.Join(t.Context(), as(u), in, "", nil))
			}
			all = append(all, in)
		}
		ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute)
		defer stop()
		var writers, listeners sync.WaitGroup
		var done atomic.Bool
		told := make([]map[id.Room][]id.Event, readers)
		for i, u := range users {
			told[i] = map[id.Room][]id.Event{}
			since := w.sync(u, "", "").NextBatch
			listeners.Go(func() {
				for last := false; !last; {
					last = done.Load()
					q := feed.Request{Caller: as(u), Since: since, Filter: w.filter(`{"room":{"timeline":{"limit":200}}}`)}
					if q.Timeout = 200 * time.Millisecond; last {
						q.Timeout = 0
					}
					out, err := answer(ctx, w.feed, q)
					if err != nil {
						t.Error(err)
						return
					}
					since = out.NextBatch
					if out.Rooms == nil {
						continue
					}
					for in, j := range out.Rooms.Join {
						if j.Timeline.Limited {
							t.Errorf("%s: a gap", in)
						}
						for _, raw := range j.Timeline.Events {
							var e shown
							if err := json.Unmarshal(raw, &e); err != nil {
								t.Error(err)
							}
							told[i][in] = append(told[i][in], e.ID)
						}
					}
				}
			})
		}
		before := w.log(all)
		for i := range senders {
			writers.Go(func() {
				for n := range each {
					in := all[(i+n)%rooms]
					content := fmt.Appendf(nil, `{"body":"%d %d"}`, i, n)
					sent, err := w.rooms.Send(ctx, as(users[i]), in, room.Draft{Type: "m.room.message", Content: content}, "")
					if err != nil {
						t.Error(err)
						return
					}
					switch n % 5 {
					case 0:
						_, err = w.rooms.Redact(ctx, as(users[i]), in, sent, []byte(`{}`), "")
					case 1:
						err = w.ephemeral.SetReceipts(ctx, users[i], in, ephemeral.Mark{Type: ephemeral.Read, Event: sent})
					case 2:
						_, err = w.rooms.SetState(ctx, as(users[i]), in, "m.room.member", string(users[i]),
							fmt.Appendf(nil, `{"membership":"join","displayname":"%d"}`, n))
					case 3: // a write that fails in the midst of others
						broken := errors.New("broken")
						if err = w.db.Write(ctx, func(*sqldb.Tx) error { return broken }); errors.Is(err, broken) {
							err = nil
						}
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		writers.Wait()
		done.Store(true)
		listeners.Wait()
		after := w.log(all)
		for _, in := range all {
			want := after[in][len(before[in]):]
			for i := range users {
				if got := told[i][in]; !slices.Equal(got, want) {
					t.Errorf("%s: %s was told %d events, want %d in this order\n got %v\nwant %v", in, users[i], len(got), len(want), got, want)
				}
			}
		}
		peeked, read := w.feed.Looks()
		t.Logf("%d looks from memory, %d from the database", peeked, read)
	}
	for name, l := range map[string]limits{"usual": {}, "small": {tailBytes: 6000, rows: 12}} {
		t.Run(name, func(t *testing.T) {
			sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
				w := &world{t: t, db: db}
				w.open(l)
				t.Cleanup(w.ephemeral.Close)
				storm(t, w)
			})
		})
	}
}

// log is the events of rooms in the order in which they were written.
func (w *world) log(all []id.Room) map[id.Room][]id.Event {
	w.t.Helper()
	logs := map[id.Room][]id.Event{}
	w.ok(w.db.Read(w.t.Context(), func(tx *sqldb.Tx) error {
		for _, in := range all {
			events, err := sqldb.Column[id.Event](tx,
				`SELECT e.event_id FROM event e JOIN room r ON r.nid = e.room WHERE r.room_id = $1 ORDER BY e.pos`, in)
			if err != nil {
				return err
			}
			logs[in] = events
		}
		return nil
	}))
	return logs
}
