package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// healing cuts the links between three servers and two, has messages sent on both sides, lets a day go by and links them
// again.
func healing(ctx context.Context, l *lab) error {
	if l.database != "" {
		return nil // it is one database
	}
	const servers = 5
	side := []int{0, 0, 0, 1, 1}
	c, err := l.federated(ctx, servers)
	defer c.close()
	if err != nil {
		return err
	}
	people, names, err := c.sharedRooms(ctx, l.rooms, 0)
	if err != nil {
		return err
	}
	all := make([][]*seen, servers) // of each server, its rooms
	for i, p := range people {
		for _, room := range names {
			all[i] = append(all[i], &seen{person: p, room: room})
		}
	}
	if err := parallel(servers, servers, func(i int) error {
		for _, s := range all[i] {
			if err := s.mark(); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	c.split(side)
	each := l.missed / len(names) // on each side
	err = parallel(2, 2, func(k int) error {
		for n := range each {
			for i, room := range names {
				p := people[3*k+(n+i)%(3-k)]
				if err := p.say(room, (k+1)*1_000_000+n); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, x := range c.labs { // a day later
		x.env = append(x.env, "FREEHOLD_CLOCK_OFFSET=24h")
		if err := x.restart(ctx); err != nil {
			return err
		}
	}
	time.Sleep(20 * time.Second) // they have found out, several times
	var profiled []func()
	var before time.Duration
	for i, x := range c.labs {
		end, err := x.profile(ctx, l.scenario+"-"+strconv.Itoa(i))
		if err != nil {
			return err
		}
		profiled = append(profiled, end)
		used, err := x.server.cpu()
		if err != nil {
			return err
		}
		before += used
		if err := x.redial(ctx, people[i]); err != nil {
			return err
		}
	}

	c.split(nil)
	began := time.Now()
	work := fmt.Sprintf("%d rooms on 5 servers that were split 3 and 2 for a day, %d messages on each side", len(names), each*len(names))
	first := all[4][len(names)/2]
	newest, err := first.newest(ctx, 1_000_000+each-1, 2*time.Minute)
	if err != nil {
		return fmt.Errorf("the first room: %w", err)
	}
	l.atMost(work, newest.Sub(began).Seconds(), 5, "%.1f s from the relink until the newest message of the other side is in the first room somebody looks at")
	if err := first.until(ctx, 2*each, 2*time.Minute, 50*time.Millisecond); err != nil {
		return fmt.Errorf("the first room: %w", err)
	}
	l.atMost(work, time.Since(began).Seconds(), 5, "%.1f s until that room is whole")
	err = parallel(servers, servers, func(i int) error {
		if err := c.labs[i].redial(ctx, people[i]); err != nil {
			return err
		}
		for _, s := range all[i] {
			if err := s.until(ctx, 2*each, 10*time.Minute, 500*time.Millisecond); err != nil {
				return fmt.Errorf("%s: %w", c.labs[i].name, err)
			}
		}
		return nil
	})
	took := time.Since(began)
	after := -before
	for i, x := range c.labs {
		profiled[i]()
		used, cerr := x.server.cpu()
		err = errors.Join(err, cerr)
		after += used
	}
	if err != nil {
		return err
	}
	l.atMost(work, took.Seconds(), 60, "%.1f s until all five servers have all messages of all rooms")
	l.add(work, "%.0f s of CPU of the five servers until then, %.2f ms for each message that a server lacked",
		after.Seconds(), milliseconds(after)/float64(5*each*len(names)))
	return l.resident(c)
}

// newest waits until a message is among the last of the room.
func (s *seen) newest(ctx context.Context, want int, patience time.Duration) (time.Time, error) {
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		raw, err := s.do("GET", "/_matrix/client/v3/rooms/"+s.room+"/messages?dir=b&limit=20", s.token, nil)
		if err != nil {
			return time.Time{}, err
		}
		found := false
		numbers(raw, func(n int) { found = found || n == want })
		if found {
			return time.Now(), nil
		}
		if time.Now().After(end) || ctx.Err() != nil {
			return time.Time{}, fmt.Errorf("after %s message %d has not come", patience, want)
		}
	}
}
