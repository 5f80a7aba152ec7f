package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"
)

// federated starts n servers that speak with each other, over cables; close ends both.
func (l *lab) federated(ctx context.Context, n int) (c *cables, err error) {
	c = newCables(n)
	for i := range n {
		x := &lab{options: l.options, scenario: l.scenario}
		x.database = ""
		c.labs = append(c.labs, x)
		if err := x.open(); err != nil {
			return c, err
		}
		behind, err := c.keepable(ctx)
		if err != nil {
			return c, err
		}
		if x.name, err = c.lay(ctx, i, behind); err != nil {
			return c, err
		}
		x.env = []string{"FREEHOLD_SERVER_NAME=" + x.name, "FREEHOLD_LISTEN_FEDERATION=" + behind, "FREEHOLD_FEDERATION=on"}
	}
	for _, x := range c.labs {
		if err := x.start(ctx); err != nil {
			return c, err
		}
	}
	return c, nil
}

// joinVia joins a room that another server knows.
func (p *person) joinVia(room, server string) error {
	_, err := p.do("POST", "/_matrix/client/v3/join/"+room+"?server_name="+url.QueryEscape(server), p.token, []byte("{}"))
	return err
}

// sharedRooms makes rooms, each by a user of one server, that a user of each other server joins. people are those users, in
// the order of the servers, and after them more users of the first, who are in no room.
func (c *cables) sharedRooms(ctx context.Context, n, more int) (people []*person, rooms []string, err error) {
	var others []*person
	for i, x := range c.labs {
		count := 1
		if i == 0 {
			count += more
		}
		some, err := x.people(ctx, count)
		if err != nil {
			return nil, nil, err
		}
		people, others = append(people, some[0]), append(others, some[1:]...)
	}
	rooms = make([]string, n)
	for i := range rooms {
		home := i % len(c.labs)
		if rooms[i], err = people[home].createRoom(); err != nil {
			return nil, nil, err
		}
	}
	err = parallel(len(people), len(people), func(k int) error {
		for i, room := range rooms {
			if home := i % len(c.labs); home != k {
				if err := people[k].joinVia(room, c.labs[home].name); err != nil {
					return fmt.Errorf("join of %s: %w", c.labs[k].name, err)
				}
			}
		}
		return nil
	})
	return append(people, others...), rooms, err
}

// numbers finds those of the messages in an answer that say() sent.
func numbers(answer []byte, each func(n int)) {
	for {
		_, rest, found := bytes.Cut(answer, []byte(`"body":"`))
		if !found {
			return
		}
		answer = rest
		text, _, _ := bytes.Cut(rest[:min(len(rest), 12)], []byte(" "))
		if n, err := strconv.Atoi(string(text)); err == nil {
			each(n)
		}
	}
}

// seen counts the messages that came into a room after from, by paging through it.
type seen struct {
	*person
	room string
	from string // where to begin; "" before the first time
	n    map[int]bool
	ends bool // the room does not fork: what comes is at its end, and what was read is not read again
}

// mark takes the present end of a room as where to begin.
func (s *seen) mark() error {
	raw, err := s.do("GET", "/_matrix/client/v3/rooms/"+s.room+"/messages?dir=b&limit=1", s.token, nil)
	s.from, s.n = text(raw, "end"), map[int]bool{} // "start" is the end of all times
	if err == nil && s.from == "" {
		err = errors.New("/messages has no end")
	}
	return err
}

// count reads from the beginning, as forks put events in between, and gives how many messages there are.
func (s *seen) count() (int, error) {
	for from := s.from; from != ""; {
		raw, err := s.do("GET", "/_matrix/client/v3/rooms/"+s.room+"/messages?dir=f&limit=1000&from="+url.QueryEscape(from), s.token, nil)
		if err != nil {
			return 0, err
		}
		before := len(s.n)
		numbers(raw, func(n int) { s.n[n] = true })
		next := text(raw, "end")
		if next == from || next == "" && before == len(s.n) {
			break
		}
		from = next
		if s.ends && next != "" {
			s.from = next
		}
	}
	return len(s.n), nil
}

