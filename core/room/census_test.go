package room_test

import (
	"fmt"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/id"
)

// TestCounts counts after every change of memberships what a new engine, which remembers nothing, counts too.
func TestCounts(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		ctx := t.Context()
		in := create(t, rooms, room.CreateRequest{Preset: "public_chat", Invite: []id.User{bob}})
		check := func(what string, want ...int) {
			t.Helper()
			for _, engine := range []*room.Rooms{rooms, newRooms(t, rooms.DB)} {
				err := rooms.DB.Read(ctx, func(tx *sqldb.Tx) error {
					now, err := rooms.Current(tx, in)
					if err != nil {
						return err
					}
					joined, invited, err := engine.Counts(tx, now[0].Room)
					if got := []int{joined, invited}; fmt.Sprint(got) != fmt.Sprint(want) {
						t.Errorf("%s: got %v, want %v", what, got, want)
					}
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		ok := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		check("created", 1, 1)
		ok(rooms.Join(ctx, as(bob), in, "", nil))
		check("joined", 2, 0)
		send(t, rooms, in, bob, "x", "")
		_, err := rooms.SetState(ctx, as(bob), in, "m.room.member", string(bob), []byte(`{"membership":"join","displayname":"B"}`))
		ok(err)
		check("renamed", 2, 0)
		ok(rooms.Ban(ctx, as(alice), in, bob, ""))
		ok(rooms.Invite(ctx, as(alice), in, carol, ""))
		check("banned, invited", 1, 1)
		for i := range 60 { // more than are followed one by one
			ok(rooms.Join(ctx, as(id.User(fmt.Sprintf("@u%d:a.test", i))), in, "", nil))
			ok(rooms.Leave(ctx, as(id.User(fmt.Sprintf("@u%d:a.test", i))), in, ""))
			ok(rooms.Invite(ctx, as(alice), in, id.User(fmt.Sprintf("@u%d:a.test", i)), ""))
			ok(rooms.Invite(ctx, as(alice), in, id.User(fmt.Sprintf("@v%d:a.test", i)), ""))
		}
		check("many", 1, 121)
	})
}
