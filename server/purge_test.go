package server

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// place is a room with two people in it who do anything.
type place struct {
	*house
	in   string
	all  []*lodger
	rand *rand.Rand
	n    int
	said []string // events that may be answered or redacted
}

func (h *house) place(seed uint64) *place {
	h.t.Helper()
	p := &place{house: h, rand: rand.New(rand.NewPCG(seed, 7)), all: []*lodger{h.lodger(fmt.Sprintf("a%d", seed)), h.lodger(fmt.Sprintf("b%d", seed))}}
	p.in = p.all[0].ok("POST", "/v3/createRoom", `{"preset":"public_chat","power_level_content_override":{"state_default":0}}`)["room_id"].(string)
	p.all[1].ok("POST", p.path("/join"), `{}`)
	return p
}

func (p *place) path(rest string) string { return "/v3/rooms/" + url.PathEscape(p.in) + rest }

// do does something in the room.
func (p *place) do() {
	p.t.Helper()
	p.n++
	who := p.all[p.rand.IntN(2)]
	old := ""
	if len(p.said) > 0 {
		old = p.said[p.rand.IntN(len(p.said))]
	}
	relates := func(rel string) string {
		return fmt.Sprintf(`{"msgtype":"m.text","body":"%d","m.relates_to":{"rel_type":%q,"event_id":%q}}`, p.n, rel, old)
	}
	send := func(typ, body string) {
		w := p.house.do(p.t.Context(), "PUT", p.path(fmt.Sprintf("/send/%s/%d", typ, p.n)), who.token, []byte(body))
		if w.Code == http.StatusOK {
			p.said = append(p.said, strings.Split(w.Body.String(), `"`)[3])
		} else if w.Code != http.StatusBadRequest { // a thread in a thread
			p.t.Fatalf("got %d %s", w.Code, w.Body)
		}
	}
	switch k := p.rand.IntN(12); {
	case k < 5 || old == "":
		send("m.room.message", fmt.Sprintf(`{"msgtype":"m.text","body":"%d"}`, p.n))
	case k < 7:
		send("m.room.message", relates("m.thread"))
	case k < 8:
		send("m.room.message", relates("m.reference"))
	case k < 9:
		who.ok("PUT", p.path("/state/m.room.topic/"), fmt.Sprintf(`{"topic":"%d"}`, p.n))
	case k < 10:
		p.said = append(p.said, who.ok("PUT", p.path(fmt.Sprintf("/state/x/%d", p.rand.IntN(3))), fmt.Sprintf(`{"n":%d}`, p.n))["event_id"].(string))
	case k < 11:
		p.all[0].ok("PUT", p.path("/redact/"+url.PathEscape(old)+fmt.Sprintf("/r%d", p.n)), `{}`)
	default:
		who.ok("PUT", p.path("/state/m.room.member/"+who.user), fmt.Sprintf(`{"membership":"join","displayname":"%d"}`, p.n))
	}
}

// history is every event that can be paged to, the newest first.
func (p *place) history(g *lodger) (all []map[string]any) {
	p.t.Helper()
	for from := ""; ; {
		page := g.ok("GET", p.path("/messages?dir=b&limit=50"+from), "")
		for _, e := range page["chunk"].([]any) {
			all = append(all, e.(map[string]any))
		}
		end, more := page["end"].(string)
		if !more {
			return all
		}
		from = "&from=" + end
	}
}

// state is the room's state by what it says.
func (p *place) state(g *lodger) (all []string) {
	p.t.Helper()
	for _, e := range g.list("GET", p.path("/state")) {
		all = append(all, fmt.Sprint(e["type"], e["state_key"], e["content"], e["event_id"]))
	}
	slices.Sort(all)
	return all
}

