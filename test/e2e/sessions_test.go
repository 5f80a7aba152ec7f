package e2e

import (
	"encoding/json"
	"net/http"
	"testing"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
)

func TestLogout(t *testing.T) {
	story(t, func(t *testing.T, h *house) {
		alice, bob, room := h.two()
		laptop := h.SignsIn("alice")
		_, err := laptop.client.Logout(laptop.ctx)
		laptop.must("log out", err)
		_, err = laptop.client.Whoami(laptop.ctx)
		laptop.refused("ask who it is", err, mautrix.MUnknownToken)
		alice.Says(room, "the phone goes on")
		bob.Sees(room, "the phone goes on")

		tablet := h.SignsIn("alice")
		_, err = tablet.client.LogoutAll(tablet.ctx)
		tablet.must("log out everywhere", err)
		for _, d := range []*device{alice, tablet} {
			_, err = d.client.Whoami(d.ctx)
			d.refused("ask who it is", err, mautrix.MUnknownToken)
		}
		h.PowerCut()
		_, err = alice.client.Whoami(alice.ctx)
		alice.refused("ask who it is after a power cut", err, mautrix.MUnknownToken)
	})
}

func TestRefreshToken(t *testing.T) {
	story(t, func(t *testing.T, h *house) {
		h.Registers("alice")
		d := h.newDevice("alice")
		login, err := d.client.Login(d.ctx, &mautrix.ReqLogin{
			Type:       mautrix.AuthTypePassword,
			Identifier: mautrix.UserIdentifier{Type: mautrix.IdentifierTypeUser, User: "alice"},
			Password:   password("alice"), RefreshToken: true, StoreCredentials: true,
		})
		d.must("sign in", err)
		if login.RefreshToken == "" || login.ExpiresInMS <= 0 {
			t.Fatalf("got refresh token %q, expiry %d ms, want both", login.RefreshToken, login.ExpiresInMS)
		}
		type grant struct {
			Access  string `json:"access_token"`
			Refresh string `json:"refresh_token"`
		}
		refresh := func(token string) (g grant, err error) {
			_, err = d.client.MakeRequest(d.ctx, http.MethodPost, d.client.BuildClientURL("v3", "refresh"),
				map[string]string{"refresh_token": token}, &g)
			return g, err
		}
		next, err := refresh(login.RefreshToken)
		d.must("refresh", err)
		h.PowerCut()
		d.client.AccessToken = next.Access
		_, err = d.client.Whoami(d.ctx)
		d.must("use the new token", err)

		// The new token was used: the old one is dead, and the chain goes on.
		d.client.AccessToken = login.AccessToken
		_, err = d.client.Whoami(d.ctx)
		d.refused("use the old token", err, mautrix.MUnknownToken)
		last, err := refresh(next.Refresh)
		d.must("refresh again", err)
		d.client.AccessToken = last.Access
		_, err = d.client.Whoami(d.ctx)
		d.must("use the last token", err)

		// Who presents a used refresh token may be a thief: nobody goes on with this session.
		_, err = refresh(login.RefreshToken)
		d.refused("refresh with the first token", err, mautrix.MUnknownToken)
		_, err = d.client.Whoami(d.ctx)
		d.refused("use the last token after that", err, mautrix.MUnknownToken)
	})
}

// A lost device is removed from another one, which must give the password.
func TestDeviceDeletion(t *testing.T) {
	story(t, func(t *testing.T, h *house) {
		alice, lost := h.Registers("alice"), h.SignsIn("alice")
		bob := h.Registers("bob")
		room := alice.CreatesEncrypted("garden")
		alice.Invites(room, bob)
		bob.Joins(room)
		alice.SeesMember(room, bob, event.MembershipJoin)
		lost.IsIn(room)
		bob.Says(room, "all of alice's devices can read this")
		lost.Sees(room, "all of alice's devices can read this")

		data, err := alice.client.MakeRequest(alice.ctx, http.MethodDelete,
			alice.client.BuildClientURL("v3", "devices", lost.client.DeviceID), struct{}{}, nil)
		var uia mautrix.RespUserInteractive
		if err == nil || json.Unmarshal(data, &uia) != nil || !uia.HasSingleStageFlow(mautrix.AuthTypePassword) {
			t.Fatalf("got %s, %v, want to be asked for the password", data, err)
		}
		remove := func(password string) error {
			return alice.client.DeleteDevice(alice.ctx, lost.client.DeviceID, &mautrix.ReqDeleteDevice[any]{Auth: mautrix.ReqUIAuthLogin{
				BaseAuthData: mautrix.BaseAuthData{Type: mautrix.AuthTypePassword, Session: uia.Session},
				User:         alice.id().String(), Password: password,
			}})
		}
		if err := remove("a guess"); err == nil {
			t.Fatal("a guess removes a device")
		}
		alice.must("remove the lost device", remove(password("alice")))
		_, err = lost.client.Whoami(lost.ctx)
		lost.refused("go on", err, mautrix.MUnknownToken)

		bob.until("one device of alice", func() bool {
			devices, err := bob.olm.CryptoStore.GetDevices(bob.ctx, alice.id())
			return err == nil && len(devices) == 1
		})
		bob.Says(room, "only one of alice's devices can read this")
		alice.Sees(room, "only one of alice's devices can read this")
	})
}
