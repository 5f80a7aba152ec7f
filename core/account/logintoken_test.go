package account

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

func loginToken(t testing.TB, a *Accounts, g *Grant) string {
	t.Helper()
	token, err := a.LoginToken(t.Context(), wantToken(t, a, g.Access, ""))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestLoginToken(t *testing.T) {
	each(t, func(t *testing.T, a *Accounts, c *clock) {
		alice := register(t, a, "alice")
		use := func(token string, want fault.Code) *Grant {
			t.Helper()
			g, err := a.LoginByToken(t.Context(), token, DeviceRequest{DeviceName: "tablet"})
			wantFault(t, err, want)
			return g
		}
		token := loginToken(t, a, alice)
		g := use(token, "")
		if g.User != alice.User || g.Device == alice.Device {
			t.Errorf("got %+v, want another device of %s", g, alice.User)
		}
		wantToken(t, a, g.Access, "")
		wantToken(t, a, token, fault.UnknownToken)
		use(token, fault.Forbidden) // once
		use(alice.Access, fault.Forbidden)
		use("", fault.Forbidden)

		token = loginToken(t, a, alice)
		c.add(LoginTokenFor)
		use(token, fault.Forbidden)

		token = loginToken(t, a, alice)
		if err := a.SetLocked(t.Context(), alice.User, true); err != nil {
			t.Fatal(err)
		}
		use(token, fault.UserLocked)
		if err := a.SetLocked(t.Context(), alice.User, false); err != nil {
			t.Fatal(err)
		}
		use(token, "")

		for what, end := range map[string]func() error{
			"a new password": func() error { return a.ResetPassword(t.Context(), alice.User, "another", false) },
			"the end of the session": func() error {
				return a.Remove(t.Context(), alice.User, []id.Device{alice.Device})
			},
		} {
			alice = login(t, a, "alice", DeviceRequest{})
			token = loginToken(t, a, alice)
			if err := end(); err != nil {
				t.Fatal(err)
			}
			if _, err := a.LoginByToken(t.Context(), token, DeviceRequest{}); !fault.Is(err, fault.Forbidden) {
				t.Errorf("%s does not end a login token: got %v", what, err)
			}
			if err := a.ResetPassword(t.Context(), alice.User, "secret alice", false); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestLoginTokensAreBounded(t *testing.T) {
	each(t, func(t *testing.T, a *Accounts, c *clock) {
		alice := register(t, a, "alice")
		first := loginToken(t, a, alice)
		for range maxLoginTokens {
			c.add(time.Millisecond)
			loginToken(t, a, alice)
		}
		_, err := a.LoginByToken(t.Context(), first, DeviceRequest{})
		wantFault(t, err, fault.Forbidden)
		_, err = a.LoginByToken(t.Context(), loginToken(t, a, alice), DeviceRequest{})
		wantFault(t, err, "")
	})
}

// However many use a login token at the same moment, one of them logs in.
func TestLoginTokenOnce(t *testing.T) {
	each(t, func(t *testing.T, a *Accounts, _ *clock) {
		token := loginToken(t, a, register(t, a, "alice"))
		var in atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				switch _, err := a.LoginByToken(t.Context(), token, DeviceRequest{}); {
				case err == nil:
					in.Add(1)
				case !fault.Is(err, fault.Forbidden):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if in.Load() != 1 {
			t.Errorf("got %d logins with one token, want 1", in.Load())
		}
	})
}
