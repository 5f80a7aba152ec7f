package keys

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

func want(user id.User, device id.Device) map[id.User]map[id.Device]string {
	return map[id.User]map[id.Device]string{user: {device: "signed_curve25519"}}
}

// claimed is the name of the one key that a claim of alice's A1 gives, or "".
func (w *world) claimed(t *testing.T) string {
	t.Helper()
	got, _, err := w.Claim(t.Context(), want(alice, "A1"))
	if err != nil {
		t.Fatal(err)
	}
	for name := range got[alice]["A1"] {
		return name
	}
	if _, there := got[alice]; there {
		t.Error("a user without keys is in the answer") // B260
	}
	return ""
}

func TestClaim(t *testing.T) { // B259-B261
	each(t, func(t *testing.T, w *world) {
		w.upload(t, alice, "A1", Upload{OneTimeKeys: oneTime("1")})
		w.upload(t, alice, "A1", Upload{OneTimeKeys: oneTime("0")})
		for _, want := range []string{"signed_curve25519:1", "signed_curve25519:0", ""} {
			if got := w.claimed(t); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		got := w.upload(t, alice, "A1", Upload{OneTimeKeys: oneTime("0", "1", "2")})
		if got.Counts["signed_curve25519"] != 1 {
			t.Errorf("keys that were given out were taken again: %v", got.Counts)
		}
		if got, want := w.claimed(t), "signed_curve25519:2"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if got := w.stock(t, alice, "A1").Counts["signed_curve25519"]; got != 0 {
			t.Errorf("got a count of %d, want 0", got)
		}
	})
}

func TestClaimBody(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.upload(t, alice, "A1", Upload{OneTimeKeys: oneTime("1")})
		wanted := want(alice, "A1")
		wanted[away] = map[id.Device]string{"Z1": "signed_curve25519"}
		wanted[bob] = map[id.Device]string{"B1": "signed_curve25519"}
		got, failures, err := w.Claim(t.Context(), wanted)
		if err != nil {
			t.Fatal(err)
		}
		same(t, got[alice]["A1"]["signed_curve25519:1"], obj{"key": "key 1"})
		if len(got) != 1 || len(got[alice]) != 1 || len(got[alice]["A1"]) != 1 {
			t.Errorf("got %v, want one key", got)
		}
		if !slices.Equal(failures, []id.Server{"there"}) {
			t.Errorf("failures: got %v, want [there]", failures)
		}
	})
}

func TestFallback(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		unused := func() int { return len(w.stock(t, alice, "A1").UnusedFallback) }
		w.upload(t, alice, "A1", Upload{OneTimeKeys: oneTime("1"), FallbackKeys: oneTime("f")})
		for _, s := range []struct {
			key    string
			unused int
		}{{"1", 1}, {"f", 0}, {"f", 0}} {
			if got, want := w.claimed(t), "signed_curve25519:"+s.key; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			if got := unused(); got != s.unused {
				t.Errorf("after %q: %d unused fallback keys, want %d", s.key, got, s.unused)
			}
		}
		w.upload(t, alice, "A1", Upload{FallbackKeys: oneTime("f")})
		if got := unused(); got != 0 {
			t.Error("the same fallback key uploaded again counts as unused")
		}
		w.upload(t, alice, "A1", Upload{FallbackKeys: oneTime("g")})
		if got := unused(); got != 1 {
			t.Error("a new fallback key counts as used")
		}
		if got, want := w.claimed(t), "signed_curve25519:g"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// Every key is given out once, whoever asks at the same time, also while more are uploaded.
func TestClaimConcurrently(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		const claimers, batches, batch = 8, 6, 20
		var mu sync.Mutex
		seen := make(map[string]int)
		var all sync.WaitGroup
		all.Go(func() {
			for i := range batches {
				var ids []string
				for j := range batch {
					ids = append(ids, fmt.Sprintf("%d-%d", i, j))
				}
				for range 2 { // and once more, as a client does that got no answer
					if _, err := w.Upload(t.Context(), alice, "A1", Upload{OneTimeKeys: oneTime(ids...)}); err != nil {
						t.Error(err)
					}
				}
			}
		})
		for range claimers {
			all.Go(func() {
				for range batches * batch / claimers {
					got, _, err := w.Claim(t.Context(), want(alice, "A1"))
					if err != nil {
						t.Error(err)
						return
					}
					for name := range got[alice]["A1"] {
						mu.Lock()
						seen[name]++
						mu.Unlock()
					}
				}
			})
		}
		all.Wait()
		for name, n := range seen {
			if n != 1 {
				t.Errorf("%s was given out %d times", name, n)
			}
		}
		if left := w.stock(t, alice, "A1").Counts["signed_curve25519"]; left+len(seen) != batches*batch {
			t.Errorf("%d given out and %d left, want %d together", len(seen), left, batches*batch)
		}
	})
}

// What is remembered of claimed keys is bounded.
func TestClaimedForgotten(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for i := range 4 {
			var ids []string
			for j := range 150 {
				ids = append(ids, fmt.Sprintf("%d-%d", i, j))
			}
			w.upload(t, alice, "A1", Upload{OneTimeKeys: oneTime(ids...)})
			for range 150 {
				w.claimed(t)
			}
		}
		w.upload(t, alice, "A1", Upload{OneTimeKeys: oneTime("last")})
		var n int
		err := w.db.Read(t.Context(), func(tx *sqldb.Tx) error {
			return tx.Row(`SELECT count(*) FROM one_time_key WHERE claimed > 0`).Scan(&n)
		})
		if err != nil || n != rememberedClaims {
			t.Errorf("%d claimed keys are remembered, want %d (error %v)", n, rememberedClaims, err)
		}
	})
}
