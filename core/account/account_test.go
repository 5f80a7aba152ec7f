package account

import (
	"encoding/hex"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// clock is a time that a test moves.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func (c *clock) add(d time.Duration) { c.at = c.at.Add(d) }

func each(t *testing.T, fn func(t *testing.T, a *Accounts, c *clock)) {
	t.Helper()
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		a, c := open(t, db, Config{})
		fn(t, a, c)
	})
}

func open(t testing.TB, db *sqldb.DB, config Config) (*Accounts, *clock) {
	t.Helper()
	c := &clock{time.Date(2026, 7, 8, 12, 0, 0, 0, time.UTC)}
	config.DB, config.ServerName, config.Now, config.FastHashing = db, "s1", c.now, true
	a, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return a, c
}

func register(t testing.TB, a *Accounts, name string) *Grant {
	t.Helper()
	g, err := a.Register(t.Context(), RegisterRequest{Name: name, Password: "secret " + name})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func login(t testing.TB, a *Accounts, name string, r DeviceRequest) *Grant {
	t.Helper()
	g, err := a.Login(t.Context(), LoginRequest{Name: name, Password: "secret " + name, DeviceRequest: r})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// wantFault fails the test unless err is a fault with this code; "" stands for no error.
func wantFault(t testing.TB, err error, code fault.Code) {
	t.Helper()
	if code == "" && err != nil || code != "" && !fault.Is(err, code) {
		t.Errorf("got error %v, want %q", err, code)
	}
}

func wantToken(t testing.TB, a *Accounts, token string, code fault.Code) *Session {
	t.Helper()
	s, err := a.Authenticate(t.Context(), token)
	wantFault(t, err, code)
	return s
}

func TestRegisterAndLogin(t *testing.T) {
	each(t, func(t *testing.T, a *Accounts, _ *clock) {
		g := register(t, a, "Alice")
		if g.User != "@alice:s1" || g.Device == "" || g.Access == "" || g.Refresh != "" || g.ExpiresIn != 0 {
			t.Errorf("got %+v, want a session of @alice:s1 that does not expire", g)
		}
		s := wantToken(t, a, g.Access, "")
		if s.User != g.User || s.Device != g.Device || s.Admin {
			t.Errorf("got %s on %s, want %s on %s", s.User, s.Device, g.User, g.Device)
		}
		_, err := a.Register(t.Context(), RegisterRequest{Name: "aLiCe", Password: "another"})
		wantFault(t, err, fault.UserInUse)
		for _, name := range []string{"alice", "ALICE", "@alice:s1", "@Alice:s1"} {
			g, err := a.Login(t.Context(), LoginRequest{Name: name, Password: "secret Alice"})
			if err != nil {
				t.Errorf("login as %s: %v", name, err)
				continue
			}
			wantToken(t, a, g.Access, "")
		}
		for _, r := range []LoginRequest{
			{Name: "alice", Password: "wrong"},
			{Name: "alice"},
			{Name: "nobody", Password: "secret Alice"},
			{Name: "@alice:elsewhere", Password: "secret Alice"},
			{Name: "", Password: "secret Alice"},
			{Name: "al:ice", Password: "secret Alice"},
		} {
			_, err := a.Login(t.Context(), r)
			wantFault(t, err, fault.Forbidden)
		}
		n, err := a.Count(t.Context())
		if n != 1 || err != nil {
			t.Errorf("got %d accounts (%v), want 1", n, err)
		}
	})
}

func TestTakeOverDevice(t *testing.T) {
	each(t, func(t *testing.T, a *Accounts, _ *clock) {
		old := register(t, a, "alice")
		taken := login(t, a, "alice", DeviceRequest{Device: old.Device, DeviceName: "new name"})
		if taken.Device != old.Device {
			t.Errorf("got device %s, want %s", taken.Device, old.Device)
		}
		wantToken(t, a, old.Access, fault.UnknownToken)
		wantToken(t, a, taken.Access, "")
		devices, err := a.Devices(t.Context(), old.User)
		if err != nil || len(devices) != 1 || devices[0].Name != "" {
			t.Errorf("got %v (%v), want the one device with its old name", devices, err)
		}
	})
}

func TestDeviceNames(t *testing.T) {
	each(t, func(t *testing.T, a *Accounts, _ *clock) {
		register(t, a, "alice")
		long := strings.Repeat("ä", maxDeviceName)
		g := login(t, a, "alice", DeviceRequest{DeviceName: "x\x00" + long})
		name := func(want string) {
			t.Helper()
			if d, err := a.Device(t.Context(), g.User, g.Device); err != nil || d.Name != want {
				t.Errorf("got %+v (%v), want the name %q", d, err, want)
			}
		}
		name("x" + long[:maxDeviceName-2])
		wantFault(t, a.Rename(t.Context(), g.User, g.Device, long), fault.InvalidParam)
		wantFault(t, a.Rename(t.Context(), g.User, g.Device, "a\x00b"), "")
		name("ab")
		wantFault(t, a.Rename(t.Context(), g.User, "NONE", "a"), fault.NotFound)
	})
}

func TestLogout(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		noted := func(in map[sqldb.Pos]id.Device) []DeviceHook { // by position: a write may run twice
			return []DeviceHook{func(tx *sqldb.Tx, _ id.User, d id.Device) error { in[tx.Pos()] = d; return nil }}
		}
		dropped, changed := make(map[sqldb.Pos]id.Device), make(map[sqldb.Pos]id.Device)
		a, _ := open(t, db, Config{DropDevice: noted(dropped), DeviceChanged: noted(changed)})
		first, second := register(t, a, "alice"), login(t, a, "alice", DeviceRequest{Device: "SECOND"})
		bob := register(t, a, "bob")
		if err := a.Logout(t.Context(), wantToken(t, a, second.Access, "")); err != nil {
			t.Fatal(err)
		}
		wantToken(t, a, second.Access, fault.UnknownToken)
		wantToken(t, a, first.Access, "")
		if got := slices.Collect(maps.Values(dropped)); !slices.Equal(got, []id.Device{"SECOND"}) || len(changed) != 4 {
			t.Errorf("got dropped %v, changed %v; want SECOND dropped and four changes", dropped, changed)
		}
		login(t, a, "alice", DeviceRequest{Device: "SECOND"})
		if err := a.LogoutAll(t.Context(), first.User); err != nil {
			t.Fatal(err)
		}
		wantToken(t, a, first.Access, fault.UnknownToken)
		wantToken(t, a, bob.Access, "")
		devices, err := a.Devices(t.Context(), first.User)
		if err != nil || len(devices) != 0 {
			t.Errorf("got %v (%v), want no device", devices, err)
		}
	})
}

