package room_test

import (
	"encoding/json"
	"testing"

	"freehold.example/core/room"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// TestMemberEventsWrittenByClients: a member event put as state is one like another: in a restricted room the server
// vouches for who may join, and a repetition makes no event.
func TestMemberEventsWrittenByClients(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		allowed := create(t, rooms, room.CreateRequest{Preset: "public_chat"})
		in := create(t, rooms, room.CreateRequest{InitialState: []room.StateEntry{{
			Type:    "m.room.join_rules",
			Content: json.RawMessage(`{"join_rule":"restricted","allow":[{"type":"m.room_membership","room_id":"` + string(allowed) + `"}]}`),
		}}})
		put := func(by, of id.User, content string) (id.Event, error) {
			return rooms.SetState(t.Context(), as(by), in, "m.room.member", string(of), []byte(content))
		}
		if _, err := put(bob, bob, `{"membership":"join"}`); !fault.Is(err, fault.Forbidden) {
			t.Errorf("not in the allowed room: got error %v", err)
		}
		if err := rooms.Join(t.Context(), as(bob), allowed, "", nil); err != nil {
			t.Fatal(err)
		}
		first, err := put(bob, bob, `{"membership":"join","n":9007199254740991}`)
		if err != nil {
			t.Fatalf("in the allowed room: %v", err)
		}
		if _, err := put(bob, bob, `{"membership":"join","join_authorised_via_users_server":"x"}`); err != nil {
			t.Errorf("join to join: %v", err)
		}
		again, err := put(bob, bob, `{"membership":"join"}`)
		if err != nil || again == first {
			t.Errorf("got %s, %v", again, err)
		}
		if same, err := put(bob, bob, `{"membership":"join"}`); err != nil || same != again {
			t.Errorf("got %s, %v for a repetition, want %s", same, err, again)
		}
		for _, bad := range []struct {
			target  id.User
			content string
			code    fault.Code
		}{
			{"@mallory:elsewhere.test", `{"membership":"invite"}`, fault.Forbidden},
			{carol, `{"membership":"join"}`, fault.Forbidden},
			{carol, `{"membership":5}`, fault.BadJSON},
			{carol, `{}`, fault.BadJSON},
			{carol, `{"membership":"invite","n":1.5}`, fault.BadJSON},
			{"nobody", `{"membership":"invite"}`, fault.BadJSON},
		} {
			if _, err := put(alice, bad.target, bad.content); !fault.Is(err, bad.code) {
				t.Errorf("%s of %s: got error %v, want %s", bad.content, bad.target, err, bad.code)
			}
		}
	})
}

// TestProfileDoesNotRejoin: a change of name that comes after the leave brings nobody back.
func TestProfileDoesNotRejoin(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		in := create(t, rooms, room.CreateRequest{Preset: "public_chat"})
		if err := rooms.Join(t.Context(), as(bob), in, "", nil); err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() {
			var err error
			for i := 0; i < 20 && err == nil; i++ {
				err = rooms.SetMemberProfile(t.Context(), bob, string(rune('a'+i)), "")
			}
			done <- err
		}()
		if err := rooms.Leave(t.Context(), as(bob), in, ""); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if is, err := rooms.IsMember(t.Context(), in, bob); is || err != nil {
			t.Errorf("got member %v, %v", is, err)
		}
	})
}

// TestRedactTwice: whose event it is does not change when it is redacted.
func TestRedactTwice(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		in := create(t, rooms, room.CreateRequest{Preset: "public_chat"})
		if err := rooms.Join(t.Context(), as(bob), in, "", nil); err != nil {
			t.Fatal(err)
		}
		mine, hers := send(t, rooms, in, bob, "mine", ""), send(t, rooms, in, alice, "hers", "")
		for range 2 {
			if _, err := rooms.Redact(t.Context(), as(bob), in, mine, []byte(`{}`), ""); err != nil {
				t.Error(err)
			}
			if _, err := rooms.Redact(t.Context(), as(bob), in, hers, []byte(`{}`), ""); !fault.Is(err, fault.Forbidden) {
				t.Errorf("got error %v, want %s", err, fault.Forbidden)
			}
		}
	})
}

// TestStrangersAreToldNothing: whoever is not in a room gets the same answer about members and others, and about state
// that she once set.
func TestStrangersAreToldNothing(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		in := create(t, rooms, room.CreateRequest{Preset: "public_chat", PowerLevels: map[string]json.RawMessage{"state_default": json.RawMessage("0")}})
		if err := rooms.Join(t.Context(), as(bob), in, "", nil); err != nil {
			t.Fatal(err)
		}
		name := func() error {
			_, err := rooms.SetState(t.Context(), as(bob), in, "com.example.name", "", []byte(`{"name":"n"}`))
			return err
		}
		if err := name(); err != nil {
			t.Fatal(err)
		}
		if err := rooms.Leave(t.Context(), as(bob), in, ""); err != nil {
			t.Fatal(err)
		}
		if err := name(); !fault.Is(err, fault.Forbidden) {
			t.Errorf("the same state again: got error %v", err)
		}
		member := rooms.Kick(t.Context(), as(bob), in, alice, "")
		stranger := rooms.Kick(t.Context(), as(bob), in, carol, "")
		if !fault.Is(member, fault.Forbidden) || member.Error() != stranger.Error() {
			t.Errorf("got %v about a member and %v about a stranger", member, stranger)
		}
	})
}
