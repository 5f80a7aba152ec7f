package room_test

import (
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/room"
	"freehold.example/core/schema"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// TestReplaces: what a state event replaces is what stood under its own key before, and nothing else.
func TestReplaces(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		in := create(t, rooms, room.CreateRequest{Preset: "public_chat", Name: "first"})
		if _, err := rooms.SetState(t.Context(), as(alice), in, "m.room.name", "", []byte(`{"name":"second"}`)); err != nil {
			t.Fatal(err)
		}
		err := rooms.View(t.Context(), in, alice, func(tx *sqldb.Tx, v *room.Viewer) error {
			root, err := v.State()
			if err != nil {
				return err
			}
			events, err := rooms.StateEvents(tx, root)
			for _, s := range events {
				if renamed := s.Event.IsState("m.room.name", ""); renamed != (s.Replaces != 0) {
					t.Errorf("%s replaces event %d", s.Event.Type(), s.Replaces)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// TestPromisedKey: a number that was promised to a state key gives way to the one the key has got on disk meanwhile, as when
// another node has written it.
func TestPromisedKey(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		one, other := newRooms(t, db), newRooms(t, db)
		in := create(t, one, room.CreateRequest{Preset: "public_chat"})
		set := func(rooms *room.Rooms, by id.User, content string) error {
			_, err := rooms.SetState(t.Context(), as(by), in, "org.example.key", "new", []byte(content))
			return err
		}
		if err := set(other, bob, `{}`); !fault.Is(err, fault.Forbidden) { // too late to take the promise back
			t.Fatalf("got %v from somebody who is not in the room", err)
		}
		if err := set(one, alice, `{"n":1}`); err != nil {
			t.Fatal(err)
		}
		if err := set(other, alice, `{"n":2}`); err != nil {
			t.Fatal(err)
		}
		err := one.View(t.Context(), in, alice, func(tx *sqldb.Tx, v *room.Viewer) error {
			root, err := v.State()
			if err != nil {
				return err
			}
			s, err := one.StateEvent(tx, root, "org.example.key", "new")
			if err == nil && (s == nil || string(s.Event.Content()) != `{"n":2}` || s.Replaces == 0) {
				t.Errorf("got %+v, want the second, in the place of the first", s)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// TestAbsentKey: that no room has a state key is remembered until one has it, also by who looks at an older snapshot.
func TestAbsentKey(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		in := create(t, rooms, room.CreateRequest{Preset: "public_chat"})
		has := func(tx *sqldb.Tx) bool {
			now, err := rooms.Current(tx, in)
			if err != nil {
				t.Fatal(err)
			}
			s, err := rooms.StateEvent(tx, now[0].State, "org.example.key", "")
			if err != nil {
				t.Fatal(err)
			}
			return s != nil
		}
		read := func(fn func(tx *sqldb.Tx)) {
			if err := rooms.DB.Read(t.Context(), func(tx *sqldb.Tx) error { fn(tx); return nil }); err != nil {
				t.Fatal(err)
			}
		}
		read(func(tx *sqldb.Tx) {
			if has(tx) {
				t.Error("it has a key that nobody has set")
			}
			if _, err := rooms.SetState(t.Context(), as(alice), in, "org.example.key", "", []byte(`{}`)); err != nil {
				t.Fatal(err)
			}
			if has(tx) {
				t.Error("an older snapshot has it")
			}
		})
		read(func(tx *sqldb.Tx) {
			if !has(tx) {
				t.Error("the key is not found")
			}
		})
	})
}
