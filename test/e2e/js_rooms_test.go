package e2e

import (
	"bytes"
	"image"
	"reflect"
	"slices"
	"testing"

	"maunium.net/go/mautrix/event"
)

// A space shows its rooms to those who may see them.
func TestJSSpace(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, h *house) {
		b := opensBrowser(t)
		alice, bob := h.Browses(b, "alice"), h.Browses(b, "bob")
		house := alice.Creates(with{
			"name": "house", "preset": "public_chat", "creation_content": with{"type": "m.space"},
		})
		cellar := alice.Creates(with{"name": "cellar", "preset": "private_chat"})
		floor := alice.Creates(with{"name": "floor", "preset": "public_chat", "creation_content": with{"type": "m.space"}})
		want := []listed{{Room: house, Name: "house", Space: true}}
		for _, name := range []string{"attic", "bath", "kitchen"} {
			room := alice.Creates(with{"name": name, "preset": "public_chat"})
			alice.Holds(house, room, with{"order": name, "suggested": name == "kitchen"})
			want = append(want, listed{Room: room, Name: name, Suggested: name == "kitchen"})
		}
		alice.Holds(house, cellar, with{"order": "cellar"})
		alice.Holds(house, floor, with{"order": "z"})
		below := alice.Creates(with{
			"name": "members of the house", "preset": "private_chat", "initial_state": []with{{
				"type":    "m.room.join_rules",
				"content": with{"join_rule": "restricted", "allow": []with{{"type": "m.room_membership", "room_id": house}}},
			}},
		})
		alice.Holds(floor, below, with{"order": "a"})
		want = append(want, listed{Room: floor, Name: "floor", Space: true}, listed{Room: below, Name: "members of the house"})

		bob.JoinsOpen(house)
		for _, p := range []*tab{alice, bob} {
			var space bool
			if p.does("isSpace", with{"room": house}, &space); !space {
				t.Errorf("%s does not show the house as a space", p.name)
			}
		}
		if got := bob.Hierarchy(house); !reflect.DeepEqual(got, want) {
			t.Errorf("bob's house:\ngot  %+v\nwant %+v", got, want)
		}
		if got := alice.Hierarchy(house); len(got) != len(want)+1 {
			t.Errorf("alice's house: got %+v, want the cellar too", got)
		}
		bob.JoinsOpen(below) // as a member of the house
		bob.Says(below, "I am in")
		alice.Sees(below, "I am in")
	})
}

// Somebody asks to be let in: once he is, once he is sent away.
func TestJSKnock(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, h *house) {
		b := opensBrowser(t)
		alice, bob := h.Browses(b, "alice"), h.Browses(b, "bob")
		room := alice.Creates(with{
			"name": "study", "preset": "private_chat",
			"initial_state": []with{
				{"type": "m.room.join_rules", "content": with{"join_rule": "knock"}},
				{"type": "m.room.encryption", "content": with{"algorithm": "m.megolm.v1.aes-sha2"}},
			},
		})
		bob.Knocks(room, "may I?")
		bob.Is(room, event.MembershipKnock)
		if got := alice.SeesKnock(room, bob); got != "may I?" {
			t.Errorf("alice sees the knock with %q", got)
		}
		alice.does("kicks", with{"room": room, "user": bob.user}, nil)
		bob.Is(room, event.MembershipLeave)

		bob.Knocks(room, "and now?")
		if got := alice.SeesKnock(room, bob); got != "and now?" {
			t.Errorf("alice sees the knock with %q", got)
		}
		alice.Invites(room, bob)
		bob.Joins(room)
		alice.SeesMember(room, bob, event.MembershipJoin)
		alice.Says(room, "come in")
		bob.Sees(room, "come in")
		bob.Says(room, "thank you")
		alice.Sees(room, "thank you")
	})
}

