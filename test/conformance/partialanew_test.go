package conformance

import (
	"slices"
	"testing"

	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/test/remote"
)

// 37 Partial state: what was let through, or not, is judged again when all members are known.

// gone has derek be a moderator who has left the room before alice joined.
func gone(t *testing.T) (p *partial, in *event.Event) {
	t.Helper()
	p = joinHeld(t, first(t), func(p *partial) {
		robin := p.r.User("robin")
		p.room.State(robin, "m.room.power_levels", "", obj{"users": obj{string(robin): 100, string(p.derek): 50}, "events": obj{"m.test": 0}})
		in = p.member(p.derek)
		p.room.Member(p.derek, p.derek, "leave")
	})
	return p, in
}

// state makes a state event of whoever; R's own room does not have it.
func (p *partial) state(sender id.User, typ, key string, content any, change ...remote.Change) *event.Event {
	p.alice.t.Helper()
	return p.room.Build(sender, typ, &key, content, change...)
}

// B481: what is not allowed whoever is in the room is rejected at once.
func TestB481NoPower(t *testing.T) {
	p := joinHeld(t, first(t), nil)
	bad := p.state(p.derek, "m.room.name", "", obj{"name": "derek's"})
	after := p.room.Make(p.charlie, "m.room.message", remote.Text("after"))
	p.at.Transaction(nil, bad, after).OK()
	p.lazily(after)
	p.absent(bad, "before")
	p.filled()
	p.absent(bad, "after")
}

// B482: the event of somebody who had left is taken back, and what followed it stays.
func TestB482LeftBefore(t *testing.T) {
	p, in := gone(t)
	bad := p.state(p.derek, "m.test", "derek", obj{"by": "derek"}, p.by(in))
	after := p.room.Build(p.charlie, "m.room.message", nil, remote.Text("after"), remote.After(bad), p.by(p.member(p.charlie)))
	p.at.Transaction(nil, bad, after).OK()
	p.lazily(bad, after)
	if a := p.alice.state(p.in, "m.test", "derek").ok(); a.str("by") != "derek" {
		t.Errorf("got %s", a)
	}
	since := p.alice.sync("", lazy).str("next_batch")
	p.filled()
	p.absent(bad, "after")
	p.event(after).ok()
	p.alice.state(p.in, "m.test", "derek").fails(404, "M_NOT_FOUND")
	for _, a := range []*answer{p.alice.sync(since, lazy), p.alice.sync("", nil), p.alice.sync(since, nil)} {
		seen := append(a.timeline(p.in).all("event_id"), a.joined(p.in).at("state", "events").all("event_id")...)
		if slices.Contains(seen, string(bad.ID())) || !slices.Contains(seen, string(after.ID())) {
			t.Errorf("the room is %s", a.joined(p.in))
		}
	}
	sent := p.alice.send(p.in, "goes on")
	p.r.WaitEvent(id.Event(sent))
}

// B483: a kick by somebody who had left is taken back, and what the kicked said is taken.
func TestB483KickBefore(t *testing.T) {
	p, in := gone(t)
	kick := p.state(p.derek, "m.room.member", string(p.charlie), obj{"membership": "leave"}, p.by(in, p.member(p.charlie)))
	said := p.state(p.charlie, "m.test", "charlie", obj{"by": "charlie"}, p.by(p.member(p.charlie)), remote.After(kick))
	barrier := p.room.Make(p.r.User("robin"), "m.room.message", remote.Text("barrier"))
	p.at.Transaction(nil, kick, said, barrier).OK()
	p.lazily(kick, barrier)
	p.absent(said, "before")
	since := p.alice.sync("", lazy).str("next_batch")
	p.filled()
	p.absent(kick, "after")
	p.event(said).ok()
	if a := p.alice.state(p.in, "m.test", "charlie").ok(); a.str("by") != "charlie" {
		t.Errorf("got %s", a)
	}
	if a := p.alice.state(p.in, "m.room.member", string(p.charlie)).ok(); a.str("membership") != "join" {
		t.Errorf("charlie is %s", a)
	}
	p.lazily(said)
	if seen := p.alice.sync(since, lazy).timeline(p.in).all("event_id"); !slices.Contains(seen, string(said.ID())) {
		t.Errorf("the timeline is %v", seen)
	}
	hello := p.room.Make(p.charlie, "m.room.message", remote.Text("hello"))
	p.room.Share(hello)
	p.lazily(hello)
}
