package e2e

import (
	"slices"
	"testing"

	"maunium.net/go/mautrix/event"
)

// Two people with two devices each set up their keys, get a new device going with the recovery key alone, and compare
// emoji: on two devices of one of them, and with each other.
func TestJSTrust(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, h *house) {
		b := opensBrowser(t)
		alice, bob := h.Browses(b, "alice"), h.Browses(b, "bob")
		recovery := alice.Protects("alice")
		bob.Protects("bob")

		room := alice.CreatesEncrypted("archive")
		alice.Invites(room, bob)
		bob.Joins(room)
		alice.SeesMember(room, bob, event.MembershipJoin)
		alice.Says(room, "from before the laptop")
		if e := bob.Sees(room, "from before the laptop"); e.Shield != 0 {
			t.Errorf("bob is warned of a signed device's message: %+v", e)
		}
		bob.Says(room, "also from before")
		alice.Sees(room, "also from before")
		alice.SeesBackup(2)

		// The laptop has the recovery key and the server, nothing else.
		laptop := h.BrowsesAgain(b, "alice", "alice's laptop")
		laptop.IsIn(room)
		laptop.CannotRead(room, 2)
		bob.TrustsNot(laptop)
		if n := laptop.Recovers(recovery); n < 2 {
			t.Errorf("the laptop restores %d keys, want 2", n)
		}
		laptop.Sees(room, "from before the laptop")
		laptop.Sees(room, "also from before")
		laptop.ReadsAll(room)
		alice.Verified(laptop)

		// The phone has neither: it asks the other devices by emoji.
		phone := h.BrowsesAgain(b, "bob", "bob's phone")
		phone.comparesEmoji(bob, "")
		bob.Verified(phone)
		phone.Verified(bob)

		// Until they have compared emoji, the two know each other by name only.
		for _, p := range []*tab{alice, laptop, bob, phone} {
			for _, other := range []*tab{alice, bob} {
				if got := p.trust(other); other.user != p.user && got.User {
					t.Errorf("%s trusts %s without having compared anything: %+v", p.name, other.name, got)
				}
			}
		}
		alice.comparesEmoji(bob, room)
		alice.Verified(bob)
		bob.Verified(alice)
		// What one device has found out, the others learn by signatures.
		laptop.Verified(phone)
		phone.Verified(laptop)

		phone.Says(room, "we all know each other")
		for _, p := range []*tab{alice, laptop, bob} {
			if e := p.Sees(room, "we all know each other"); e.Shield != 0 || !e.Encrypted {
				t.Errorf("%s is warned of it: %+v", p.name, e)
			}
		}
	})
}

// Alice throws her keys away, which needs the password, and bob, who had verified her, is told.
func TestJSReset(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, h *house) {
		b := opensBrowser(t)
		alice, bob := h.Browses(b, "alice"), h.Browses(b, "bob")
		alice.Protects("alice")
		bob.Protects("bob")
		room := alice.CreatesEncrypted("mirror")
		alice.Says(room, "from before bob came")
		alice.Invites(room, bob)
		bob.Joins(room)
		alice.SeesMember(room, bob, event.MembershipJoin)
		bob.Sees(room, "from before bob came") // who invites gives the keys along
		alice.comparesEmoji(bob, room)
		bob.Verified(alice)

		var asked int
		if alice.does("resets", with{"password": password("alice")}, &asked); asked != 1 {
			t.Errorf("alice is asked for her password %d times when she replaces her keys, want once", asked)
		}
		bob.does("seesReset", with{"user": alice.user}, nil)
		if got := bob.trust(alice); got.User || got.Device {
			t.Errorf("bob trusts alice's new keys: %+v", got)
		}
		alice.Says(room, "it is still me")
		bob.Sees(room, "it is still me")
		bob.Says(room, "is it?")
		alice.Sees(room, "is it?")
		alice.comparesEmoji(bob, room)
		bob.Verified(alice)
		alice.Verified(bob)
	})
}

