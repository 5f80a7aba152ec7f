package e2e

import (
	"testing"
	"time"

	"maunium.net/go/mautrix"
)

// The operator stops the server while people wait for news. It ends at once, their waits end too, and they go on later.
func TestOrderlyStop(t *testing.T) {
	story(t, func(t *testing.T, h *house) {
		alice, bob, room := h.two()
		alice.Says(room, "going to bed")
		bob.Sees(room, "going to bed")
		waited := make(chan error, 1)
		go func() {
			resp, err := bob.client.FullSyncRequest(bob.ctx, mautrix.ReqSync{Timeout: 60_000, Since: bob.since})
			if err == nil && len(resp.Rooms.Join) > 0 {
				t.Error("bob is given news that there is not")
			}
			waited <- err
		}()
		alice.must("set presence", alice.client.SetPresence(alice.ctx, mautrix.ReqPresence{Presence: "online"}))
		began := time.Now()
		h.Stop()
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("the server took %v to stop", took)
		}
		select {
		case <-waited: // with an empty answer or with none
		case <-time.After(patience):
			t.Error("bob waits for a server that is not there")
		}
		h.Start()
		alice.Says(room, "good morning")
		bob.Sees(room, "good morning")
		bob.HasTheWhole(room)
	})
}

// One-time keys are used up by others; the device is told, and makes new ones.
func TestOneTimeKeysAreReplenished(t *testing.T) {
	story(t, func(t *testing.T, h *house) {
		alice, bob := h.Registers("alice"), h.Registers("bob")
		alice.sync(0)
		full := alice.counts.SignedCurve25519
		if full < 20 {
			t.Fatalf("got %d one-time keys on the server at first", full)
		}
		taken := map[string]bool{}
		for range full {
			key := bob.claim(alice)
			if taken[key] {
				t.Errorf("key %s is given out twice", key)
			}
			taken[key] = true
		}
		alice.counts = mautrix.OTKCount{} // as she was told before
		alice.until("new keys on the server", func() bool { return alice.counts.SignedCurve25519 >= full/2 })
		if key := bob.claim(alice); taken[key] {
			t.Errorf("key %s is given out twice", key)
		}
	})
}
