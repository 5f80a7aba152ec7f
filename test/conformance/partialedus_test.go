package conformance

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"freehold.example/matrix/id"
	"freehold.example/test/remote"
)

// 37 Partial state: what is told besides events, and device lists.

// listed is the device list of a user of R's, with a device named D.
type listed struct {
	r    *remote.Server
	user *user
	told remote.Person
}

func (p *partial) list(who id.User) *listed {
	l := &listed{r: p.r, user: &user{t: p.alice.t, id: string(who), device: "D"}, told: remote.Person{Devices: map[string]json.RawMessage{}}}
	l.next()
	return l
}

// next publishes other keys, and gives the update that tells of them.
func (l *listed) next() remote.EDU {
	prev := l.told.Stream
	l.told.Stream++
	l.told.Devices = map[string]json.RawMessage{"D": fmt.Appendf(nil,
		`{"user_id":%q,"device_id":"D","algorithms":["a"],"keys":{"ed25519:D":"%d"},"signatures":{}}`, l.user.id, l.told.Stream)}
	l.r.Set(id.User(l.user.id), l.told)
	return remote.MakeEDU("m.device_list_update", obj{
		"user_id": l.user.id, "device_id": "D", "stream_id": l.told.Stream, "prev_id": list{prev}, "keys": l.told.Devices["D"],
	})
}

// asks checks that a query gives the present keys, and whether R was asked for them.
func (l *listed) asks(u *user, want bool, when string) {
	u.t.Helper()
	asked := func() int {
		return l.r.Asked("GET /_matrix/federation/v1/user/devices/"+l.user.id) + l.r.Asked("POST /_matrix/federation/v1/user/keys/query")
	}
	before := asked()
	if got := u.query(l.user).str("device_keys", l.user.id, "D", "keys", "ed25519:D"); got != fmt.Sprint(l.told.Stream) {
		u.t.Errorf("%s: got keys %q, want %d", when, got, l.told.Stream)
	}
	if got := asked() > before; got != want {
		u.t.Errorf("%s: R was asked: %t, want %t", when, got, want)
	}
}

// filled waits until all members are there.
func (p *partial) filled() {
	p.alice.t.Helper()
	p.open()
	p.alice.get(path("/v3/rooms", p.in, "members")).ok()
}

// B472, B473: EDUs of R's users are taken, and stop no event.
func TestB472(t *testing.T) {
	p := joinPartly(t, first(t))
	since := p.alice.sync("", lazy).str("next_batch")
	ephemeral := func(typ string, fits func(value) bool) {
		t.Helper()
		since = p.alice.soonWith(since, lazy, typ, func(a *answer) bool {
			e := a.ephemeral(p.in, typ)
			return !e.missing() && fits(e)
		}).str("next_batch")
	}
	typing := func(on bool) remote.EDU {
		return remote.MakeEDU("m.typing", obj{"room_id": p.in, "user_id": p.charlie, "typing": on})
	}
	for _, on := range []bool{true, false} {
		p.at.Transaction([]remote.EDU{typing(on)}).OK()
		ephemeral("m.typing", func(e value) bool { return (len(e.list("content", "user_ids")) == 1) == on })
	}
	p.at.Transaction([]remote.EDU{remote.MakeEDU("m.receipt", obj{p.in: obj{"m.read": obj{string(p.derek): obj{
		"event_ids": list{"$unknown"}, "data": obj{"ts": 1436451550453},
	}}}})}).OK()
	ephemeral("m.receipt", func(e value) bool {
		return e.num("content", "$unknown", "m.read", string(p.derek), "ts") == 1436451550453
	})
	p.at.Transaction([]remote.EDU{
		remote.MakeEDU("m.signing_key_update", obj{"user_id": p.charlie}),
		remote.MakeEDU("m.direct_to_device", obj{
			"sender": p.charlie, "type": "my.test", "message_id": "1", "messages": obj{p.alice.id: obj{"*": obj{}}},
		}),
	}).OK()
	p.alice.soonWith(since, lazy, "the message", func(a *answer) bool { return len(a.list("to_device", "events")) == 1 })
	p.room.Send(p.charlie, "m.room.message", remote.Text("B473"))
	p.alice.hearsLazily(p.in, "B473")
}

