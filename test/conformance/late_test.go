package conformance

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"testing"
	"time"

	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/test/remote"
)

// 13 Messages, 15 Sync: what arrives late, or with a gap before it.

// timelineLimit is a filter with which timelines have so many events.
func timelineLimit(n int, more ...obj) obj {
	timeline := obj{"limit": n}
	for _, m := range more {
		maps.Copy(timeline, m)
	}
	return obj{"room": obj{"timeline": timeline}}
}

// ended waits until R has an event of alice's, and gives it.
func (v *visit) ended(e string) *event.Event { v.Helper(); return v.r.WaitEvent(id.Event(e)) }

// TestB172: sync has what comes late in the order of arrival, /messages in that of the graph.
func TestB172(t *testing.T) {
	v := newVisit(t, "11")
	start := v.room.Event(v.room.Ends()[0])
	var local []string
	for i := range 4 {
		local = append(local, v.alice.send(v.id(), fmt.Sprint(i+1)))
	}
	v.ended(local[3])
	late := v.loose("1'", remote.After(start))
	v.at.Transaction(nil, late).OK()
	v.shows(late)
	for i := range 3 {
		local = append(local, v.alice.send(v.id(), fmt.Sprint(i+5)))
	}
	a := v.alice.sync(v.since, timelineLimit(4))
	want := []string{string(late.ID()), local[4], local[5], local[6]}
	if got := a.timeline(v.id()).all("event_id"); !slices.Equal(got, want) {
		t.Errorf("the sync has %v, want %v", got, want)
	}
	from := a.joined(v.id()).str("timeline", "prev_batch")
	page := v.alice.get(path("/v3/rooms", v.id(), "messages") + "?dir=b&limit=4&from=" + url.QueryEscape(from)).ok()
	want = []string{local[3], local[2], local[1], local[0]}
	if got := page.at("chunk").all("event_id"); !slices.Equal(got, want) {
		t.Errorf("the page has %v, want %v", got, want)
	}
}

// TestB205: state that arrived in a fork is told, though the event that brings the fork together is filtered out.
func TestB205(t *testing.T) {
	v := newVisit(t, "11")
	v.alice.setState(v.id(), "m.room.power_levels", "", obj{"users": obj{v.alice.id: 100, string(v.robin): 50}})
	e1 := v.ended(v.alice.send(v.id(), "E1"))
	e3, e4 := v.alice.send(v.id(), "E3"), v.alice.send(v.id(), "E4")
	v.ended(e4)
	s2 := v.room.State(v.robin, "m.test", "", obj{"s": 2}, remote.After(e1))
	v.at.Transaction(nil, s2).OK()
	v.shows(s2)
	e5 := v.alice.sendEvent(v.id(), "m.test.filtered", obj{})
	if got := v.ended(e5).Prev(); len(got) != 2 {
		t.Fatalf("E5 follows %v", got)
	}
	for _, lazy := range []bool{false, true} {
		filter := timelineLimit(1, obj{"not_types": list{"m.test.filtered"}})
		filter["room"].(obj)["state"] = obj{"lazy_load_members": lazy}
		a := v.alice.sync("", filter)
		if a.joined(v.id()).at("state", "events").find("m.test", "").str("event_id") != string(s2.ID()) {
			t.Errorf("S2 is not in the state: %s", a.joined(v.id()))
		}
		if got := a.timeline(v.id()).all("event_id"); !slices.Equal(got, []string{e4}) {
			t.Errorf("the timeline is %v, want %s", got, e4)
		}
		from := a.joined(v.id()).str("timeline", "prev_batch")
		page := v.alice.get(path("/v3/rooms", v.id(), "messages") + "?dir=b&limit=3&from=" + url.QueryEscape(from)).ok()
		if got, want := page.at("chunk").all("event_id"), []string{string(s2.ID()), e3, string(e1.ID())}; !slices.Equal(got, want) {
			t.Errorf("before the timeline is %v, want %v", got, want)
		}
		// With the fork in the timeline the state is that of before.
		a = v.alice.sync("", timelineLimit(4))
		if got, want := a.timeline(v.id()).all("event_id"), []string{e3, string(s2.ID()), e4, e5}; !slices.Equal(got, want) {
			t.Errorf("the timeline is %v, want %v", got, want)
		}
		if got := a.joined(v.id()).at("state", "events").find("m.test", ""); !got.missing() {
			t.Errorf("the state before the timeline has %s", got)
		}
	}
}

