package arrival

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"freehold.example/core/peer"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
	"freehold.example/matrix/policy"
	"freehold.example/matrix/version"
)

// TestAccept: good events are judged before the answer, and each bad one is refused for itself.
func TestAccept(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		root := w.event(far, testRoom, "root", 1)
		w.put(root)
		good := w.chain(far, testRoom, "m", 5, root.ID())
		forged := w.event(far, testRoom, "forged", 2, root.ID())
		w.bad[forged.ID()] = event.ErrSignature
		rejected := w.event(far, testRoom, "reject", 2, root.ID())
		elsewhere := w.event(far, "!x:far.test", "m", 2, root.ID())
		raws := []json.RawMessage{
			good[0].Bytes(), json.RawMessage(`{"room_id":"!r:far.test","type":7}`), forged.Bytes(), good[1].Bytes(),
			rejected.Bytes(), json.RawMessage(`[]`), elsewhere.Bytes(), json.RawMessage(`{"room_id":"nonsense"}`), good[2].Bytes(),
			good[2].Bytes(), good[3].Bytes(), good[4].Bytes(),
		}
		results, err := w.Accept(t.Context(), far, raws)
		if err != nil {
			t.Fatal(err)
		}
		w.eventually("the good ones are in", func() bool { return w.has(good...) })
		if w.has(forged) {
			t.Errorf("judged: %v", w.order)
		}
		for _, e := range append(slices.Clone(good), forged, rejected) {
			if why, ok := results[e.ID()]; !ok || why != nil {
				t.Errorf("%s: %v, %v", e.Content(), ok, why)
			}
		}
		if err := results[elsewhere.ID()]; !fault.Is(err, fault.NotFound) {
			t.Errorf("of another room: %v", err)
		}
		w.eventually("nothing is left", func() bool { return w.rows() == 0 })
		if w.calls != 1 {
			t.Errorf("%d calls of the room, want 1", w.calls)
		}
		if _, err := w.Accept(t.Context(), far, make([]json.RawMessage, maxPDUs+1)); !fault.Is(err, fault.TooLarge) {
			t.Errorf("too many: %v", err)
		}
	})
}

// TestDurable: what is not judged in time is on disk before the answer, and is taken up by the next life.
func TestDurable(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		root := w.event(far, testRoom, "root", 1)
		w.put(root)
		w.hold = make(chan struct{})
		events := w.chain(far, testRoom, "m", 20, root.ID())
		w.accept(far, events...)
		if w.has(events[0]) || w.rows() != len(events) {
			t.Fatalf("%d rows, want %d", w.rows(), len(events))
		}
		w.accept(far, events...) // it comes again, as the sender did not hear the answer
		if w.rows() != len(events) {
			t.Fatalf("%d rows after a repetition, want %d", w.rows(), len(events))
		}
		w.Close()
		w.mu.Lock()
		w.hold = nil
		w.mu.Unlock()
		w.start(w.DB)
		if err := w.Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.eventually("the next life judges", func() bool { return w.has(events...) })
		w.eventually("nothing is left", func() bool { return w.rows() == 0 })
	})
}

// TestJoining: what is said in a room while somebody here is joining it waits on disk until she is in. Where she does not get in, it is as
// if it had come from any room that is not here; and what was read by the rules of another version than the room turns out to have is dropped.
func TestJoining(t *testing.T) {
	const in = "!x:far.test"
	for _, tt := range []struct {
		name, version string
		enters        bool
		taken         bool
	}{
		{"she enters", "11", true, true},
		{"she does not", "11", false, false},
		{"another version", "6", true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				over := make(chan struct{})
				joined, outside := w.version, atomic.Int64{}
				said, _ := version.Lookup(tt.version)
				w.Joining = func(id.Room) *version.Version {
					select {
					case <-over:
						return nil
					default:
						return said
					}
				}
				w.Joined = func(context.Context, id.Room) error {
					<-over
					return nil
				}
				w.Outside = func(context.Context, id.Server, id.Room, json.RawMessage) error {
					outside.Add(1)
					return nil
				}
				w.version = said
				e := w.event(far, in, "m", 1)
				w.version = joined
				if why, known := w.accept(far, e)[e.ID()]; !known || why != nil {
					t.Fatalf("answered: %v, %v", known, why)
				}
				if w.has(e) || w.rows() != 1 {
					t.Fatalf("before the end of the join: judged %v, %d rows", w.has(e), w.rows())
				}
				w.mu.Lock()
				w.entered = map[id.Room]bool{in: tt.enters}
				w.mu.Unlock()
				close(over)
				w.eventually("nothing is left", func() bool { return w.rows() == 0 })
				if w.has(e) != tt.taken {
					t.Errorf("taken: %v, want %v", w.has(e), tt.taken)
				}
				if n := outside.Load(); (n == 1) != !tt.enters {
					t.Errorf("%d events were from outside", n)
				}
			})
		})
	}
}

