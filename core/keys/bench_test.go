package keys

import (
	"fmt"
	"log/slog"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
	"freehold.example/matrix/id"
)

func benchWorld(b *testing.B) *world {
	w := &world{
		db:      sqldbtest.SQLite(b, schema.FS),
		devices: map[id.User]map[id.Device]string{alice: {"A1": ""}},
		rooms:   [][]id.User{{alice, bob}},
	}
	w.Keys = New(Config{
		DB: w.db, Rooms: w, Server: "here", Log: slog.New(slog.DiscardHandler), Wake: func(...string) {},
		Devices: func(_ *sqldb.Tx, u id.User) (map[id.Device]string, error) { return w.devices[u], nil },
	})
	var ids []string
	for i := range 100 {
		ids = append(ids, fmt.Sprint(i))
	}
	if _, err := w.Upload(b.Context(), alice, "A1", Upload{OneTimeKeys: oneTime(ids...), FallbackKeys: oneTime("f")}); err != nil {
		b.Fatal(err)
	}
	return w
}

// What every sync asks when nothing happened.
func BenchmarkSync(b *testing.B) {
	w := benchWorld(b)
	for name, ask := range map[string]func(tx *sqldb.Tx) error{
		"Stock":   func(tx *sqldb.Tx) error { _, err := w.Stock(tx, alice, "A1"); return err },
		"Changed": func(tx *sqldb.Tx) error { _, err := w.Changed(tx, alice, tx.Pos()-1, tx.Pos()); return err },
	} {
		b.Run(name, func(b *testing.B) {
			err := w.db.Read(b.Context(), func(tx *sqldb.Tx) error {
				for b.Loop() {
					if err := ask(tx); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
		})
	}
}

func BenchmarkClaim(b *testing.B) {
	w := benchWorld(b)
	for b.Loop() {
		if _, _, err := w.Claim(b.Context(), want(alice, "A1")); err != nil {
			b.Fatal(err)
		}
	}
}
