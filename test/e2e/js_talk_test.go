package e2e

import (
	"testing"

	"maunium.net/go/mautrix/event"
)

// Two people with two devices each talk in an encrypted room.
func TestJSTalk(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, h *house) {
		b := opensBrowser(t)
		alice, bob := h.Browses(b, "alice"), h.Browses(b, "bob")
		phone, laptop := h.BrowsesAgain(b, "alice", "alice's phone"), h.BrowsesAgain(b, "bob", "bob's laptop")
		all := []*tab{alice, phone, bob, laptop}

		room := alice.CreatesEncrypted("kitchen")
		alice.Invites(room, bob)
		bob.Joins(room)
		for _, p := range all {
			p.IsIn(room)
			p.SeesMember(room, bob, event.MembershipJoin)
		}
		for _, p := range all {
			text := "hello from " + p.name
			sent := p.Says(room, text)
			for _, other := range all {
				if e := other.Sees(room, text); !e.Encrypted || e.Sender != p.id() || e.ID != sent {
					t.Errorf("%s sees %+v, want %s of %s, encrypted", other.name, e, sent, p.id())
				}
			}
		}
		for _, p := range all {
			p.ReadsAll(room)
		}
	})
}
