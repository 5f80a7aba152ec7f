package crash

import (
	"database/sql"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"freehold.example/test/harness"
)

// PostgreSQL drops every connection while 32 people send, as when it is started anew. The server goes on by itself, and has
// neither lost nor doubled anything.
func TestDatabaseGoesAway(t *testing.T) {
	rounds, random := max(crashes(t)/5, 2), chance(t)
	s := harness.Start(t, harness.Postgres, quiet)
	admin, err := sql.Open("pgx", s.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	w := newCrowd(t, s.URL)
	w.troubled = true
	for range rounds {
		w.busy(1+random.IntN(300), upTo(random, 20*time.Millisecond), func() {
			_, err := admin.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
				WHERE datname = current_database() AND pid <> pg_backend_pid()`)
			if err != nil {
				t.Error(err)
			}
			time.Sleep(upTo(random, 50*time.Millisecond)) // they go on sending meanwhile, or try to
		})
		w.settle()
		w.verify()
		if t.Failed() {
			t.FailNow()
		}
	}
	t.Logf("%d times, %d messages", rounds, w.sent())
	w.courier.delivered()
	s.Kill()
	checkStored(t, s)
}
