package account

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"freehold.example/matrix/fault"
)

func refresh(t testing.TB, a *Accounts, token string) *Grant {
	t.Helper()
	g, err := a.Refresh(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestRefresh(t *testing.T) {
	each(t, func(t *testing.T, a *Accounts, c *clock) {
		register(t, a, "alice")
		one := login(t, a, "alice", DeviceRequest{Refresh: true})
		if one.Refresh == "" || one.ExpiresIn != time.Hour {
			t.Fatalf("got %+v, want a refresh token and an hour", one)
		}
		wantToken(t, a, one.Access, "")
		c.add(time.Hour)
		_, err := a.Authenticate(t.Context(), one.Access)
		f, ok := errors.AsType[*fault.Fault](err)
		if !ok || f.Code != fault.UnknownToken || f.Extra["soft_logout"] != true {
			t.Errorf("got %v, want a soft logout", err)
		}

		lost := refresh(t, a, one.Refresh) // its answer never arrives
		two := refresh(t, a, one.Refresh)
		if two.User != one.User || two.Device != one.Device {
			t.Errorf("got %+v, want a session of the same device", two)
		}
		wantToken(t, a, lost.Access, fault.UnknownToken)
		wantToken(t, a, two.Access, "")

		_, err = a.Refresh(t.Context(), one.Refresh) // its successor was used
		wantFault(t, err, fault.UnknownToken)
		wantToken(t, a, two.Access, fault.UnknownToken)
		_, err = a.Refresh(t.Context(), two.Refresh)
		wantFault(t, err, fault.UnknownToken)
		if d, err := a.Device(t.Context(), one.User, one.Device); err != nil || d == nil {
			t.Errorf("got %v, want the device to outlive its session", err)
		}
	})
}

func TestRefreshKeepsTheOldPairUntilTheNewIsUsed(t *testing.T) {
	each(t, func(t *testing.T, a *Accounts, _ *clock) {
		register(t, a, "alice")
		one := login(t, a, "alice", DeviceRequest{Refresh: true})
		wantToken(t, a, one.Access, "")
		two := refresh(t, a, one.Refresh)
		wantToken(t, a, one.Access, "") // from the cache or not
		a.sessions.drop(one.User)
		wantToken(t, a, one.Access, "")
		three := refresh(t, a, two.Refresh) // uses the second pair without its access token
		wantToken(t, a, one.Access, fault.UnknownToken)
		wantToken(t, a, two.Access, "")
		wantToken(t, a, three.Access, "")
		wantToken(t, a, two.Access, fault.UnknownToken)
		wantToken(t, a, three.Access, "")
	})
}

func TestSpentTokensAreForgotten(t *testing.T) {
	each(t, func(t *testing.T, a *Accounts, c *clock) {
		register(t, a, "alice")
		g := login(t, a, "alice", DeviceRequest{Refresh: true})
		first := g
		for range 3 {
			g = refresh(t, a, g.Refresh)
			wantToken(t, a, g.Access, "")
			c.add(rememberSpent)
		}
		_, err := a.Refresh(t.Context(), first.Refresh) // merely unknown: nothing ends
		wantFault(t, err, fault.UnknownToken)
		g = refresh(t, a, g.Refresh)
		wantToken(t, a, g.Access, "")
	})
}

// However a refresh and the uses of the new tokens run into each other, one session is left, and it works.
func TestRefreshConcurrently(t *testing.T) {
	each(t, func(t *testing.T, a *Accounts, _ *clock) {
		register(t, a, "alice")
		g := login(t, a, "alice", DeviceRequest{Refresh: true})
		for range 5 {
			next := refresh(t, a, g.Refresh)
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					if _, err := a.Authenticate(t.Context(), next.Access); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			wantToken(t, a, g.Access, fault.UnknownToken)
			g = next
		}
	})
}

// A client asks with the same refresh token many times at once, as one does whose answers are slow: one pair is left, which
// works; and when the old token is shown after that, the family ends, whoever shows it.
func TestOneRefreshTokenConcurrently(t *testing.T) {
	each(t, func(t *testing.T, a *Accounts, _ *clock) {
		register(t, a, "alice")
		first := login(t, a, "alice", DeviceRequest{Refresh: true})
		var wg sync.WaitGroup
		pairs := make([]*Grant, 8)
		for i := range pairs {
			wg.Go(func() {
				var err error
				if pairs[i], err = a.Refresh(t.Context(), first.Refresh); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		var live []*Grant
		for _, g := range pairs {
			if _, err := a.Authenticate(t.Context(), g.Access); err == nil {
				live = append(live, g)
			}
		}
		if len(live) != 1 {
			t.Fatalf("got %d pairs that work, want 1", len(live))
		}
		for _, g := range pairs {
			if g != live[0] { // a pair that was given up is merely unknown, and ends nothing
				_, err := a.Refresh(t.Context(), g.Refresh)
				wantFault(t, err, fault.UnknownToken)
			}
		}
		wantToken(t, a, live[0].Access, "")
		next := refresh(t, a, live[0].Refresh)
		errs := make([]error, 8)
		for i := range errs { // the thief and the owner, at the same time
			wg.Go(func() { _, errs[i] = a.Refresh(t.Context(), first.Refresh) })
		}
		wg.Wait()
		for _, err := range errs {
			wantFault(t, err, fault.UnknownToken)
		}
		for _, token := range []string{live[0].Access, next.Access} {
			wantToken(t, a, token, fault.UnknownToken)
		}
		_, err := a.Refresh(t.Context(), next.Refresh)
		wantFault(t, err, fault.UnknownToken)
	})
}

func TestInvitationConcurrently(t *testing.T) {
	each(t, func(t *testing.T, a *Accounts, _ *clock) {
		token, err := a.Invite(t.Context(), Invitation{Allowed: 3})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			wg.Go(func() {
				_, errs[i] = a.Register(t.Context(), RegisterRequest{Name: fmt.Sprint("u", i), Password: "password", Token: token})
			})
		}
		wg.Wait()
		made := 0
		for _, err := range errs {
			if err == nil {
				made++
			} else if !fault.Is(err, fault.Forbidden) {
				t.Errorf("got %v, want M_FORBIDDEN", err)
			}
		}
		if n, err := a.Count(t.Context()); made != 3 || n != 3 || err != nil {
			t.Errorf("got %d registrations and %d accounts (%v), want 3", made, n, err)
		}
	})
}

// A token that has been logged out must never authenticate again, whoever reads it in between.
func TestLogoutConcurrently(t *testing.T) {
	each(t, func(t *testing.T, a *Accounts, _ *clock) {
		register(t, a, "alice")
		for range 5 {
			g := login(t, a, "alice", DeviceRequest{Device: "D"})
			s := wantToken(t, a, g.Access, "")
			stop := make(chan struct{})
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
							a.sessions.drop("@nobody:s1") // a new generation: nothing is put in by chance
							_, _ = a.Authenticate(t.Context(), g.Access)
						}
					}
				})
			}
			err := a.Logout(t.Context(), s)
			_, after := a.Authenticate(t.Context(), g.Access)
			close(stop)
			wg.Wait()
			wantFault(t, err, "")
			wantFault(t, after, fault.UnknownToken)
			wantToken(t, a, g.Access, fault.UnknownToken)
		}
	})
}
