package account

import (
	"testing"

	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

func TestOpenID(t *testing.T) {
	each(t, func(t *testing.T, a *Accounts, c *clock) {
		alice := register(t, a, "alice")
		ask := func() string {
			t.Helper()
			token, err := a.OpenIDToken(t.Context(), wantToken(t, a, alice.Access, ""))
			if err != nil {
				t.Fatal(err)
			}
			return token
		}
		is := func(token string, want fault.Code) {
			t.Helper()
			user, err := a.OpenIDUser(t.Context(), token)
			wantFault(t, err, want)
			if want == "" && user != alice.User {
				t.Errorf("got %q, want %s", user, alice.User)
			}
		}
		token := ask()
		is(token, "")
		is(token, "") // as often as one likes
		is(alice.Access, fault.UnknownToken)
		wantToken(t, a, token, fault.UnknownToken)
		for _, locked := range []bool{true, false} {
			if err := a.SetLocked(t.Context(), alice.User, locked); err != nil {
				t.Fatal(err)
			}
			is(token, map[bool]fault.Code{true: fault.UnknownToken}[locked])
		}
		for range maxOpenID {
			c.add(1000000)
			ask()
		}
		is(token, fault.UnknownToken) // the oldest made room
		token = ask()
		c.add(OpenIDFor)
		is(token, fault.UnknownToken)
		token = ask()
		if err := a.Remove(t.Context(), alice.User, []id.Device{alice.Device}); err != nil {
			t.Fatal(err)
		}
		is(token, fault.UnknownToken)
	})
}
