package e2e

import (
	"testing"

	"maunium.net/go/mautrix/event"
)

// Two people get accounts, make an encrypted room, and talk.
func TestTwoPeopleTalk(t *testing.T) {
	story(t, func(t *testing.T, h *house) {
		alice := h.Registers("alice")
		bob := h.Registers("bob")

		room := alice.CreatesEncrypted("kitchen")
		alice.Invites(room, bob)
		bob.Joins(room)
		alice.SeesMember(room, bob, event.MembershipJoin)

		hi := alice.Says(room, "hi")
		bob.Sees(room, "hi")
		bob.Says(room, "hello yourself")
		alice.Sees(room, "hello yourself")
		alice.Says(room, "the kettle is on")
		bob.Sees(room, "the kettle is on")

		if !alice.isSealed(room, hi) {
			t.Error("the server can read what alice says")
		}
	})
}

// Accounts are made in three ways. Each can sign in afterwards.
func TestWaysIn(t *testing.T) {
	story(t, func(t *testing.T, h *house) {
		alice := h.Registers("alice")
		carol := h.RegistersWithSecret("carol")

		invitation := h.Run("user", "invite")
		h.Stop()
		h.Set("FREEHOLD_REGISTRATION=token")
		h.Start()
		bob := h.RegistersWith("bob", invitation)

		room := alice.Creates("hall")
		for _, other := range []*device{bob, carol} {
			alice.Invites(room, other)
			again := h.SignsIn(other.name)
			again.Joins(room)
			again.Says(room, "here is "+other.name)
			alice.Sees(room, "here is "+other.name)
		}
	})
}
