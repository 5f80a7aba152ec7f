package e2e

import (
	"fmt"
	"slices"
	"testing"

	"maunium.net/go/mautrix/event"
)

// Alice's two devices use sliding sync, bob's plain sync: nobody notices.
func TestJSSliding(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, h *house) {
		b := opensBrowser(t)
		alice, bob := h.Slides(b, "alice", 20), h.Browses(b, "bob")
		phone := h.SlidesAgain(b, "alice", "alice's phone", 20)
		recovery := alice.Protects("alice")
		room := alice.CreatesEncrypted("slope")
		alice.OpensRoom(room)
		alice.Invites(room, bob)
		bob.Joins(room)
		alice.SeesMember(room, bob, event.MembershipJoin)
		phone.IsIn(room)
		phone.OpensRoom(room)

		all := []*tab{alice, phone, bob}
		for _, p := range all {
			text := "hello from " + p.name
			sent := p.Says(room, text)
			for _, other := range all {
				if e := other.Sees(room, text); !e.Encrypted || e.Sender != p.id() || e.ID != sent {
					t.Errorf("%s sees %+v, want %s of %s, encrypted", other.name, e, sent, p.id())
				}
			}
		}
		said := bob.Says(room, "the snow is sof")
		bob.Edits(room, said, "the snow is soft")
		for _, p := range all {
			p.Sees(room, "the snow is soft")
		}
		bob.Reacts(room, said, "⛷")
		phone.SeesReactions(room, said, map[string][]userID{"⛷": {bob.user}})

		bob.Types(room, true)
		alice.SeesTyping(room, bob, true)
		bob.Types(room, false)
		alice.SeesTyping(room, bob, false)
		alice.Types(room, true)
		bob.SeesTyping(room, alice, true)
		alice.Reads(room, said)
		bob.SeesRead(room, alice, said, "")
		phone.SeesRead(room, alice, said, "")
		last := alice.Says(room, "down we go")
		bob.Sees(room, "down we go")
		bob.Reads(room, last)
		alice.SeesRead(room, bob, last, "")

		// An invitation comes, in a room that is not encrypted: so the numbers are the server's.
		lift := bob.Creates(with{"name": "lift", "preset": "private_chat"})
		bob.Invites(lift, alice)
		phone.Is(lift, event.MembershipInvite)
		alice.Joins(lift)
		alice.OpensRoom(lift)
		first := bob.Says(lift, "up we go")
		alice.Sees(lift, "up we go")
		alice.SeesUnread(lift, "", 1)
		phone.SeesUnread(lift, "", 1)
		alice.Reads(lift, first)
		alice.SeesUnread(lift, "", 0)
		phone.SeesUnread(lift, "", 0)

		// The phone becomes one of alice's by the recovery key, which came to it as account data.
		phone.Recovers(recovery)
		alice.Verified(phone)
		for _, p := range all {
			p.ReadsAll(room)
		}
	})
}

// More rooms than the window shows: those where something has happened last.
func TestJSSlidingWindow(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, h *house) {
		b := opensBrowser(t)
		alice, bob := h.Browses(b, "alice"), h.Browses(b, "bob")
		const count, window = 12, 5
		var rooms []roomID // the oldest first
		for i := range count {
			rooms = append(rooms, alice.Creates(with{"name": fmt.Sprint("room ", i), "preset": "public_chat"}))
		}
		bob.JoinsOpen(rooms[0])
		for i, room := range rooms { // the order in which something has been said
			if i == count-2 {
				alice.Says(room, "long ago")
				for range 20 { // which is all that the list brings
					alice.Says(room, "and so on")
				}
			}
			alice.Says(room, fmt.Sprint("this is room ", i))
		}

		phone := h.SlidesAgain(b, "alice", "alice's phone", window)
		newest := rooms[count-window:]
		phone.SeesList(count, newest)
		phone.Sees(rooms[count-1], "this is room 11")
		phone.OpensRoom(rooms[count-2]) // and so gets more of it, though nothing happens there
		phone.Sees(rooms[count-2], "long ago")
		bob.Says(rooms[0], "the oldest comes back")
		phone.SeesList(count, append(slices.Clone(newest), rooms[0]))
		phone.Sees(rooms[0], "the oldest comes back")
		phone.does("scrolls", with{"window": count}, nil)
		phone.SeesList(count, rooms)
		phone.Sees(rooms[3], "this is room 3")

		// Nothing is lost in a power cut, and nothing has to be fetched anew.
		h.PowerCut()
		bob.Says(rooms[0], "after the dark")
		phone.Sees(rooms[0], "after the dark")
		another := alice.Creates(with{"name": "new", "preset": "private_chat"})
		phone.SeesList(count+1, append(slices.Clone(rooms), another))
	})
}

// Slides is Browses for a client that uses sliding sync, with a window of so many rooms.
func (h *house) Slides(b *browser, name string, window int) *tab {
	h.t.Helper()
	return h.opens(b, name, name+"'s tab", "registers", window)
}

func (h *house) SlidesAgain(b *browser, name, device string, window int) *tab {
	h.t.Helper()
	return h.opens(b, name, device, "signsIn", window)
}

// OpensRoom is a click on a room in the list.
func (p *tab) OpensRoom(room roomID) {
	p.t.Helper()
	p.does("opensRoom", with{"room": room}, nil)
}

// SeesList waits until the list counts so many rooms, and the tab has these.
func (p *tab) SeesList(count int, want []roomID) {
	p.t.Helper()
	p.does("seesList", with{"count": count, "want": want}, nil)
}
