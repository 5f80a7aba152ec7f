package room_test

import (
	"fmt"
	"slices"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/room"
	"freehold.example/core/schema"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// seenState is the topic in the state that a user may read, or the error.
func seenState(t *testing.T, rooms *room.Rooms, in id.Room, u id.User) (topic string, err error) {
	t.Helper()
	err = rooms.View(t.Context(), in, u, func(tx *sqldb.Tx, v *room.Viewer) error {
		root, err := v.State()
		if err != nil {
			return err
		}
		e, err := rooms.StateEvent(tx, root, "m.room.topic", "")
		if err == nil && e != nil {
			topic = string(e.Event.Content())
		}
		return err
	})
	return topic, err
}

// TestStateOfTheGone: who is out sees the state of when she left, whatever is done to her membership afterwards, and who
// never was in sees none.
func TestStateOfTheGone(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		ctx := t.Context()
		in := create(t, rooms, room.CreateRequest{Preset: "public_chat", Invite: []id.User{carol}})
		topic := func(content string) {
			t.Helper()
			if _, err := rooms.SetState(ctx, as(alice), in, "m.room.topic", "", []byte(content)); err != nil {
				t.Fatal(err)
			}
		}
		ok := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		before, after := `{"topic":"before"}`, `{"topic":"after"}`
		topic(before)
		ok(rooms.Join(ctx, as(bob), in, "", nil))
		ok(rooms.Leave(ctx, as(bob), in, ""))
		topic(after)
		ok(rooms.Leave(ctx, as(carol), in, ""))
		sees := func(what string) {
			t.Helper()
			if got, err := seenState(t, rooms, in, bob); got != before || err != nil {
				t.Errorf("%s: got %s, %v, want %s", what, got, err, before)
			}
		}
		sees("left")
		ok(rooms.Invite(ctx, as(alice), in, bob, ""))
		sees("invited again")
		ok(rooms.Leave(ctx, as(bob), in, ""))
		sees("turned it down")
		ok(rooms.Ban(ctx, as(alice), in, bob, ""))
		sees("banned")
		if got, err := seenState(t, rooms, in, carol); !fault.Is(err, fault.Forbidden) {
			t.Errorf("never in: got %s, %v, want M_FORBIDDEN", got, err)
		}
	})
}

// members lists who is in the member events of the state at a place, or the error.
func members(t *testing.T, rooms *room.Rooms, in id.Room, u id.User, at room.Token) (who []id.User, err error) {
	t.Helper()
	err = rooms.View(t.Context(), in, u, func(tx *sqldb.Tx, v *room.Viewer) error {
		root, err := v.RootAt(at)
		if err != nil {
			return err
		}
		events, err := rooms.MemberEvents(tx, root, func(string) bool { return true })
		for _, e := range events {
			key, _ := e.Event.StateKey()
			who = append(who, id.User(key))
		}
		return err
	})
	slices.Sort(who)
	return who, err
}

// TestStateOfUnseenPlaces: a token of before her time, which anybody can write, shows nobody the state of then.
func TestStateOfUnseenPlaces(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		ctx := t.Context()
		visibility := func(content string) room.CreateRequest {
			return room.CreateRequest{Preset: "public_chat", InitialState: []room.StateEntry{
				{Type: "m.room.history_visibility", Content: []byte(content)},
			}}
		}
		ok := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		in := create(t, rooms, visibility(`{"history_visibility":"joined"}`))
		ok(rooms.Join(ctx, as(bob), in, "", nil))
		ok(rooms.Leave(ctx, as(bob), in, ""))
		bobs := rooms.DB.Committed()
		ok(rooms.Join(ctx, as(carol), in, "", nil))
		for _, at := range []room.Token{room.StreamToken(0), room.StreamToken(bobs - 1), room.StreamToken(bobs)} {
			got, err := members(t, rooms, in, carol, at)
			if want := []id.User{alice, bob, carol}; err != nil || !slices.Equal(got, want) {
				t.Errorf("at %s: got %v, %v, want those of the join, %v", at, got, err, want)
			}
		}
		if got, err := members(t, rooms, in, alice, room.StreamToken(bobs)); err != nil || len(got) != 2 {
			t.Errorf("who was there then: got %v, %v", got, err)
		}
		// Invited, she may read what is said from now on, but not the room's state.
		in = create(t, rooms, visibility(`{"history_visibility":"invited"}`))
		ok(rooms.Invite(ctx, as(alice), in, bob, ""))
		if got, err := seenState(t, rooms, in, bob); !fault.Is(err, fault.Forbidden) {
			t.Errorf("invited: got %s, %v, want M_FORBIDDEN", got, err)
		}
		in = create(t, rooms, visibility(`{"history_visibility":"world_readable"}`))
		for _, who := range []id.User{alice, bob} {
			if _, err := seenState(t, rooms, in, who); err != nil {
				t.Errorf("open to the world: %v", err)
			}
		}
	})
}

