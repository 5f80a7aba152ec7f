package notify_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/notify"
	"freehold.example/core/room"
	"freehold.example/core/schema"
	"freehold.example/matrix/id"
)

// In a crowded room, who is counted for the first time is told what those are told who have been counted all along.
func TestCrowd(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		w := newWorld(t, db)
		const members = 105
		user := func(i int) id.User { return id.User(fmt.Sprintf("@u%d:a.test", i)) }
		for i := range members {
			w.ok(w.rooms.Join(t.Context(), room.Caller{User: user(i)}, w.in, "", nil))
		}
		count := func(n *notify.Notify, u id.User) (counts map[string]notify.Counts) {
			w.ok(db.Read(t.Context(), func(tx *sqldb.Tx) error {
				upto, err := tx.High()
				if err != nil {
					return err
				}
				standings, err := w.rooms.Standings(tx, u)
				if err != nil {
					return err
				}
				for _, s := range standings {
					if s.RoomID == w.in {
						counts, err = n.Unread(tx, u, s, nil, upto)
					}
				}
				return err
			}))
			return counts
		}
		always, crowd := w.fresh(), w.fresh()
		for i := range members {
			count(always, user(i))
		}
		const seed = 7
		r := rand.New(rand.NewPCG(seed, seed))
		var sent []id.Event
		for i := range 100 {
			by := user(r.IntN(members))
			switch r.IntN(7) {
			case 0: // nobody hears of a new name, but who takes one has read
				_, err := w.rooms.SetState(t.Context(), room.Caller{User: by}, w.in, "m.room.member", string(by),
					fmt.Appendf(nil, `{"membership":"join","displayname":"n%d"}`, i))
				w.ok(err)
			case 1:
				if len(sent) > 0 {
					e := sent[r.IntN(len(sent))]
					_, err := w.rooms.Redact(t.Context(), room.Caller{User: alice}, w.in, e, []byte(`{}`), "")
					w.ok(err)
				}
			case 2:
				_, err := w.rooms.SetState(t.Context(), room.Caller{User: alice}, w.in, "m.room.topic", "", fmt.Appendf(nil, `{"topic":"%d"}`, i))
				w.ok(err)
			case 3:
				w.ok(w.rooms.Leave(t.Context(), room.Caller{User: by}, w.in, ""))
				w.ok(w.rooms.Join(t.Context(), room.Caller{User: by}, w.in, "", nil))
			default:
				relation := ""
				if len(sent) > 0 && r.IntN(3) == 0 {
					relation = fmt.Sprintf(`{"rel_type":"m.thread","event_id":%q}`, sent[0])
				}
				sent = append(sent, w.send(by, fmt.Sprintf("hello u%d", r.IntN(members)), relation))
			}
			asks := user(i % members)
			want := count(always, asks)
			for name, n := range map[string]*notify.Notify{"of all": crowd, "alone": w.fresh()} {
				if got := count(n, asks); !maps.Equal(got, want) {
					t.Fatalf("step %d (seed %d): %s, counted for the first time (%s), got %v, want %v", i, seed, asks, name, got, want)
				}
			}
			for range 3 {
				count(always, user(r.IntN(members)))
			}
		}
	})
}
