package conformance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/test/remote"
)

// 37 Partial state: which servers are told of devices while not all of them are known.

// third is a server R2 with a user elsie, who may go into R's room.
type third struct {
	*remote.Server
	elsie id.User
	at    *remote.Subject // R, as R2 sees it
}

func (p *partial) third(s *house) *third {
	r := remote.New(p.alice.t)
	s.meet(r)
	p.r.Meet(r.Name, string(r.Name))
	return &third{r, r.User("elsie"), r.Meet(p.r.Name, string(p.r.Name))}
}

func (x *third) join(p *partial) { x.at.Join(p.room.ID, x.elsie) }

// becomes waits until alice sees a user of another server with a membership in the room.
func (p *partial) becomes(who id.User, membership string) {
	p.alice.t.Helper()
	p.alice.soonWith("", lazy, string(who)+": "+membership, func(a *answer) bool {
		return a.membership(p.in, &user{t: p.alice.t, id: string(who)}, membership)
	})
}

// told waits until a server knows the name of alice's device.
func (p *partial) told(name string, servers ...*remote.Server) {
	p.alice.t.Helper()
	for _, r := range servers {
		r.WaitEDU("m.device_list_update", func(content json.RawMessage) bool {
			var u struct {
				User   string `json:"user_id"`
				Device string `json:"device_id"`
				Name   string `json:"device_display_name"`
			}
			return json.Unmarshal(content, &u) == nil && u.User == p.alice.id && u.Device == p.alice.device && u.Name == name
		})
	}
}

// says has R name other servers of the room than there are.
func (p *partial) says(servers ...id.Server) {
	p.r.Hook("PUT /_matrix/federation/v2/send_join/", func(w http.ResponseWriter, q *http.Request, next http.Handler) {
		out := httptest.NewRecorder()
		next.ServeHTTP(out, q)
		var answer map[string]any
		if err := json.Unmarshal(out.Body.Bytes(), &answer); err != nil {
			p.alice.t.Error(err)
		}
		answer["servers_in_room"] = servers
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(out.Code)
		_ = json.NewEncoder(w).Encode(answer) // to a server that may be gone
	})
}

// B493: a server that joins later is told from then on, one that has not joined is not.
func TestB493(t *testing.T) {
	s := first(t)
	p := joinPartly(t, s)
	x := p.third(s)
	p.rename("one", p.r)
	if n := updates(x.Server); n != 0 {
		t.Errorf("who is not in the room was sent %d updates", n)
	}
	x.join(p)
	p.becomes(x.elsie, "join")
	p.rename("two", p.r, x.Server)
}

// B494: a server whose user has left is told until all members are known.
func TestB494(t *testing.T) {
	s := first(t)
	var x *third
	p := joinPartlyAfter(t, s, func(p *partial) {
		x = p.third(s)
		x.join(p)
	})
	p.rename("one", p.r, x.Server)
	x.at.Leave(p.room.ID, x.elsie)
	p.becomes(x.elsie, "leave")
	p.rename("two", p.r, x.Server)
	p.filled()
	before := updates(x.Server)
	p.rename("three", p.r)
	time.Sleep(500 * time.Millisecond) // time for what is not to come
	if n := updates(x.Server) - before; n != 0 {
		t.Errorf("a server that is not in the room was sent %d updates", n)
	}
}

// B496: a server that was missing from servers_in_room is told when all members are known.
func TestB496(t *testing.T) {
	s := first(t)
	var x *third
	p := joinPartlyAfter(t, s, func(p *partial) {
		x = p.third(s)
		x.join(p)
		p.says(p.r.Name)
	})
	p.rename("one", p.r)
	if n := updates(x.Server); n != 0 {
		t.Errorf("%d updates came, want none", n)
	}
	p.open()
	p.told("one", x.Server)
}

// past is a room in which derek, who left before alice came, had power, as fred has who is still there.
type past struct {
	*partial
	fred id.User
	left *event.Event // derek's join
}