// TestSharedUsers: whoever is joined to a room of hers, whatever their names; and of several users, everybody once.
func TestSharedUsers(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		odd := id.User("@two words @and:a.test")
		first := create(t, rooms, room.CreateRequest{Preset: "public_chat"})
		second := create(t, rooms, room.CreateRequest{Preset: "public_chat"})
		for u, in := range map[id.User]id.Room{bob: first, odd: first, carol: second} {
			if err := rooms.Join(t.Context(), as(u), in, "", nil); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []struct{ of, want []id.User }{
			{[]id.User{alice}, []id.User{alice, bob, carol, odd}},
			{[]id.User{odd}, []id.User{alice, bob, odd}},
			{[]id.User{bob, odd}, []id.User{alice, bob, odd}},
			{[]id.User{bob, carol, "@nobody:a.test"}, []id.User{alice, bob, carol, odd}},
			{[]id.User{"@nobody:a.test"}, nil},
		} {
			var got []id.User
			err := rooms.DB.Read(t.Context(), func(tx *sqldb.Tx) (err error) {
				got, err = rooms.SharedWith(tx, c.of)
				return err
			})
			slices.Sort(got)
			slices.Sort(c.want)
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("with %q: got %q, %v, want %q", c.of, got, err, c.want)
			}
		}
	})
}

// TestManyNames: whoever has had many names in a room sees what was said before she came without each of them being read.
func TestManyNames(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		writer := newRooms(t, db)
		in := create(t, writer, room.CreateRequest{Preset: "public_chat"})
		said := send(t, writer, in, alice, "before she came", "")
		if err := writer.Join(t.Context(), as(bob), in, "", nil); err != nil {
			t.Fatal(err)
		}
		key, since := string(bob), id.Event("")
		for i := range 50 {
			sendDraft(t, writer, in, bob, room.Draft{Type: "m.room.member", StateKey: &key, Content: fmt.Appendf(nil, `{"membership":"join","displayname":"%d"}`, i)})
			if i == 5 {
				since = send(t, writer, in, alice, "once she was there", "")
			}
		}
		rooms := newRooms(t, db) // one that has nothing in memory
		err := rooms.View(t.Context(), in, bob, func(tx *sqldb.Tx, v *room.Viewer) error {
			for e, want := range map[id.Event]string{said: "leave", since: "join"} {
				for range 2 {
					s, err := v.Event(e)
					if err != nil || s == nil {
						return err
					}
					if m, err := v.Membership(s, true); m != want || err != nil {
						t.Errorf("got %q, %v for what she was then, want %q", m, err, want)
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if got := rooms.Cached(); got > 30 {
			t.Errorf("%d events were read to know what she was then", got)
		}
		fresh := newRooms(t, db)
		if err := fresh.View(t.Context(), in, bob, func(_ *sqldb.Tx, v *room.Viewer) error { _, err := v.Event(said); return err }); err != nil {
			t.Error(err)
		}
		if got := fresh.Cached(); got > 10 {
			t.Errorf("%d events were read to know that she has joined since", got)
		}
	})
}