// until looks every pause until so many messages are there.
func (s *seen) until(ctx context.Context, want int, patience, pause time.Duration) error {
	for end := time.Now().Add(patience); ; time.Sleep(pause) {
		n, err := s.count()
		if err != nil || n >= want {
			return err
		}
		if time.Now().After(end) || ctx.Err() != nil {
			return fmt.Errorf("after %s there are %d of %d messages", patience, n, want)
		}
	}
}

// delivering sends messages from one server to another in one room: as fast as it goes, and then 100 a second.
func delivering(ctx context.Context, l *lab) error {
	if l.database != "" {
		return nil // it is one database
	}
	c, err := l.federated(ctx, 2)
	defer c.close()
	if err != nil {
		return err
	}
	a, b := c.labs[0], c.labs[1]
	people, rooms, err := c.sharedRooms(ctx, 1, senders-1)
	if err != nil {
		return err
	}
	crowd := append(slices.Clone(people[2:]), people[0])
	for _, p := range people[2:] {
		if err := p.join(rooms[0]); err != nil {
			return err
		}
	}
	far := &seen{person: people[1], room: rooms[0], ends: true}
	if _, err := send(crowd, rooms, 0, 500); err != nil {
		return err
	}
	if err := far.mark(); err != nil {
		return err
	}
	began := time.Now()
	first, second, err := work2(ctx, a, b, l.scenario, func() error {
		if _, err := send(crowd, rooms, 500, l.messages); err != nil {
			return err
		}
		return far.until(ctx, l.messages, time.Minute, 50*time.Millisecond)
	})
	if err != nil {
		return err
	}
	took := time.Since(began)
	const work = "one room, from one server to another"
	l.atLeast(work, float64(l.messages)/took.Seconds(), 1500, "%.0f events/s until the last was there")
	l.add(work, "%.3f ms of CPU per event on the first, %.3f ms on the second",
		milliseconds(first)/float64(l.messages), milliseconds(second)/float64(l.messages))
	if err := l.latency(people, rooms[0]); err != nil {
		return err
	}
	return l.resident(c)
}

// work2 is work for two servers at once.
func work2(ctx context.Context, a, b *lab, name string, fn func() error) (first, second time.Duration, err error) {
	first, err = a.work(ctx, name+"-first", func() (err error) {
		second, err = b.work(ctx, name+"-second", fn)
		return err
	})
	return first, second, err
}

// latency sends 100 messages a second, and measures until the other server's user is told.
func (l *lab) latency(people []*person, room string) error {
	const rate, n, first = 100, 1000, 9_000_000
	if _, err := people[1].sync(0, ""); err != nil {
		return err
	}
	var mu sync.Mutex // guards sent
	sent := map[int]time.Time{}
	var took times
	failed := make(chan error, 1)
	go func() {
		tick := time.NewTicker(time.Second / rate)
		defer tick.Stop()
		for i := range n {
			<-tick.C
			mu.Lock()
			sent[first+i] = time.Now()
			mu.Unlock()
			if err := people[0].say(room, first+i); err != nil {
				failed <- err
				return
			}
		}
		failed <- nil
	}()
	for end := time.Now().Add(time.Minute); len(took) < n; {
		raw, err := people[1].sync(time.Second, "")
		if err != nil {
			return err
		}
		now := time.Now()
		numbers(raw, func(i int) {
			mu.Lock()
			defer mu.Unlock()
			if at, ok := sent[i]; ok {
				took = append(took, now.Sub(at))
				delete(sent, i)
			}
		})
		if now.After(end) {
			return fmt.Errorf("%d of %d messages came", len(took), n)
		}
	}
	const work = "from a send to the other server's user, at 100 events/s"
	l.atMost(work, took.at(50), 10, "p50 %.1f ms")
	l.atMost(work, took.at(99), 60, "p99 %.1f ms")
	return <-failed
}

