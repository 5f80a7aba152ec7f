package room_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// child is a message that relates to another event.
func child(rel string, parent id.Event, more string) room.Draft {
	return room.Draft{Type: "m.room.message", Content: fmt.Appendf(nil,
		`{"msgtype":"m.text","body":"x"%s,"m.relates_to":{"rel_type":%q,"event_id":%q}}`, more, rel, parent)}
}

func reaction(parent id.Event, key string) room.Draft {
	return room.Draft{Type: "m.reaction", Content: fmt.Appendf(nil,
		`{"m.relates_to":{"rel_type":"m.annotation","event_id":%q,"key":%q}}`, parent, key)}
}

func sendDraft(t *testing.T, rooms *room.Rooms, in id.Room, u id.User, d room.Draft) id.Event {
	t.Helper()
	sent, err := rooms.Send(t.Context(), as(u), in, d, "")
	if err != nil {
		t.Fatalf("send %s: %v", d.Content, err)
	}
	return sent
}

// bundleOf is unsigned."m.relations" of an event as a user sees it.
func bundleOf(t *testing.T, rooms *room.Rooms, in id.Room, u id.User, e id.Event, ignored ...id.User) map[string]json.RawMessage {
	t.Helper()
	form := room.Form{Caller: as(u), Bundle: true, Ignored: map[id.User]bool{}}
	for _, other := range ignored {
		form.Ignored[other] = true
	}
	var shown struct {
		Unsigned struct {
			Relations map[string]json.RawMessage `json:"m.relations"`
		}
	}
	err := rooms.ReadEvent(t.Context(), u, in, e, func(tx *sqldb.Tx, v *room.Viewer, s *room.Stored) error {
		form.Viewer = v
		out, err := rooms.Render(tx, []*room.Stored{s}, form)
		if err != nil {
			return err
		}
		return json.Unmarshal(out[0], &shown)
	})
	if err != nil {
		t.Fatal(err)
	}
	return shown.Unsigned.Relations
}

type threadSummary struct {
	Count        int  `json:"count"`
	Participated bool `json:"current_user_participated"`
	Latest       struct {
		ID       id.Event `json:"event_id"`
		Unsigned struct {
			Relations map[string]struct {
				ID id.Event `json:"event_id"`
			} `json:"m.relations"`
		}
	} `json:"latest_event"`
}

