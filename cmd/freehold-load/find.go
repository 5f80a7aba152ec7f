package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"
)

// vocabulary is words as a language has them: few that are in every sentence, many that are in hardly any.
type vocabulary struct {
	zipf *rand.Zipf
	r    *rand.Rand
}

const words = 20_000

func newVocabulary(seed uint64) *vocabulary {
	r := rand.New(rand.NewPCG(seed, seed)) // #nosec G404 -- not a secret
	return &vocabulary{rand.NewZipf(r, 1.1, 8, words-1), r}
}

// word is the n-th most frequent word.
func word(n uint64) string {
	const letters = "etaoinshrdlucmfwypvbgkjqxz"
	var b strings.Builder
	for n += 3; n > 0; n /= 26 {
		b.WriteByte(letters[n%26])
		b.WriteByte("aeiou"[n%5])
	}
	return b.String()
}

func (v *vocabulary) sentence() string {
	var b strings.Builder
	for range 6 + v.r.IntN(12) {
		b.WriteString(word(v.zipf.Uint64()) + " ")
	}
	return b.String()
}

// searching searches 100,000 messages in twenty rooms.
func searching(ctx context.Context, l *lab) error {
	const messages, rooms, searches = 100_000, 20, 1000
	people, names, err := l.crowd(ctx, senders, rooms)
	if err != nil {
		return err
	}
	reader := people[0]
	for _, room := range names {
		if err := reader.join(room); err != nil {
			return err
		}
	}
	var next atomic.Int64
	err = parallel(len(people), len(people), func(i int) error {
		v := newVocabulary(uint64(i)) // #nosec G115 -- small
		for n := next.Add(1); n <= messages; n = next.Add(1) {
			body := fmt.Appendf(nil, `{"msgtype":"m.text","body":%q}`, v.sentence())
			path := fmt.Sprintf("/_matrix/client/v3/rooms/%s/send/m.room.message/%d", names[i%rooms], n)
			if _, err := people[i].do("PUT", path, people[i].token, body); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	began := time.Now()
	if err := reader.find(word(1)); err != nil { // it waits until all is in the index
		return err
	}
	const work = "search 100,000 messages in 20 rooms"
	l.add(work, "%.1f s until the newest could be found", time.Since(began).Seconds())
	for _, kind := range []struct {
		name, what string
		term       func(*vocabulary) string
	}{
		{"word", "one word, as frequent as in the messages", func(v *vocabulary) string { return word(v.zipf.Uint64()) }},
		{"words", "two such words", func(v *vocabulary) string { return word(v.zipf.Uint64()) + " " + word(v.zipf.Uint64()) }},
		{"frequent", "one of the 20 most frequent words", func(v *vocabulary) string { return word(v.r.Uint64N(20)) }},
	} {
		v := newVocabulary(42)
		var took times
		cpu, err := l.work(ctx, l.scenario+"-"+kind.name, func() error {
			for range searches {
				began := time.Now()
				if err := reader.find(kind.term(v)); err != nil {
					return err
				}
				took = append(took, time.Since(began))
			}
			return nil
		})
		if err != nil {
			return err
		}
		l.atMost(work+": "+kind.what, took.at(99), 100, "p99 %.1f ms")
		l.add(work+": "+kind.what, "p50 %.1f ms, %.2f ms of server CPU", took.at(50), milliseconds(cpu)/searches)
	}
	return nil
}

func (p *person) find(term string) error {
	body := fmt.Appendf(nil, `{"search_categories":{"room_events":{"search_term":%q,"order_by":"recent"}}}`, term)
	_, err := p.do("POST", "/_matrix/client/v3/search", p.token, body)
	return err
}
