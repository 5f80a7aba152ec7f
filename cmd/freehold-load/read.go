package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// fanout sends one message at a time into a room whose other members wait for it in /sync. The figures hold all that a
// message costs its readers: the answer, and their next request.
func fanout(ctx context.Context, l *lab) error {
	const members, rounds = 200, 100
	people, rooms, err := l.crowd(ctx, members+1, 1)
	if err != nil {
		return err
	}
	sender, readers := people[0], people[1:]
	if err := parallel(4, members, func(i int) error { _, err := readers[i].sync(0, ""); return err }); err != nil {
		return err
	}
	// The message that a reader has got, and when; or why she gets no more.
	type arrival struct {
		at  time.Time
		n   int
		err error
	}
	arrivals := make(chan arrival, members)
	var wg sync.WaitGroup
	for _, p := range readers {
		wg.Go(func() {
			for n := 0; n < rounds; {
				raw, err := p.sync(30*time.Second, "")
				now := time.Now()
				if err != nil {
					arrivals <- arrival{err: err}
					return
				}
				for got, rest := nextMessage(raw); rest != nil; got, rest = nextMessage(rest) {
					n = got
					arrivals <- arrival{at: now, n: n}
				}
			}
		})
	}
	time.Sleep(2 * time.Second)
	var all, last times
	cpu, err := l.work(ctx, l.scenario, func() error {
		for n := 1; n <= rounds; n++ {
			began := time.Now()
			if err := sender.say(rooms[0], n); err != nil {
				return err
			}
			var longest time.Duration
			for range readers {
				a := <-arrivals
				if a.err != nil || a.n != n {
					return errors.Join(fmt.Errorf("got message %d instead of %d", a.n, n), a.err)
				}
				all = append(all, a.at.Sub(began))
				longest = max(longest, a.at.Sub(began))
			}
			last = append(last, longest)
			time.Sleep(100 * time.Millisecond) // all are waiting again
		}
		return nil
	})
	if err != nil {
		return err
	}
	wg.Wait()
	const work = "deliver to 200 members waiting in `/sync`"
	l.atMost(work, milliseconds(cpu)/members/rounds, 0.10, "%.3f ms of server CPU per delivery")
	l.atMost(work, last.at(99), 60, "p99 %.1f ms for the last member")
	l.add(work, "p50 %.1f ms for the last member; of all deliveries p50 %.1f ms, p99 %.1f ms", last.at(50), all.at(50), all.at(99))
	return nil
}

// nextMessage finds the number of the next message in an answer; rest is nil when there is none.
func nextMessage(answer []byte) (n int, rest []byte) {
	_, rest, found := bytes.Cut(answer, []byte(`"body":"`))
	if !found {
		return 0, nil
	}
	number, _, _ := bytes.Cut(rest, []byte(" "))
	n, err := strconv.Atoi(string(number))
	if err != nil {
		return nextMessage(rest)
	}
	return n, rest
}