// TestFair: a server whose events take long costs another one nothing, not even in the same room.
func TestFair(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		root := w.event(far, testRoom, "root", 1)
		w.put(root)
		w.hold, w.holding = make(chan struct{}), "slow.test"
		for i := range 2 * perOrigin {
			in := id.Room(fmt.Sprintf("!r%d:far.test", i))
			w.accept("slow.test", w.event("slow.test", in, "m", 1))
		}
		w.accept("slow.test", w.event("slow.test", testRoom, "m", 2, root.ID()))
		good := w.chain(far, testRoom, "m", 50, root.ID())
		w.accept(far, good...)
		w.eventually("one server does not wait for another", func() bool { return w.has(good...) })
		close(w.hold)
		w.eventually("the slow one is done", func() bool { return w.Stats().Waiting == 0 })
	})
}

// TestFull: a server that sends more than is judged is told to wait, others are not.
func TestFull(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the time that a transaction waits")
	}
	each(t, func(t *testing.T, w *world) {
		root := w.event(far, testRoom, "root", 1)
		w.put(root)
		w.hold, w.holding = make(chan struct{}), "slow.test"
		var last error
		for i := range originEvents/maxPDUs + 2*perOrigin {
			var raws []json.RawMessage
			for _, e := range w.chain("slow.test", testRoom, fmt.Sprint(i, "-"), maxPDUs, root.ID()) {
				raws = append(raws, e.Bytes())
			}
			if _, last = w.Accept(t.Context(), "slow.test", raws); last != nil {
				break
			}
		}
		if !fault.Is(last, fault.LimitExceeded) {
			t.Errorf("got %v", last)
		}
		good := w.event(far, testRoom, "m", 2, root.ID())
		w.accept(far, good)
		w.eventually("another server is heard", func() bool { return w.has(good) })
		close(w.hold)
	})
}

// TestDenied: whom the room's access list keeps out has said nothing.
func TestDenied(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		root := w.event(far, testRoom, "root", 1)
		w.put(root)
		w.denied[far] = true
		e := w.event(far, testRoom, "m", 2, root.ID())
		w.accept(far, e)
		w.eventually("it is dropped", func() bool { return w.Stats().Waiting == 0 && w.rows() == 0 })
		if w.has(e) {
			t.Error("it is there")
		}
	})
}

// missing answers get_missing_events out of a chain: at most n events before the latest that are after the earliest.
func missing(t *testing.T, chain []*event.Event, n int) func(q peer.Question) (string, error) {
	return func(q peer.Question) (string, error) {
		if !strings.Contains(q.Path, "get_missing_events") {
			return "", fmt.Errorf("unexpected: %s", q.Path)
		}
		var said struct {
			Earliest []id.Event `json:"earliest_events"`
			Latest   []id.Event `json:"latest_events"`
		}
		b, _ := json.Marshal(q.Content)
		if err := json.Unmarshal(b, &said); err != nil {
			t.Error(err)
		}
		var found []*event.Event
		for i, e := range chain {
			if slices.Contains(said.Latest, e.ID()) {
				found = chain[max(0, i-n):i]
			}
		}
		found = slices.DeleteFunc(slices.Clone(found), func(e *event.Event) bool { return slices.Contains(said.Earliest, e.ID()) })
		return `{"events":` + list(found...) + `}`, nil
	}
}

// TestGap: what an event follows and is missing is fetched from its server, in as many rounds as it takes, and everything
// comes in the order of the graph.
func TestGap(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		root := w.event(far, testRoom, "root", 1)
		w.put(root)
		chain := w.chain(far, testRoom, "m", 60, root.ID())
		w.answers = missing(t, chain, 20)
		w.accept(far, chain[59])
		w.eventually("the gap is closed", func() bool { return w.has(chain...) })
		for i, e := range chain {
			if w.order[i+1] != e.ID() {
				t.Fatalf("the events came in another order: %d is %s", i, w.order[i+1])
			}
		}
		first := fmt.Sprintf(`far.test get_missing_events/%s {"earliest_events":["%s"],"latest_events":["%s"],"limit":100}`,
			url.PathEscape(string(testRoom)), root.ID(), chain[59].ID())
		if q := w.questions(); len(q) != 3 || q[0] != first {
			t.Errorf("asked:\n%s\nwant first:\n%s", strings.Join(q, "\n"), first)
		}
		w.eventually("nothing is left", func() bool { return w.rows() == 0 })
	})
}

