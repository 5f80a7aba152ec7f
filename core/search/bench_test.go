package search_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
	"freehold.example/core/search"
)

// prose makes sentences of words with the frequencies of a language: the n-th is 1/n as frequent as the first.
func prose(r *rand.Rand) func() string {
	zipf := rand.NewZipf(r, 1.1, 4, 20_000)
	return func() string {
		words := make([]string, 6+r.IntN(12))
		for i := range words {
			words[i] = fmt.Sprintf("word%05d", zipf.Uint64())
		}
		return strings.Join(words, " ")
	}
}

// fill sends n messages into 20 rooms.
func (w *world) fill(n int) {
	w.t.Helper()
	var wg sync.WaitGroup
	for i := range 20 {
		in := w.room("private_chat")
		wg.Go(func() {
			sentence := prose(rand.New(rand.NewPCG(1, uint64(i))))
			for range n / 20 / 10 {
				var each sync.WaitGroup
				for range 10 {
					body := sentence()
					each.Go(func() { w.say(in, alice, body) })
				}
				each.Wait()
			}
		})
	}
	wg.Wait()
}

// BenchmarkSearch measures searches over 100,000 messages for words of every frequency, and what a message costs the index.
func BenchmarkSearch(b *testing.B) {
	const messages = 100_000
	for _, engine := range []string{"sqlite", "postgres"} {
		b.Run(engine, func(b *testing.B) {
			var db *sqldb.DB
			if engine == "sqlite" {
				db = sqldbtest.SQLite(b, schema.FS)
			} else {
				db = sqldbtest.Open(b, schema.FS, sqldb.Config{URL: sqldbtest.Postgres(b)})
			}
			w := newWorld(b, db)
			w.fill(messages)
			begin := time.Now()
			for {
				if _, r := w.find(search.Query{Term: "nothing"}); r.Count == 0 && db.Committed() <= w.Upto() {
					break
				}
			}
			perMessage := float64(time.Since(begin).Microseconds()) / messages
			err := db.Write(b.Context(), func(tx *sqldb.Tx) error { // as autovacuum does, and SQLite by itself
				_, err := tx.Exec("ANALYZE")
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
			r := rand.New(rand.NewPCG(2, 2))
			sentence := prose(r)
			var took []time.Duration
			for b.Loop() {
				term := strings.Join(strings.Fields(sentence())[:1+r.IntN(2)], " ")
				begin := time.Now()
				w.find(search.Query{Term: term, Recent: r.IntN(2) == 0})
				took = append(took, time.Since(begin))
			}
			slices.Sort(took)
			b.ReportMetric(perMessage, "us/message")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms-p99")
		})
	}
}