// syncs measures one account's first sync, right after the server's start and again with what it then has in memory, and
// the empty one that follows.
func syncs(ctx context.Context, l *lab) error {
	const rooms, messages, again, empty = 200, 50, 10, 2000
	if err := l.start(ctx); err != nil {
		return err
	}
	people, err := l.people(ctx, 9)
	if err != nil {
		return err
	}
	reader, others := people[0], people[1:]
	err = parallel(len(others), len(others), func(k int) error {
		p := others[k]
		for i := k; i < rooms; i += len(others) {
			room, err := p.createRoom()
			if err != nil {
				return err
			}
			for n := range messages {
				if err := p.say(room, n); err != nil {
					return err
				}
			}
			c := *reader
			if c.conn, err = l.dial(ctx); err != nil {
				return err
			}
			err = c.join(room)
			c.close()
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	const work = "initial `/sync`, 200 rooms with 50 messages each"
	for _, kind := range []struct{ name, words, filter string }{
		{"sync", "", ""},
		{"sync50", ", 50 messages of each", `&filter={"room":{"timeline":{"limit":50}}}`},
	} {
		if err := l.restart(ctx); err != nil {
			return err
		}
		time.Sleep(time.Second)
		if err := l.redial(ctx, reader); err != nil {
			return err
		}
		before, _, err := l.server.memory()
		if err != nil {
			return err
		}
		if err := l.server.forgetPeak(); err != nil {
			return err
		}
		var bytes int
		first := func() error {
			reader.since = ""
			raw, err := reader.sync(0, kind.filter)
			bytes = len(raw)
			return err
		}
		began := time.Now()
		cold, err := l.work(ctx, "cold"+kind.name, first)
		if err != nil {
			return err
		}
		took := time.Since(began)
		_, peak, err := l.server.memory()
		if err != nil {
			return err
		}
		warm, err := l.work(ctx, kind.name, func() error {
			for range again {
				if err := first(); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		l.atMost(work+kind.words, milliseconds(cold), 80, "%.0f ms of server CPU, the first after a start")
		l.atMost(work+kind.words, milliseconds(warm)/again, 80, "%.0f ms of server CPU, again")
		l.atMost(work+kind.words, (peak-before)/(1<<20), 30, "memory grows by %.1f MB")
		l.add(work+kind.words, "%.1f MB in %.0f ms", float64(bytes)/1e6, milliseconds(took))
	}
	cpu, err := l.work(ctx, "empty", func() error {
		for range empty {
			if _, err := reader.sync(0, ""); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	l.atMost("empty incremental `/sync` in that account", milliseconds(cpu)/empty, 0.10, "%.3f ms of server CPU")
	return nil
}

// history reads a room of 5,000 messages from its end to its beginning, and looks that none is missing or comes twice.
func history(ctx context.Context, l *lab) error {
	const messages = 5000
	people, rooms, err := l.crowd(ctx, senders, 1)
	if err != nil {
		return err
	}
	if _, err := send(people, rooms, 0, messages); err != nil {
		return err
	}
	reader := people[0]
	for _, limit := range []int{100, 1000} {
		var took time.Duration
		runs := 0
		cpu, err := l.work(ctx, fmt.Sprint("messages", limit), func() error {
			for ; runs < 10; runs++ {
				began := time.Now()
				seen, err := readBack(reader, rooms[0], limit)
				if err != nil {
					return err
				}
				took += time.Since(began)
				if len(seen) != messages {
					return fmt.Errorf("got %d different messages of %d", len(seen), messages)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		work := fmt.Sprintf("`/messages` through 5,000 events, %d a page", limit)
		l.atLeast(work, float64(runs*messages)/took.Seconds(), 40_000, "%.0f events/s")
		l.add(work, "%.1f us of server CPU per event, none skipped or twice", milliseconds(cpu)*1000/float64(runs*messages))
	}
	return nil
}

func readBack(p *person, room string, limit int) (map[int]bool, error) {
	seen := map[int]bool{}
	for from := ""; ; {
		raw, err := p.do("GET", fmt.Sprintf("/_matrix/client/v3/rooms/%s/messages?dir=b&limit=%d%s", room, limit, from), p.token, nil)
		if err != nil {
			return nil, err
		}
		for n, rest := nextMessage(raw); rest != nil; n, rest = nextMessage(rest) {
			if seen[n] {
				return nil, fmt.Errorf("message %d came twice", n)
			}
			seen[n] = true
		}
		end := text(raw, "end")
		if end == "" {
			return seen, nil
		}
		from = "&from=" + end
	}
}

// waiting has 2,000 people wait in /sync, in rooms of a hundred.
func waiting(ctx context.Context, l *lab) error {
	const connections, rooms = 2000, 20
	people, _, err := l.crowd(ctx, connections, rooms)
	if err != nil {
		return err
	}
	if err := parallel(4, connections, func(i int) error { _, err := people[i].sync(0, ""); return err }); err != nil {
		return err
	}
	if err := l.restart(ctx); err != nil {
		return err
	}
	time.Sleep(3 * time.Second)
	before, _, err := l.server.memory()
	if err != nil {
		return err
	}
	if err := l.redial(ctx, people...); err != nil {
		return err
	}
	var answers atomic.Int64
	for _, p := range people {
		go func() { // ends when the connection is closed
			for {
				if _, err := p.sync(80*time.Second, ""); err != nil {
					return
				}
				answers.Add(1)
			}
		}()
	}
	if _, err := l.work(ctx, l.scenario, func() error {
		for last, quiet := int64(-1), 0; quiet < 5; quiet++ { // who comes online is news for the others, at first
			time.Sleep(2 * time.Second)
			if now := answers.Load(); now != last {
				last, quiet = now, 0
			}
		}
		return nil
	}); err != nil {
		return err
	}
	now, _, err := l.server.memory()
	if err != nil {
		return err
	}
	const work = "a waiting `/sync` connection"
	l.add(work, "%d answers until all were waiting", answers.Load())
	l.atMost(work, (now-before)/1024/connections, 24, "%.1f KiB each at 2,000 connections")
	for _, p := range people {
		p.close()
	}
	return nil
}
