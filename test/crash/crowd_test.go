package crash

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	people  = 8
	rooms   = 4
	senders = 32
)

// worker does one kind of thing over and over. work ends when the server is gone; settle is called when it is back, to
// retry what nobody knows the fate of, and to check what was acknowledged.
type worker interface {
	work(gone context.Context)
	settle()
}

// crowd is people who send into rooms at the same time, and what they have been told.
type crowd struct {
	t      *testing.T
	c      *client
	tokens []string // of people
	rooms  []string

	senders []*sender
	changer *changer
	courier *courier
	reader  *reader
	others  []worker

	troubled bool // the server runs and its database does not

	due     atomic.Int64  // messages still to be acknowledged before the server is killed
	reached chan struct{} // of size one: there are none left
}

// newCrowd makes the accounts and rooms. Everybody is in every room, except the last person, who comes and goes.
func newCrowd(t *testing.T, base string) *crowd {
	t.Helper()
	w := &crowd{t: t, c: newClient(t, base), reached: make(chan struct{}, 1)}
	for i := range people {
		w.tokens = append(w.tokens, w.c.register(t, fmt.Sprint("person", i)))
	}
	for i := range rooms {
		var made struct {
			ID string `json:"room_id"`
		}
		w.c.must(t, w.tokens[0], "POST", "/_matrix/client/v3/createRoom",
			map[string]any{"preset": "public_chat", "name": fmt.Sprint("room ", i)}, &made)
		w.rooms = append(w.rooms, made.ID)
		for _, token := range w.tokens[1 : people-1] {
			w.c.must(t, token, "POST", roomPath(made.ID, "join"), struct{}{}, nil)
		}
	}
	for i := range senders {
		w.senders = append(w.senders, &sender{crowd: w, name: i, token: w.tokens[i%(people-1)], room: w.rooms[i%rooms]})
	}
	w.changer = &changer{crowd: w, acked: map[string]string{}}
	w.courier = &courier{crowd: w}
	w.courier.begin()
	w.reader = &reader{crowd: w, seen: map[string]bool{}}
	w.reader.catchUp()
	w.others = []worker{newSmith(w), newVisitor(w), &uploader{crowd: w}}
	return w
}

// run lets everybody work until the server is gone. It returns when they have noticed.
func (w *crowd) run(gone context.Context) {
	var wg sync.WaitGroup
	for _, s := range w.senders {
		wg.Go(func() { s.work(gone) })
	}
	wg.Go(func() { w.changer.work(gone) })
	wg.Go(func() { w.courier.work(gone) })
	wg.Go(func() { w.reader.work(gone) })
	for _, o := range w.others {
		wg.Go(func() { o.work(gone) })
	}
	wg.Wait()
}

// busy runs the crowd and ends the server in the middle of it, by kill: once n messages have been acknowledged, and a
// while after.
func (w *crowd) busy(n int, while time.Duration, kill func()) {
	w.t.Helper()
	w.due.Store(int64(n))
	gone, end := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { w.run(gone); close(done) }()
	select {
	case <-w.reached:
		time.Sleep(while) // the moment is meant to be any
	case <-done: // with errors
	case <-time.After(5 * time.Minute):
		w.t.Errorf("%d messages take more than five minutes", n)
	}
	kill()
	end()
	<-done
}

// refused reports an answer that nobody expects. A server whose database is gone may answer that it cannot.
func (w *crowd) refused(who string, status int, err error) {
	if status != 0 && (!w.troubled || status < 500) {
		w.t.Errorf("%s is refused: %v", who, err)
	}
}

// settle retries what nobody knows the fate of, as clients do when the server is back.
func (w *crowd) settle() {
	for _, s := range w.senders {
		s.settle()
	}
	w.courier.settle()
	for _, o := range w.others {
		o.settle()
	}
}

// message is one message event as its sender knows it.
type message struct {
	txn, body string
	event     string // "": not acknowledged
}

// sender sends messages into one room, one after the other.
type sender struct {
	crowd *crowd
	name  int
	token string
	room  string
	sent  []message
}

func (s *sender) put(ctx context.Context, m *message) (int, error) {
	var resp struct {
		ID string `json:"event_id"`
	}
	status, err := s.crowd.c.call(ctx, s.token, "PUT", roomPath(s.room, "send/m.room.message/"+m.txn),
		map[string]string{"msgtype": "m.text", "body": m.body}, &resp)
	if err == nil {
		if m.event != "" && m.event != resp.ID {
			s.crowd.t.Errorf("transaction %s made event %s, and then %s", m.txn, m.event, resp.ID)
		}
		m.event = resp.ID
		if s.crowd.due.Add(-1) == 0 {
			s.crowd.reached <- struct{}{}
		}
	}
	return status, err
}