// resident says how much memory the servers had at most.
func (l *lab) resident(c *cables) error {
	most := 0.0
	for _, x := range c.labs {
		_, peak, err := x.server.memory()
		if err != nil {
			return err
		}
		most = max(most, peak)
	}
	l.atMost("memory of the servers meanwhile", most/(1<<20), 400, "%.0f MiB at most")
	return nil
}

// away has 2,000 messages sent while the other server does not run.
func away(ctx context.Context, l *lab) error {
	if l.database != "" {
		return nil // it is one database
	}
	const missed = 2000
	c, err := l.federated(ctx, 2)
	defer c.close()
	if err != nil {
		return err
	}
	people, rooms, err := c.sharedRooms(ctx, 1, 0)
	if err != nil {
		return err
	}
	far := &seen{person: people[1], room: rooms[0]}
	if err := far.mark(); err != nil {
		return err
	}
	c.labs[1].stop()
	if _, err := send(people[:1], rooms, 0, missed); err != nil {
		return err
	}
	time.Sleep(5 * time.Second) // the first server has found out
	if err := c.labs[1].start(ctx); err != nil {
		return err
	}
	began := time.Now()
	if err := c.labs[1].redial(ctx, people[1]); err != nil {
		return err
	}
	if err := far.until(ctx, missed, 2*time.Minute, 50*time.Millisecond); err != nil {
		return err
	}
	l.atMost("2,000 events made while the other server was away", time.Since(began).Seconds(), 3, "%.1f s from its return")
	return l.resident(c)
}

// entering joins a room of 10,000 members and 20,000 state events on another server.
func entering(ctx context.Context, l *lab) error {
	if l.database != "" {
		return nil // it is one database
	}
	const members, states = 10_000, 20_000
	c, err := l.federated(ctx, 2)
	defer c.close()
	if err != nil {
		return err
	}
	a, b := c.labs[0], c.labs[1]
	owner, err := a.people(ctx, 1)
	if err != nil {
		return err
	}
	room, err := owner[0].createRoom()
	if err != nil {
		return err
	}
	if err := a.populate(ctx, room, members, ""); err != nil {
		return err
	}
	err = parallel(8, 8, func(k int) error {
		c, err := a.dial(ctx)
		if err != nil {
			return err
		}
		defer c.close()
		for i := k; i < states-members; i += 8 {
			if _, err := c.do("PUT", fmt.Sprintf("/_matrix/client/v3/rooms/%s/state/load.state/%d", room, i), owner[0].token, []byte(`{"value":1}`)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	guest, err := b.people(ctx, 1)
	if err != nil {
		return err
	}
	const work = "join of a room with 10,000 members and 20,000 state events on another server"
	began := time.Now()
	first, second, err := work2(ctx, a, b, l.scenario+"-use", func() error {
		if err := guest[0].joinVia(room, a.name); err != nil {
			return err
		}
		l.add(work, "%.2f s until the join was answered", time.Since(began).Seconds())
		return guest[0].say(room, 1)
	})
	if err != nil {
		return err
	}
	l.atMost(work, time.Since(began).Seconds(), 1, "%.2f s until a message was sent into it")
	l.add(work, "%.2f s of CPU on the first, %.2f s on the second", first.Seconds(), second.Seconds())
	first, second, err = work2(ctx, a, b, l.scenario+"-all", func() error {
		return eventually(guest[0], room, members, began.Add(2*time.Minute))
	})
	if err != nil {
		return err
	}
	l.atMost(work, time.Since(began).Seconds(), 10, "%.1f s until all members were there")
	l.add(work, "%.2f s of CPU more on the first, %.2f s on the second", first.Seconds(), second.Seconds())
	return l.resident(c)
}

// eventually waits until a room has so many members.
func eventually(p *person, room string, members int, end time.Time) error {
	for ; ; time.Sleep(100 * time.Millisecond) {
		raw, err := p.do("GET", "/_matrix/client/v3/rooms/"+room+"/joined_members", p.token, nil)
		if n := bytes.Count(raw, []byte(`"@`)); err == nil && n >= members {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("the members are not all there after two minutes: %w", err)
		}
	}
}
