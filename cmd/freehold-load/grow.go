package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"time"
)

// grow has 5,000 people join a room, one after the other.
func grow(ctx context.Context, l *lab) error {
	const joins, some = 5000, 100
	if err := l.start(ctx); err != nil {
		return err
	}
	owner, err := l.people(ctx, 1)
	if err != nil {
		return err
	}
	room, err := owner[0].createRoom()
	if err != nil {
		return err
	}
	c := owner[0].conn
	tokens := make([]string, joins)
	err = parallel(8, 8, func(k int) error {
		c, err := l.dial(ctx)
		if err != nil {
			return err
		}
		defer c.close()
		for i := k; i < joins && err == nil; i += 8 {
			tokens[i], err = c.register(fmt.Sprint("member-", i))
		}
		return err
	})
	if err != nil {
		return err
	}
	costs := make([]time.Duration, 0, joins/some)
	_, err = l.work(ctx, l.scenario, func() error {
		for part := range slices.Chunk(tokens, some) {
			before, err := l.server.cpu()
			if err != nil {
				return err
			}
			for _, token := range part {
				if _, err := c.do(http.MethodPost, "/_matrix/client/v3/join/"+room, token, []byte("{}")); err != nil {
					return err
				}
			}
			after, err := l.server.cpu()
			if err != nil {
				return err
			}
			costs = append(costs, after-before)
		}
		return nil
	})
	if err != nil {
		return err
	}
	var all time.Duration
	for _, c := range costs {
		all += c
	}
	const work = "a join in a room as it grows from 0 to 5,000 members"
	first, last := milliseconds(costs[0])/some, milliseconds(costs[len(costs)-1])/some
	l.atMost(work, last/first, 1.3, "the last 100 joins cost %.2f times the first 100")
	l.atMost(work, milliseconds(all)/joins, 0.6, "%.3f ms of server CPU each")
	l.add(work, "%.3f ms the first 100, %.3f ms the last 100", first, last)
	return nil
}

// starting starts the server on an empty directory some times, and then lets it do nothing.
func starting(ctx context.Context, l *lab) error {
	if l.database != "" {
		return nil // it is not empty
	}
	var took times
	for range 5 {
		l.stop()
		if err := os.RemoveAll(l.dir); err != nil {
			return err
		}
		if err := l.start(ctx); err != nil {
			return err
		}
		took = append(took, l.server.took)
	}
	time.Sleep(10 * time.Second)
	now, peak, err := l.server.memory()
	if err != nil {
		return err
	}
	const work = "start on an empty directory until it answers"
	l.atMost(work, took.at(50), 300, "%.0f ms")
	l.add(work, "%.0f ms the slowest of %d", took.at(100), len(took))
	l.atMost("the server when idle", now/(1<<20), 40, "%.1f MB resident")
	l.add("the server when idle", "%.1f MB at most since its start", peak/(1<<20))
	return nil
}