// TestAside: an event whose parents are not to be had waits, on disk, until they come; others go on.
func TestAside(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		root := w.event(far, testRoom, "root", 1)
		w.put(root)
		a := w.event(far, testRoom, "a", 2, root.ID())
		b := w.event(far, testRoom, "b", 3, a.ID())
		c := w.event(far, testRoom, "c", 4, b.ID())
		w.answers = func(peer.Question) (string, error) { return `{"events":[]}`, nil }
		w.accept(far, b)
		w.eventually("it was tried", func() bool { return len(w.questions()) == 1 && w.Stats().Unfilled == 1 })
		w.accept(far, c)
		w.eventually("that was tried", func() bool { return len(w.questions()) == 2 })
		if !strings.Contains(w.questions()[1], string(c.ID())) {
			t.Errorf("asked for %s", w.questions()[1])
		}
		other := w.event(far, testRoom, "other", 2, root.ID())
		w.accept(far, other)
		w.eventually("another one is in", func() bool { return w.has(other) && w.rows() == 2 })
		if w.has(b) {
			t.Error("it is in without its parent")
		}
		w.accept(far, a)
		w.eventually("they are in", func() bool { return w.has(a, b, c) && w.rows() == 0 })
		if n := len(w.questions()); n != 2 {
			t.Errorf("asked %d times", n)
		}
	})
}

// TestAnchor: a gap that is too long is bridged by the state at its end.
func TestAnchor(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		root := w.event(far, testRoom, "root", 1)
		w.put(root)
		old := w.chain(far, testRoom, "old", 3, root.ID())
		chain := w.chain(far, testRoom, "m", 4, old[2].ID())
		state := w.event(far, testRoom, "state", 1)
		w.answers = func(q peer.Question) (string, error) {
			switch {
			case strings.Contains(q.Path, "get_missing_events"):
				if strings.Contains(fmt.Sprint(q.Content), string(chain[3].ID())) {
					return `{"events":` + list(chain[1:3]...) + `}`, nil
				}
				return `{}`, nil
			case strings.Contains(q.Path, "state_ids"):
				return fmt.Sprintf(`{"pdu_ids":[%q,%q],"auth_chain_ids":[]}`, state.ID(), root.ID()), nil
			case strings.HasSuffix(q.Path, "event/"+url.PathEscape(string(state.ID()))):
				return `{"pdus":` + list(state) + `}`, nil
			case strings.HasSuffix(q.Path, "event/"+url.PathEscape(string(chain[0].ID()))):
				return `{"pdus":` + list(chain[0]) + `}`, nil
			}
			return "", fmt.Errorf("unexpected: %s", q.Path)
		}
		w.accept(far, chain[3])
		w.eventually("the events are in", func() bool { return w.has(chain...) })
		if w.has(old[2]) || !w.outlier[state.ID()] {
			t.Error("the state has a place, or the old events are here")
		}
	})
}

// TestAnchorOfNewcomer: who came into the room with the first of the events that are missing does not know the state before what that one
// follows, but the one before it.
func TestAnchorOfNewcomer(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		root := w.event(far, testRoom, "root", 1)
		w.put(root)
		old := w.chain("other.test", testRoom, "old", 3, root.ID())
		chain := w.chain(far, testRoom, "m", 4, old[2].ID())
		w.answers = func(q peer.Question) (string, error) {
			switch {
			case strings.Contains(q.Path, "get_missing_events"):
				if strings.Contains(fmt.Sprint(q.Content), string(chain[3].ID())) {
					return `{"events":` + list(chain[:3]...) + `}`, nil
				}
				return `{}`, nil
			case strings.HasSuffix(q.Path, "state_ids/"+url.PathEscape(string(testRoom))+"?event_id="+url.QueryEscape(string(chain[0].ID()))):
				return fmt.Sprintf(`{"pdu_ids":[%q],"auth_chain_ids":[]}`, root.ID()), nil
			case strings.HasSuffix(q.Path, "event/"+url.PathEscape(string(chain[0].ID()))):
				return `{"pdus":` + list(chain[0]) + `}`, nil
			}
			return "", fmt.Errorf("not known: %s", q.Path)
		}
		w.accept(far, chain[3])
		w.eventually("the events are in", func() bool { return w.has(chain...) && w.rows() == 0 })
		if w.has(old[2]) {
			t.Error("what nobody has given is here")
		}
	})
}

