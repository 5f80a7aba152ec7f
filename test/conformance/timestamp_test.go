package conformance

import (
	"fmt"
	"testing"
)

// 13 Messages, context, pagination: the event nearest to a time

// at asks for the event nearest to a time.
func (u *user) at(room string, ts int64, dir string) *answer {
	u.t.Helper()
	return u.get(path("/v1/rooms", room, "timestamp_to_event") + fmt.Sprintf("?ts=%d&dir=%s", ts, dir))
}

// sentAt is an event's origin_server_ts.
func (u *user) sentAt(room, id string) int64 {
	u.t.Helper()
	return int64(u.event(room, id).ok().num("origin_server_ts"))
}

func TestB174(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	var ids []string
	var times []int64
	for range 3 {
		id := alice.send(room, "in a millisecond of its own")
		ts := alice.sentAt(room, id)
		for len(times) > 0 && ts == times[len(times)-1] {
			id = alice.send(room, "again")
			ts = alice.sentAt(room, id)
		}
		ids, times = append(ids, id), append(times, ts)
	}
	for _, c := range []struct {
		dir  string
		ts   int64
		want []string // the first may be followed by more in its millisecond
	}{
		{"f", times[2], ids[2:]}, {"f", times[1] + 1, ids[2:]}, {"b", times[2], ids[2:]}, {"b", times[2] + 1_000_000, ids[2:]},
	} {
		a := alice.at(room, c.ts, c.dir).ok()
		if got := a.str("event_id"); got != c.want[0] || int64(a.num("origin_server_ts")) != times[2] {
			t.Errorf("%s: got %s, want %s", a.asked, a.raw, c.want[0])
		}
	}
	create := alice.state(room, "m.room.create", "").ok()
	if create.raw == nil {
		t.Fatal("no create event")
	}
	first := alice.get(path("/v3/rooms", room, "state", "m.room.create", "") + "?format=event").ok()
	if got := alice.at(room, 0, "f").ok().str("event_id"); got != first.str("event_id") {
		t.Errorf("the first event after 0 is %s, want %s", got, first.str("event_id"))
	}
}

func TestB175(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	last := alice.sentAt(room, alice.send(room, "last"))
	alice.at(room, last+1_000_000, "f").fails(404, "M_NOT_FOUND")
	alice.at(room, 1, "b").fails(404, "M_NOT_FOUND")
}

func TestB176(t *testing.T) {
	alice := newUser(t)
	for range 50 { // until two events have one time
		room := alice.createRoom(nil) // which writes several events at once
		events := alice.get(path("/v3/rooms", room, "messages") + "?dir=f&limit=100").ok().list("chunk")
		first, last := -1, -1
		for i := 1; i < len(events); i++ {
			if events[i].num("origin_server_ts") == events[i-1].num("origin_server_ts") {
				if first < 0 {
					first = i - 1
				}
				last = i
			} else if first >= 0 {
				break
			}
		}
		if first < 0 {
			continue
		}
		ts := int64(events[first].num("origin_server_ts"))
		if got, want := alice.at(room, ts, "f").ok().str("event_id"), events[first].str("event_id"); got != want {
			t.Errorf("forwards: got %s, want %s, the first of %d", got, want, last-first+1)
		}
		if got, want := alice.at(room, ts, "b").ok().str("event_id"), events[last].str("event_id"); got != want {
			t.Errorf("backwards: got %s, want %s, the last of %d", got, want, last-first+1)
		}
		return
	}
	t.Fatal("no two events of one time")
}

func TestB177(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	for _, room := range []string{alice.createRoom(nil), alice.publicRoom()} {
		ts := alice.sentAt(room, alice.send(room, "x"))
		bob.at(room, ts, "b").fails(403, "M_FORBIDDEN")
		bob.at(room, ts, "f").fails(403, "M_FORBIDDEN")
	}
}
