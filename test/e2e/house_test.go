// Package e2e tells stories of people and their devices: the built server as a process, mautrix-go as the client, with
// its own end-to-end encryption, on both databases. A device syncs whenever the story waits for something that it should
// see, so nothing happens behind the story's back and nothing sleeps.
package e2e

import (
	"context"
	"testing"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/synapseadmin"

	"freehold.example/test/harness"
)

const sharedSecret = "a secret between the operator and the server"

// house is one server and the people on it.
type house struct {
	*harness.Server
	URL string // for the devices: through what holds all they say against the specification
	t   *testing.T
}

// story tells fn once on each database; with FREEHOLD_E2E=restored on servers that were restored from a backup.
func story(t *testing.T, fn func(t *testing.T, h *house)) {
	harness.Engines(t, func(t *testing.T, e harness.Engine) {
		t.Parallel()
		h := &house{
			Server: harness.Start(t, e, "FREEHOLD_REGISTRATION_SHARED_SECRET="+sharedSecret),
			t:      t,
		}
		h.URL = h.Server.URL
		if watch != nil {
			h.URL = watch.Serve(t, h.Server.URL)
		}
		if restored() {
			h.burnsUnderLoad()
		}
		fn(t, h)
	})
}

// Registers is how most people get an account where registration is open: user-interactive, one stage that asks nothing.
// The device that asked is signed in.
func (h *house) Registers(name string) *device {
	h.t.Helper()
	return h.register(name, "m.login.dummy", func(session string) any {
		return mautrix.BaseAuthData{Type: "m.login.dummy", Session: session}
	})
}

// RegistersWith is the same with an invitation.
func (h *house) RegistersWith(name, token string) *device {
	h.t.Helper()
	return h.register(name, "m.login.registration_token", func(session string) any {
		return map[string]string{"type": "m.login.registration_token", "session": session, "token": token}
	})
}

func (h *house) register(name string, stage mautrix.AuthType, auth func(session string) any) *device {
	h.t.Helper()
	d := h.newDevice(name)
	req := &mautrix.ReqRegister[any]{Username: name, Password: password(name), InitialDeviceDisplayName: name + "'s first"}
	_, uia, err := d.client.Register(d.ctx, req)
	if uia == nil {
		h.t.Fatalf("%s registers: got %v, want to be asked to authenticate", name, err)
	}
	if !uia.HasSingleStageFlow(stage) {
		h.t.Fatalf("%s registers: got the flows %v, want one of %s alone", name, uia.Flows, stage)
	}
	req.Auth = auth(uia.Session)
	resp, _, err := d.client.Register(d.ctx, req)
	if err != nil {
		h.t.Fatalf("%s registers: %v", name, err)
	}
	d.signedIn(resp.UserID, resp.DeviceID, resp.AccessToken)
	return d
}

// RegistersWithSecret makes an account as Synapse's tools do.
func (h *house) RegistersWithSecret(name string) *device {
	h.t.Helper()
	d := h.newDevice(name)
	admin := synapseadmin.Client{Client: d.client}
	resp, err := admin.SharedSecretRegister(d.ctx, sharedSecret, synapseadmin.ReqSharedSecretRegister{
		Username: name, Password: password(name),
	})
	if err != nil {
		h.t.Fatalf("%s registers with the shared secret: %v", name, err)
	}
	d.signedIn(resp.UserID, resp.DeviceID, resp.AccessToken)
	return d
}

// SignsIn signs a further device of name in, with the password.
func (h *house) SignsIn(name string) *device {
	h.t.Helper()
	d := h.newDevice(name)
	resp, err := d.client.Login(d.ctx, &mautrix.ReqLogin{
		Type:       mautrix.AuthTypePassword,
		Identifier: mautrix.UserIdentifier{Type: mautrix.IdentifierTypeUser, User: name},
		Password:   password(name),

		InitialDeviceDisplayName: name + "'s next",
	})
	if err != nil {
		h.t.Fatalf("%s signs in: %v", name, err)
	}
	d.signedIn(resp.UserID, resp.DeviceID, resp.AccessToken)
	return d
}

// PowerCut ends the server between two instructions, and starts it again.
func (h *house) PowerCut() {
	h.t.Helper()
	h.Kill()
	h.Start()
}

func password(name string) string { return "the password of " + name }

func (h *house) newDevice(name string) *device {
	h.t.Helper()
	client, err := mautrix.NewClient(h.URL, "", "")
	if err != nil {
		h.t.Fatal(err)
	}
	d := &device{t: h.t, ctx: context.Background(), name: name, client: client, rooms: map[roomID]*room{}}
	d.prepare()
	return d
}