func joinAfterDerek(t *testing.T, s *house) *past {
	t.Helper()
	x := new(past)
	x.partial = joinHeld(t, s, func(p *partial) {
		robin := p.r.User("robin")
		x.fred, x.left = p.r.User("fred"), p.member(p.derek)
		p.room.Member(x.fred, x.fred, "join")
		p.room.State(robin, "m.room.power_levels", "", obj{"users": obj{string(robin): 100, string(x.fred): 50, string(p.derek): 60}})
		p.room.Member(p.derek, p.derek, "leave")
	})
	return x
}

// wrongly has derek put somebody out, which R's own room knows nothing of.
func (x *past) wrongly(who id.User) {
	x.alice.t.Helper()
	key := string(who)
	kick := x.room.Build(x.derek, "m.room.member", &key, obj{"membership": "leave"}, x.by(x.left, x.member(who)))
	x.at.Transaction(nil, kick).OK()
	x.becomes(who, "leave")
}

// B495: a server that was taken for gone is told what it has missed when it turns out that it is there.
func TestB495(t *testing.T) {
	for _, leaves := range []bool{false, true} {
		t.Run(fmt.Sprint("its user leaves: ", leaves), func(t *testing.T) {
			s := first(t)
			p := joinAfterDerek(t, s)
			x := p.third(s)
			x.join(p.partial)
			p.becomes(x.elsie, "join")
			p.wrongly(x.elsie)
			p.rename("one", p.r)
			before := updates(x.Server)
			if leaves {
				other := p.alice.publicRoom()
				s.meet(x.Server).Join(id.Room(other), x.elsie)
				x.at.Leave(p.room.ID, x.elsie)
			}
			time.Sleep(500 * time.Millisecond) // time for what is not to come
			if n := updates(x.Server) - before; n != 0 {
				t.Errorf("%d updates came to a server that was taken for gone", n)
			}
			p.open()
			p.told("one", x.Server)
			time.Sleep(500 * time.Millisecond)
			if n := updates(p.r); n != 1 {
				t.Errorf("R was sent %d updates, want 1", n)
			}
		})
	}
}

// B502, B503: the devices of who turns out to have been put out are not known any more, whatever she did then.
func TestB502B503(t *testing.T) {
	for _, then := range []string{"is out", "comes again after", "comes again before", "is met elsewhere"} {
		t.Run(then, func(t *testing.T) {
			p := joinAfterDerek(t, first(t))
			elsie := p.r.User("elsie")
			l := p.list(elsie)
			since := p.alice.now()
			p.room.Share(p.room.Member(elsie, elsie, "join"))
			p.alice.changed(since, l.user)
			l.asks(p.alice, true, "first")
			l.asks(p.alice, false, "second")
			p.wrongly(p.fred)
			p.at.Transaction(nil, p.room.Member(p.fred, elsie, "leave")).OK()
			again := func() { p.room.Share(p.room.Member(elsie, elsie, "join")) }
			switch then {
			case "comes again before":
				again()
			case "is met elsewhere":
				p.at.Join(id.Room(p.alice.publicRoom()), elsie)
			}
			p.filled()
			if then == "comes again after" {
				again()
				p.becomes(elsie, "join")
			}
			l.asks(p.alice, true, "after")
		})
	}
}

// B504: who leaves is told that she follows nobody's devices any more.
func TestB504(t *testing.T) {
	p := joinPartly(t, first(t))
	elsie := p.r.User("elsie")
	l := p.list(elsie)
	since := p.alice.now()
	p.room.Share(p.room.Member(elsie, elsie, "join"))
	since = p.alice.changed(since, l.user).str("next_batch")
	l.asks(p.alice, true, "first")
	p.alice.leave(p.in)
	p.alice.gone(since, l.user)
	l.asks(p.alice, true, "gone")
	l.asks(p.alice, true, "gone for good")
}
