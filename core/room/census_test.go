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
			var heroes []string // as each engine names them to alice
			for _, engine := range []*room.Rooms{rooms, newRooms(t, rooms.DB)} {
				err := rooms.DB.Read(ctx, func(tx *sqldb.Tx) error {
					now, err := rooms.Current(tx, in)
					if err != nil {
						return err
					}
					joined, invited, err := engine.Counts(tx, now[0].Room, now[0].State)
					if got := []int{joined, invited}; fmt.Sprint(got) != fmt.Sprint(want) {
						t.Errorf("%s: got %v, want %v", what, got, want)
					}
					if err != nil {
						return err
					}
					users, err := engine.Heroes(tx, now[0].Room, now[0].State, alice)
					heroes = append(heroes, fmt.Sprint(users))
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			if heroes[0] != heroes[1] {
				t.Errorf("%s: heroes %s, want %s", what, heroes[0], heroes[1])
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
		for i := range 20 {
			u := id.User(fmt.Sprintf("@w%d:a.test", i))
			ok(rooms.Join(ctx, as(u), in, "", nil))
			check("one more", 2, 1)
			if i%3 == 0 {
				_, err := rooms.SetState(ctx, as(u), in, "m.room.member", string(u), []byte(`{"membership":"join","displayname":"W"}`))
				ok(err)
				check("renamed", 2, 1)
			}
			ok(rooms.Leave(ctx, as(u), in, ""))
			check("one less", 1, 1)
		}
		for i := range 60 { // more than are followed one by one
			ok(rooms.Join(ctx, as(id.User(fmt.Sprintf("@u%d:a.test", i))), in, "", nil))
			ok(rooms.Leave(ctx, as(id.User(fmt.Sprintf("@u%d:a.test", i))), in, ""))
			ok(rooms.Invite(ctx, as(alice), in, id.User(fmt.Sprintf("@u%d:a.test", i)), ""))
			ok(rooms.Invite(ctx, as(alice), in, id.User(fmt.Sprintf("@v%d:a.test", i)), ""))
		}
		check("many", 1, 121)
		for i := range 10 {
			ok(rooms.Kick(ctx, as(alice), in, id.User(fmt.Sprintf("@v%d:a.test", i)), ""))
			check("fewer", 1, 120-i)
		}
	})
}

// TestCountsOfAnEarlierView: what was counted in a later transaction does not mislead an earlier one.
func TestCountsOfAnEarlierView(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		in := create(t, rooms, room.CreateRequest{Preset: "public_chat"})
		reader := newRooms(t, rooms.DB)
		count := func(tx *sqldb.Tx) (joined int, err error) {
			now, err := rooms.Current(tx, in)
			if err != nil {
				return 0, err
			}
			root, err := newRooms(t, rooms.DB).RootNow(tx, now[0].Room)
			if err != nil {
				return 0, err
			}
			joined, _, err = reader.Counts(tx, now[0].Room, root)
			return joined, err
		}
		var before, after int
		err := rooms.DB.Read(t.Context(), func(earlier *sqldb.Tx) error {
			if _, err := rooms.Current(earlier, in); err != nil { // from here on it sees what it sees
				return err
			}
			if err := rooms.Join(t.Context(), as(bob), in, "", nil); err != nil {
				return err
			}
			err := rooms.DB.Read(t.Context(), func(tx *sqldb.Tx) (err error) {
				after, err = count(tx)
				return err
			})
			if err != nil {
				return err
			}
			before, err = count(earlier)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if before != 1 || after != 2 {
			t.Errorf("got %d before the join and %d after it", before, after)
		}
	})
}
