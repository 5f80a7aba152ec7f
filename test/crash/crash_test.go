package crash

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// quiet leaves the requests, which are many, out of the server's log.
const quiet = "FREEHOLD_LOG_LEVEL=warn"

// crashes is how often the server is killed: FREEHOLD_CRASHES, 50 in continuous integration.
func crashes(t *testing.T) int {
	text := os.Getenv("FREEHOLD_CRASHES")
	if text == "" {
		return 3
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("FREEHOLD_CRASHES=%s is not a number of crashes", text)
	}
	return n
}

// chance is the test's randomness. FREEHOLD_SEED repeats a run, as far as the machine's timing lets it.
func chance(t *testing.T) *rand.Rand {
	seed := rand.Uint64()
	if text := os.Getenv("FREEHOLD_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("FREEHOLD_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func upTo(r *rand.Rand, longest time.Duration) time.Duration {
	return time.Duration(r.Int64N(int64(longest)))
}

// The server is killed at any moment under 32 senders, again and again. After each start everything that was acknowledged
// is there once, retries make nothing twice, and what is there belongs together.
func TestKill(t *testing.T) {
	harness.Engines(t, func(t *testing.T, e harness.Engine) {
		rounds, random := crashes(t), chance(t)
		if e == harness.Postgres {
			rounds = max(rounds/5, 2)
		}
		s := harness.Start(t, e, quiet)
		w := newCrowd(t, s.URL)
		began := time.Now()
		for round := range rounds {
			w.busy(1+random.IntN(400), upTo(random, 20*time.Millisecond), s.Kill)
			checkStored(t, s)
			if random.IntN(4) == 0 { // and again, before it has come up
				if err := s.Launch(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(upTo(random, 100*time.Millisecond))
				s.Kill()
				checkStored(t, s)
			}
			s.Start()
			w.settle()
			w.verify()
			if (round+1)%10 == 0 || round+1 == rounds {
				t.Logf("%d crashes, %d messages, %.1f s", round+1, w.sent(), time.Since(began).Seconds())
			}
			if t.Failed() {
				t.FailNow()
			}
		}
		w.courier.delivered()
		s.Stop()
		checkStored(t, s)
	})
}

// checkStored runs Check on the database of a server that does not run. SQLite's is copied first, so that the server
// itself finds what it has left behind.
func checkStored(t *testing.T, s *harness.Server) {
	t.Helper()
	c := sqldb.Config{URL: s.DatabaseURL}
	if c.URL == "" {
		c.Dir = t.TempDir()
		copyData(t, s.Dir, c.Dir)
	}
	check(t, c)
	if c.Dir != "" {
		if err := os.RemoveAll(c.Dir); err != nil { // there will be many
			t.Fatal(err)
		}
	}
}

func check(t *testing.T, c sqldb.Config) {
	t.Helper()
	db, err := sqldb.Open(context.Background(), c)
	if err != nil {
		t.Fatalf("open what the server has left: %v", err)
	}
	defer db.Close()
	problems, err := Check(context.Background(), db)
	if err != nil {
		t.Fatalf("read what the server has left: %v", err)
	}
	for i, p := range problems {
		if i == 20 {
			t.Errorf("and %d more", len(problems)-i)
			break
		}
		t.Error(p)
	}
}

// copyData copies a data directory without its folders and sockets, and without SQLite's shared memory, which does not
// outlive a power cut.
func copyData(t *testing.T, from, to string) {
	t.Helper()
	files, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !f.Type().IsRegular() || strings.HasSuffix(f.Name(), "-shm") {
			continue
		}
		data, err := os.ReadFile(filepath.Join(from, f.Name()))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, f.Name()), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
