package directory

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"freehold.example/core/room"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

func publish(t *testing.T, d *Directory, in id.Room) id.Room {
	t.Helper()
	if err := d.SetPublished(t.Context(), as(alice), in, true); err != nil {
		t.Fatal(err)
	}
	return in
}

func search(t *testing.T, d *Directory, q Query) *csapi.PublicRoomsResponse {
	t.Helper()
	got, err := d.Search(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestSearch(t *testing.T) {
	each(t, func(t *testing.T, d *Directory) {
		full := publish(t, d, makeRoom(t, d, room.CreateRequest{
			Name: "Кухня", Topic: "all about Teapots", Alias: "#kitchen:s1",
			CreationContent: map[string]json.RawMessage{"type": json.RawMessage(`"m.space"`)},
			InitialState: []room.StateEntry{
				{Type: "m.room.history_visibility", Content: json.RawMessage(`{"history_visibility":"world_readable"}`)},
				{Type: "m.room.guest_access", Content: json.RawMessage(`{"guest_access":"can_join"}`)},
				{Type: "m.room.avatar", Content: json.RawMessage(`{"url":"mxc://s1/a"}`)},
			},
		}))
		join(t, d, full, bob)
		plain := publish(t, d, makeRoom(t, d, room.CreateRequest{}))
		knock := publish(t, d, makeRoom(t, d, room.CreateRequest{InitialState: []room.StateEntry{
			{Type: "m.room.join_rules", Content: json.RawMessage(`{"join_rule":"knock"}`)},
		}}))
		makeRoom(t, d, room.CreateRequest{Name: "not published"})
		empty := publish(t, d, makeRoom(t, d, room.CreateRequest{}))
		if err := d.Rooms.Leave(t.Context(), as(alice).Caller, empty, ""); err != nil {
			t.Fatal(err)
		}

		got := search(t, d, Query{})
		if got.Total != 3 || len(got.Chunk) != 3 || got.NextBatch != "" || got.PrevBatch != "" {
			t.Fatalf("got %+v, want three rooms on one page", got)
		}
		want := csapi.PublicRoom{ // B320
			Room: full, Name: "Кухня", Topic: "all about Teapots", CanonicalAlias: "#kitchen:s1", AvatarURL: "mxc://s1/a",
			JoinRule: "public", RoomType: "m.space", JoinedMembers: 2, WorldReadable: true, GuestCanJoin: true,
		}
		if got.Chunk[0] != want {
			t.Errorf("got %+v, want %+v", got.Chunk[0], want)
		}
		for _, p := range got.Chunk[1:] {
			want := csapi.PublicRoom{Room: plain, JoinRule: "public", JoinedMembers: 1}
			if p.Room == knock {
				want.Room, want.JoinRule = knock, "knock" // B321
			}
			if p != want {
				t.Errorf("got %+v, want %+v", p, want)
			}
		}

		space := "m.space"
		for _, c := range []struct {
			filter csapi.RoomFilter
			want   int
		}{
			{csapi.RoomFilter{Term: "teapot"}, 1}, // B319
			{csapi.RoomFilter{Term: "КУХ"}, 1},
			{csapi.RoomFilter{Term: "kitchen"}, 1},
			{csapi.RoomFilter{Term: "nothing"}, 0},
			{csapi.RoomFilter{Types: []*string{nil}}, 2},
			{csapi.RoomFilter{Types: []*string{&space}}, 1},
			{csapi.RoomFilter{Types: []*string{nil, &space}}, 3},
			{csapi.RoomFilter{Types: []*string{}}, 0},
		} {
			if got := search(t, d, Query{Filter: c.filter}); len(got.Chunk) != c.want || got.Chunk == nil {
				t.Errorf("%+v: got %d rooms, want %d", c.filter, len(got.Chunk), c.want)
			}
		}

		join(t, d, plain, bob) // a summary that is known changes
		join(t, d, plain, carol)
		if got := search(t, d, Query{}); got.Chunk[0].Room != plain || got.Chunk[0].JoinedMembers != 3 {
			t.Errorf("got %+v, want %s with three members first", got.Chunk[0], plain)
		}
		_, err := d.Search(t.Context(), Query{Server: "elsewhere"})
		wantFault(t, err, fault.NotFound)
		_, err = d.Search(t.Context(), Query{Since: "nonsense"})
		wantFault(t, err, fault.InvalidParam)
	})
}

// walk reads the whole list page by page, by the token that next picks.
func walk(t *testing.T, all []csapi.PublicRoom, p *csapi.PublicRoomsResponse, next func(*csapi.PublicRoomsResponse) string) (rooms []id.Room, last *csapi.PublicRoomsResponse) {
	t.Helper()
	for {
		for _, r := range p.Chunk {
			rooms = append(rooms, r.Room)
		}
		token := next(p)
		if token == "" {
			return rooms, p
		}
		at, err := parseCursor(token)
		if err != nil {
			t.Fatal(err)
		}
		p = page(all, at, 3)
	}
}

func TestPage(t *testing.T) {
	var all []csapi.PublicRoom
	for i := range 10 {
		all = append(all, csapi.PublicRoom{Room: id.Room(fmt.Sprintf("!%c:s1", 'a'+i)), JoinedMembers: 10 - i/3})
	}
	forward, last := walk(t, all, page(all, cursor{}, 3), func(p *csapi.PublicRoomsResponse) string { return p.NextBatch })
	back, _ := walk(t, all, last, func(p *csapi.PublicRoomsResponse) string { return p.PrevBatch })
	slices.Sort(back)
	if len(forward) != 10 || !slices.IsSorted(forward) || !slices.Equal(forward, back) {
		t.Errorf("got %v forward and %v back, want all of them once", forward, back)
	}
	// A room that has gone, or has another size now, is still a place in the list.
	p := page(slices.Delete(slices.Clone(all), 2, 3), cursor{joined: all[2].JoinedMembers, room: all[2].Room}, 1)
	if len(p.Chunk) != 1 || p.Chunk[0].Room != all[3].Room {
		t.Errorf("got %v, want the room after the one that has gone", p.Chunk)
	}
	if p := page(nil, cursor{}, 0); p.Chunk == nil || len(p.Chunk) != 0 {
		t.Errorf("got %v, want an empty list", p.Chunk)
	}
}

func FuzzCursor(f *testing.F) {
	f.Add(cursor{joined: 3, room: "!a:s1"}.String())
	f.Add(cursor{back: true, room: "!a"}.String())
	f.Add("bg")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := parseCursor(s)
		if err != nil || c.room == "" {
			return
		}
		again, err := parseCursor(c.String())
		if err != nil || again != c {
			t.Errorf("got %+v (%v), want %+v", again, err, c)
		}
	})
}
