package account

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"freehold.example/base/limit"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// limited opens accounts whose guesses are counted, with alice, who has been at home.
func limited(t *testing.T) (*Accounts, *clock, netip.Addr) {
	t.Helper()
	home := netip.MustParseAddr("2001:db8::1")
	a, c := open(t, sqldbtest.SQLite(t, schema.FS), Config{})
	a.Limits = limit.New(limit.Config{}, c.now)
	g := register(t, a, "alice")
	a.Seen(wantToken(t, a, g.Access, ""), home, "phone")
	if err := a.FlushSeen(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a, c, home
}

func try(t *testing.T, a *Accounts, name, password string, from netip.Addr) error {
	t.Helper()
	_, err := a.Login(t.Context(), LoginRequest{Name: name, Password: password, From: from})
	return err
}

// device is the first of alice's devices.
func device(t *testing.T, a *Accounts) id.Device {
	t.Helper()
	list, err := a.Devices(t.Context(), "@alice:s1")
	if err != nil || len(list) == 0 {
		t.Fatalf("alice has no devices: %v", err)
	}
	return list[0].Device
}

func stranger(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)})
}

func TestGuessesFromOneAddress(t *testing.T) {
	a, c, _ := limited(t)
	for _, name := range []string{"alice", "nobody"} { // the answers do not tell who exists
		from := stranger(len(name))
		rate := (limit.Config{}).Rate(limit.Password)
		for range rate.Burst {
			wantFault(t, try(t, a, name, "wrong", from), fault.Forbidden)
		}
		wantFault(t, try(t, a, name, "wrong", from), fault.LimitExceeded)
		wantFault(t, try(t, a, name, "secret alice", from), fault.LimitExceeded) // right or not
		wantFault(t, try(t, a, name, "wrong", stranger(100)), fault.Forbidden)
		c.add(rate.Every)
		wantFault(t, try(t, a, name, "wrong", from), fault.Forbidden)
		wantFault(t, try(t, a, name, "wrong", from), fault.LimitExceeded)
	}
	for range 100 { // a right password is not counted
		wantFault(t, try(t, a, "alice", "secret alice", stranger(200)), "")
	}
}

// A thousand machines guess at alice's password: they are slow together, and she gets in at home, and elsewhere with a
// token from her phone.
func TestStrangersLockNobodyOut(t *testing.T) {
	a, c, home := limited(t)
	rate := (limit.Config{}).Rate(limit.Account)
	guessed := 0
	for i := range 1000 {
		if err := try(t, a, "alice", "wrong", stranger(i)); fault.Is(err, fault.Forbidden) {
			guessed++
		} else {
			wantFault(t, err, fault.LimitExceeded)
		}
	}
	if guessed != rate.Burst {
		t.Errorf("got %d guesses from a thousand addresses, want %d", guessed, rate.Burst)
	}
	wantFault(t, try(t, a, "alice", "secret alice", home), "")
	wantFault(t, try(t, a, "alice", "secret alice", netip.MustParseAddr("2001:db8::2")), "") // the same /64
	wantFault(t, try(t, a, "alice", "secret alice", stranger(2000)), fault.LimitExceeded)
	phone := &Session{User: "@alice:s1", Device: device(t, a)}
	token, err := a.LoginToken(t.Context(), phone)
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.LoginByToken(t.Context(), token, DeviceRequest{})
	wantFault(t, err, "")
	c.add(rate.Every)
	wantFault(t, try(t, a, "alice", "secret alice", stranger(2000)), "")
}

// Somebody tries one password on everybody: the address is slow, but not for those who live there.
func TestSprayedPasswords(t *testing.T) {
	a, _, home := limited(t)
	rate := (limit.Config{}).Rate(limit.Guess)
	for i := range rate.Burst {
		wantFault(t, try(t, a, fmt.Sprint("user", i), "password1", home), fault.Forbidden)
	}
	wantFault(t, try(t, a, "another", "password1", home), fault.LimitExceeded)
	wantFault(t, try(t, a, "alice", "secret alice", home), "")
}

func TestGuessedInvitations(t *testing.T) {
	a, _, home := limited(t)
	token, err := a.Invite(t.Context(), Invitation{Token: "party"})
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if ok, err := a.Invited(t.Context(), token, home); !ok || err != nil {
			t.Fatalf("got %v, %v for a good token", ok, err)
		}
	}
	rate := (limit.Config{}).Rate(limit.Guess)
	for range rate.Burst {
		if ok, err := a.Invited(t.Context(), "nonsense", home); ok || err != nil {
			t.Fatalf("got %v, %v for a wrong token", ok, err)
		}
	}
	_, err = a.Invited(t.Context(), token, home)
	wantFault(t, err, fault.LimitExceeded)
}

// A login takes as long for a name that nobody has, whatever the name looks like, and for an account without a password. What
// is compared is the fastest of several, as many as it takes on a machine that has other things to do.
func TestLoginTellsNothingByItsTime(t *testing.T) {
	if testing.Short() {
		t.Skip("hashes passwords in earnest")
	}
	db := sqldbtest.SQLite(t, schema.FS)
	a, _ := open(t, db, Config{})
	h, err := newHasher(false, 1, 64)
	if err != nil {
		t.Fatal(err)
	}
	a.hash = h
	register(t, a, "alice")
	register(t, a, "closed")
	if err := a.Deactivate(t.Context(), "@closed:s1", false); err != nil {
		t.Fatal(err)
	}
	type cost struct{ wall, cpu time.Duration }
	least := map[string]cost{}
	names := []string{"alice", "nobody", "closed", "@alice:elsewhere", "!!", "@alice:s1"}
	differs := func() (name string) {
		for _, name := range names[1:] {
			far := func(a, b time.Duration) bool { return float64(a) < 0.8*float64(b) || float64(a) > 1.25*float64(b) }
			if far(least[name].wall, least["alice"].wall) && far(least[name].cpu, least["alice"].cpu) {
				return name
			}
		}
		return ""
	}
	for round := 0; round < 5 || round < 60 && differs() != ""; round++ {
		for _, name := range names {
			start, used := time.Now(), spent()
			wantFault(t, try(t, a, name, "wrong", netip.Addr{}), fault.Forbidden)
			took := cost{time.Since(start), spent() - used}
			if was, ok := least[name]; ok { // a busy machine makes the time longer, and hardly what was computed in it
				took = cost{min(took.wall, was.wall), min(took.cpu, was.cpu)}
			}
			least[name] = took
		}
	}
	if name := differs(); name != "" {
		t.Errorf("%s: %v, where alice takes %v", name, least[name], least["alice"])
	}
	t.Log(least)
}