// A room goes on in another one, and everybody finds the way.
func TestJSUpgrade(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, h *house) {
		b := opensBrowser(t)
		alice, bob := h.Browses(b, "alice"), h.Browses(b, "bob")
		old := alice.Creates(with{
			"name": "old hall", "topic": "echoes", "preset": "public_chat", "room_version": "10",
			"initial_state": []with{{"type": "m.room.encryption", "content": with{"algorithm": "m.megolm.v1.aes-sha2"}}},
		})
		bob.JoinsOpen(old)
		alice.SeesMember(old, bob, event.MembershipJoin)
		alice.Says(old, "the roof leaks")
		bob.Sees(old, "the roof leaks")

		var next, found roomID
		alice.does("upgrades", with{"room": old, "version": "12"}, &next)
		bob.does("follows", with{"room": old}, &found)
		if found != next {
			t.Fatalf("bob is sent to %s, alice is in %s", found, next)
		}
		bob.JoinsOpen(next)
		alice.SeesMember(next, bob, event.MembershipJoin)
		for _, p := range []*tab{alice, bob} {
			p.SeesState(next, "m.room.name", "name", "old hall")
			p.SeesState(next, "m.room.topic", "topic", "echoes")
			p.SeesState(next, "m.room.encryption", "algorithm", "m.megolm.v1.aes-sha2")
			type version struct {
				Room    roomID
				Version string
			}
			var history []version
			p.does("history", with{"room": next}, &history)
			if want := []version{{old, "10"}, {next, "12"}}; !reflect.DeepEqual(history, want) {
				t.Errorf("%s: the history is %v, want %v", p.name, history, want)
			}
			var visible []roomID
			p.does("visible", nil, &visible)
			if !slices.Equal(visible, []roomID{next}) {
				t.Errorf("%s is shown the rooms %v, want %s alone", p.name, visible, next)
			}
		}
		bob.Says(next, "it is dry here")
		if e := alice.Sees(next, "it is dry here"); !e.Encrypted {
			t.Error("the new room is not encrypted")
		}
		err := bob.browser.ask(bob.name, "says", with{"room": old, "text": "is anybody here?"}, nil)
		if err == nil {
			t.Error("one can still talk in the old room")
		}
	})
}

// Pictures: sealed, which only the room can open, and open ones with their thumbnails.
func TestJSMedia(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, h *house) {
		b := opensBrowser(t)
		alice, bob := h.Browses(b, "alice"), h.Browses(b, "bob")
		room := alice.CreatesEncrypted("gallery")
		alice.Invites(room, bob)
		bob.Joins(room)
		alice.SeesMember(room, bob, event.MembershipJoin)

		cat := picture(640, 480)
		sealed := alice.SendsFile(room, "cat.png", cat)
		if got := bob.OpensFile(room, "cat.png"); !bytes.Equal(got, cat) {
			t.Errorf("bob gets %d other bytes, want the cat", len(got))
		}
		if got := bob.Downloads(with{"url": sealed}); bytes.Equal(got, cat) || len(got) != len(cat) {
			t.Error("the server has the picture as it is")
		}

		var open string
		alice.does("uploads", with{"name": "view.png", "type": "image/png", "data": cat}, &open)
		if got := bob.Downloads(with{"url": open}); !bytes.Equal(got, cat) {
			t.Errorf("bob gets %d other bytes, want the cat", len(got))
		}
		small := bob.Downloads(with{"url": open, "width": 96, "height": 96, "method": "crop"})
		m, _, err := image.Decode(bytes.NewReader(small))
		if err != nil || m.Bounds().Size() != image.Pt(96, 96) {
			t.Errorf("the thumbnail: %v, %v", m, err)
		}
	})
}

// listed is a room in the hierarchy of a space.
type listed struct {
	Room             roomID
	Name             string
	Space, Suggested bool
}

// Holds puts a room into a space.
func (p *tab) Holds(space, room roomID, how with) {
	p.t.Helper()
	how["via"] = []string{"house.example"}
	p.does("setsState", with{"room": space, "type": "m.space.child", "key": room, "content": how}, nil)
}

// Hierarchy is what a space shows.
func (p *tab) Hierarchy(space roomID) (rooms []listed) {
	p.t.Helper()
	p.does("hierarchy", with{"room": space}, &rooms)
	return rooms
}

// JoinsOpen goes in without an invitation.
func (p *tab) JoinsOpen(room roomID) {
	p.t.Helper()
	p.does("joinsOpen", with{"room": room}, nil)
}

func (p *tab) Knocks(room roomID, reason string) {
	p.t.Helper()
	p.does("knocks", with{"room": room, "reason": reason}, nil)
}

// SeesKnock waits for somebody who knocks, and gives the words that came with it.
func (p *tab) SeesKnock(room roomID, other someone) (reason string) {
	p.t.Helper()
	p.does("knockReason", with{"room": room, "user": other.id()}, &reason)
	return reason
}

// SeesState waits until a field of a state event is this.
func (p *tab) SeesState(room roomID, kind, field string, want any) {
	p.t.Helper()
	p.does("seesState", with{"room": room, "type": kind, "field": field, "want": want}, nil)
}

// SendsFile encrypts a picture, uploads it and sends it; it gives where it lies.
func (p *tab) SendsFile(room roomID, name string, data []byte) string {
	p.t.Helper()
	var sent struct{ URL string }
	p.does("sendsFile", with{"room": room, "name": name, "type": "image/png", "data": data}, &sent)
	return sent.URL
}

// OpensFile downloads and decrypts the file of a message.
func (p *tab) OpensFile(room roomID, name string) (data []byte) {
	p.t.Helper()
	p.does("opensFile", with{"room": room, "name": name}, &data)
	return data
}

// Downloads fetches media as the server has it, or its thumbnail.
func (p *tab) Downloads(what with) (data []byte) {
	p.t.Helper()
	p.does("downloads", what, &data)
	return data
}