// Whatever happened in a room and wherever its history is cut off: what stays is what has to and what came later, and all of
// it can be read; sums are those of what is left; nothing that is not asked for changes.
func TestPurgeOfAnything(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		for seed := range uint64(2) {
			p := h.place(seed)
			for range 150 {
				p.do()
			}
			g := p.all[1]
			before, state := p.history(g), p.state(g)
			cut := p.rand.IntN(len(before))
			bound := before[cut]["event_id"].(string)
			number := h.admin("POST", "/v1/purge_history/"+url.PathEscape(p.in)+"/"+url.PathEscape(bound), `{"delete_local_events":true}`, 200)["purge_id"].(string)
			h.work()
			status := h.admin("GET", "/v1/purge_history_status/"+number, "", 200)
			if status["status"] != "complete" {
				t.Fatalf("seed %d: got %v", seed, status)
			}
			var want []string
			kept := map[string]bool{}
			threads := map[string]bool{} // whose sums are shown: not those of what is redacted, nor of state
			for _, e := range before {   // state events that stay
				threads[e["event_id"].(string)] = threadOf(e) > 0
				if _, is := e["state_key"]; is {
					kept[e["event_id"].(string)] = true
				}
			}
			for i, e := range before {
				name := e["event_id"].(string)
				target, _ := e["content"].(map[string]any)["redacts"].(string)
				if i <= cut || kept[name] || e["type"] == "m.room.redaction" && kept[target] {
					want = append(want, name)
				}
			}
			after := p.history(g)
			var got []string
			children := map[string]int{}
			for _, e := range after {
				got = append(got, e["event_id"].(string))
				content := e["content"].(map[string]any)
				if r, ok := content["m.relates_to"].(map[string]any); ok && r["rel_type"] == "m.thread" {
					children[r["event_id"].(string)]++
				}
			}
			if !subset(got, want) || !subset(sure(before, cut, kept), got) {
				t.Errorf("seed %d, cut at %d: %d of %d events are left, want %d", seed, cut, len(got), len(before), len(want))
			}
			if n := int(status["events"].(float64)); n != len(before)-len(got) {
				t.Errorf("seed %d: %d were removed, it says %d", seed, len(before)-len(got), n)
			}
			if now := p.state(g); !slices.Equal(now, state) {
				t.Errorf("seed %d: the state is another", seed)
			}
			for _, e := range after {
				name := e["event_id"].(string)
				g.ok("GET", p.path("/context/"+url.PathEscape(name)+"?limit=4"), "")
				if n := threadOf(e); threads[name] && n != children[name] {
					t.Errorf("seed %d: a thread of %d says %v", seed, children[name], n)
				}
			}
			g.ok("GET", "/v1/rooms/"+url.PathEscape(p.in)+"/threads", "")
			g.ok("GET", "/v3/sync?timeout=0&full_state=true", "")
			for range 30 {
				p.do()
			}
		}
	})
}

// sure are those that stay whatever redacted what.
func sure(before []map[string]any, cut int, kept map[string]bool) (all []string) {
	for i, e := range before {
		if name := e["event_id"].(string); i <= cut || kept[name] {
			all = append(all, name)
		}
	}
	return all
}

// threadOf is how many children the thread of an event has, as it is shown.
func threadOf(e map[string]any) int {
	sum, _ := e["unsigned"].(map[string]any)["m.relations"].(map[string]any)
	thread, _ := sum["m.thread"].(map[string]any)
	n, _ := thread["count"].(float64)
	return int(n)
}

func subset(some, all []string) bool {
	for _, s := range some {
		if !slices.Contains(all, s) {
			return false
		}
	}
	return true
}

// list asks for a list of objects.
func (g *lodger) list(method, target string) (all []map[string]any) {
	g.t.Helper()
	w := g.do(g.t.Context(), method, target, g.token, nil)
	if err := json.Unmarshal(w.Body.Bytes(), &all); w.Code != http.StatusOK || err != nil {
		g.t.Fatalf("%s %s: got %d %s", method, target, w.Code, w.Body)
	}
	return all
}

// People go on talking, reading and syncing while their history is purged and the room is taken away: nobody is answered
// with a fault of the server.
func TestRemovalWhilePeopleTalk(t *testing.T) {
	h := newHouse(t)
	p := h.place(99)
	for range 60 {
		p.do()
	}
	done := make(chan struct{})
	var talk sync.WaitGroup
	for i, g := range p.all {
		talk.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				for _, r := range [][2]string{
					{"PUT", p.path(fmt.Sprintf("/send/m.room.message/talk%d_%d", i, n))},
					{"GET", p.path("/messages?dir=b&limit=30")},
					{"GET", "/v3/sync?timeout=0"},
					{"GET", p.path("/state")},
					{"GET", "/v1/rooms/" + url.PathEscape(p.in) + "/threads"},
				} {
					body := []byte(`{"msgtype":"m.text","body":"talk"}`)
					if w := h.do(t.Context(), r[0], r[1], g.token, body); w.Code >= 500 {
						t.Errorf("%s %s: got %d %s", r[0], r[1], w.Code, w.Body)
						return
					}
				}
			}
		})
	}
	for range 3 {
		newest := p.history(p.all[0])[0]["event_id"].(string)
		h.admin("POST", "/v1/purge_history/"+url.PathEscape(p.in)+"/"+url.PathEscape(newest), `{"delete_local_events":true}`, 200)
		h.work()
	}
	if got := h.admin("DELETE", "/v1/rooms/"+url.PathEscape(p.in), `{}`, 200); len(got["failed_to_kick_users"].([]any)) != 0 {
		t.Errorf("got %v", got)
	}
	close(done)
	talk.Wait()
}
