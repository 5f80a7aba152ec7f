package room_test

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"testing"

	"freehold.example/core/room"
	"freehold.example/matrix/fault"
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