func TestNames(t *testing.T) {
	db := sqldbtest.SQLite(t, schema.FS)
	a, _ := open(t, db, Config{})
	register(t, a, "taken")
	long := make([]byte, 252)
	for i := range long {
		long[i] = 'x'
	}
	for _, c := range []struct {
		name string
		want fault.Code
	}{
		{"a", ""},
		{"a.b_c=d-e/f+0", ""},
		{"UPPER", ""},
		{string(long[:251]), ""},
		{"taken", fault.UserInUse},
		{"TAKEN", fault.UserInUse},
		{"", fault.InvalidUsername},
		{"a,b", fault.InvalidUsername},
		{"a!", fault.InvalidUsername},
		{`a"`, fault.InvalidUsername},
		{"a:b", fault.InvalidUsername},
		{"a?", fault.InvalidUsername},
		{`a\`, fault.InvalidUsername},
		{"a@b", fault.InvalidUsername},
		{"a[", fault.InvalidUsername},
		{"a]", fault.InvalidUsername},
		{"a{", fault.InvalidUsername},
		{"a|", fault.InvalidUsername},
		{"a}", fault.InvalidUsername},
		{"a'", fault.InvalidUsername},
		{"a£", fault.InvalidUsername},
		{"é", fault.InvalidUsername},
		{"\u212a", fault.InvalidUsername}, // the Kelvin sign, whose lower case is k
		{"a b", fault.InvalidUsername},
		{"a\x00", fault.InvalidUsername},
		{string(long), fault.InvalidUsername},
	} {
		_, err := a.CheckName(t.Context(), c.name)
		if c.want == "" && err != nil || c.want != "" && !fault.Is(err, c.want) {
			t.Errorf("%q: got %v, want %q", c.name, err, c.want)
		}
	}
}

func TestChangePassword(t *testing.T) {
	each(t, func(t *testing.T, a *Accounts, _ *clock) {
		mine, other := register(t, a, "alice"), login(t, a, "alice", DeviceRequest{})
		s := wantToken(t, a, mine.Access, "")
		if err := a.SetPassword(t.Context(), s, "changed", false); err != nil {
			t.Fatal(err)
		}
		wantToken(t, a, other.Access, "")
		if err := a.SetPassword(t.Context(), s, "changed again", true); err != nil {
			t.Fatal(err)
		}
		wantToken(t, a, mine.Access, "")
		wantToken(t, a, other.Access, fault.UnknownToken)
		_, err := a.Login(t.Context(), LoginRequest{Name: "alice", Password: "changed"})
		wantFault(t, err, fault.Forbidden)
		_, err = a.Login(t.Context(), LoginRequest{Name: "alice", Password: "changed again"})
		wantFault(t, err, "")
	})
}

func TestDeactivate(t *testing.T) {
	each(t, func(t *testing.T, a *Accounts, _ *clock) {
		g := register(t, a, "alice")
		if err := a.Deactivate(t.Context(), g.User, true); err != nil {
			t.Fatal(err)
		}
		wantToken(t, a, g.Access, fault.UnknownToken)
		_, err := a.Login(t.Context(), LoginRequest{Name: "alice", Password: "secret alice"})
		wantFault(t, err, fault.Forbidden)
		_, err = a.Register(t.Context(), RegisterRequest{Name: "alice", Password: "secret alice"})
		wantFault(t, err, fault.UserInUse)
		acc, err := a.Find(t.Context(), g.User)
		if err != nil || !acc.Erase || acc.Deactivated.IsZero() {
			t.Errorf("got %+v (%v), want a deactivated account to be erased", acc, err)
		}
		wantFault(t, a.Deactivate(t.Context(), g.User, false), fault.NotFound)
	})
}

func TestLockedAndAdmin(t *testing.T) {
	each(t, func(t *testing.T, a *Accounts, _ *clock) {
		g := register(t, a, "alice")
		if err := a.SetLocked(t.Context(), g.User, true); err != nil {
			t.Fatal(err)
		}
		if s := wantToken(t, a, g.Access, ""); !s.Locked {
			t.Error("got a session that is not locked, want a locked one")
		}
		_, err := a.Login(t.Context(), LoginRequest{Name: "alice", Password: "secret alice"})
		wantFault(t, err, fault.UserLocked)
		if err := a.SetAdmin(t.Context(), g.User, true); err != nil {
			t.Fatal(err)
		}
		if admin, err := a.IsAdmin(t.Context(), g.User); !admin || err != nil {
			t.Errorf("got %v (%v), want an administrator", admin, err)
		}
		if admin, err := a.IsAdmin(t.Context(), "@nobody:s1"); admin || err != nil {
			t.Errorf("got %v (%v), want nobody to be no administrator", admin, err)
		}
	})
}

func TestInvitations(t *testing.T) {
	each(t, func(t *testing.T, a *Accounts, c *clock) {
		token, err := a.Invite(t.Context(), Invitation{Allowed: 1, Expires: c.at.Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		valid := func(token string) bool {
			t.Helper()
			ok, err := a.Invited(t.Context(), token, netip.Addr{})
			if err != nil {
				t.Fatal(err)
			}
			return ok
		}
		if !valid(token) || valid("other") || valid("") || valid("ä") {
			t.Error("want the token made to be valid and no other")
		}
		for i, want := range []fault.Code{"", fault.Forbidden} {
			_, err = a.Register(t.Context(), RegisterRequest{Name: string(rune('a' + i)), Password: "password", Token: token})
			wantFault(t, err, want)
		}
		if valid(token) {
			t.Error("got a valid token, want it used up")
		}
		late, err := a.Invite(t.Context(), Invitation{Token: "late", Expires: c.at.Add(time.Hour)})
		if err != nil || !valid(late) {
			t.Fatalf("got %v, want a valid token", err)
		}
		c.add(time.Hour)
		if valid(late) {
			t.Error("got a valid token, want it expired")
		}
		_, err = a.Invite(t.Context(), Invitation{Token: "late"})
		wantFault(t, err, fault.InvalidParam)
		_, err = a.Invite(t.Context(), Invitation{Token: "with space"})
		wantFault(t, err, fault.InvalidParam)
	})
}

func TestSeen(t *testing.T) {
	each(t, func(t *testing.T, a *Accounts, c *clock) {
		g := register(t, a, "alice")
		s := wantToken(t, a, g.Access, "")
		ip := netip.MustParseAddr("192.0.2.7")
		a.Seen(s, ip, "agent")
		for _, flushed := range []bool{false, true} {
			if flushed {
				if err := a.FlushSeen(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			d, err := a.Device(t.Context(), g.User, g.Device)
			if err != nil || !d.Seen.Equal(c.at) || d.SeenIP != "192.0.2.7" || d.SeenAgent != "agent" {
				t.Errorf("flushed %v: got %+v (%v), want it seen at %s", flushed, d, err, c.at)
			}
		}
		a.Seen(s, ip, "agent")
		if len(a.seen.notes) != 0 {
			t.Error("got a second note within the same moment, want none")
		}
		c.add(time.Minute)
		a.Seen(s, ip, strings.Repeat("ä", agentMax)+"\xff")
		if len(a.seen.notes) != 1 {
			t.Error("got no note after a minute, want one")
		}
		if err := a.FlushSeen(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestShared(t *testing.T) {
	db := sqldbtest.SQLite(t, schema.FS)
	a, c := open(t, db, Config{SharedSecret: "shhh"})
	request := func(name string, admin bool) SharedRequest {
		t.Helper()
		nonce, err := a.Nonce()
		if err != nil {
			t.Fatal(err)
		}
		r := SharedRequest{Nonce: nonce, Name: name, Password: "pw", Admin: admin}
		r.MAC = hex.EncodeToString(sharedMAC("shhh", r))
		return r
	}
	r := request("Root", true)
	g, err := a.RegisterShared(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if s := wantToken(t, a, g.Access, ""); s.User != "@root:s1" || !s.Admin {
		t.Errorf("got %+v, want @root:s1 as an administrator", s)
	}
	_, err = a.RegisterShared(t.Context(), r)
	wantFault(t, err, fault.Unknown)
	r = request("eve", false)
	r.Admin = true
	_, err = a.RegisterShared(t.Context(), r)
	wantFault(t, err, fault.Forbidden)
	_, err = a.RegisterShared(t.Context(), request("us,er", false))
	wantFault(t, err, fault.InvalidUsername)
	r = request("late", false)
	c.add(nonceFor)
	_, err = a.RegisterShared(t.Context(), r)
	wantFault(t, err, fault.Unknown)
}

func FuzzNamed(f *testing.F) {
	for _, s := range []string{"alice", "@Alice:s1", "@alice:s2", "@:s1", "a:b", "\u212a", "\xff", "@@a:s1", ""} {
		f.Add(s)
	}
	a := &Accounts{Config: Config{ServerName: "s1"}}
	f.Fuzz(func(t *testing.T, s string) {
		if user, ok := a.Named(s); ok {
			if _, err := id.ParseUser(string(user)); err != nil || user.Server() != "s1" || lower(string(user)) != string(user) {
				t.Errorf("%q: got %q, want a user id of this server", s, user)
			}
		}
		if user, err := a.newName(s); err == nil {
			if again, ok := a.Named(s); !ok || again != user {
				t.Errorf("%q: got %q registered and %q at login, want the same", s, user, again)
			}
		}
	})
}
