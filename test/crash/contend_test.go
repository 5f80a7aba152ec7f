package crash

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"freehold.example/base/bus"
	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/room"
	"freehold.example/core/schema"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

type nameless struct{}

func (nameless) MemberProfile(context.Context, id.User) (string, string, error) { return "", "", nil }

func engine(t *testing.T, db *sqldb.DB) *room.Rooms {
	t.Helper()
	rooms, err := room.New(room.Config{
		DB: db, Bus: new(bus.Local), Profiles: nameless{}, Server: "a.test",
		Signer: event.Signer{Server: "a.test", Key: "ed25519:1", Private: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))},
		Now:    time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return rooms
}

// TestContention: two engines on one database, as two nodes would be, and many callers who hang up, send the same
// transaction twice, toggle state and redact it. Each engine's head of the room is behind again and again, and writes that
// wait behind a failed one fail with it; what is stored belongs together all the same.
func TestContention(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		engines := []*room.Rooms{engine(t, db), engine(t, db)}
		const callers, steps = 12, 40
		user := func(n int) room.Caller {
			return room.Caller{User: id.User(fmt.Sprintf("@u%d:a.test", n)), Device: "D"}
		}
		// Of version 11, so that everybody can have all the power.
		in, err := engines[0].Create(t.Context(), user(0), room.CreateRequest{Version: "11", Preset: "public_chat", PowerLevels: map[string]json.RawMessage{
			"users_default": json.RawMessage("100"),
		}})
		if err != nil {
			t.Fatal(err)
		}
		var (
			mu   sync.Mutex // guards sent and busy
			sent = map[string]id.Event{}
			busy int
			all  sync.WaitGroup
		)
		note := func(what string, txn string, e id.Event, err error) {
			mu.Lock()
			defer mu.Unlock()
			f, _ := errors.AsType[*fault.Fault](err)
			switch {
			case err == nil && txn != "":
				if old := sent[txn]; old != "" && old != e {
					t.Errorf("transaction %s made %s and %s", txn, old, e)
				}
				sent[txn] = e
			case err == nil, errors.Is(err, context.Canceled), fault.Is(err, fault.Forbidden):
			case f != nil && f.Status == 503:
				busy++
			default:
				t.Errorf("%s: %v", what, err)
			}
		}
		for n := range callers {
			all.Go(func() {
				r := rand.New(rand.NewPCG(uint64(n), 7))
				rooms, me := engines[n%2], user(n/2) // two callers for each user, one on each engine
				for step := range steps {
					ctx, cancel := context.WithCancel(t.Context())
					if r.IntN(8) == 0 {
						time.AfterFunc(time.Duration(r.IntN(3000))*time.Microsecond, cancel)
					}
					switch k := r.IntN(10); {
					case k == 0:
						note("join", "", "", rooms.Join(ctx, me, in, "", nil))
					case k == 1 && me.User != user(0).User:
						note("leave", "", "", rooms.Leave(ctx, me, in, ""))
					case k < 4:
						e, err := rooms.SetState(ctx, me, in, "x.toggle", "", fmt.Appendf(nil, `{"on":%d}`, r.IntN(2)))
						note("state", "", e, err)
						if err == nil && r.IntN(2) == 0 {
							_, err := rooms.Redact(ctx, me, in, e, []byte(`{}`), "")
							note("redact", "", "", err)
						}
					default:
						txn := fmt.Sprintf("%d-%d", n/2, step)
						d := room.Draft{Type: "m.room.message", Content: fmt.Appendf(nil, `{"body":"%d"}`, n)}
						e, err := rooms.Send(ctx, me, in, d, txn)
						note("send", txn, e, err)
					}
					cancel()
				}
			})
		}
		all.Wait()
		t.Logf("%d transactions were acknowledged, %d calls found the room too busy", len(sent), busy)
		problems, err := Check(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			t.Error(p)
		}
		err = db.Read(t.Context(), func(tx *sqldb.Tx) error {
			for txn, e := range sent {
				s, err := engines[0].ByID(tx, e)
				if err != nil {
					return err
				}
				if s == nil || s.TxnID != txn {
					t.Errorf("transaction %s: its event %s is not there", txn, e)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
