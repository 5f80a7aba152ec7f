package room_test

import (
	"fmt"
	"testing"

	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/room"
	"freehold.example/core/schema"
	"freehold.example/matrix/id"
)

// An upgrade of a room with 1,000 bans.
func BenchmarkUpgrade(b *testing.B) {
	rooms := newRooms(b, sqldbtest.SQLite(b, schema.FS))
	in, err := rooms.Create(b.Context(), as(alice), room.CreateRequest{Preset: "public_chat", Version: "12"})
	if err != nil {
		b.Fatal(err)
	}
	for i := range 1000 {
		if err := rooms.Ban(b.Context(), as(alice), in, id.User(fmt.Sprintf("@spam%d:a.test", i)), "spam"); err != nil {
			b.Fatal(err)
		}
	}
	for i := 0; b.Loop(); i++ {
		v := []string{"11", "12"}[i%2] // otherwise it gives the room of before
		if _, err := rooms.Upgrade(b.Context(), as(alice), in, room.UpgradeRequest{Version: v}); err != nil {
			b.Fatal(err)
		}
	}
}
