package account

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// How long an answer takes must not tell whether there is such a user: a password is hashed in every case.
func TestLoginAlwaysHashes(t *testing.T) {
	a, _ := open(t, sqldbtest.SQLite(t, schema.FS), Config{Hashers: 1})
	g := register(t, a, "alice")
	register(t, a, "closed")
	if err := a.Deactivate(t.Context(), "@closed:s1", false); err != nil {
		t.Fatal(err)
	}
	a.hash.slots <- struct{}{} // whoever hashes now waits
	for _, name := range []string{"alice", "closed", "nobody", "@alice:elsewhere", "not:a:name", ""} {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := a.Login(ctx, LoginRequest{Name: name, Password: "guess"})
			done <- err
		}()
		for a.hash.waiting.Load() == 0 {
			select {
			case err := <-done:
				t.Fatalf("%q: got %v without a hash", name, err)
			default:
			}
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("%q: got %v, want the wait to be given up", name, err)
		}
	}
	<-a.hash.slots
	wantToken(t, a, g.Access, "")
}

func TestDevicesAreBounded(t *testing.T) {
	db := sqldbtest.SQLite(t, schema.FS)
	a, c := open(t, db, Config{})
	first := register(t, a, "alice")
	err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
		for i := range maxDevices - 1 {
			_, err := tx.Exec(`INSERT INTO account_device (user_id, device_id, display_name, created, seen, seen_ip, seen_agent)
				VALUES ($1, $2, '', $3, $4, '', '')`, first.User, fmt.Sprint("D", i), a.now()+1+int64(i), 0)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.Login(t.Context(), LoginRequest{Name: "alice", Password: "secret alice"})
	wantFault(t, err, fault.ResourceLimitExceeded)
	devices, err := a.Devices(t.Context(), first.User)
	if len(devices) != maxDevices || err != nil {
		t.Errorf("got %d devices (%v), want %d", len(devices), err, maxDevices)
	}
	login(t, a, "alice", DeviceRequest{Device: "D0"}) // one that exists can be taken over

	c.add(abandoned) // the first of them has been away so long that it makes room; the others were seen a moment later
	login(t, a, "alice", DeviceRequest{Device: "NEW"})
	if _, err := a.Device(t.Context(), first.User, first.Device); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v, want the device that was away the longest to be gone", err)
	}
	for _, d := range []id.Device{"NEW", "D1", "D998"} {
		if _, err := a.Device(t.Context(), first.User, d); err != nil {
			t.Errorf("%s: %v", d, err)
		}
	}
	if err := a.LogoutAll(t.Context(), first.User); err != nil {
		t.Fatal(err)
	}
	login(t, a, "alice", DeviceRequest{})
}
