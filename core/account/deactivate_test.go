package account

import (
	"context"
	"errors"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// A departure that fails, or is cut short by the end of the process, is taken up again by the next one, until it is done.
func TestDepartureIsFinished(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		var left []id.User
		fail := errors.New("the room is stuck")
		start := func(fail error) *Accounts {
			a, _ := open(t, db, Config{Depart: func(_ context.Context, user id.User) error {
				left = append(left, user)
				return fail
			}})
			return a
		}
		a := start(fail)
		for _, name := range []string{"alice", "bob", "carol"} {
			g := register(t, a, name)
			if name == "carol" {
				continue
			}
			if err := a.Deactivate(t.Context(), g.User, name == "bob"); err != nil {
				t.Errorf("got %v, want the account closed all the same", err)
			}
			wantToken(t, a, g.Access, fault.UnknownToken)
			_, err := a.Login(t.Context(), LoginRequest{Name: name, Password: "secret " + name})
			wantFault(t, err, fault.Forbidden)
		}
		check := func(a *Accounts, want ...id.User) {
			t.Helper()
			left = nil
			err := a.FinishDepartures(t.Context())
			if len(left) != len(want) || len(want) > 0 && (left[0] != want[0] || left[1] != want[1]) {
				t.Errorf("got %v to depart (%v), want %v", left, err, want)
			}
		}
		check(a, "@alice:s1", "@bob:s1")
		a = start(nil) // the program was started again, and what was in the way is gone
		check(a, "@alice:s1", "@bob:s1")
		check(a)
		if err := a.ReadErased(t.Context()); err != nil {
			t.Fatal(err)
		}
		for user, want := range map[id.User]bool{"@bob:s1": true, "@alice:s1": false, "@carol:s1": false} {
			if at, ok := a.Erased(user); ok != want || ok && at == 0 {
				t.Errorf("%s: got erased at %d, %v, want %v", user, at, ok, want)
			}
		}
		acc, err := a.Find(t.Context(), "@bob:s1")
		if err != nil || !acc.Erase || acc.Deactivated.IsZero() {
			t.Errorf("got %+v (%v), want @bob:s1 closed and erased", acc, err)
		}
	})
}
