package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"
)

// slideRequest is what Element X asks for: its room list, and what goes with it.
const slideRequest = `{"conn_id":"room-list","lists":{"all_rooms":{"ranges":[[0,%d]],"timeline_limit":1,"include_heroes":true,` +
	`"required_state":[["m.room.name",""],["m.room.encryption",""],["m.room.member","$LAZY"],["m.room.member","$ME"],["m.room.topic",""],` +
	`["m.room.avatar",""],["m.room.canonical_alias",""],["m.room.power_levels",""],["org.matrix.msc3401.call.member","*"],` +
	`["m.room.join_rules",""],["m.room.tombstone",""],["m.room.create",""],["m.room.history_visibility",""],["m.space.parent","*"],["m.space.child","*"]],` +
	`"filters":{"not_room_types":["m.space"]}}},` +
	`"extensions":{"account_data":{"enabled":true},"receipts":{"enabled":true},"typing":{"enabled":true}}}`

// slide asks for the first rooms of n with sliding sync, from where the person is.
func (p *person) slide(n int, timeout time.Duration) ([]byte, error) {
	path := fmt.Sprintf("/_matrix/client/unstable/org.matrix.simplified_msc3575/sync?timeout=%d", timeout.Milliseconds())
	if p.since != "" {
		path += "&pos=" + p.since
	}
	raw, err := p.do(http.MethodPost, path, p.token, fmt.Appendf(nil, slideRequest, n-1))
	if err == nil {
		p.since = text(raw, "pos")
	}
	return raw, err
}

// slides measures sliding sync in an account with 2,000 rooms: the first answer right after the server's start and again, the
// whole list in steps, and what it costs to be told of a message.
func slides(ctx context.Context, l *lab) error {
	const rooms, messages, window, again, told = 2000, 5, 20, 20, 200
	if err := l.start(ctx); err != nil {
		return err
	}
	people, err := l.people(ctx, 9)
	if err != nil {
		return err
	}
	reader, others := people[0], people[1:]
	names := make([]string, rooms)
	err = parallel(len(others), len(others), func(k int) error {
		p := others[k]
		c := *reader
		var err error
		if c.conn, err = l.dial(ctx); err != nil {
			return err
		}
		defer c.close()
		for i := k; i < rooms; i += len(others) {
			if names[i], err = p.createRoom(); err != nil {
				return err
			}
			if err := c.join(names[i]); err != nil {
				return err
			}
			for n := range messages {
				if err := p.say(names[i], n); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := l.restart(ctx); err != nil {
		return err
	}
	time.Sleep(time.Second)
	if err := l.redial(ctx, append(others, reader)...); err != nil {
		return err
	}
	var size int
	first := func() error {
		reader.since = ""
		raw, err := reader.slide(window, 0)
		size = len(raw)
		return err
	}
	began := time.Now()
	cold, err := l.work(ctx, "coldslide", first)
	if err != nil {
		return err
	}
	took := time.Since(began)
	warm, err := l.work(ctx, l.scenario, func() error {
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
	const work = "first answer of sliding sync, 20 of 2,000 rooms"
	l.atMost(work, milliseconds(cold), 50, "%.1f ms of server CPU, the first after a start")
	l.atMost(work, milliseconds(warm)/again, 50, "%.1f ms of server CPU, again")
	l.add(work, "%.0f kB in %.0f ms", float64(size)/1e3, milliseconds(took))
	whole, err := l.work(ctx, "slidewhole", func() error {
		for n := window; n < rooms+100; n += 100 {
			if _, err := reader.slide(n, 0); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	l.add("the other 1,980 rooms, 100 at a time", "%.0f ms of server CPU", milliseconds(whole))
	one, err := l.work(ctx, "slidetold", func() error {
		for n := messages; n < messages+told; n++ {
			p := others[n%len(others)]
			if err := p.say(names[n*7%rooms/len(others)*len(others)+n%len(others)], n); err != nil {
				return err
			}
			raw, err := reader.slide(rooms, 10*time.Second)
			if err != nil {
				return err
			}
			if !bytes.Contains(raw, fmt.Appendf(nil, `"body":"%d `, n)) {
				return fmt.Errorf("message %d is not told: %.300s", n, raw)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	l.add("a message in that account, sent and told by sliding sync", "%.2f ms of server CPU", milliseconds(one)/told)
	empty, err := l.work(ctx, "slideempty", func() error {
		for range told {
			if _, err := reader.slide(rooms, 0); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	l.add("an empty answer of sliding sync in that account", "%.2f ms of server CPU", milliseconds(empty)/told)
	return nil
}
