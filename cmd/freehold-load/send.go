package main

import (
	"context"
	"io/fs"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

const senders = 32

func sendRooms(ctx context.Context, l *lab) error {
	return l.sendAll(ctx, senders, "send 200-byte messages, 32 senders, 32 rooms", 0.30)
}

func sendRoom(ctx context.Context, l *lab) error {
	return l.sendAll(ctx, 1, "the same into one room", 0.35)
}

// sendAll has 32 senders send into so many rooms, each the next message when the last was answered.
func (l *lab) sendAll(ctx context.Context, rooms int, work string, most float64) error {
	people, names, err := l.crowd(ctx, senders, rooms)
	if err != nil {
		return err
	}
	var took times
	began := time.Now()
	cpu, err := l.work(ctx, l.scenario, func() (err error) {
		took, err = send(people, names, 0, l.messages)
		return err
	})
	if err != nil {
		return err
	}
	now, _, err := l.server.memory()
	if err != nil {
		return err
	}
	l.atMost(work, milliseconds(cpu)/float64(l.messages), most, "%.3f ms of server CPU per event")
	l.atMost(work, took.at(99), 40, "p99 %.1f ms")
	l.add(work, "p50 %.1f ms, %.0f messages/s, %.0f MiB resident at the end",
		took.at(50), float64(l.messages)/time.Since(began).Seconds(), now/(1<<20))
	return nil
}

// crowd makes people and rooms, and has everybody join one of them, in turn.
func (l *lab) crowd(ctx context.Context, n, rooms int) ([]*person, []string, error) {
	if err := l.start(ctx); err != nil {
		return nil, nil, err
	}
	people, err := l.people(ctx, n)
	if err != nil {
		return nil, nil, err
	}
	names := make([]string, rooms)
	for i := range names {
		if names[i], err = people[i].createRoom(); err != nil {
			return nil, nil, err
		}
	}
	err = parallel(8, n, func(i int) error { return people[i].join(names[i%rooms]) })
	return people, names, err
}

// send shares n messages, numbered after first, out among the people, each of whom sends into one room.
func send(people []*person, rooms []string, first, n int) (times, error) {
	var all times
	var mu sync.Mutex // guards all
	var next atomic.Int64
	next.Store(int64(first))
	err := parallel(len(people), len(people), func(i int) error {
		var mine times
		for m := next.Add(1); m <= int64(first+n); m = next.Add(1) {
			began := time.Now()
			if err := people[i].say(rooms[i%len(rooms)], int(m)); err != nil {
				return err
			}
			mine = append(mine, time.Since(began))
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, mine...)
		return nil
	})
	return all, err
}

// disk sends messages and sees how much the data directory grows by, once everything is where it stays.
func disk(ctx context.Context, l *lab) error {
	if l.database != "" {
		return nil // it is not in the data directory
	}
	people, rooms, err := l.crowd(ctx, senders, senders)
	if err != nil {
		return err
	}
	if _, err := send(people, rooms, 0, 1000); err != nil {
		return err
	}
	l.stop()
	before, err := size(l.dir)
	if err != nil {
		return err
	}
	if err := l.start(ctx); err != nil {
		return err
	}
	if err := l.redial(ctx, people...); err != nil {
		return err
	}
	if _, err := send(people, rooms, 1000, l.messages); err != nil {
		return err
	}
	running, err := settled(l.dir)
	if err != nil {
		return err
	}
	l.stop()
	after, err := size(l.dir)
	if err != nil {
		return err
	}
	const work = "disk per message (200 bytes of text)"
	l.atMost(work, float64(after-before)/1000/float64(l.messages), 2.5, "%.2f KB")
	l.add(work, "%.2f KB while the server runs, its log included", float64(running-before)/1000/float64(l.messages))
	return nil
}

// settled is the size of a directory once it does not change any more, or after half a minute: SQLite's log is copied and
// cut when nothing was written for a while.
func settled(dir string) (now int64, err error) {
	for range 10 {
		before := now
		time.Sleep(5 * time.Second)
		if now, err = size(dir); err != nil || now == before {
			break
		}
	}
	return now, err
}

// size is the sum of the files in a directory.
func size(dir string) (sum int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	return sum, err
}
