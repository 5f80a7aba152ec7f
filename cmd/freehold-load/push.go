package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// gateway is a push gateway that takes everything, and remembers when it was first told of whom.
type gateway struct {
	http *http.Server
	url  string

	mu   sync.Mutex // guards told
	told map[string]time.Time
	n    atomic.Int64
}

func newGateway(ctx context.Context) (*gateway, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	g := &gateway{url: "http://" + l.Addr().String() + "/_matrix/push/v1/notify", told: map[string]time.Time{}}
	g.http = &http.Server{Handler: http.HandlerFunc(g.notify), ReadHeaderTimeout: time.Minute}
	go func() { _ = g.http.Serve(l) }() // until close
	return g, nil
}

func (g *gateway) close() { _ = g.http.Close() }

func (g *gateway) notify(w http.ResponseWriter, r *http.Request) {
	var m struct {
		Notification struct {
			Devices []struct {
				Key string `json:"pushkey"`
			} `json:"devices"`
		} `json:"notification"`
	}
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil || len(m.Notification.Devices) != 1 {
		http.Error(w, "not a notification", http.StatusBadRequest)
		return
	}
	g.mu.Lock()
	if _, twice := g.told[m.Notification.Devices[0].Key]; !twice {
		g.told[m.Notification.Devices[0].Key] = time.Now()
	}
	g.mu.Unlock()
	g.n.Add(1)
	_, _ = w.Write([]byte(`{"rejected":[]}`))
}

// all waits until so many were told, and says when each was.
func (g *gateway) all(ctx context.Context, n int, patience time.Duration) (map[string]time.Time, error) {
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		g.mu.Lock()
		now := len(g.told)
		g.mu.Unlock()
		if now >= n || time.Now().After(end) || ctx.Err() != nil {
			break
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.told) < n {
		return nil, fmt.Errorf("after %s the gateway was told of %d of %d members", patience, len(g.told), n)
	}
	told := g.told
	g.told = map[string]time.Time{}
	return told, ctx.Err()
}

// pushing sends one message with a mention into a room of 10,000 members, each with a pusher, while somebody else goes on
// talking in another room.
func pushing(ctx context.Context, l *lab) error {
	const members, before, mentioned = 10_000, 200, 4711
	g, err := newGateway(ctx)
	if err != nil {
		return err
	}
	defer g.close()
	people, rooms, err := l.crowd(ctx, 2, 2)
	if err != nil {
		return err
	}
	if err := l.populate(ctx, rooms[0], members, g.url); err != nil {
		return err
	}
	if err := l.redial(ctx, people...); err != nil { // they have said nothing for so long that the server has hung up
		return err
	}
	quiet, err := send(people[1:], rooms[1:], 0, before)
	if err != nil {
		return err
	}
	_, _ = g.all(ctx, 1, 0) // the joins notify nobody
	var sent, first, last time.Duration
	var others times
	cpu, err := l.work(ctx, l.scenario, func() error {
		over := make(chan struct{})
		talk := make(chan error, 1)
		go func() { talk <- talkUntil(over, people[1], rooms[1], &others) }()
		began := time.Now()
		body := fmt.Appendf(nil, `{"msgtype":"m.text","body":"look","m.mentions":{"user_ids":["@push-member-%d:localhost"]}}`, mentioned)
		_, err := people[0].do("PUT", "/_matrix/client/v3/rooms/"+rooms[0]+"/send/m.room.message/mention", people[0].token, body)
		sent = time.Since(began)
		var told map[string]time.Time
		if err == nil {
			told, err = g.all(ctx, members, 5*time.Minute)
		}
		close(over)
		if err := <-talk; err != nil {
			return err
		}
		first = told[fmt.Sprint("key-", mentioned)].Sub(began)
		for _, at := range told {
			last = max(last, at.Sub(began))
		}
		return err
	})
	if err != nil {
		return err
	}
	const work = "push: one message with a mention into a room of 10,000 members with a pusher each"
	l.atMost(work, milliseconds(sent), 40, "its sender waited %.1f ms")
	l.atMost(work, others.at(99), 40, "p99 %.1f ms for a sender in another room meanwhile")
	l.add(work, "p50 %.1f ms, %d messages; before it p50 %.1f ms, p99 %.1f ms", others.at(50), len(others), quiet.at(50), quiet.at(99))
	l.add(work, "who is mentioned is told after %.2f s, all after %.1f s", first.Seconds(), last.Seconds())
	l.add(work, "%.3f ms of server CPU per notification", milliseconds(cpu)/members)
	if double := g.n.Load() - members; double != 0 {
		l.add(work, "%d were told twice", double)
	}
	return nil
}

// talkUntil sends messages, one every 20 ms, and notes how long each took.
func talkUntil(over <-chan struct{}, p *person, room string, took *times) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for n := 1_000_000; ; n++ {
		select {
		case <-over:
			return nil
		case <-tick.C:
		}
		began := time.Now()
		if err := p.say(room, n); err != nil {
			return err
		}
		*took = append(*took, time.Since(began))
	}
}

// populate has so many new people join a room and set a pusher each, if there is a gateway.
func (l *lab) populate(ctx context.Context, room string, n int, gateway string) error {
	const workers = 8
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	parts := slices.Collect(slices.Chunk(all, n/workers))
	return parallel(len(parts), len(parts), func(k int) error {
		c, err := l.dial(ctx)
		if err != nil {
			return err
		}
		defer c.close()
		for _, i := range parts[k] {
			token, err := c.register(fmt.Sprint(l.scenario, "-member-", i))
			if err != nil {
				return err
			}
			if _, err := c.do("POST", "/_matrix/client/v3/join/"+room, token, []byte("{}")); err != nil {
				return err
			}
			if gateway == "" {
				continue
			}
			pusher := fmt.Appendf(nil, `{"kind":"http","app_id":"load","pushkey":"key-%d","app_display_name":"load","device_display_name":"load",`+
				`"lang":"en","data":{"url":%q,"format":"event_id_only"}}`, i, gateway)
			if _, err := c.do("POST", "/_matrix/client/v3/pushers/set", token, pusher); err != nil {
				return err
			}
		}
		return nil
	})
}
