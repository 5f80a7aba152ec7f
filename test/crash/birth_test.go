package crash

import (
	"testing"
	"time"

	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/test/harness"
)

// The server is killed while it starts for the first time: while it makes its tables, its key and its files. The next
// start ends the work, and keeps what the first has made.
func TestKillAtBirth(t *testing.T) {
	harness.Engines(t, func(t *testing.T, e harness.Engine) {
		random := chance(t)
		births := max(crashes(t)/5, 2)
		began := time.Now()
		for range births {
			database := ""
			if e == harness.Postgres {
				database = sqldbtest.Postgres(t)
			}
			s := harness.On(t, t.TempDir(), quiet)
			s.DatabaseURL = database
			for range 1 + random.IntN(3) {
				if err := s.Launch(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(upTo(random, 150*time.Millisecond))
				s.Kill()
			}
			s.Start()
			newCrowd(t, s.URL).settle()
			s.Stop()
			checkStored(t, s)
			if t.Failed() {
				t.FailNow()
			}
		}
		t.Logf("%d births, %.1f s", births, time.Since(began).Seconds())
	})
}
