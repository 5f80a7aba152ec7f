package e2e

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"maunium.net/go/mautrix/event"
)

// Six people talk all at once while the power fails three times. Each of them hears everything once, can read it, and
// hears it in the same order as the others.
func TestCrowd(t *testing.T) {
	story(t, func(t *testing.T, h *house) {
		const people, each = 6, 5
		var crowd []*device
		for n := range people {
			crowd = append(crowd, h.Registers(fmt.Sprint("guest", n)))
		}
		room := crowd[0].CreatesEncrypted("ballroom")
		for _, d := range crowd[1:] {
			crowd[0].Invites(room, d)
			d.Joins(room)
		}
		for _, d := range crowd {
			for _, other := range crowd {
				d.SeesMember(room, other, event.MembershipJoin)
			}
			d.Retries()
		}

		var said atomic.Int32
		cut := make(chan bool, people*each)
		var wg sync.WaitGroup
		for _, d := range crowd {
			d.t = elsewhere{t}
			wg.Go(func() {
				for n := range each {
					d.Says(room, fmt.Sprint(d.name, " says ", n))
					cut <- said.Add(1)%(people*each/4) == 0
					d.sync(0)
				}
				for _, other := range crowd {
					for n := range each {
						d.Sees(room, fmt.Sprint(other.name, " says ", n))
					}
				}
			})
		}
		for range people * each {
			if <-cut && said.Load() < people*each {
				h.PowerCut()
			}
		}
		wg.Wait()
		if t.Failed() {
			return
		}

		first := crowd[0].heard(room)
		if len(first) != people*each {
			t.Errorf("%d messages were said and %d heard", people*each, len(first))
		}
		for _, d := range crowd {
			d.t = t
			d.HasTheWhole(room)
			if got := d.heard(room); !slices.Equal(got, first) {
				t.Errorf("%s has heard %v, %s %v", d.name, got, crowd[0].name, first)
			}
		}
	})
}

// heard is the messages of a room in the order in which they came.
func (d *device) heard(id roomID) (events []eventID) {
	for _, e := range d.rooms[id].timeline {
		if e.Type.Type == event.EventMessage.Type {
			events = append(events, e.ID)
		}
	}
	return events
}

// elsewhere is a test as goroutines may use it: Fatalf ends the goroutine, not the test.
type elsewhere struct{ testing.TB }

func (e elsewhere) Fatalf(format string, args ...any) {
	e.Helper()
	e.Errorf(format, args...)
	runtime.Goexit()
}
