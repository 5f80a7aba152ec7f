package e2e

import (
	"context"
	"slices"
	"testing"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto/verificationhelper"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// Two people compare emoji on their screens, and so do two devices of one of them. What they find out reaches everybody
// else through signatures.
func TestEmoji(t *testing.T) {
	story(t, func(t *testing.T, h *house) {
		phone, bob := h.Registers("alice"), h.Registers("bob")
		room := phone.CreatesEncrypted("doorstep")
		phone.Invites(room, bob)
		bob.Joins(room)
		phone.SeesMember(room, bob, event.MembershipJoin)
		phone.Says(room, "who is there?") // from here on they know each other's devices
		bob.Sees(room, "who is there?")
		bob.Says(room, "me")
		phone.Sees(room, "me")
		phone.SetsUpCrossSigning()
		bob.SetsUpCrossSigning()
		phone.Trusts(bob)
		if got := phone.trust(bob); got != id.TrustStateCrossSignedTOFU {
			t.Errorf("before they have compared anything, alice's trust in bob is %v", got)
		}

		comparesEmoji(phone, bob)
		phone.until("bob as verified", func() bool { return phone.trust(bob) >= id.TrustStateCrossSignedVerified })
		bob.until("alice as verified", func() bool { return bob.trust(phone) >= id.TrustStateCrossSignedVerified })

		laptop := h.SignsIn("alice")
		laptop.IsIn(room)
		bob.TrustsNot(laptop)
		phone.TrustsNot(laptop)
		comparesEmoji(laptop, phone)
		bob.until("the laptop as verified", func() bool { return bob.trust(laptop) == id.TrustStateCrossSignedVerified })
		bob.Says(room, "I know it is you")
		laptop.Sees(room, "I know it is you")
	})
}

// comparesEmoji goes through the verification of one device by another, as far as both screens show the same.
func comparesEmoji(asks, answers *device) {
	asks.t.Helper()
	a, b := asks.screen(), answers.screen()
	txn, err := a.helper.StartVerification(asks.ctx, answers.id())
	asks.must("ask for verification", err)
	answers.until("the question", func() bool { return b.requested == txn })
	answers.must("accept verification", b.helper.AcceptVerification(answers.ctx, txn))
	asks.until("the answer", func() bool { return a.ready })
	asks.must("start with emoji", a.helper.StartSAS(asks.ctx, txn))
	both := func(what string, so func(*screen) bool) {
		asks.t.Helper()
		for range 3 { // messages go to and fro
			answers.until(what, func() bool { defer asks.sync(0); return so(b) })
			asks.until(what, func() bool { defer answers.sync(0); return so(a) })
		}
	}
	both("emoji", func(s *screen) bool { return len(s.emoji) == 7 })
	if !slices.Equal(a.emoji, b.emoji) {
		asks.t.Fatalf("%s sees %s, %s sees %s", asks.name, string(a.emoji), answers.name, string(b.emoji))
	}
	asks.must("confirm", a.helper.ConfirmSAS(asks.ctx, txn))
	answers.must("confirm", b.helper.ConfirmSAS(answers.ctx, txn))
	both("the end", func(s *screen) bool { return s.done })
}

// screen is what a person sees of a verification.
type screen struct {
	helper    *verificationhelper.VerificationHelper
	requested id.VerificationTransactionID
	ready     bool
	emoji     []rune
	done      bool
	cancelled func(reason string)
}

// noCrypto is there because the helper insists; it uses it for verification inside rooms only.
type noCrypto struct{ mautrix.CryptoHelper }

func (d *device) screen() *screen {
	d.t.Helper()
	s := &screen{cancelled: func(reason string) { d.t.Errorf("%s: the verification is cancelled: %s", d.name, reason) }}
	d.client.Crypto = noCrypto{}
	d.client.Syncer = mautrix.NewDefaultSyncer()
	s.helper = verificationhelper.NewVerificationHelper(d.client, d.olm, nil, s, false, false, true)
	d.must("prepare verification", s.helper.Init(d.ctx))
	return s
}

func (s *screen) VerificationRequested(_ context.Context, txn id.VerificationTransactionID, _ id.UserID, _ id.DeviceID) {
	s.requested = txn
}

func (s *screen) VerificationReady(context.Context, id.VerificationTransactionID, id.DeviceID, bool, bool, *verificationhelper.QRCode) {
	s.ready = true
}

func (s *screen) VerificationCancelled(_ context.Context, _ id.VerificationTransactionID, _ event.VerificationCancelCode, reason string) {
	s.cancelled(reason)
}

func (s *screen) VerificationDone(context.Context, id.VerificationTransactionID, event.VerificationMethod) {
	s.done = true
}

func (s *screen) ShowSAS(_ context.Context, _ id.VerificationTransactionID, emoji []rune, _ []string, _ []int) {
	s.emoji = emoji
}
