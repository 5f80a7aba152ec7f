package split

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"freehold.example/matrix/id"
)

// step is one thing that happens in a history. What it means depends on the steps before it only where it has to, so that a
// history from which some are left out is one, too.
type step struct {
	op   string
	at   int           // the server
	a, b int           // what the operation makes of them
	wait time.Duration // until the next step
}

func (s step) String() string {
	return fmt.Sprintf("{%q, %d, %d, %d, %d}", s.op, s.at, s.a, s.b, s.wait)
}

// weights says how often an operation is chosen.
var weights = []struct {
	op string
	n  int
}{
	{"send", 30},
	{"name", 6},
	{"topic", 4},
	{"kick", 4},
	{"ban", 3},
	{"unban", 4},
	{"invite", 4},
	{"leave", 3},
	{"join", 12},
	{"power", 5},
	{"rules", 3},
	{"redact", 4},
	{"upgrade", 1},
	{"device", 14},
	{"sync", 6},
	{"split", 6},
	{"break", 6},
	{"heal", 8},
	{"reset", 2},
	{"delay", 4},
	{"stop", 1},
	{"kill", 2},
	{"start", 5},
}

// history makes the steps of a seed, for n servers.
func history(seed uint64) (n int, steps []step) {
	dice := rand.New(rand.NewPCG(seed, 9)) // #nosec G404 -- chance that can be had again
	n = 3
	if dice.IntN(4) == 0 {
		n += 1 + dice.IntN(2)
	}
	sum := 0
	for _, w := range weights {
		sum += w.n
	}
	for range 20 + dice.IntN(40) {
		at := dice.IntN(sum)
		i := 0
		for ; at >= weights[i].n; i++ {
			at -= weights[i].n
		}
		s := step{op: weights[i].op, at: dice.IntN(n), a: dice.IntN(1000), b: dice.IntN(1000)}
		switch dice.IntN(6) {
		case 0, 1:
			s.wait = time.Duration(dice.IntN(30)) * time.Millisecond
		case 2, 3:
			s.wait = time.Duration(dice.IntN(3000)) * time.Millisecond
		case 4:
			s.wait = time.Duration(dice.IntN(120)) * time.Second
		}
		steps = append(steps, s)
	}
	return n, steps
}

// run is a history that happens.
type run struct {
	*world
	version string
	began   sync.WaitGroup // what users are doing

	mu    sync.Mutex // guards what follows
	rooms []id.Room
	sent  []sent         // events that were acknowledged
	asked []asked        // invitations that were
	told  map[string]int // to-device messages that were acknowledged -> whom they are for
	got   map[string]int // ... that came -> how often
	since []string       // of each user
	diary []string       // what came of the steps
	count int
}

type sent struct {
	room  id.Room
	event id.Event
	by    int
}

type asked struct {
	room     id.Room
	by, whom int
}

// versions of rooms in histories: those with an algorithm or rules of their own, the newest most often.
var versions = []string{"12", "12", "12", "11", "10", "6", "2", "1"}

// begin starts the servers, and has all of their users in one room.
func (w *world) begin(t *testing.T, version string) id.Room {
	for _, x := range w.all {
		x.start()
	}
	a, err := w.all[0].do(t.Context(), "POST", "/createRoom", map[string]any{"preset": "public_chat", "room_version": version})
	room := id.Room(a.str("room_id"))
	if err != nil || room == "" {
		t.Fatalf("create: %v %s", err, a.body)
	}
	users := map[id.User]int{}
	if version != "12" {
		users[w.all[0].user] = 100
	}
	for i, x := range w.all[1:] {
		users[x.user] = 100 - 50*(i%2)
	}
	in := "/rooms/" + url.PathEscape(string(room))
	if a, err := w.all[0].do(t.Context(), "PUT", in+"/state/m.room.power_levels/", map[string]any{"users": users}); err != nil || a.status != 200 {
		t.Fatalf("power: %v %s", err, a.body)
	}
	for _, x := range w.all[1:] {
		if a, err := x.do(t.Context(), "POST", "/join/"+url.PathEscape(string(room))+"?server_name="+string(w.all[0].name), struct{}{}); err != nil || a.status != 200 {
			t.Fatalf("join by %s: %v %d %s", x.name, err, a.status, a.body)
		}
	}
	time.Sleep(5 * time.Second)
	return room
}

// do does a step. What users do goes on beside it.
func (r *run) do(s step) {
	x := r.all[s.at]
	switch s.op {
	case "split", "break":
		parts := [][]string{{}, {}}
		for i := range r.all {
			parts[(s.a>>i)&1] = append(parts[(s.a>>i)&1], addr(i))
		}
		if s.op == "split" {
			r.net.Split(parts...)
		} else {
			r.net.Break(parts...)
		}
	case "heal":
		r.net.Heal()
	case "reset":
		r.net.Reset()
	case "delay":
		r.net.Delay(time.Duration(s.a)*100*time.Microsecond, time.Duration(s.b)*time.Millisecond)
	case "stop":
		x.stop()
	case "kill":
		x.kill()
	case "start":
		for _, y := range r.all {
			y.start()
		}
	default:
		r.began.Go(func() { r.act(x, s) })
	}
	r.note(fmt.Sprintf("%s %s", s.op, x.name))
	time.Sleep(s.wait)
}

