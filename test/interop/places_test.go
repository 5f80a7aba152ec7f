package interop

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// A room moves on to a new version, and its people follow.
func TestUpgrade(t *testing.T) {
	story(t, func(t *testing.T, here, there *server) {
		alice, bob := here.Person(t, "alice"), there.Person(t, "bob")
		wish := public("the old house")
		wish.RoomVersion = id.RoomV10
		next := newest(t, here, there)
		old := alice.Creates(wish)
		bob.Joins(old.String(), here)
		alice.SeesMember(old, bob, event.MembershipJoin)

		var moved struct {
			Room id.RoomID `json:"replacement_room"`
		}
		_, err := alice.client.MakeRequest(alice.ctx, http.MethodPost, alice.client.BuildClientURL("v3", "rooms", old, "upgrade"),
			map[string]string{"new_version": string(next)}, &moved)
		alice.must("upgrade", err)
		e := bob.SeesState(old, event.StateTombstone, "", "where the room went", func(*event.Event) bool { return true })
		if got := e.Content.AsTombstone().ReplacementRoom; got != moved.Room {
			t.Fatalf("the room went to %s, want %s", got, moved.Room)
		}
		bob.SeesState(old, event.StatePowerLevels, "", "that the old room is for reading only", func(e *event.Event) bool {
			return e.Content.AsPowerLevels().EventsDefault > 0
		})
		_, err = bob.client.SendText(bob.ctx, old, "hello?")
		bob.refused("speak in a room that has moved", err, http.StatusForbidden)

		bob.Joins(moved.Room.String(), here)
		alice.Is(moved.Room, event.MembershipJoin)
		alice.SeesMember(moved.Room, bob, event.MembershipJoin)
		create := bob.rooms[moved.Room].state[event.StateCreate][""]
		if create == nil || create.Content.AsCreate().Predecessor == nil || create.Content.AsCreate().Predecessor.RoomID != old {
			t.Errorf("the new room does not say where it comes from: %v", create)
		}
		bob.Says(moved.Room, "nice and new")
		alice.Sees(moved.Room, "nice and new")
		bob.SeesName(moved.Room, "the old house")
		agree(t, moved.Room, alice, bob)
	})
}

// A space has rooms of both servers; who may see them sees them.
func TestSpace(t *testing.T) {
	story(t, func(t *testing.T, here, there *server) {
		alice, bob := here.Person(t, "alice"), there.Person(t, "bob")
		wish := public("the town")
		wish.CreationContent = map[string]any{"type": "m.space"}
		town := alice.Creates(wish)
		square := alice.Creates(public("the square"))
		cellar := alice.Creates(private("the cellar"))
		garden := bob.Creates(public("the garden"))
		for _, child := range []struct {
			room id.RoomID
			at   *server
		}{{square, here}, {cellar, here}, {garden, there}} {
			_, err := alice.client.SendStateEvent(alice.ctx, town, event.StateSpaceChild, child.room.String(),
				&event.SpaceChildEventContent{Via: []string{child.at.Name}})
			alice.must("add a room to the space", err)
		}

		bob.Joins(town.String(), here)
		for _, p := range []struct {
			who  *person
			sees []id.RoomID
		}{{alice, []id.RoomID{town, square, cellar, garden}}, {bob, []id.RoomID{town, square, garden}}} {
			var got []id.RoomID
			p.who.until("the rooms of the space", func() bool {
				resp, err := p.who.client.Hierarchy(p.who.ctx, town, nil)
				p.who.must("look at the space", err)
				got = nil
				for _, r := range resp.Rooms {
					got = append(got, r.RoomID)
				}
				slices.Sort(got)
				slices.Sort(p.sees)
				return slices.Equal(got, p.sees) || len(got) >= len(p.sees)
			})
			if !slices.Equal(got, p.sees) {
				t.Errorf("%s sees %v, want %v", p.who.name, got, p.sees)
			}
		}
		bob.Joins(square.String(), here)
		alice.SeesMember(square, bob, event.MembershipJoin)
	})
}

// The list of a server's rooms is read from the other one, and searched.
func TestPublicRooms(t *testing.T) {
	story(t, func(t *testing.T, here, there *server) {
		alice, bob := here.Person(t, "alice"), there.Person(t, "bob")
		wish := public("the fair of " + alice.id().Localpart())
		wish.Visibility, wish.Topic = "public", "every Sunday"
		room := alice.Creates(wish)

		all, err := bob.client.PublicRooms(bob.ctx, &mautrix.ReqPublicRooms{Server: here.Name, Limit: 100})
		bob.must("read the list", err)
		if !slices.ContainsFunc(all.Chunk, func(r *mautrix.PublicRoomInfo) bool { return r.RoomID == room }) {
			t.Errorf("the room is not among %d in the list", len(all.Chunk))
		}
		var found mautrix.RespPublicRooms
		_, err = bob.client.MakeRequest(bob.ctx, http.MethodPost,
			bob.client.BuildURLWithQuery(mautrix.ClientURLPath{"v3", "publicRooms"}, map[string]string{"server": here.Name}),
			map[string]any{"filter": map[string]string{"generic_search_term": alice.id().Localpart()}, "limit": 10}, &found)
		bob.must("search the list", err)
		if len(found.Chunk) != 1 || found.Chunk[0].RoomID != room || found.Chunk[0].Topic != "every Sunday" || found.Chunk[0].NumJoinedMembers != 1 {
			t.Errorf("got %+v, want the room alone", found.Chunk)
		}
		bob.Joins(room.String(), here)
		alice.SeesMember(room, bob, event.MembershipJoin)
	})
}

// Who comes late reads what was said before.
func TestHistory(t *testing.T) {
	story(t, func(t *testing.T, here, there *server) {
		alice, bob := here.Person(t, "alice"), there.Person(t, "bob")
		room := alice.Creates(public("the library"))
		var want []string
		for _, text := range numbered("page", 55) {
			alice.Says(room, text)
			want = append(want, text)
		}
		alice.Names(room, "the great library")

		bob.Joins(room.String(), here)
		if got := bob.Texts(room); !slices.Equal(got, want) {
			t.Errorf("bob reads %q, want %q", got, want)
		}
		bob.Says(room, "I have read it all")
		alice.Sees(room, "I have read it all")

		first, err := bob.client.TimestampToEvent(bob.ctx, room, time.UnixMilli(alice.rooms[room].timeline[0].Timestamp), mautrix.DirectionForward)
		bob.must("find the beginning", err)
		if first.EventID == "" {
			t.Error("no event at the beginning")
		}
		agree(t, room, alice, bob)
	})
}
