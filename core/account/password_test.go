package account

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
	"freehold.example/matrix/fault"
)

func TestHash(t *testing.T) {
	h, err := newHasher(true, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	phc, err := h.Hash(ctx, "pässword")
	if err != nil || !strings.HasPrefix(phc, "$argon2id$v=19$m=64,t=1,p=1$") {
		t.Fatalf("got %q (%v), want a PHC string", phc, err)
	}
	for _, c := range []struct {
		phc, password string
		want          bool
	}{
		{phc, "pässword", true},
		{phc, "password", false},
		{phc, "", false},
		{"", "pässword", false},
		{phc, strings.Repeat("x", maxPassword+1), false},
	} {
		if got, err := h.Verify(ctx, c.phc, c.password); got != c.want || err != nil {
			t.Errorf("%q: got %v (%v), want %v", c.password, got, err, c.want)
		}
	}
	standard := &hasher{cost: standardCost}
	if !standard.Weak(phc) || h.Weak(phc) {
		t.Error("want a fast hash to be weak where hashes are not fast, and only there")
	}
}

// A vector of the reference implementation (phc-winner-argon2, test.c), so that hashes can be moved between programs.
func TestHashIsArgon2(t *testing.T) {
	h, err := newHasher(true, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	const phc = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	if ok, err := h.Verify(t.Context(), phc, "password"); !ok || err != nil {
		t.Errorf("got %v (%v), want the password to be right", ok, err)
	}
}

func TestHashesAreBounded(t *testing.T) {
	h, err := newHasher(true, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	h.slots <- struct{}{} // somebody hashes
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var waited error
	wg.Go(func() { waited = h.enter(ctx) })
	for h.waiting.Load() != 1 {
		time.Sleep(time.Millisecond)
	}
	_, err = h.Hash(t.Context(), "x")
	if f, ok := errors.AsType[*fault.Fault](err); !ok || f.Code != fault.LimitExceeded || f.RetryAfter == 0 {
		t.Errorf("got %v, want M_LIMIT_EXCEEDED with a time", err)
	}
	cancel()
	wg.Wait()
	if !errors.Is(waited, context.Canceled) || h.waiting.Load() != 0 {
		t.Errorf("got %v, want the one who waited to have gone", waited)
	}
}

// Passwords of accounts that were made with weaker settings are hashed anew when their owners log in.
func TestLoginStrengthensHash(t *testing.T) {
	db := sqldbtest.SQLite(t, schema.FS)
	weak, _ := open(t, db, Config{})
	register(t, weak, "alice")
	strong, _ := open(t, db, Config{})
	strong.hash.cost.memory = 128
	login(t, strong, "alice", DeviceRequest{})
	acc, err := strong.Find(t.Context(), "@alice:s1")
	if err != nil || !strings.Contains(acc.password, "m=128,") {
		t.Errorf("got %s (%v), want a hash of the new cost", acc.password, err)
	}
	login(t, strong, "alice", DeviceRequest{})
	login(t, weak, "alice", DeviceRequest{})
	if acc, _ := weak.Find(t.Context(), "@alice:s1"); !strings.Contains(acc.password, "m=128,") {
		t.Errorf("got %s, want the stronger hash kept", acc.password)
	}
}

func FuzzParsePHC(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Add("$argon2id$v=19$m=4294967295,t=0,p=0$$")
	f.Add("$argon2i$v=19$")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		c, salt, hash, err := parsePHC(s)
		if err == nil && (c.memory > 1<<20 || c.passes == 0 || c.threads == 0 || len(salt) < 8 || len(hash) < 16) {
			t.Errorf("got %+v with %d bytes of salt and %d of hash, want them in range", c, len(salt), len(hash))
		}
	})
}

func BenchmarkHash(b *testing.B) {
	h, err := newHasher(false, 1, 1)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := h.Hash(b.Context(), "password"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	a, _ := open(b, sqldbtest.SQLite(b, schema.FS), Config{})
	g := register(b, a, "alice")
	ip := netip.MustParseAddr("192.0.2.7")
	b.ReportAllocs()
	for b.Loop() {
		s, err := a.Authenticate(b.Context(), g.Access)
		if err != nil {
			b.Fatal(err)
		}
		a.Seen(s, ip, "agent")
	}
}
