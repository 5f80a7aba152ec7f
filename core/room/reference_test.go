package room_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// answering is a message that answers another by m.relationship.
func answering(parent id.Event) room.Draft {
	return room.Draft{Type: "m.room.message", Content: fmt.Appendf(nil,
		`{"body":"x","m.relationship":{"rel_type":"m.reference","event_id":%q}}`, parent)}
}

func references(t *testing.T, rooms *room.Rooms, q room.ReferencesRequest) (events []id.Event, children map[room.NID][]byte, limited bool) {
	t.Helper()
	_, _, err := rooms.References(t.Context(), q, func(_ *sqldb.Tx, _ *room.Viewer, found []*room.Stored, of map[room.NID][]byte, more bool) error {
		events, children, limited = nil, of, more
		for _, s := range found {
			events = append(events, s.Event.ID())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return events, children, limited
}

// Of what answers an event a user sees what she may see of the room, and follows nothing else.
func TestReferencesAreSeen(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		in := talkRoom(t, rooms)
		if _, err := rooms.SetState(t.Context(), as(alice), in, "m.room.history_visibility", "", []byte(`{"history_visibility":"joined"}`)); err != nil {
			t.Fatal(err)
		}
		old := sendDraft(t, rooms, in, alice, answering("$elsewhere"))
		if err := rooms.Join(t.Context(), as(bob), in, "", nil); err != nil {
			t.Fatal(err)
		}
		root := sendDraft(t, rooms, in, alice, answering(old))
		reply := sendDraft(t, rooms, in, bob, answering(root))
		other := talkRoom(t, rooms, bob)
		sendDraft(t, rooms, other, bob, answering(root)) // an answer in another room
		loop := sendDraft(t, rooms, in, bob, answering(reply))

		q := room.ReferencesRequest{User: bob, Room: in, Event: root, Parent: true, Children: true, Depth: -1, Breadth: -1, Limit: 100, OldestFirst: true}
		got, children, limited := references(t, rooms, q)
		if want := []id.Event{root, reply, loop}; !slices.Equal(got, want) || limited {
			t.Errorf("bob: got %v, want %v", got, want)
		}
		n := 0
		for _, c := range children {
			n += bytes.Count(c, []byte(`"m.reference":1`))
		}
		if n != 2 {
			t.Errorf("got %d events with one child, want 2", n)
		}
		q.User = alice
		if got, _, _ := references(t, rooms, q); !slices.Equal(got, []id.Event{root, old, reply, loop}) {
			t.Errorf("alice: got %v", got)
		}
		q.User, q.Up = bob, true
		if got, _, _ := references(t, rooms, q); !slices.Equal(got, []id.Event{root, reply}) {
			t.Errorf("up, where bob sees nothing: got %v", got)
		}
		q.Event = old
		if _, _, err := rooms.References(t.Context(), q, nil); !fault.Is(err, fault.NotFound) {
			t.Errorf("got %v, want M_NOT_FOUND", err)
		}
	})
}

// A walk ends, however many events there are.
func TestReferencesAreBounded(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		in := talkRoom(t, rooms)
		root := sendDraft(t, rooms, in, alice, text("root"))
		at := root
		for i := range 130 {
			e := sendDraft(t, rooms, in, alice, answering(at))
			if i%2 == 0 {
				at = e
			}
		}
		for _, first := range []bool{true, false} {
			q := room.ReferencesRequest{User: alice, Event: root, Depth: -1, Breadth: -1, Limit: 1 << 30, DepthFirst: first}
			got, _, limited := references(t, rooms, q)
			if len(got) != 100 || !limited {
				t.Errorf("depth first %v: got %d, limited %v", first, len(got), limited)
			}
			slices.Sort(got)
			if len(slices.Compact(got)) != 100 {
				t.Errorf("depth first %v: an event is there twice", first)
			}
		}
	})
}