func (s *sender) work(gone context.Context) {
	for gone.Err() == nil {
		n := len(s.sent)
		s.sent = append(s.sent, message{txn: fmt.Sprintf("t%d-%d", s.name, n), body: fmt.Sprintf("%d from %d", n, s.name)})
		twin := s.sent[n] // some are sent twice at the same time
		var wg sync.WaitGroup
		if s.name%8 == 0 {
			wg.Go(func() { s.put(gone, &twin) })
		}
		status, err := s.put(gone, &s.sent[n])
		wg.Wait()
		if s.sent[n].event == "" {
			s.sent[n].event = twin.event
		} else if twin.event != "" && twin.event != s.sent[n].event {
			s.crowd.t.Errorf("transaction %s makes event %s and, at the same time, %s", twin.txn, s.sent[n].event, twin.event)
		}
		if err != nil {
			s.crowd.refused(fmt.Sprint("sender ", s.name), status, err)
			return
		}
	}
}

// settle sends the last messages again with their transaction ids: the one without an answer, and some with one.
func (s *sender) settle() {
	s.crowd.t.Helper()
	for i := max(0, len(s.sent)-3); i < len(s.sent); i++ {
		if _, err := s.put(context.Background(), &s.sent[i]); err != nil {
			s.crowd.t.Errorf("sender %d sends again: %v", s.name, err)
		}
	}
}

// changer changes state: topics, and the last person's coming and going.
type changer struct {
	crowd *crowd
	n     int
	acked map[string]string // topic to event id
}

func (c *changer) work(gone context.Context) {
	w := c.crowd
	for ; gone.Err() == nil; c.n++ {
		room, visitor := w.rooms[c.n%rooms], w.tokens[people-1]
		var resp struct {
			ID string `json:"event_id"`
		}
		topic := fmt.Sprint("topic ", c.n)
		status, err := w.c.call(gone, w.tokens[0], "PUT", roomPath(room, "state/m.room.topic/"), map[string]string{"topic": topic}, &resp)
		if err == nil {
			c.acked[topic] = resp.ID
			step := []string{"join", "leave"}[c.n/rooms%2]
			status, err = w.c.call(gone, visitor, "POST", roomPath(room, step), struct{}{}, nil)
		}
		if err != nil {
			// Leaving twice is refused, and the answer to the first may have been cut.
			if status == http.StatusForbidden {
				continue
			}
			w.refused("the changer", status, err)
			return
		}
	}
}

// courier sends to-device messages, numbered, to one device.
type courier struct {
	crowd  *crowd
	user   string
	device string
	n      int // of the next
}

func (c *courier) begin() {
	c.crowd.t.Helper()
	var me struct {
		User   string `json:"user_id"`
		Device string `json:"device_id"`
	}
	c.crowd.c.must(c.crowd.t, c.crowd.tokens[1], "GET", "/_matrix/client/v3/account/whoami", nil, &me)
	c.user, c.device = me.User, me.Device
}

func (c *courier) put(ctx context.Context) error {
	_, err := c.crowd.c.call(ctx, c.crowd.tokens[0], "PUT", fmt.Sprintf("/_matrix/client/v3/sendToDevice/x.parcel/p%d", c.n),
		map[string]any{"messages": map[string]any{c.user: map[string]any{c.device: map[string]int{"n": c.n}}}}, nil)
	if err == nil {
		c.n++
	}
	return err
}

func (c *courier) work(gone context.Context) {
	for gone.Err() == nil && c.put(gone) == nil {
	}
}

func (c *courier) settle() {
	c.crowd.t.Helper()
	if err := c.put(context.Background()); err != nil {
		c.crowd.t.Errorf("the courier: %v", err)
	}
}

// delivered reads all that has arrived, in the end, and checks that it is each parcel once and in order.
func (c *courier) delivered() {
	c.crowd.t.Helper()
	next, since := 0, ""
	filter := url.QueryEscape(`{"room":{"rooms":[]},"presence":{"limit":0,"types":[]},"account_data":{"types":[]}}`)
	for {
		var resp struct {
			Next     string `json:"next_batch"`
			ToDevice struct {
				Events []struct {
					Type    string
					Content struct{ N int }
				}
			} `json:"to_device"`
		}
		c.crowd.c.must(c.crowd.t, c.crowd.tokens[1], "GET", "/_matrix/client/v3/sync?filter="+filter+"&since="+url.QueryEscape(since), nil, &resp)
		for _, e := range resp.ToDevice.Events {
			if e.Content.N != next {
				c.crowd.t.Fatalf("parcel %d arrives where %d is due", e.Content.N, next)
			}
			next++
		}
		if since = resp.Next; len(resp.ToDevice.Events) == 0 {
			break
		}
	}
	if next != c.n {
		c.crowd.t.Errorf("got %d parcels, want the %d that were sent", next, c.n)
	}
}

