package e2e

import (
	"fmt"
	"testing"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// tab is one device of one person whose client is matrix-js-sdk: a tab in the story's browser. It syncs all the time.
type tab struct {
	t       *testing.T
	name    string
	browser *browser
	user    userID
	device  id.DeviceID
}

// someone is a person at any kind of device.
type someone interface {
	id() userID
	at() id.DeviceID
	called() string
}

func (p *tab) id() userID      { return p.user }
func (p *tab) at() id.DeviceID { return p.device }
func (p *tab) called() string  { return p.name }

// does is one step of the person at p. What it needs is a map or a struct; what comes back is put into result, if not nil.
func (p *tab) does(verb string, args, result any) {
	p.t.Helper()
	p.must(fmt.Sprint(verb, " ", args), p.browser.ask(p.name, verb, args, result))
}

func (p *tab) must(what string, err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatalf("%s (matrix-js-sdk): %s: %v", p.name, what, err)
	}
}

type with map[string]any

// Browses opens a tab on a new account.
func (h *house) Browses(b *browser, name string) *tab {
	h.t.Helper()
	return h.opens(b, name, name+"'s tab", "registers")
}

// BrowsesAgain opens a tab on an account that is there already.
func (h *house) BrowsesAgain(b *browser, name, device string) *tab {
	h.t.Helper()
	return h.opens(b, name, device, "signsIn")
}

func (h *house) opens(b *browser, name, device, verb string, window ...int) *tab {
	h.t.Helper()
	p := &tab{t: h.t, name: device, browser: b}
	args := with{"url": h.URL, "name": name, "password": password(name)}
	if len(window) > 0 {
		args["window"] = window[0] // of its list of rooms: it uses sliding sync
	}
	p.isSignedIn(verb, args)
	return p
}

func (p *tab) isSignedIn(verb string, args with) {
	p.t.Helper()
	var me struct {
		User   userID
		Device id.DeviceID
	}
	p.does(verb, args, &me)
	p.user, p.device = me.User, me.Device
}

// Creates makes a room with the options of /createRoom.
func (p *tab) Creates(options with) (room roomID) {
	p.t.Helper()
	p.does("creates", with{"options": options}, &room)
	return room
}

// CreatesEncrypted makes a private room that is encrypted from its first message on.
func (p *tab) CreatesEncrypted(name string) roomID {
	p.t.Helper()
	return p.Creates(with{
		"name": name, "preset": "trusted_private_chat",
		"initial_state": []with{{"type": "m.room.encryption", "content": with{"algorithm": id.AlgorithmMegolmV1}}},
	})
}

func (p *tab) Invites(room roomID, other someone) {
	p.t.Helper()
	p.does("invites", with{"room": room, "user": other.id()}, nil)
}

// Joins accepts an invitation.
func (p *tab) Joins(room roomID) {
	p.t.Helper()
	p.does("joins", with{"room": room}, nil)
}

func (p *tab) IsIn(room roomID) { p.t.Helper(); p.Is(room, event.MembershipJoin) }

// Is waits for the person's own membership.
func (p *tab) Is(room roomID, want event.Membership) {
	p.t.Helper()
	p.does("is", with{"room": room, "membership": want}, nil)
}

func (p *tab) SeesMember(room roomID, other someone, want event.Membership) {
	p.t.Helper()
	p.does("seesMember", with{"room": room, "user": other.id(), "membership": want}, nil)
}

func (p *tab) Says(room roomID, text string) (sent eventID) {
	p.t.Helper()
	p.does("says", with{"room": room, "text": text}, &sent)
	return sent
}

// shown is an event as a tab shows it.
type shown struct {
	ID        eventID
	Sender    userID
	Encrypted bool
	Shield    int // 0 none, 1 grey, 2 red: what the client warns of
	Reason    int `json:"shieldReason"`
	Thread    eventID
}

// Sees waits for a message with this text that the tab can read.
func (p *tab) Sees(room roomID, text string) (e shown) {
	p.t.Helper()
	p.does("sees", with{"room": room, "text": text}, &e)
	return e
}

// ReadsAll checks that the tab can decrypt everything it has of a room.
func (p *tab) ReadsAll(room roomID) {
	p.t.Helper()
	var sealed []string
	p.does("unreadable", with{"room": room}, &sealed)
	if len(sealed) > 0 {
		p.t.Errorf("%s cannot decrypt %q, want nothing", p.name, sealed)
	}
}
