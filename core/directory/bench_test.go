package directory

import (
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"freehold.example/base/bus"
	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/room"
	"freehold.example/core/schema"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

// A page out of 1,000 published rooms whose state has not changed since the last one.
func BenchmarkSearch(b *testing.B) {
	db := sqldbtest.SQLite(b, schema.FS)
	rooms, err := room.New(room.Config{
		DB: db, Bus: new(bus.Local), Profiles: noProfiles{}, Server: "s1", Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Signer: event.Signer{Server: "s1", Key: "ed25519:1", Private: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))},
	})
	if err != nil {
		b.Fatal(err)
	}
	d := New(Config{DB: db, Rooms: rooms, Server: "s1", Now: time.Now})
	for i := range 1000 {
		_, err := rooms.Create(b.Context(), as(alice).Caller, room.CreateRequest{
			Preset: "public_chat", Name: fmt.Sprint("room ", i),
			Also: func(tx *sqldb.Tx, made id.Room) error { return d.Publish(tx, made, true) },
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	q := Query{Limit: 20, Filter: csapi.RoomFilter{Term: "ROOM 7"}}
	for b.Loop() {
		if _, err := d.Search(b.Context(), q); err != nil {
			b.Fatal(err)
		}
	}
}
