package link

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func ways(all ...string) Ways {
	w := Ways{}
	for _, s := range all {
		w[s] = struct{}{}
	}
	return w
}

// What is there from the beginning is no news, what goes is none, and what comes back is.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := []Ways{nil, ways("a", "b"), ways("a", "b"), ways("a"), nil, ways("a"), ways("a", "b"), ways("c"), ways()}
		n := 0
		ctx, stop := context.WithCancel(t.Context())
		w := Watch{Look: func() (Ways, error) {
			if n == len(looks) {
				stop()
				return nil, errors.New("over")
			}
			n++
			if looks[n-1] == nil {
				return nil, errors.New("cannot look")
			}
			return looks[n-1], nil
		}}
		var got []string
		began := time.Now()
		if err := w.Run(ctx, func(way string) { got = append(got, way) }); err != nil {
			t.Fatal(err)
		}
		if want := []string{"b", "c"}; !slices.Equal(got, want) {
			t.Errorf("gained %v, want %v", got, want)
		}
		if took := time.Since(began); took != 18*time.Second {
			t.Errorf("looked for %v, want every two seconds", took)
		}
	})
}

func TestLook(t *testing.T) {
	first, err := Look()
	if err != nil {
		t.Fatal(err)
	}
	second, err := Look()
	if err != nil {
		t.Fatal(err)
	}
	if way := second.Gained(first); way != "" {
		t.Logf("%s has just come", way) // another program may have changed something
	}
	t.Log(first)
}