func (u *user) hearsLazily(room, text string) {
	u.t.Helper()
	u.soonWith("", lazy, text, func(a *answer) bool {
		for _, e := range a.timeline(room).list() {
			if e.str("content", "body") == text {
				return true
			}
		}
		return false
	})
}

// rename gives alice's device a new name, and the servers are told that within a moment.
func (p *partial) rename(name string, told ...*remote.Server) {
	p.alice.t.Helper()
	p.alice.put(path("/v3/devices", p.alice.device), obj{"display_name": name}).ok()
	p.told(name, told...)
}

// updates are the device lists that a server has been told of.
func updates(r *remote.Server) (n int) {
	for _, e := range r.EDUs() {
		if e.Type == "m.device_list_update" {
			n++
		}
	}
	return n
}

// B492: a renamed device is told to the servers of the room, before and after the members are known.
func TestB492(t *testing.T) {
	p := joinPartly(t, first(t))
	p.rename("one", p.r)
	p.filled()
	p.rename("two", p.r)
	time.Sleep(time.Second) // nothing more is to come
	if n := updates(p.r); n != 2 {
		t.Errorf("%d updates came, want 2", n)
	}
}

// B497: lists of members of before the join are not kept until all of them are known.
func TestB497(t *testing.T) {
	p := joinPartly(t, first(t))
	l := p.list(p.charlie)
	for range 2 {
		l.asks(p.alice, true, "before")
	}
	p.filled()
	l.asks(p.alice, true, "after")
	l.asks(p.alice, false, "again")
}

// B499: one of them joins another room of alice's.
func TestB499(t *testing.T) {
	p := joinPartly(t, first(t))
	l := p.list(p.charlie)
	other := p.alice.publicRoom()
	since := p.alice.now()
	p.at.Join(id.Room(other), p.charlie)
	p.alice.changed(since, l.user)
	l.asks(p.alice, true, "first")
	l.asks(p.alice, false, "second")
}

// B498: an update of such a member is announced.
func TestB498(t *testing.T) {
	p := joinPartly(t, first(t))
	l := p.list(p.charlie)
	since := p.alice.now()
	p.at.Transaction([]remote.EDU{l.next()}).OK()
	p.filled()
	a := p.alice.changed(since, l.user)
	if got := a.list("device_lists", "changed"); len(got) != 1 {
		t.Errorf("got %v", got)
	}
	if got := p.alice.get("/v3/keys/changes?from=" + since + "&to=" + a.str("next_batch")).ok(); !got.at("changed").equals(list{l.user.id}) {
		t.Errorf("changes: got %v", got)
	}
}

// B500, B501: a member who joined after Alice is followed as usual, until he leaves.
func TestB500(t *testing.T) {
	p := joinPartly(t, first(t))
	elsie := p.r.User("elsie")
	l := p.list(elsie)
	since := p.alice.now()
	join := p.room.Member(elsie, elsie, "join")
	p.room.Share(join)
	since = p.alice.changed(since, l.user).str("next_batch")
	l.asks(p.alice, true, "first")
	l.asks(p.alice, false, "second")
	l.next() // lost
	p.at.Transaction([]remote.EDU{l.next()}).OK()
	since = p.alice.changed(since, l.user).str("next_batch")
	l.asks(p.alice, true, "a hole")
	l.asks(p.alice, false, "after the hole")
	t.Run("B501", func(t *testing.T) {
		alice := p.alice.in(t)
		p.room.Share(p.room.Member(elsie, elsie, "leave"))
		since = alice.gone(since, l.user).str("next_batch")
		l.asks(alice, true, "gone")
		l.asks(alice, true, "gone for good")
		p.room.Share(p.room.Member(elsie, elsie, "join"))
		alice.changed(since, l.user)
		l.asks(alice, true, "back")
	})
	p.filled()
	l.asks(p.alice, false, "when all members are known")
}
