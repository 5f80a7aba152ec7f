package conformance

import (
	"fmt"
	"net/url"
	"slices"
	"testing"
	"time"

	"freehold.example/matrix/event"
	"freehold.example/test/remote"
)

// TestPast: who joins a room that lives elsewhere reads what was said before, page by page, in its order, and finds the
// first message of a day.
func TestPast(t *testing.T) {
	for _, version := range []string{"1", "11", "12"} {
		t.Run(version, func(t *testing.T) {
			s, r := first(t), remote.New(t)
			s.meet(r)
			robin := r.User("robin")
			room := r.NewRoom(version, robin)
			begin := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
			var said []*event.Event
			for i := range 150 {
				e := room.Make(robin, "m.room.message", remote.Text(fmt.Sprint("m", i)), remote.At(begin.Add(time.Duration(i)*time.Second)))
				said = append(said, e)
			}
			alice := s.newUser(t)
			alice.post(path("/v3/join", string(room.ID))+"?server_name="+url.QueryEscape(string(r.Name)), nil).ok()

			var read []string
			for from, pages := "", 0; pages < 30; pages++ {
				at := path("/v3/rooms", string(room.ID), "messages") + "?dir=b&limit=40"
				if from != "" {
					at += "&from=" + url.QueryEscape(from)
				}
				a := alice.get(at).ok()
				for _, e := range a.list("chunk") {
					if e.str("type") == "m.room.message" {
						read = append(read, e.str("event_id"))
					}
				}
				if from = a.str("end"); from == "" {
					break
				}
			}
			var want []string
			for _, e := range said {
				want = append(want, string(e.ID()))
			}
			slices.Reverse(want)
			if !slices.Equal(read, want) {
				t.Errorf("read %d messages, want %d in their order", len(read), len(want))
			}
		})
	}
}

// TestPastByTime: an event of before the join is found by its time.
func TestPastByTime(t *testing.T) {
	s, r := first(t), remote.New(t)
	s.meet(r)
	robin := r.User("robin")
	room := r.NewRoom("11", robin)
	begin := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	var said []*event.Event
	for i := range 30 {
		said = append(said, room.Make(robin, "m.room.message", remote.Text(fmt.Sprint("m", i)), remote.At(begin.Add(time.Duration(i)*time.Second))))
	}
	alice := s.newUser(t)
	alice.post(path("/v3/join", string(room.ID))+"?server_name="+url.QueryEscape(string(r.Name)), nil).ok()
	alice.get(path("/v3/rooms", string(room.ID), "members")).ok() // which waits until the room is known as a whole
	// Backwards first: what that brings ends at the very time, and the room was made later than what was said in it.
	for _, x := range []struct {
		dir  string
		want *event.Event
	}{{"b", said[10]}, {"f", said[11]}} {
		q := fmt.Sprintf("?ts=%d&dir=%s", begin.Add(10*time.Second+500*time.Millisecond).UnixMilli(), x.dir)
		a := alice.get(path("/v1/rooms", string(room.ID), "timestamp_to_event") + q).ok()
		if got := a.str("event_id"); got != string(x.want.ID()) {
			t.Errorf("%s: got %s, want %s", x.dir, got, x.want.ID())
		}
	}
}
