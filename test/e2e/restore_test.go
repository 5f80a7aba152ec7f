package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"

	"freehold.example/base/sqldb/sqldbtest"
)

// BacksUp makes a backup of the running server.
func (h *house) BacksUp() (file string) {
	h.t.Helper()
	file = filepath.Join(h.t.TempDir(), "backup.tar")
	h.Run("backup", "--to", file)
	return file
}

// Burns loses everything but the backup, and makes a server of that on the other database, at the same address.
func (h *house) Burns(file string) {
	h.t.Helper()
	h.Kill()
	h.Dir = h.t.TempDir()
	if h.DatabaseURL == "" {
		h.DatabaseURL = sqldbtest.Postgres(h.t)
	} else {
		h.DatabaseURL = ""
	}
	h.Run("restore", file)
	h.Start()
}

// The house burns down, and what is left is a backup. People and their devices go on, encrypted, though the devices
// remember a time that never was: keys that were used up, devices that are gone, a name that nobody gave.
func TestAfterTheFire(t *testing.T) {
	story(t, func(t *testing.T, h *house) {
		alice, bob := h.Registers("alice"), h.Registers("bob")
		room := alice.CreatesEncrypted("archive")
		alice.Invites(room, bob)
		bob.Joins(room)
		alice.SeesMember(room, bob, event.MembershipJoin)
		alice.Says(room, "this is in the backup")
		bob.Sees(room, "this is in the backup")
		cat := picture(64, 64)
		alice.SendsPicture(room, "cat.png", cat)
		recovery := alice.SetsUpCrossSigning()
		version := alice.BacksUpKeys(recovery)
		bob.Trusts(alice)
		file := h.BacksUp()

		// What nobody but the devices will remember.
		alice.must("forget the room key", alice.olm.CryptoStore.RemoveOutboundGroupSession(alice.ctx, room))
		alice.Says(room, "this will be lost")
		bob.Sees(room, "this will be lost")
		taken := map[string]bool{}
		for range 5 {
			taken[bob.claim(alice)] = true
		}
		carol, tablet := h.Registers("carol"), h.SignsIn("bob")
		alice.Invites(room, carol)
		carol.Joins(room)
		alice.SeesMember(room, carol, event.MembershipJoin)
		tablet.IsIn(room)
		alice.Says(room, "carol is here, and bob's tablet")
		carol.Sees(room, "carol is here, and bob's tablet")
		tablet.Sees(room, "carol is here, and bob's tablet")
		alice.Names(room, "a name that nobody gave")
		bob.SeesName(room, "a name that nobody gave")

		h.Burns(file)
		alice.SeesName(room, "archive")
		bob.SeesName(room, "archive")
		alice.Says(room, "is anybody there")
		bob.Sees(room, "is anybody there")
		bob.Says(room, "I am")
		alice.Sees(room, "I am")
		for range 5 {
			if key := bob.claim(alice); taken[key] {
				t.Errorf("one-time key %s is given out a second time", key)
			}
		}
		if now, err := alice.client.GetKeyBackupLatestVersion(alice.ctx); err != nil || now.Version != version {
			t.Errorf("got the key backup %+v, %v, want version %s", now, err, version)
		}
		for name, d := range map[string]*device{"carol": carol, "bob's tablet": tablet} {
			_, err := d.client.Whoami(d.ctx)
			d.refused(name+" asks who she is", err, mautrix.MUnknownToken)
		}

		// New devices and people, in place of those that are gone.
		carol, tablet = h.Registers("carol"), h.SignsIn("bob")
		alice.Invites(room, carol)
		carol.Joins(room)
		alice.SeesMember(room, carol, event.MembershipJoin)
		tablet.IsIn(room)
		alice.Says(room, "all of us again")
		for _, d := range []*device{bob, carol, tablet} {
			d.Sees(room, "all of us again")
		}
		tablet.Says(room, "from the new tablet")
		alice.Sees(room, "from the new tablet")

		laptop := h.SignsIn("alice")
		laptop.IsIn(room)
		laptop.VerifiesItself(recovery)
		laptop.RestoresKeys(recovery)
		laptop.Sees(room, "this is in the backup")
		if got := laptop.Opens(laptop.Sees(room, "cat.png")); len(got) != len(cat) {
			t.Error("the picture is not the same")
		}
		laptop.HasTheWhole(room)

		// And once more, back to the database of the beginning.
		h.Burns(h.BacksUp())
		others := []*device{alice, carol, tablet, laptop}
		for _, d := range append(others, bob) {
			d.sync(0) // is told that its one-time keys are gone, and makes new ones
		}
		bob.Says(room, "twice is enough")
		for _, d := range others {
			d.Sees(room, "twice is enough")
		}
	})
}

// restored says that all stories are told on servers that were restored: FREEHOLD_E2E=restored.
func restored() bool { return os.Getenv("FREEHOLD_E2E") == "restored" }

// burnsUnderLoad makes h a server that was restored from a backup which was made while strangers talked.
func (h *house) burnsUnderLoad() {
	h.t.Helper()
	const strangers, senders = 4, 32
	var devices []*device
	var room roomID
	for i := range strangers {
		d := h.Registers(fmt.Sprint("stranger", i))
		devices = append(devices, d)
		if i == 0 {
			room = d.Creates("street")
			continue
		}
		devices[0].Invites(room, d)
		d.Joins(room)
	}
	ctx, end := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var said atomic.Int64
	for i := range senders {
		wg.Go(func() {
			for ctx.Err() == nil {
				_, err := devices[i%strangers].client.SendText(ctx, room, "noise")
				if err != nil {
					return // the server has burned down
				}
				said.Add(1)
			}
		})
	}
	for said.Load() < 100 {
		time.Sleep(10 * time.Millisecond)
	}
	file := h.BacksUp()
	end()
	wg.Wait()
	h.Burns(file)
}