// Alice's only device drowns. What is said to her before she has another one, she can read with that.
func TestJSDehydrated(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, h *house) {
		b := opensBrowser(t)
		alice, bob := h.Browses(b, "alice"), h.Browses(b, "bob")
		recovery := alice.Protects("alice")
		bob.Protects("bob")
		room := alice.CreatesEncrypted("raft")
		alice.Invites(room, bob)
		bob.Joins(room)
		alice.SeesMember(room, bob, event.MembershipJoin)
		if n := alice.Dehydrates(); n != 0 {
			t.Errorf("the first dehydrated device brings %d keys", n)
		}
		bob.does("seesDehydrated", with{"user": alice.user}, nil)
		alice.Calls("logout", nil, true)
		bob.Says(room, "are you there?")

		phone := h.BrowsesAgain(b, "alice", "alice's next phone")
		phone.IsIn(room)
		phone.CannotRead(room, 1)
		if n := phone.Recovers(recovery); n != 0 {
			t.Errorf("the backup brings %d keys, though nobody was there to put one into it", n)
		}
		if n := phone.Dehydrates(); n != 1 {
			t.Errorf("the dehydrated device brings %d keys, want bob's", n)
		}
		phone.Sees(room, "are you there?")
		phone.ReadsAll(room)
	})
}

// Dehydrates leaves a dehydrated device on the server, and counts the room keys that the one before it has taken.
func (p *tab) Dehydrates() (keys int) {
	p.t.Helper()
	p.does("dehydrates", nil, &keys)
	return keys
}

// Protects sets up cross-signing, secret storage and a key backup. It gives the recovery key.
func (p *tab) Protects(name string) (recovery string) {
	p.t.Helper()
	p.does("protects", with{"password": password(name)}, &recovery)
	return recovery
}

// SeesBackup waits until so many room keys are in the backup.
func (p *tab) SeesBackup(keys int) {
	p.t.Helper()
	p.does("seesBackup", with{"keys": keys}, nil)
}

// Recovers makes the device one of the account with the recovery key, and counts the room keys that it gets by that.
func (p *tab) Recovers(recovery string) int {
	p.t.Helper()
	var restored struct{ Total, Imported int }
	p.does("recovers", with{"key": recovery}, &restored)
	if restored.Imported != restored.Total {
		p.t.Errorf("%s restores %d of %d keys", p.name, restored.Imported, restored.Total)
	}
	return restored.Imported
}

// CannotRead waits until the device has so many messages that it has no key for.
func (p *tab) CannotRead(room roomID, want int) {
	p.t.Helper()
	p.does("cannotRead", with{"room": room, "want": want}, nil)
}

// trusted is what a device thinks of a person and one of that person's devices.
type trusted struct{ User, Device, Signed bool }

func (p *tab) trust(other someone) (got trusted) {
	p.t.Helper()
	p.does("trust", with{"user": other.id(), "device": other.at()}, &got)
	return got
}

func (p *tab) TrustsNot(other someone) {
	p.t.Helper()
	if got := p.trust(other); got.User || got.Device || got.Signed {
		p.t.Errorf("%s trusts %s: %+v", p.name, other.called(), got)
	}
}

// Verified waits until the device shows the other one and its person as verified.
func (p *tab) Verified(other someone) {
	p.t.Helper()
	p.does("seesVerified", with{"user": other.id(), "device": other.at()}, nil)
}

// comparesEmoji goes through a verification, in a room or without one from device to device, until both screens show the
// same.
func (p *tab) comparesEmoji(other *tab, room roomID) {
	p.t.Helper()
	other.does("knows", with{"user": p.user, "device": p.device}, nil)
	p.asksForEmoji(other, room)
	other.does("answersEmoji", with{"user": p.user}, nil)
	p.does("startsEmoji", nil, nil)
	mine, yours := p.emoji(), other.emoji()
	if len(mine) != 7 || !slices.Equal(mine, yours) {
		p.t.Fatalf("%s sees %q, %s sees %q, want the same seven", p.name, mine, other.name, yours)
	}
	confirmed := p.confirms()
	other.does("confirmsEmoji", nil, nil)
	p.must("confirm the emoji", <-confirmed)
}

func (p *tab) asksForEmoji(other someone, room roomID) {
	p.t.Helper()
	p.does("asksForEmoji", with{"user": other.id(), "device": other.at(), "room": room}, nil)
}

func (p *tab) emoji() (shown []string) {
	p.t.Helper()
	p.does("seesEmoji", nil, &shown)
	return shown
}

// confirms says that the emoji are the same, and tells when the other side has said so too.
func (p *tab) confirms() <-chan error {
	done := make(chan error, 1)
	go func() { done <- p.browser.ask(p.name, "confirmsEmoji", nil, nil) }()
	return done
}
