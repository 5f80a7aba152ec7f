package room_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/id"
)

// shared reads what is shared with other servers, room by room, and by a user.
func shared(t *testing.T, rooms *room.Rooms, user id.User) (all map[id.Room][]id.Server, by []id.Server) {
	t.Helper()
	all = map[id.Room][]id.Server{}
	last := id.Room("")
	err := rooms.EachShared(t.Context(), func(s room.Shared) error {
		if s.Room <= last {
			t.Errorf("%s comes after %s", s.Room, last)
		}
		last = s.Room
		if all[s.Room] = s.Servers; len(s.Heads) == 0 {
			t.Errorf("%s has no end", s.Room)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = rooms.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
		with, err := rooms.SharedUsers(tx, user)
		if err != nil {
			return err
		}
		if by, err = rooms.SharedServersBy(tx, user, with); err != nil {
			return err
		}
		servers, err := rooms.SharedServers(tx, user)
		if !slices.Equal(by, servers) {
			t.Errorf("got %v by those who share a room, and %v by the rooms", by, servers)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all, by
}

func TestEachShared(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		var in []id.Room
		want := map[id.Room][]id.Server{}
		for i, members := range [][]id.User{
			{bob}, {"@b:b.test", "@c:c.test"}, {"@b:b.test", bob}, {"@d:d.test"}, {"@c:c.test", "@gone:e.test"},
		} {
			r := create(t, rooms, room.CreateRequest{Preset: "public_chat"})
			in = append(in, r)
			for _, u := range members {
				if err := rooms.Join(t.Context(), as(u), r, "", nil); err != nil {
					t.Fatal(err)
				}
				if s := u.Server(); s != rooms.Server {
					want[r] = append(want[r], s)
				}
			}
			if i == 0 {
				continue
			}
			if got, _ := shared(t, rooms, alice); cmp.Diff(want, got) != "" {
				t.Errorf("with %d rooms: %s", i+1, cmp.Diff(want, got))
			}
		}
		for _, gone := range []struct {
			user id.User
			in   id.Room
		}{{"@gone:e.test", in[4]}, {alice, in[3]}} { // of the last of these rooms, which nobody of this server is in any more, nothing is told
			if err := rooms.Leave(t.Context(), as(gone.user), gone.in, ""); err != nil {
				t.Fatal(err)
			}
		}
		want[in[4]] = []id.Server{"c.test"}
		delete(want, in[3])
		for i, engine := range []*room.Rooms{rooms, newRooms(t, rooms.DB)} {
			got, by := shared(t, engine, alice)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("engine %d: %s", i, diff)
			}
			if !slices.Equal(by, []id.Server{"b.test", "c.test"}) {
				t.Errorf("engine %d: got %v", i, by)
			}
		}
	})
}

// TestSharedWhilePartial: of a room of which not all members are known, the servers count that are said to be in it.
func TestSharedWhilePartial(t *testing.T) {
	both := replicas(t, 2, "11")
	a := both[0]
	b := &replica{Rooms: newReplica(t, "z.test"), name: "z.test", user: "@u:z.test", in: a.in, have: map[id.Event]bool{}}
	part := answer(t, a, b)
	part.State = slices.DeleteFunc(slices.Clone(part.State), func(x room.Incoming) bool { return x.Event.Type() == "m.room.member" })
	part.Partial = []id.Server{"z.test", "b.test", "a.test"}
	if err := b.Adopt(t.Context(), part); err != nil {
		t.Fatal(err)
	}
	want := []id.Server{"a.test", "b.test"}
	all, by := shared(t, b.Rooms, b.user)
	if got := all[b.in]; !slices.Equal(got, want) || !slices.Equal(by, want) {
		t.Errorf("got %v of the room and %v of the user, want %v", got, by, want)
	}
}
