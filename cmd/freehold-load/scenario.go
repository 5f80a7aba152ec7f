package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// scenario is one kind of load.
type scenario struct {
	name    string
	what    string
	senders int
	rooms   int
	syncers int // who read along, in the first room
	pace    int // messages a second of all senders together; 0 is as fast as they are answered
}

var scenarios = []scenario{
	{name: "send-32-rooms", what: "32 senders, each in a room of its own", senders: 32, rooms: 32},
	{name: "send-one-room", what: "32 senders in one room", senders: 32, rooms: 1},
	{name: "send-and-sync", what: "4 senders, 100 messages/s in one room, 16 others sync", senders: 4, rooms: 1, syncers: 16, pace: 100},
}

// result is what one run of a scenario took.
type result struct {
	scenario
	messages  int
	perSecond float64
	send      times // until the answer to a send
	arrive    times // from the send until a reader has the message
	cpu       time.Duration
	memory    float64 // MiB resident at the end
}

func (r result) String() string {
	s := fmt.Sprintf("%.0f messages/s, server CPU %.3f ms each, send p50 %s p99 %s, %.0f MiB",
		r.perSecond, milliseconds(r.cpu), r.send.at(50), r.send.at(99), r.memory)
	if len(r.arrive) > 0 {
		s += fmt.Sprintf(", arrival p50 %s p99 %s", r.arrive.at(50), r.arrive.at(99))
	}
	return s
}

// times are sorted.
type times []time.Duration

func (t times) at(percent int) time.Duration {
	if len(t) == 0 {
		return 0
	}
	return t[min(len(t)-1, len(t)*percent/100)].Round(10 * time.Microsecond)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// crowd is the users and rooms of one run.
type crowd struct {
	senders, syncers []string // access tokens
	rooms            []string
}

func (sc scenario) people(ctx context.Context, s *server) (*crowd, error) {
	c := new(crowd)
	for i := range sc.senders + sc.syncers {
		token, err := s.register(ctx, fmt.Sprintf("%s-%d", sc.name, i))
		if err != nil {
			return nil, err
		}
		if i < sc.senders {
			c.senders = append(c.senders, token)
		} else {
			c.syncers = append(c.syncers, token)
		}
	}
	for i := range sc.rooms {
		var made struct {
			Room string `json:"room_id"`
		}
		err := s.call(ctx, http.MethodPost, "/_matrix/client/v3/createRoom", c.senders[i%sc.senders],
			map[string]any{"preset": "public_chat"}, &made)
		if err != nil {
			return nil, err
		}
		c.rooms = append(c.rooms, made.Room)
	}
	for i, token := range slices.Concat(c.senders, c.syncers) {
		if _, err := s.do(ctx, http.MethodPost, "/_matrix/client/v3/join/"+url.PathEscape(c.rooms[i%sc.rooms]), token, []byte("{}")); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// stragglers is how long the readers may take for the last messages.
const stragglers = 5 * time.Second

// measure runs the scenario.
func (sc scenario) measure(ctx context.Context, s *server, messages int) (result, error) {
	if sc.pace > 0 {
		messages = min(messages, 20*sc.pace)
	}
	r := result{scenario: sc, messages: messages}
	c, err := sc.people(ctx, s)
	if err != nil {
		return r, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	arrived := make(chan times, len(c.syncers))
	for _, token := range c.syncers {
		since, err := firstSync(ctx, s, token)
		if err != nil {
			return r, err
		}
		go func() { arrived <- readAlong(ctx, s, token, since, messages) }()
	}
	before, err := s.usage(ctx)
	if err != nil {
		return r, err
	}
	begin := time.Now()
	if r.send, err = sc.send(ctx, s, c, messages); err != nil {
		return r, err
	}
	time.AfterFunc(stragglers, cancel)
	for range c.syncers {
		r.arrive = append(r.arrive, <-arrived...)
	}
	wall := time.Since(begin)
	after, err := s.usage(context.WithoutCancel(ctx))
	if err != nil {
		return r, err
	}
	slices.Sort(r.send)
	slices.Sort(r.arrive)
	r.perSecond = float64(messages) / wall.Seconds()
	r.cpu = time.Duration((after.cpu - before.cpu) / float64(messages) * float64(time.Second))
	r.memory = after.memory / (1 << 20)
	return r, nil
}

// send shares the messages out among the senders, each of which sends the next when the last was answered.
func (sc scenario) send(ctx context.Context, s *server, c *crowd, messages int) (times, error) {
	var next atomic.Int64
	var all times
	var mu sync.Mutex // guards all and failed
	var failed error
	var wg sync.WaitGroup
	begin := time.Now()
	for i, token := range c.senders {
		path := "/_matrix/client/v3/rooms/" + url.PathEscape(c.rooms[i%sc.rooms]) + "/send/m.room.message/"
		wg.Go(func() {
			var mine times
			var err error
			for n := next.Add(1); n <= int64(messages) && err == nil; n = next.Add(1) {
				if sc.pace > 0 {
					time.Sleep(time.Until(begin.Add(time.Duration(n) * time.Second / time.Duration(sc.pace))))
				}
				begin := time.Now()
				_, err = s.do(ctx, http.MethodPut, fmt.Sprint(path, n), token, message(begin))
				mine = append(mine, time.Since(begin))
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, mine...)
			if err != nil {
				failed = err
			}
		})
	}
	wg.Wait()
	return all, failed
}

// message is a text of 200 bytes that says when it was sent.
func message(at time.Time) []byte {
	body := fmt.Sprintf("%d %s", at.UnixNano(), strings.Repeat("x", 180))
	return fmt.Appendf(nil, `{"msgtype":"m.text","body":%q}`, body[:200])
}