// TestAfterAnInvitation: what follows an event from outside, of which the state after it is not known, is judged by the state that its
// server tells; what was before the invitation is not fetched. What follows that in turn is fetched and judged as ever.
func TestAfterAnInvitation(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		root := w.event(far, testRoom, "root", 1)
		w.put(root)
		invite := w.event(far, testRoom, "invite", 2, w.event(far, testRoom, "old", 1).ID())
		w.put(invite)
		w.loose[invite.ID()] = true
		chain := w.chain(far, testRoom, "m", 2, invite.ID())
		other := w.event(far, testRoom, "other", 3, invite.ID())
		w.answers = func(q peer.Question) (string, error) {
			switch {
			case strings.Contains(q.Path, "get_missing_events") && strings.Contains(fmt.Sprint(q.Content), string(chain[1].ID())):
				return `{"events":` + list(chain[:1]...) + `}`, nil
			case strings.Contains(q.Path, "state_ids"):
				return fmt.Sprintf(`{"pdu_ids":[%q],"auth_chain_ids":[]}`, root.ID()), nil
			}
			for _, e := range append(chain, other) {
				if strings.HasSuffix(q.Path, "event/"+url.PathEscape(string(e.ID()))) {
					return `{"pdus":` + list(e) + `}`, nil
				}
			}
			return "", fmt.Errorf("unexpected: %s", q.Path)
		}
		w.accept(far, other)
		w.eventually("what follows it is in", func() bool { return w.has(other) && w.rows() == 0 })
		w.accept(far, chain[1])
		w.eventually("what follows that is in", func() bool { return w.has(chain...) && w.rows() == 0 })
	})
}

// TestAgain: what could not be had is tried again when its server shows a sign of life, and by and by anyway.
func TestAgain(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		root := w.event(far, testRoom, "root", 1)
		w.put(root)
		chain := w.chain(far, testRoom, "m", 3, root.ID())
		w.accept(far, chain[2])
		w.eventually("it was tried", func() bool { return w.Stats().Unfilled == 1 })
		w.accept(far)
		time.Sleep(20 * time.Millisecond)
		if n := w.Stats().Unfilled; n != 1 {
			t.Errorf("tried %d times at once", n)
		}
		w.mu.Lock()
		w.answers = missing(t, chain, 10)
		w.now = w.now.Add(11 * time.Second)
		w.mu.Unlock()
		w.accept(far)
		w.eventually("the gap is closed", func() bool { return w.has(chain...) })
	})
}

// TestNoCircle: events that name each other, as those of room versions 1 and 2 can, are put in some order.
func TestNoCircle(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		root := w.event(far, testRoom, "root", 1)
		chain := w.chain(far, testRoom, "m", 100, root.ID())
		f := &filler{Arrivals: w.Arrivals, got: w.incoming(chain...)}
		for i, in := range f.sorted() {
			if in.Event != chain[i] {
				t.Fatalf("%d is another one", i)
			}
		}
	})
}

// TestPolicy: where the room has a policy server, it is asked about what it has not signed, and what it does not sign is
// soft failed.
func TestPolicy(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		root := w.event(far, testRoom, "root", 1)
		w.put(root)
		key := ed25519.NewKeyFromSeed([]byte(strings.Repeat("p", ed25519.SeedSize)))
		w.policy = &policy.Server{Name: "policy.test", Key: key.Public().(ed25519.PublicKey)}
		signer := event.Signer{Server: w.policy.Name, Key: policy.Key, Private: key}
		w.signs = func(raw []byte) (string, error) {
			if !strings.Contains(string(raw), "kind") {
				return "", fault.New(fault.Forbidden, "No")
			}
			e, err := event.Parse(w.version, raw)
			if err != nil {
				return "", err
			}
			signed, err := e.Sign(signer)
			if err != nil {
				return "", err
			}
			var with struct {
				Signatures map[id.Server]map[id.Key]string
			}
			err = json.Unmarshal(signed.Bytes(), &with)
			return with.Signatures[w.policy.Name][policy.Key], err
		}
		kind, rude := w.event(far, testRoom, "kind", 2, root.ID()), w.event(far, testRoom, "rude", 2, root.ID())
		already, err := w.event(far, testRoom, "rude, but signed", 2, root.ID()).Sign(signer)
		if err != nil {
			t.Fatal(err)
		}
		w.accept(far, kind, rude, already)
		w.eventually("those that are signed are in", func() bool { return w.has(kind, already) && w.Stats().SoftFailed == 1 })
		if w.has(rude) {
			t.Error("what the policy server refuses is in")
		}
		if w.stored[kind.ID()] == nil || w.policy.Verify(w.stored[kind.ID()]) != nil {
			t.Error("the signature was not kept")
		}
	})
}