// TestB206: a sync goes on from an event that nobody is shown.
func TestB206(t *testing.T) {
	for _, version := range []string{"10", "11"} {
		v := newVisit(t, version)
		content := obj{}
		if version == "11" {
			content["redacts"] = "$unknown"
		}
		v.room.Send(v.robin, "m.room.redaction", content, remote.Redacts("$unknown"))
		time.Sleep(200 * time.Millisecond)
		since := v.alice.sync("", nil).str("next_batch")
		if got := v.alice.sync(since, nil).timeline(v.id()).list(); len(got) != 0 {
			t.Errorf("there is more: %v", got)
		}
		var said []string
		for i := range 11 {
			said = append(said, v.alice.send(v.id(), fmt.Sprint(i)))
		}
		a := v.alice.sync(since, timelineLimit(10))
		if got := a.timeline(v.id()).all("event_id"); !slices.Equal(got, said[1:]) || !a.joined(v.id()).flag("timeline", "limited") {
			t.Errorf("got %v, want the last ten of %v, limited", got, said)
		}
	}
}

// gapped is a visit in which R has sent one event, fifty of whose ancestors are missing, and gives the last ten.
type gapped struct {
	*visit
	local  string // alice's message of before
	theirs map[string]bool
	last   *event.Event
	start  string // alice's position before the gap
}

func newGapped(t *testing.T) *gapped {
	t.Helper()
	g := &gapped{visit: newVisit(t, "11"), theirs: map[string]bool{}}
	g.start = g.alice.now()
	g.local = g.alice.send(g.id(), "before the gap")
	g.ended(g.local)
	var chain []*event.Event
	for i := range 50 {
		chain = append(chain, g.say(fmt.Sprint("missing ", i)))
	}
	g.last = g.say("the last")
	for _, e := range append(chain, g.last) {
		g.theirs[string(e.ID())] = true
	}
	g.asked(missingPath, func(q question) (int, any) {
		if sameSet(q.Body["latest_events"], g.last.ID()) {
			return 200, obj{"events": rawsOf(chain[40:]...)}
		}
		return 200, obj{"events": list{}}
	})
	return g
}

// TestB207B209: whoever syncs past a gap is told of it.
func TestB207B209(t *testing.T) {
	g := newGapped(t)
	g.at.Transaction(nil, g.last).OK()
	g.shows(g.last)
	for _, limit := range []int{10, 20, 100} {
		a := g.alice.sync(g.start, timelineLimit(limit))
		ids := a.timeline(g.id()).all("event_id")
		if !a.joined(g.id()).flag("timeline", "limited") || len(ids) == 0 || ids[len(ids)-1] != string(g.last.ID()) || slices.Contains(ids, g.local) {
			t.Errorf("limit %d: got %s, want R's newest event, limited, without %s", limit, a.joined(g.id()), g.local)
		}
		// And what is missing is fetched by scrolling back.
		read := g.alice.readBack(g.id(), a.joined(g.id()).str("timeline", "prev_batch"), 20)
		if want := 52 - len(ids); len(read) != want || len(read) > 0 && read[len(read)-1] != g.local {
			t.Errorf("limit %d: read %d messages, want %d, and %s last: %v", limit, len(read), want, g.local, read)
		}
	}
}

// TestB208: so is who syncs meanwhile.
func TestB208(t *testing.T) {
	g := newGapped(t)
	since, gap, done := g.start, false, false
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		time.Sleep(100 * time.Millisecond)
		_, _ = g.at.TryDo("PUT", "/_matrix/federation/v1/send/gap", obj{
			"origin": g.r.Name, "origin_server_ts": time.Now().UnixMilli(), "pdus": rawsOf(g.last),
		})
	}()
	for end := time.Now().Add(within); !done; {
		if time.Now().After(end) {
			t.Fatal("the last event did not come")
		}
		a := g.alice.sync(since, timelineLimit(20), "timeout=1000")
		since = a.str("next_batch")
		gap = gap || a.joined(g.id()).flag("timeline", "limited")
		for _, e := range a.timeline(g.id()).all("event_id") {
			switch {
			case e == g.local && gap:
				t.Error("the local message came in or after the batch that is limited")
			case g.theirs[e] && !gap:
				t.Errorf("%s came before the batch that is limited", e)
			}
			done = done || e == string(g.last.ID())
		}
	}
	<-sent
}
