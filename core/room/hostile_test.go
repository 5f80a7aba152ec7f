package room_test

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// A client that writes its own member event cannot vouch for itself in the name of a member: this server's signature on
// join_authorised_via_users_server says that it has looked.
func TestRestrictedJoinCannotBeForged(t *testing.T) {
	contents := []string{
		`{"membership":"join","join_authorised_via_users_server":"@alice:a.test"}`,
		`{"membership":"join","join_authorised\u005fvia_users_server":"@alice:a.test"}`,
		`{"membership":"join","join_authorised_via_users_server":"@alice:a.test","join_authorised_via_users_server":"@alice:a.test"}`,
	}
	each(t, func(t *testing.T, rooms *room.Rooms) {
		for _, v := range version.All() {
			if !v.RestrictedJoin {
				continue
			}
			in := create(t, rooms, room.CreateRequest{Version: v.ID, InitialState: []room.StateEntry{{
				Type:    "m.room.join_rules",
				Content: json.RawMessage(`{"join_rule":"restricted","allow":[{"type":"m.room_membership","room_id":"!other:a.test"}]}`),
			}}})
			for _, content := range contents {
				_, err := rooms.SetState(t.Context(), as(bob), in, "m.room.member", string(bob), []byte(content))
				if !fault.Is(err, fault.Forbidden) {
					t.Errorf("version %s: %s: got error %v, want %s", v.ID, content, err, fault.Forbidden)
				}
			}
		}
	})
}

// What no event can have as its type or state key is refused before it is written anywhere; PostgreSQL could not even
// index it.
func TestLongStateKeyIsRefused(t *testing.T) {
	noise := make([]byte, 20_000)
	rand.Read(noise)
	long := hex.EncodeToString(noise) // cannot be compressed into an index entry
	each(t, func(t *testing.T, rooms *room.Rooms) {
		in := create(t, rooms, room.CreateRequest{})
		for _, key := range []struct{ typ, state string }{{"x.y", long}, {long, ""}, {"x.y", long[:256]}, {long[:256], ""}} {
			if _, err := rooms.SetState(t.Context(), as(alice), in, key.typ, key.state, []byte(`{}`)); !fault.Is(err, fault.TooLarge) {
				t.Errorf("type of %d bytes, state key of %d: got error %v, want %s", len(key.typ), len(key.state), err, fault.TooLarge)
			}
			_, err := rooms.Create(t.Context(), as(alice), room.CreateRequest{
				InitialState: []room.StateEntry{{Type: key.typ, StateKey: key.state, Content: json.RawMessage(`{}`)}},
			})
			if !fault.Is(err, fault.TooLarge) {
				t.Errorf("initial type of %d bytes, state key of %d: got error %v, want %s", len(key.typ), len(key.state), err, fault.TooLarge)
			}
		}
		if _, err := rooms.SetState(t.Context(), as(alice), in, long[:255], long[:255], []byte(`{}`)); err != nil {
			t.Errorf("type and state key of 255 bytes: %v", err)
		}
	})
}

// A token says where to look, and anybody can write one: the members of before the user came are not told where the history
// of before is not.
func TestMembersBeforeOnesTime(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		in := create(t, rooms, room.CreateRequest{InitialState: []room.StateEntry{
			{Type: "m.room.history_visibility", Content: json.RawMessage(`{"history_visibility":"joined"}`)},
			{Type: "m.room.join_rules", Content: json.RawMessage(`{"join_rule":"public"}`)},
		}})
		ok := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		ok(rooms.Join(t.Context(), as(carol), in, "", nil))
		ok(rooms.Leave(t.Context(), as(carol), in, ""))
		ok(rooms.Join(t.Context(), as(bob), in, "", nil))
		send(t, rooms, in, alice, "hello", "1")
		for at := range rooms.DB.Committed() + 1 {
			for _, user := range []id.User{alice, bob} {
				err := rooms.View(t.Context(), in, user, func(tx *sqldb.Tx, v *room.Viewer) error {
					root, err := v.RootAt(room.StreamToken(at))
					if err != nil {
						return err
					}
					e, err := rooms.StateEvent(tx, root, "m.room.member", string(carol))
					if err == nil && user == bob && e != nil && e.Membership() != "leave" {
						t.Errorf("at %d: %s is told that %s was in the room", at, user, carol)
					}
					return err
				})
				if err != nil {
					t.Errorf("at %d: %s: %v", at, user, err)
				}
			}
		}
	})
}
