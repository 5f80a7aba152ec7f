package room_test

import (
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/fault"
)

// TestForgottenStaysForgotten: what others do about someone who has gone and forgotten the room does not bring it back to
// her; an invitation does.
func TestForgottenStaysForgotten(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		in := create(t, rooms, room.CreateRequest{Preset: "public_chat"})
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		forgotten := func(stage string, want bool) {
			t.Helper()
			err := rooms.View(t.Context(), in, bob, func(*sqldb.Tx, *room.Viewer) error { return nil })
			if fault.Is(err, fault.Forbidden) != want {
				t.Errorf("%s: got error %v, want forgotten %v", stage, err, want)
			}
		}
		must(rooms.Join(t.Context(), as(bob), in, "", nil))
		must(rooms.Leave(t.Context(), as(bob), in, ""))
		forgotten("left", false)
		must(rooms.Forget(t.Context(), bob, in))
		forgotten("forgotten", true)
		must(rooms.Ban(t.Context(), as(alice), in, bob, ""))
		forgotten("banned", true)
		must(rooms.Unban(t.Context(), as(alice), in, bob, ""))
		forgotten("unbanned", true)
		must(rooms.Join(t.Context(), as(bob), in, "", nil))
		forgotten("joined again", false)
	})
}

// TestNULsInContent: what a content names is looked up, and PostgreSQL has no NUL in its texts.
func TestNULsInContent(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		in := create(t, rooms, room.CreateRequest{Preset: "public_chat", Version: "11"})
		for _, d := range []room.Draft{
			{Type: "m.room.redaction", Content: []byte(`{"redacts":"$a\u0000b"}`)},
			{Type: "m.room.message", Content: []byte(`{"body":"a\u0000b"}`)},
		} {
			if _, err := rooms.Send(t.Context(), as(alice), in, d, ""); err != nil {
				t.Errorf("%s: %v", d.Content, err)
			}
		}
		for _, content := range []string{
			`{"membership":"join","join_authorised_via_users_server":"@a\u0000b:a.test"}`,
			`{"membership":"invite","third_party_invite":{"signed":{"token":"a\u0000b","mxid":"@bob:a.test"}}}`,
			`{"membership":"jo\u0000in"}`,
		} {
			_, err := rooms.SetState(t.Context(), as(alice), in, "m.room.member", string(bob), []byte(content))
			if !fault.Is(err, fault.Forbidden) {
				t.Errorf("%s: got error %v, want %s", content, err, fault.Forbidden)
			}
		}
	})
}
