package account

import (
	"testing"

	"freehold.example/matrix/fault"
)

func TestRescue(t *testing.T) {
	each(t, func(t *testing.T, a *Accounts, _ *clock) {
		g := register(t, a, "alice")
		rescue := func(r Rescue, code fault.Code) {
			t.Helper()
			_, err := a.Rescue(t.Context(), r)
			wantFault(t, err, code)
		}
		for _, fn := range []error{a.SetLocked(t.Context(), g.User, true), a.SetSuspended(t.Context(), g.User, true)} {
			if fn != nil {
				t.Fatal(fn)
			}
		}
		rescue(Rescue{Name: "@Alice:s1"}, "")
		if s := wantToken(t, a, g.Access, ""); s.Locked || s.Suspended {
			t.Errorf("got %+v, want a session that can be used", s)
		}
		rescue(Rescue{Name: "alice", Password: "secret bob", Admin: true, SignOut: true}, "")
		wantToken(t, a, g.Access, fault.UnknownToken)
		if _, err := a.Login(t.Context(), LoginRequest{Name: "alice", Password: "secret bob"}); err != nil {
			t.Error(err)
		}
		if admin, err := a.IsAdmin(t.Context(), g.User); !admin || err != nil {
			t.Errorf("got %v (%v), want an administrator", admin, err)
		}

		rescue(Rescue{Name: "nobody", Password: "secret"}, fault.NotFound)
		rescue(Rescue{Name: "@alice:elsewhere", Password: "secret"}, fault.NotFound)
		if err := a.Deactivate(t.Context(), g.User, false); err != nil {
			t.Fatal(err)
		}
		rescue(Rescue{Name: "alice"}, fault.InvalidParam)
		rescue(Rescue{Name: "alice", Password: "secret carol"}, "")
		if _, err := a.Login(t.Context(), LoginRequest{Name: "alice", Password: "secret carol"}); err != nil {
			t.Error(err)
		}
	})
}