func threadOf(t *testing.T, rooms *room.Rooms, in id.Room, u id.User, root id.Event, ignored ...id.User) (s threadSummary) {
	t.Helper()
	raw := bundleOf(t, rooms, in, u, root, ignored...)["m.thread"]
	if raw == nil {
		return s
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func related(t *testing.T, rooms *room.Rooms, q room.RelationsRequest) (events []id.Event, page room.Page) {
	t.Helper()
	err := rooms.Relations(t.Context(), q, func(_ *sqldb.Tx, _ *room.Viewer, p *room.Page) error {
		page, events = *p, nil
		for _, s := range p.Events {
			events = append(events, s.Event.ID())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return events, page
}

func threads(t *testing.T, rooms *room.Rooms, q room.ThreadsRequest) (roots []id.Event, end *room.Token) {
	t.Helper()
	if q.Ignored == nil {
		q.Ignored = func(*sqldb.Tx) (map[id.User]bool, error) { return nil, nil }
	}
	err := rooms.Threads(t.Context(), q, func(_ *sqldb.Tx, _ *room.Viewer, _ map[id.User]bool, p *room.Page) error {
		roots, end = nil, p.End
		for _, s := range p.Events {
			roots = append(roots, s.Event.ID())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return roots, end
}

func talkRoom(t *testing.T, rooms *room.Rooms, others ...id.User) id.Room {
	t.Helper()
	in := create(t, rooms, room.CreateRequest{Preset: "public_chat"})
	for _, u := range others {
		if err := rooms.Join(t.Context(), as(u), in, "", nil); err != nil {
			t.Fatal(err)
		}
	}
	return in
}

func TestThreadSummary(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		in := talkRoom(t, rooms, bob, carol)
		root := send(t, rooms, in, alice, "root", "")
		if got := bundleOf(t, rooms, in, alice, root); got != nil {
			t.Errorf("before the first reply: %s", got)
		}
		first := sendDraft(t, rooms, in, bob, child("m.thread", root, ""))
		second := sendDraft(t, rooms, in, bob, child("m.thread", root, ""))
		edit := sendDraft(t, rooms, in, bob, child("m.replace", second, `,"m.new_content":{"body":"y"}`))
		for u, want := range map[id.User]bool{alice: true, bob: true, carol: false} {
			got := threadOf(t, rooms, in, u, root)
			if got.Count != 2 || got.Latest.ID != second || got.Participated != want {
				t.Errorf("%s sees %+v", u, got)
			}
			if got.Latest.Unsigned.Relations["m.replace"].ID != edit {
				t.Errorf("the newest reply is shown without its edit: %+v", got)
			}
		}
		if got := threadOf(t, rooms, in, alice, root, bob); got.Count != 0 {
			t.Errorf("who ignores all that reply sees %+v", got)
		}
		if _, err := rooms.Redact(t.Context(), as(bob), in, second, []byte("{}"), ""); err != nil {
			t.Fatal(err)
		}
		if got := threadOf(t, rooms, in, alice, root); got.Count != 1 || got.Latest.ID != first {
			t.Errorf("after a redaction: %+v", got)
		}
		if _, err := rooms.Redact(t.Context(), as(bob), in, first, []byte("{}"), ""); err != nil {
			t.Fatal(err)
		}
		if got := bundleOf(t, rooms, in, alice, root); got != nil {
			t.Errorf("after the last redaction: %s", got)
		}
		if got, _ := threads(t, rooms, room.ThreadsRequest{Room: in, User: alice, Limit: 10}); got != nil {
			t.Errorf("threads: %v", got)
		}
	})
}

func TestWhichEditCounts(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		in := talkRoom(t, rooms, bob)
		said := send(t, rooms, in, alice, "one", "")
		newest := func() (got id.Event) {
			var e struct {
				ID id.Event `json:"event_id"`
			}
			if raw := bundleOf(t, rooms, in, bob, said)["m.replace"]; raw != nil {
				if err := json.Unmarshal(raw, &e); err != nil {
					t.Fatal(err)
				}
			}
			return e.ID
		}
		const with = `,"m.new_content":{"body":"two"}`
		sendDraft(t, rooms, in, bob, child("m.replace", said, with)) // not hers
		sendDraft(t, rooms, in, alice, child("m.replace", said, "")) // nothing new in it
		other := child("m.replace", said, with)
		other.Type = "m.sticker"
		sendDraft(t, rooms, in, alice, other)
		if got := newest(); got != "" {
			t.Errorf("got %s of edits that are none", got)
		}
		first := sendDraft(t, rooms, in, alice, child("m.replace", said, with))
		next := child("m.replace", said, with)
		next.Timestamp = time.Now().Add(time.Second).UnixMilli() // not in the millisecond of the first, where their ids decide
		second := sendDraft(t, rooms, in, alice, next)
		late := child("m.replace", said, with)
		late.Timestamp = 1000 // it arrives last, and says that it is older
		sendDraft(t, rooms, in, alice, late)
		sendDraft(t, rooms, in, alice, child("m.replace", first, with))
		if got := newest(); got != second {
			t.Errorf("got %s, want %s", got, second)
		}
		if got := bundleOf(t, rooms, in, bob, first); got != nil {
			t.Errorf("an edit was edited: %s", got)
		}
		if _, err := rooms.Redact(t.Context(), as(alice), in, second, []byte("{}"), ""); err != nil {
			t.Fatal(err)
		}
		if got := newest(); got != first {
			t.Errorf("after a redaction: got %s, want %s", got, first)
		}
		if _, err := rooms.Redact(t.Context(), as(alice), in, said, []byte("{}"), ""); err != nil {
			t.Fatal(err)
		}
		if got := newest(); got != "" {
			t.Errorf("a redacted event has the edit %s", got)
		}
	})
}

func TestReferences(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		in, elsewhere := talkRoom(t, rooms), talkRoom(t, rooms)
		said := send(t, rooms, in, alice, "one", "")
		a := sendDraft(t, rooms, in, alice, child("m.reference", said, ""))
		b := sendDraft(t, rooms, in, alice, child("m.reference", said, ""))
		sendDraft(t, rooms, elsewhere, alice, child("m.reference", said, ""))
		sendDraft(t, rooms, in, alice, reaction(said, "👍"))
		got := bundleOf(t, rooms, in, alice, said)
		want := fmt.Sprintf(`{"chunk":[{"event_id":%q},{"event_id":%q}]}`, a, b)
		if len(got) != 1 || string(got["m.reference"]) != want {
			t.Errorf("got %s, want %s", got, want)
		}
		all, _ := related(t, rooms, room.RelationsRequest{Room: in, User: alice, Parent: said, Limit: 10})
		if len(all) != 3 {
			t.Errorf("of a room and another, got %v", all)
		}
	})
}

func TestRelationsOfRelations(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		in := talkRoom(t, rooms)
		said := send(t, rooms, in, alice, "one", "")
		line := []id.Event{said}
		for range 4 {
			line = append(line, sendDraft(t, rooms, in, alice, child("org.example", line[len(line)-1], "")))
		}
		got, _ := related(t, rooms, room.RelationsRequest{Room: in, User: alice, Parent: said, Recurse: true, Forward: true, Limit: 10})
		if !slices.Equal(got, line[1:4]) {
			t.Errorf("got %v, want three generations %v", got, line[1:4])
		}
	})
}