func (r *run) note(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.diary = append(r.diary, time.Now().Format("15:04:05.000 ")+text)
}

// act has a server's user do something. What is refused is no fault.
func (r *run) act(x *node, s step) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	r.mu.Lock()
	room := r.rooms[s.a%len(r.rooms)]
	if s.b%3 > 0 {
		room = r.rooms[len(r.rooms)-1] // after an upgrade, most go on in the new one
	}
	r.count++
	n := r.count
	var target id.Event
	for i := range r.sent {
		if e := r.sent[(i+s.b)%len(r.sent)]; e.room == room {
			target = e.event
		}
	}
	r.mu.Unlock()
	other := r.all[s.b%len(r.all)]
	in := "/rooms/" + url.PathEscape(string(room))
	put := func(typ, key string, content any) (answer, error) {
		return x.do(ctx, "PUT", in+"/state/"+typ+"/"+url.PathEscape(key), content)
	}
	about := map[string]any{"user_id": other.user}
	var a answer
	var err error
	switch s.op {
	case "send":
		a, err = x.do(ctx, "PUT", fmt.Sprintf("%s/send/m.room.message/t%d", in, n), map[string]any{"msgtype": "m.text", "body": fmt.Sprint(n)})
	case "name":
		a, err = put("m.room.name", "", map[string]any{"name": fmt.Sprint("name ", n)})
	case "topic":
		a, err = put("m.room.topic", "", map[string]any{"topic": fmt.Sprint("topic ", n)})
	case "kick", "ban", "unban", "invite":
		a, err = x.do(ctx, "POST", in+"/"+s.op, about)
	case "leave":
		a, err = x.do(ctx, "POST", in+"/leave", struct{}{})
	case "join":
		q := url.Values{}
		for i := range r.all {
			q.Add("server_name", string(r.all[(s.b+i)%len(r.all)].name))
		}
		a, err = x.do(ctx, "POST", "/join/"+url.PathEscape(string(room))+"?"+q.Encode(), struct{}{})
	case "power":
		users := map[id.User]int{}
		for i, y := range r.all {
			if v := []int{0, 50, 100}[(s.a+i*s.b)%3]; i > 0 && v > 0 {
				users[y.user] = v
			}
		}
		if r.version != "12" {
			users[r.all[0].user] = 100
		}
		a, err = put("m.room.power_levels", "", map[string]any{"users": users})
	case "rules":
		a, err = put("m.room.join_rules", "", map[string]any{"join_rule": []string{"public", "public", "invite"}[s.a%3]})
	case "redact":
		if target == "" {
			return
		}
		a, err = x.do(ctx, "PUT", fmt.Sprintf("%s/redact/%s/t%d", in, url.PathEscape(string(target)), n), struct{}{})
	case "upgrade":
		a, err = x.do(ctx, "POST", in+"/upgrade", map[string]any{"new_version": r.version})
		if made := id.Room(a.str("replacement_room")); made != "" {
			r.mu.Lock()
			if !slices.Contains(r.rooms, made) { // who asks twice in a row is told of the same
				r.rooms = append(r.rooms, made)
			}
			r.mu.Unlock()
		}
	case "device":
		a, err = x.do(ctx, "PUT", fmt.Sprintf("/sendToDevice/m.test/t%d", n), map[string]any{
			"messages": map[id.User]any{other.user: map[string]any{"D": map[string]any{"n": fmt.Sprint(n)}}},
		})
		if err == nil && a.status == 200 {
			r.mu.Lock()
			r.told[fmt.Sprint(n)] = other.i
			r.mu.Unlock()
		}
	case "sync":
		r.sync(ctx, x, 0)
		return
	}
	if err != nil {
		r.note(fmt.Sprintf("-> %s of %s: %v", s.op, x.name, err))
		return
	}
	r.note(fmt.Sprintf("-> %s of %s in %s: %d %s", s.op, x.name, room, a.status, strings.TrimSpace(string(a.body))))
	if a.status != 200 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.op == "invite" {
		r.asked = append(r.asked, asked{room, x.i, other.i})
	}
	if e := a.str("event_id"); e != "" {
		r.sent = append(r.sent, sent{room, id.Event(e), x.i})
	}
}

// sync fetches what is new for a server's user, as a client does that repeats a request whose answer was lost.
func (r *run) sync(ctx context.Context, x *node, timeout time.Duration) {
	r.mu.Lock()
	since := r.since[x.i]
	r.mu.Unlock()
	a, err := x.do(ctx, "GET", fmt.Sprintf("/sync?timeout=%d&since=%s", timeout.Milliseconds(), url.QueryEscape(since)), nil)
	if err != nil || a.status != 200 {
		return
	}
	var said struct {
		Next   string `json:"next_batch"`
		Device struct {
			Events []struct {
				Type    string `json:"type"`
				Sender  string `json:"sender"`
				Content struct {
					N string `json:"n"`
				} `json:"content"`
			} `json:"events"`
		} `json:"to_device"`
	}
	a.decode(&said)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.since[x.i] != since {
		return // another of the client's own was quicker; a client does not do this, and takes neither twice
	}
	r.since[x.i] = said.Next
	for _, e := range said.Device.Events {
		if e.Type == "m.test" {
			r.got[e.Content.N]++
		}
	}
}
