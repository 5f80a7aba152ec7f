package e2e

import (
	"slices"
	"testing"

	"maunium.net/go/mautrix/event"
)

// What people do with a message after it is sent, and what the others see of them meanwhile. Encrypted, so that the server
// knows of edits, reactions and threads only what relations tell it.
func TestJSRelations(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, h *house) {
		b := opensBrowser(t)
		alice, bob := h.Browses(b, "alice"), h.Browses(b, "bob")
		laptop := h.BrowsesAgain(b, "bob", "bob's laptop")
		room := alice.CreatesEncrypted("garden")
		alice.Invites(room, bob)
		bob.Joins(room)
		alice.SeesMember(room, bob, event.MembershipJoin)
		laptop.IsIn(room)

		sent := alice.Says(room, "the rose is reed")
		bob.Sees(room, "the rose is reed")
		alice.Edits(room, sent, "the rose is red")
		for _, p := range []*tab{alice, bob, laptop} {
			if e := p.Sees(room, "the rose is red"); e.ID != sent || !e.Encrypted {
				t.Errorf("%s sees %+v, want the text of %s changed", p.name, e, sent)
			}
		}

		bob.Reacts(room, sent, "🌹")
		bad := bob.Reacts(room, sent, "👎")
		alice.Reacts(room, sent, "🌹")
		both := []userID{alice.user, bob.user}
		for _, p := range []*tab{alice, bob, laptop} {
			p.SeesReactions(room, sent, map[string][]userID{"🌹": both, "👎": {bob.user}})
		}
		bob.Redacts(room, bad)
		for _, p := range []*tab{alice, bob, laptop} {
			p.SeesReactions(room, sent, map[string][]userID{"🌹": both})
		}

		gone := alice.Says(room, "a secret that slipped out")
		bob.Sees(room, "a secret that slipped out")
		alice.Redacts(room, gone)
		for _, p := range []*tab{alice, bob, laptop} {
			p.SeesRedacted(room, gone)
		}

		root := alice.Says(room, "shall I water it?")
		bob.Sees(room, "shall I water it?")
		bob.Answers(room, root, "yes")
		alice.SeesThread(room, root, 1, "yes")
		alice.Answers(room, root, "then I will")
		for _, p := range []*tab{alice, bob, laptop} {
			p.SeesThread(room, root, 2, "then I will")
			if e := p.Sees(room, "then I will"); e.Thread != root || !e.Encrypted {
				t.Errorf("%s sees %+v, want an encrypted answer under %s", p.name, e, root)
			}
			p.ReadsAll(room)
		}

		// A tab that opens now has it all from the server at once.
		fresh := h.BrowsesAgain(b, "alice", "alice's tablet")
		fresh.SeesReactions(room, sent, map[string][]userID{"🌹": both})
		fresh.SeesRedacted(room, gone)
	})
}

// A conversation beside the conversation, with counts and receipts of its own. Not encrypted: else matrix-js-sdk would count
// for itself.
func TestJSThreads(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, h *house) {
		b := opensBrowser(t)
		alice, bob := h.Browses(b, "alice"), h.Browses(b, "bob")
		laptop := h.BrowsesAgain(b, "bob", "bob's laptop")
		room := alice.Creates(with{"name": "kitchen", "preset": "private_chat"})
		alice.Invites(room, bob)
		bob.Joins(room)
		alice.SeesMember(room, bob, event.MembershipJoin)
		laptop.IsIn(room)

		root := alice.Says(room, "who cooks?")
		bob.SeesUnread(room, "", 1)
		bob.Sees(room, "who cooks?")
		bob.Reads(room, root)
		alice.SeesRead(room, bob, root, "")
		bob.SeesUnread(room, "", 0)
		laptop.SeesUnread(room, "", 0)

		alice.Answers(room, root, "not I")
		last := alice.Answers(room, root, "nor the cat")
		for _, p := range []*tab{alice, bob, laptop} {
			p.SeesThread(room, root, 2, "nor the cat")
		}
		if got, want := bob.Threads(room, "all"), []thread{{root, 2, false}}; !slices.Equal(got, want) {
			t.Errorf("bob has the threads %v, want %v", got, want)
		}
		bob.SeesUnread(room, "", 0)
		bob.SeesUnread(room, root, 2)
		laptop.SeesUnread(room, root, 2)
		bob.Reads(room, last)
		alice.SeesRead(room, bob, last, root)
		alice.SeesRead(room, bob, root, "")
		bob.SeesUnread(room, root, 0)
		laptop.SeesUnread(room, root, 0)

		alice.does("mentions", with{"room": room, "user": bob.user, "text": "bob?"}, nil)
		alice.Says(room, "hello?")
		for _, p := range []*tab{bob, laptop} {
			p.SeesUnread(room, "", 2)
			p.does("seesUnread", with{"room": room, "want": 1, "mine": true}, nil)
		}
		bob.Reads(room, bob.Sees(room, "hello?").ID)
		for _, p := range []*tab{bob, laptop} {
			p.SeesUnread(room, "", 0)
			p.does("seesUnread", with{"room": room, "want": 0, "mine": true}, nil)
		}

		bob.Answers(room, root, "then I do")
		for _, p := range []*tab{alice, bob, laptop} {
			p.SeesThread(room, root, 3, "then I do")
		}
		other := alice.Says(room, "who washes up?")
		alice.Answers(room, other, "the cat")
		bob.SeesThread(room, other, 1, "the cat")
		for _, c := range []struct {
			p    *tab
			kind string
			want []thread
		}{
			{alice, "all", []thread{{other, 1, true}, {root, 3, true}}},
			{bob, "all", []thread{{other, 1, false}, {root, 3, true}}},
			{bob, "participated", []thread{{root, 3, true}}},
		} {
			if got := c.p.Threads(room, c.kind); !slices.Equal(got, c.want) {
				t.Errorf("%s has the threads (%s) %v, want %v", c.p.name, c.kind, got, c.want)
			}
		}

		// The newest tab has the thread from the server's summary, as it has not seen the answers come.
		fresh := h.BrowsesAgain(b, "alice", "alice's tablet")
		fresh.IsIn(room)
		if got := fresh.Threads(room, "all"); !slices.Contains(got, thread{root, 3, true}) {
			t.Errorf("a new device has the threads %v", got)
		}
	})
}