func TestAnnotationsOnce(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		in := talkRoom(t, rooms, bob)
		said := send(t, rooms, in, alice, "one", "")
		like, err := rooms.Send(t.Context(), as(alice), in, reaction(said, "👍"), "txn")
		if err != nil {
			t.Fatal(err)
		}
		sendDraft(t, rooms, in, bob, reaction(said, "👍"))
		sendDraft(t, rooms, in, alice, reaction(said, "👎"))
		if _, err := rooms.Send(t.Context(), as(alice), in, reaction(said, "👍"), "other"); !fault.Is(err, fault.DuplicateAnnotation) {
			t.Errorf("the same again: got %v", err)
		}
		after := newRooms(t, rooms.DB) // as after a restart
		if again, err := after.Send(t.Context(), as(alice), in, reaction(said, "👍"), "txn"); again != like || err != nil {
			t.Errorf("the same request again: got %s, %v", again, err)
		}
		if _, err := rooms.Redact(t.Context(), as(alice), in, like, []byte("{}"), ""); err != nil {
			t.Fatal(err)
		}

		const n = 8
		errs := make(chan error)
		for range n {
			go func() {
				_, err := rooms.Send(t.Context(), as(alice), in, reaction(said, "👍"), "")
				errs <- err
			}()
		}
		done := 0
		for range n {
			err := <-errs
			if err == nil {
				done++
			} else if !fault.Is(err, fault.DuplicateAnnotation) {
				t.Errorf("at the same time: %v", err)
			}
		}
		if done != 1 {
			t.Errorf("%d of %d annotations at the same time were taken, want 1", done, n)
		}
	})
}

func TestThreadsOnlyOnRoots(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		in := talkRoom(t, rooms, bob)
		root := send(t, rooms, in, alice, "root", "")
		reply := sendDraft(t, rooms, in, bob, child("m.thread", root, ""))
		_, err := rooms.Send(t.Context(), as(alice), in, child("m.thread", reply, ""), "")
		if f := new(fault.Fault); !fault.Is(err, fault.Unknown) || f == nil {
			t.Errorf("a thread on a reply in a thread: got %v", err)
		}
	})
}

func TestThreadsInTheirOrder(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		in := talkRoom(t, rooms, bob)
		var roots []id.Event
		for i := range 5 {
			root := send(t, rooms, in, alice, fmt.Sprint(i), "")
			sendDraft(t, rooms, in, alice, child("m.thread", root, ""))
			roots = append([]id.Event{root}, roots...)
		}
		sendDraft(t, rooms, in, bob, child("m.thread", roots[3], ""))
		roots = []id.Event{roots[3], roots[0], roots[1], roots[2], roots[4]}
		var got []id.Event
		q := room.ThreadsRequest{Room: in, User: bob, Limit: 2}
		for range 10 {
			page, end := threads(t, rooms, q)
			got = append(got, page...)
			if q.From = end; end == nil {
				break
			}
		}
		if !slices.Equal(got, roots) {
			t.Errorf("got %v, want %v", got, roots)
		}
		q = room.ThreadsRequest{Room: in, User: bob, Limit: 5, Participated: true}
		if got, end := threads(t, rooms, q); !slices.Equal(got, roots[:1]) || end != nil {
			t.Errorf("participated: got %v, %v", got, end)
		}
	})
}

// Who has left sees of a thread what was there when she did.
func TestThreadAfterLeaving(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		in := talkRoom(t, rooms, bob)
		root := send(t, rooms, in, alice, "root", "")
		seen := sendDraft(t, rooms, in, alice, child("m.thread", root, ""))
		if err := rooms.Leave(t.Context(), as(bob), in, ""); err != nil {
			t.Fatal(err)
		}
		sendDraft(t, rooms, in, alice, child("m.thread", root, ""))
		if got := threadOf(t, rooms, in, bob, root); got.Count != 1 || got.Latest.ID != seen {
			t.Errorf("got %+v", got)
		}
		if got, _ := related(t, rooms, room.RelationsRequest{Room: in, User: bob, Parent: root, Limit: 10}); !slices.Equal(got, []id.Event{seen}) {
			t.Errorf("relations: got %v", got)
		}
	})
}