// reader syncs all the time, and goes on where it was when the server is back.
type reader struct {
	crowd *crowd
	since string
	seen  map[string]bool // events of the timelines
	gaps  []gap           // between what was seen and a timeline
	news  bool            // the last sync had some
}

type gap struct{ room, from string }

func (r *reader) work(gone context.Context) {
	for gone.Err() == nil && r.step(gone, time.Second) == nil {
	}
}

// step asks once.
func (r *reader) step(ctx context.Context, wait time.Duration) error {
	w := r.crowd
	var resp struct {
		Next  string `json:"next_batch"`
		Rooms struct {
			Join map[string]struct {
				Timeline struct {
					Events  []roomEvent
					Limited bool
					Prev    string `json:"prev_batch"`
				}
			}
		}
	}
	q := url.Values{"filter": {`{"room":{"timeline":{"limit":1000}}}`}, "timeout": {fmt.Sprint(wait.Milliseconds())}}
	if r.since != "" {
		q.Set("since", r.since)
	}
	status, err := w.c.call(ctx, w.tokens[2], "GET", "/_matrix/client/v3/sync?"+q.Encode(), nil, &resp)
	if err != nil {
		w.refused("the reader", status, err)
		return err
	}
	for room, news := range resp.Rooms.Join {
		if news.Timeline.Limited {
			r.gaps = append(r.gaps, gap{room, news.Timeline.Prev})
		}
		for _, e := range news.Timeline.Events {
			if r.seen[e.ID] {
				w.t.Errorf("the reader is told of %s twice", e.ID)
			}
			r.seen[e.ID] = true
		}
	}
	r.since, r.news = resp.Next, len(resp.Rooms.Join) > 0
	return nil
}

// catchUp reads until there is no more, and fills the gaps.
func (r *reader) catchUp() {
	w := r.crowd
	w.t.Helper()
	for r.news = true; r.news; {
		if err := r.step(context.Background(), 0); err != nil {
			w.t.Fatalf("the reader: %v", err)
		}
	}
	for _, g := range r.gaps {
		for _, e := range w.c.messages(w.t, w.tokens[2], g.room, g.from, func(e roomEvent) bool { return r.seen[e.ID] }) {
			r.seen[e.ID] = true
		}
	}
	r.gaps = nil
}

// verify reads every room from end to beginning and compares it with what its senders and the reader know. Everything
// that was sent must be settled.
func (w *crowd) verify() {
	w.t.Helper()
	w.reader.catchUp()
	total := 0
	for _, room := range w.rooms {
		byID, byBody, topics := map[string]roomEvent{}, map[string]int{}, map[string]string{}
		for _, e := range w.c.messages(w.t, w.tokens[0], room, "", nil) {
			if _, twice := byID[e.ID]; twice {
				w.t.Errorf("event %s is in its room twice", e.ID)
			}
			if !w.reader.seen[e.ID] {
				w.t.Errorf("the reader was never told of event %s (%s %s)", e.ID, e.Type, e.Content.Body)
			}
			byID[e.ID] = e
			switch e.Type {
			case "m.room.message":
				byBody[e.Content.Body]++
			case "m.room.topic":
				topics[e.Content.Topic] = e.ID
			}
		}
		total += len(byID)
		for _, s := range w.senders {
			if s.room != room {
				continue
			}
			for _, m := range s.sent {
				if e, ok := byID[m.event]; !ok || e.Content.Body != m.body {
					w.t.Errorf("message %q was acknowledged as %q, which is %q", m.body, m.event, e.Content.Body)
				}
				if n := byBody[m.body]; n != 1 {
					w.t.Errorf("message %q is there %d times", m.body, n)
				}
				delete(byBody, m.body)
			}
		}
		for body := range byBody {
			w.t.Errorf("nobody has sent the message %q", body)
		}
		for topic, event := range w.changer.acked {
			if e, ok := byID[event]; ok && e.Content.Topic != topic {
				w.t.Errorf("%s was acknowledged as %s, which is %q", topic, event, e.Content.Topic)
			}
			if topics[topic] == event {
				delete(w.changer.acked, topic)
			}
		}
	}
	for topic, event := range w.changer.acked {
		w.t.Errorf("%s was acknowledged as %s, which is nowhere", topic, event)
	}
	if got := len(w.reader.seen); got != total {
		w.t.Errorf("the reader was told of %d events, the rooms have %d", got, total)
	}
}

// sent counts the messages so far.
func (w *crowd) sent() (n int) {
	for _, s := range w.senders {
		n += len(s.sent)
	}
	return n
}