// TestManySenders: when several servers send the ends of one gap, it is fetched once, from the one whose event leads furthest.
func TestManySenders(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		root := w.event(far, testRoom, "root", 1)
		w.put(root)
		chain := w.chain(far, testRoom, "m", 60, root.ID())
		answer := missing(t, chain, 100)
		begun, asked := make(chan struct{}), make(chan struct{}, 100)
		w.answers = func(q peer.Question) (string, error) {
			asked <- struct{}{}
			<-begun
			return answer(q)
		}
		w.accept("one.test", chain[50])
		<-asked
		for _, from := range []id.Server{"two.test", "three.test", far} {
			w.accept(from, chain[55])
			w.accept(from, chain[50], chain[59])
		}
		if n := len(w.questions()); n != 1 {
			t.Errorf("asked %d times at once", n)
		}
		if !w.Waits(testRoom, chain[59].ID()) || w.Waits(testRoom, chain[58].ID()) {
			t.Error("it is not said what waits")
		}
		close(begun)
		w.eventually("the gap is closed", func() bool { return w.has(chain...) })
		q := w.questions()
		if len(q) != 2 || !strings.Contains(q[1], string(chain[59].ID())) {
			t.Errorf("asked:\n%s", strings.Join(q, "\n"))
		}
		w.eventually("nothing is left", func() bool { return w.rows() == 0 })
	})
}

// TestLooked: the gap of a room that somebody looks at is filled before others.
func TestLooked(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		const rooms = 20
		name := func(i int) id.Room { return id.Room(fmt.Sprintf("!r%d:far.test", i)) }
		w.Looked = func(in id.Room) time.Time {
			if in == name(rooms-1) {
				return w.now
			}
			return time.Time{}
		}
		begun, asked := make(chan struct{}), make(chan struct{})
		var first atomic.Int64
		w.answers = func(q peer.Question) (string, error) {
			switch {
			case strings.Contains(q.Path, url.PathEscape(string(name(rooms-1)))):
				<-begun
				close(asked)
			case first.Add(1) <= fillersOf:
				<-begun
			default:
				select {
				case <-asked:
				case <-time.After(time.Minute):
					t.Error("others come first")
				}
			}
			return "", errAway
		}
		var e *event.Event
		for i := range rooms {
			e = w.event(far, name(i), "m", 5, "$unknown")
			w.accept(far, e)
		}
		w.eventually("the last waits", func() bool { return w.Waits(name(rooms-1), e.ID()) })
		close(begun)
		w.eventually("all are tried", func() bool { return w.Stats().Unfilled == rooms })
	})
}

// TestAsideTwice: an event that comes again while it waits in vain waits once, until what it lacks comes.
func TestAsideTwice(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		root := w.event(far, testRoom, "root", 1)
		w.put(root)
		chain := w.chain(far, testRoom, "m", 2, root.ID())
		for i := range int64(2) {
			w.accept(far, chain[1])
			w.eventually("it was tried", func() bool { return w.Stats().Unfilled == i+1 && !w.Waits(testRoom, chain[1].ID()) })
			w.eventually("it rests", func() bool {
				w.Arrivals.mu.Lock()
				defer w.Arrivals.mu.Unlock()
				p := w.parked[far][testRoom]
				return p != nil && !p.running && !p.listed && len(p.items) == 1
			})
		}
		w.accept(far, chain[0])
		w.eventually("both are in", func() bool { return w.has(chain...) && w.rows() == 0 })
	})
}

// TestKnown: what is here already is not verified again.
func TestKnown(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		root := w.event(far, testRoom, "root", 1)
		w.put(root)
		chain := w.chain(far, testRoom, "m", 5, root.ID())
		w.accept(far, chain...)
		w.eventually("they are in", func() bool { return w.has(chain...) })
		w.mu.Lock()
		w.verified = 0
		w.mu.Unlock()
		w.accept("other.test", chain...)
		w.eventually("they are dealt with", func() bool { return w.Stats().Waiting == 0 && w.rows() == 0 })
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.verified != 0 {
			t.Errorf("%d events were verified", w.verified)
		}
	})
}
