package news

import (
	"math/rand/v2"
	"testing"

	"freehold.example/base/sqldb"
)

// TestNothingMissing: whatever was noted is news to whoever asks from before it, however little is remembered.
func TestNothingMissing(t *testing.T) {
	for _, limit := range []int{1, 2, 3, 10, 1000} {
		r := rand.New(rand.NewPCG(1, uint64(limit)))
		latest, log := NewLatest[int](100, limit), NewLog[int](100, limit)
		truth := map[int]sqldb.Pos{}
		useful := 0
		for pos := sqldb.Pos(101); pos < 2000; pos++ {
			key := r.IntN(20)
			latest.Note(key, pos)
			log.Note(key, pos)
			truth[key] = pos
			if n := len(latest.new) + len(latest.old); n > 2*limit {
				t.Fatalf("limit %d: %d keys", limit, n)
			}
			if n := len(log.log); n > 2*limit {
				t.Fatalf("limit %d: %d entries", limit, n)
			}
			since := pos - sqldb.Pos(r.IntN(30))
			for key := range 20 {
				news := latest.After(key, since)
				if truth[key] > since && !news {
					t.Fatalf("limit %d: %d was written at %d and is not news since %d", limit, key, truth[key], since)
				}
				if !news {
					useful++
				}
			}
			found := map[int]bool{}
			if log.Since(since, func(e Entry[int]) bool { found[e.Key] = true; return true }) {
				for key, at := range truth {
					if found[key] != (at > since) {
						t.Fatalf("limit %d: log has %d since %d: got %v", limit, key, since, found[key])
					}
				}
			}
			if log.After(since) != (since < pos) && since >= log.floor {
				t.Fatalf("limit %d: After(%d) at %d", limit, since, pos)
			}
		}
		if useful == 0 && limit > 1 {
			t.Errorf("limit %d: never a no", limit)
		}
	}
	if l := NewLatest[string](7, 10); !l.After("x", 6) || l.After("x", 7) {
		t.Error("the floor is not where it was set")
	}
}

// TestValues: a value is given only while it is what was written last.
func TestValues(t *testing.T) {
	written := NewLatest[int](10, 100)
	values := NewValues[int, string](written, 2)
	values.Put(1, 10, "a")
	if v, ok := values.Get(1, 20); !ok || v != "a" {
		t.Errorf("got %q, %v", v, ok)
	}
	written.Note(1, 15)
	for _, at := range []sqldb.Pos{10, 14, 15, 20} {
		if v, ok := values.Get(1, at); ok {
			t.Errorf("at %d: got %q, which was written over", at, v)
		}
	}
	values.Put(1, 15, "b")
	if v, ok := values.Get(1, 15); !ok || v != "b" {
		t.Errorf("got %q, %v", v, ok)
	}
	if v, ok := values.Get(1, 14); ok {
		t.Errorf("got %q for a moment before it was written", v)
	}
	values.Put(2, 15, "c")
	values.Put(3, 15, "d")
	if len(values.m) != 2 {
		t.Errorf("%d values, want 2", len(values.m))
	}
}
