package room_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/room"
	"freehold.example/core/schema"
	"freehold.example/matrix/id"
)

// serversOf reads the servers of a room now, and those at each of its events, with an engine that has counted before and
// with one that has not.
func serversOf(t *testing.T, rooms *room.Rooms, in id.Room) (now []id.Server, at [][]id.Server) {
	t.Helper()
	err := rooms.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
		events, _, _, err := rooms.Stream(tx, 0, 1000)
		if err != nil {
			return err
		}
		at = nil
		fresh := newRooms(t, rooms.DB)
		if now, err = rooms.Servers(tx, events[0].Room); err != nil {
			return err
		}
		for i, e := range events {
			if e.Event.Room() != in {
				continue
			}
			servers, err := rooms.ServersAt(tx, e.Room, e.State)
			if err != nil {
				return err
			}
			other := fresh
			if i%2 == 0 {
				other = newRooms(t, rooms.DB)
			}
			if again, err := other.ServersAt(tx, e.Room, e.State); err != nil || !slices.Equal(servers, again) {
				t.Errorf("at event %d: got %v and %v, %v", i, servers, again, err)
			}
			at = append(at, servers)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return now, at
}

func TestServers(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		in := create(t, rooms, room.CreateRequest{Preset: "public_chat"})
		_, at := serversOf(t, rooms, in)
		begun := len(at)
		for _, step := range []struct {
			user   id.User
			do     func(id.User) error
			want   []id.Server
			before string
		}{
			{"@b1:b.test", func(u id.User) error { return rooms.Join(t.Context(), as(u), in, "", nil) }, []id.Server{"a.test", "b.test"}, "join"},
			{"@b2:b.test", func(u id.User) error { return rooms.Join(t.Context(), as(u), in, "", nil) }, []id.Server{"a.test", "b.test"}, "another"},
			{"@c:c.test", func(u id.User) error { return rooms.Join(t.Context(), as(u), in, "", nil) }, []id.Server{"a.test", "b.test", "c.test"}, "join"},
			{"@b1:b.test", func(u id.User) error { return rooms.Kick(t.Context(), as(alice), in, u, "") }, []id.Server{"a.test", "b.test", "c.test"}, "one of two"},
			{"@b2:b.test", func(u id.User) error { return rooms.Ban(t.Context(), as(alice), in, u, "") }, []id.Server{"a.test", "c.test"}, "the last"},
		} {
			if err := step.do(step.user); err != nil {
				t.Fatal(err)
			}
			now, at := serversOf(t, rooms, in)
			if diff := cmp.Diff(step.want, now); diff != "" {
				t.Errorf("%s: %s", step.before, diff)
			}
			if last := at[len(at)-1]; !slices.Equal(last, now) {
				t.Errorf("%s: got %v at the last event, want %v", step.before, last, now)
			}
			if !slices.Equal(at[begun], []id.Server{"a.test", "b.test"}) {
				t.Errorf("%s: got %v at the first join", step.before, at[begun])
			}
		}
	})
}

// TestServersOfAnEarlierView: what was counted in a later transaction, of a state that an earlier one does not see, does not
// mislead the earlier one.
func TestServersOfAnEarlierView(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		create(t, rooms, room.CreateRequest{Preset: "public_chat"})
		reader := newRooms(t, rooms.DB)
		count := func(tx *sqldb.Tx) ([]id.Server, error) {
			events, _, _, err := reader.Stream(tx, 0, 1)
			if err != nil {
				return nil, err
			}
			return reader.Servers(tx, events[0].Room)
		}
		var before, after []id.Server
		err := rooms.DB.Read(t.Context(), func(earlier *sqldb.Tx) error {
			events, _, _, err := reader.Stream(earlier, 0, 1) // from here on it sees what it sees
			if err != nil {
				return err
			}
			if err := rooms.Join(t.Context(), as("@b:b.test"), events[0].Event.Room(), "", nil); err != nil {
				return err
			}
			err = rooms.DB.Read(t.Context(), func(tx *sqldb.Tx) (err error) {
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
		if !slices.Equal(before, []id.Server{"a.test"}) || !slices.Equal(after, []id.Server{"a.test", "b.test"}) {
			t.Errorf("got %v before the join and %v after it", before, after)
		}
	})
}

// BenchmarkServers is a room of 10,000 members on 1,000 servers: counted anew, asked again, and after one member came.
func BenchmarkServers(b *testing.B) {
	rooms := newRooms(b, sqldbtest.SQLite(b, schema.FS))
	in, err := rooms.Create(b.Context(), as(alice), room.CreateRequest{Preset: "public_chat"})
	if err != nil {
		b.Fatal(err)
	}
	join := func(i int) {
		if err := rooms.Join(b.Context(), as(id.User(fmt.Sprintf("@u%d:s%d.test", i, i%1000))), in, "", nil); err != nil {
			b.Fatal(err)
		}
	}
	for i := range 10_000 {
		join(i)
	}
	var nid room.NID
	ask := func(b *testing.B, rooms *room.Rooms) {
		err := rooms.DB.Read(b.Context(), func(tx *sqldb.Tx) error {
			if nid == 0 {
				now, err := rooms.Current(tx, in)
				if err != nil {
					return err
				}
				nid = now[0].Room
			}
			servers, err := rooms.Servers(tx, nid)
			if len(servers) != 1001 {
				b.Fatalf("got %d servers", len(servers))
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.Run("anew", func(b *testing.B) {
		for b.Loop() {
			ask(b, newRooms(b, rooms.DB))
		}
	})
	b.Run("again", func(b *testing.B) {
		for b.Loop() {
			ask(b, rooms)
		}
	})
	n := 10_000
	b.Run("after a join", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			join(n)
			n++
			b.StartTimer()
			ask(b, rooms)
		}
	})
}
