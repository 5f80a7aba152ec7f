package interop

import (
	"testing"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// Two people talk so that neither server understands. One of them gets a second device, which the other's learns of, and
// loses it again.
func TestEncrypted(t *testing.T) {
	story(t, func(t *testing.T, here, there *server) {
		alice, bob := here.PersonWithKeys(t, "alice"), there.PersonWithKeys(t, "bob")
		room := alice.Creates(&mautrix.ReqCreateRoom{
			Preset: "trusted_private_chat", IsDirect: true, Invite: []id.UserID{bob.id()},
			InitialState: []*event.Event{{
				Type:    event.StateEncryption,
				Content: event.Content{Parsed: &event.EncryptionEventContent{Algorithm: id.AlgorithmMegolmV1}},
			}},
		})
		bob.Is(room, event.MembershipInvite)
		if e := bob.rooms[room].state[event.StateMember][bob.id().String()]; e == nil || !e.Content.AsMember().IsDirect {
			t.Error("the invitation does not say that it is to a talk between two")
		}
		bob.Accepts(room)
		alice.SeesMember(room, bob, event.MembershipJoin)

		hi := alice.Says(room, "a secret")
		bob.Sees(room, "a secret")
		if e, err := alice.client.GetEvent(alice.ctx, room, hi); err != nil || e.Type.Type != event.EventEncrypted.Type {
			t.Errorf("the server has %v (%v), want it encrypted", e, err)
		}
		bob.Says(room, "another")
		alice.Sees(room, "another")

		tablet := bob.NewDevice()
		tablet.Is(room, event.MembershipJoin)
		alice.SeesDevices(bob, bob.client.DeviceID, tablet.client.DeviceID)
		alice.Says(room, "for every device")
		bob.Sees(room, "for every device")
		tablet.Sees(room, "for every device")
		tablet.Says(room, "this is the tablet")
		alice.Sees(room, "this is the tablet")

		_, err := tablet.client.Logout(tablet.ctx)
		tablet.must("sign out", err)
		alice.SeesDevices(bob, bob.client.DeviceID)
		alice.Says(room, "not for the tablet")
		bob.Sees(room, "not for the tablet")
	})
}

// SeesDevices waits until sync has told of a change and exactly these devices of the other are known.
func (p *person) SeesDevices(other *person, want ...id.DeviceID) {
	p.t.Helper()
	p.until("that "+other.name+" has these devices", func() bool {
		known, err := p.olm.CryptoStore.GetDevices(p.ctx, other.id())
		p.must("look at the devices", err)
		for _, d := range want {
			if known[d] == nil {
				return false
			}
		}
		return len(known) == len(want)
	})
}

// Keys for verifying each other reach the other server.
func TestCrossSigning(t *testing.T) {
	story(t, func(t *testing.T, here, there *server) {
		alice, bob := here.PersonWithKeys(t, "alice"), there.PersonWithKeys(t, "bob")
		room := bob.Creates(public("the registry"))
		alice.Joins(room.String(), there)
		bob.SeesMember(room, alice, event.MembershipJoin)
		seen := func() id.Ed25519 {
			keys, err := bob.olm.GetCrossSigningPublicKeys(bob.ctx, alice.id())
			bob.must("look at alice's keys", err)
			if keys == nil {
				return ""
			}
			return keys.MasterKey
		}
		if _, err := bob.olm.FetchKeys(bob.ctx, []id.UserID{alice.id()}, true); err != nil {
			t.Fatal(err)
		}
		if got := seen(); got != "" {
			t.Fatalf("alice has the key %s before she made one", got)
		}
		_, _, err := alice.olm.GenerateAndUploadCrossSigningKeys(alice.ctx, func(uia *mautrix.RespUserInteractive) any {
			return map[string]any{
				"type": "m.login.password", "session": uia.Session, "password": password(alice.id().Localpart()),
				"identifier": map[string]string{"type": "m.id.user", "user": alice.id().String()},
			}
		}, "")
		alice.must("make keys to sign with", err)
		own, err := alice.olm.GetOwnCrossSigningPublicKeys(alice.ctx)
		alice.must("look at her keys", err)
		bob.until("the key that alice signs with", func() bool { return seen() == own.MasterKey })
	})
}