// Who is typing, and who has read what: in public, and for one's own devices only.
func TestJSPresenceOfOthers(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, h *house) {
		b := opensBrowser(t)
		alice, bob := h.Browses(b, "alice"), h.Browses(b, "bob")
		laptop := h.BrowsesAgain(b, "bob", "bob's laptop")
		room := alice.CreatesEncrypted("hall")
		alice.Invites(room, bob)
		bob.Joins(room)
		alice.SeesMember(room, bob, event.MembershipJoin)
		laptop.IsIn(room)

		alice.Types(room, true)
		bob.SeesTyping(room, alice, true)
		laptop.SeesTyping(room, alice, true)
		alice.Types(room, false)
		bob.SeesTyping(room, alice, false)

		first := alice.Says(room, "read me")
		bob.Sees(room, "read me")
		bob.Reads(room, first)
		alice.SeesRead(room, bob, first, "")
		laptop.SeesRead(room, bob, first, "")

		second := alice.Says(room, "read me in secret")
		bob.SeesUnread(room, "", 1)
		laptop.SeesUnread(room, "", 1)
		bob.ReadsSecretly(room, second)
		laptop.SeesUnread(room, "", 0)
		bob.Says(room, "something else")
		alice.Sees(room, "something else")
		if got := alice.ReadTo(room, bob); got == second {
			t.Error("alice is told that bob has read in secret")
		}
	})
}

// Edits puts another text in the place of a message.
func (p *tab) Edits(room roomID, message eventID, text string) (sent eventID) {
	p.t.Helper()
	p.does("edits", with{"room": room, "event": message, "text": text}, &sent)
	return sent
}

func (p *tab) Reacts(room roomID, message eventID, key string) (sent eventID) {
	p.t.Helper()
	p.does("reacts", with{"room": room, "event": message, "key": key}, &sent)
	return sent
}

// SeesReactions waits until a message has exactly these.
func (p *tab) SeesReactions(room roomID, message eventID, want map[string][]userID) {
	p.t.Helper()
	p.does("seesReactions", with{"room": room, "event": message, "want": want}, nil)
}

func (p *tab) Redacts(room roomID, message eventID) {
	p.t.Helper()
	p.does("redacts", with{"room": room, "event": message}, nil)
}

func (p *tab) SeesRedacted(room roomID, message eventID) {
	p.t.Helper()
	p.does("seesRedacted", with{"room": room, "event": message}, nil)
}

// Answers says something in the thread under root.
func (p *tab) Answers(room roomID, root eventID, text string) (sent eventID) {
	p.t.Helper()
	p.does("says", with{"room": room, "text": text, "thread": root}, &sent)
	return sent
}

// SeesThread waits for so many answers in a thread, the last of them this.
func (p *tab) SeesThread(room roomID, root eventID, answers int, last string) {
	p.t.Helper()
	p.does("seesThread", with{"room": room, "root": root, "answers": answers, "last": last}, nil)
}

// thread is a thread in the room's list of them.
type thread struct {
	Root         eventID
	Answers      int
	Participated bool // the viewer began it or has answered in it
}

// Threads lists the threads of a room, "all" or "participated", as the server does.
func (p *tab) Threads(room roomID, kind string) (list []thread) {
	p.t.Helper()
	p.does("threads", with{"room": room, "include": kind}, &list)
	return list
}

func (p *tab) Reads(room roomID, to eventID) {
	p.t.Helper()
	p.does("reads", with{"room": room, "event": to}, nil)
}

// ReadsSecretly marks a room as read, for the person's own devices only.
func (p *tab) ReadsSecretly(room roomID, to eventID) {
	p.t.Helper()
	p.does("reads", with{"room": room, "event": to, "secretly": true}, nil)
}

// SeesRead waits until the other has read to an event, in a thread or with "" in the main timeline.
func (p *tab) SeesRead(room roomID, other someone, to, thread eventID) {
	p.t.Helper()
	p.does("seesRead", with{"room": room, "user": other.id(), "event": to, "thread": thread}, nil)
}

// ReadTo is how far the other has read the main timeline.
func (p *tab) ReadTo(room roomID, other someone) (to eventID) {
	p.t.Helper()
	p.does("readTo", with{"room": room, "user": other.id()}, &to)
	return to
}

// SeesUnread waits for the number at a room, or at a thread of it.
func (p *tab) SeesUnread(room roomID, thread eventID, want int) {
	p.t.Helper()
	p.does("seesUnread", with{"room": room, "thread": thread, "want": want}, nil)
}

func (p *tab) Types(room roomID, typing bool) {
	p.t.Helper()
	p.does("types", with{"room": room, "typing": typing}, nil)
}

func (p *tab) SeesTyping(room roomID, other someone, typing bool) {
	p.t.Helper()
	p.does("seesTyping", with{"room": room, "user": other.id(), "typing": typing}, nil)
}
