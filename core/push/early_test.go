package push

import (
	"testing"
	"time"
)

// No wait outlives a clock that jumps.
func TestEarly(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for _, c := range []struct {
		until time.Time
		want  bool
	}{
		{time.Time{}, false},
		{now, false},
		{now.Add(-time.Second), false},
		{now.Add(time.Second), true},
		{now.Add(again.Cap), true},
		{now.Add(again.Cap + time.Second), false},
		{now.AddDate(10, 0, 0), false},
	} {
		if got := early(now, c.until); got != c.want {
			t.Errorf("%v: got %v", c.until.Sub(now), got)
		}
	}
}
