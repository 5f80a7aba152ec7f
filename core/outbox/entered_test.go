package outbox_test

import (
	"context"
	"crypto/ed25519"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

// TestEntered: a server that came into a room beside what was said here, or before this server could know, is to be told how the
// room ends; one that came after all that is not, nor one that was in it.
func TestEntered(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		in := w.create()
		var line []*room.Stored
		err := w.db.Read(t.Context(), func(tx *sqldb.Tx) (err error) {
			line, _, _, err = w.rooms.Stream(tx, 0, 100)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		var auth []id.Event
		for _, s := range line {
			if typ := s.Event.Type(); typ == "m.room.power_levels" || typ == "m.room.join_rules" {
				auth = append(auth, s.Event.ID())
			}
		}
		hello := line[len(line)-1].Event
		join := func(user string, prev []id.Event) id.Event {
			t.Helper()
			signer := event.Signer{Server: id.User(user).Server(), Key: "ed25519:1", Private: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}
			e, err := event.Build(hello.Version(), event.Draft{
				Room: in, Type: "m.room.member", StateKey: &user, Sender: id.User(user), Content: []byte(`{"membership":"join"}`),
				Prev: prev, Auth: auth, Depth: hello.Depth() + 1, Timestamp: 1,
			}, signer)
			if err != nil {
				t.Fatal(err)
			}
			receipts, err := w.rooms.Receive(context.Background(), in, []room.Incoming{{Event: e}})
			if err != nil || receipts[0].Verdict != room.Accepted {
				t.Fatal(receipts, err)
			}
			w.sorted()
			return e.ID()
		}
		var last id.Event
		for _, x := range []struct {
			user string
			prev []id.Event
			want id.Server
		}{
			{"@first:d.test", []id.Event{hello.ID()}, ""},
			{"@first:b.test", hello.Prev(), "b.test"},
			{"@second:b.test", nil, ""}, // after the one before
			{"@first:c.test", []id.Event{hello.ID()}, "c.test"},
		} {
			if x.prev == nil {
				x.prev = []id.Event{last}
			}
			last = join(x.user, x.prev)
			var got id.Server
			select {
			case got = <-w.entered:
			default:
			}
			if got != x.want {
				t.Errorf("%s came in: told of %q, want %q", x.user, got, x.want)
			}
		}
	})
}
