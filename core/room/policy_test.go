package room_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
	"freehold.example/matrix/policy"
	"freehold.example/matrix/version"
)

// guard is a policy server, by whatever it is called.
type guard struct {
	private ed25519.PrivateKey

	mu     sync.Mutex // guards all below
	refuse error
	asked  []string      // the types of events
	wait   chan struct{} // each question waits for one, unless it is nil
	begun  chan struct{} // and tells of it here
}

func newGuard() *guard {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = 9
	return &guard{private: ed25519.NewKeyFromSeed(seed)}
}

func (g *guard) SignEvent(ctx context.Context, server id.Server, raw []byte) (string, error) {
	v, _ := version.Lookup("12")
	e, err := event.Parse(v, raw)
	if err != nil {
		return "", err
	}
	g.mu.Lock()
	refuse, wait, begun := g.refuse, g.wait, g.begun
	g.asked = append(g.asked, e.Type())
	g.mu.Unlock()
	if wait != nil {
		begun <- struct{}{}
		select {
		case <-wait:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	if refuse != nil {
		return "", refuse
	}
	signed, err := e.Sign(event.Signer{Server: server, Key: policy.Key, Private: g.private})
	if err != nil {
		return "", err
	}
	var all map[string]map[string]string
	if err := unmarshalIn(signed.Bytes(), "signatures", &all); err != nil {
		return "", err
	}
	return all[string(server)][string(policy.Key)], nil
}

func (g *guard) set(fn func(*guard)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	fn(g)
}

// content is the state event that names the guard.
func (g *guard) content(via id.Server) []byte {
	key := base64.RawStdEncoding.EncodeToString(g.private.Public().(ed25519.PublicKey))
	return fmt.Appendf(nil, `{"via":%q,"public_keys":{"ed25519":%q}}`, via, key)
}

func guarded(t *testing.T, rooms *room.Rooms) (*guard, id.Room) {
	t.Helper()
	g := newGuard()
	rooms.Policy = g
	in := create(t, rooms, room.CreateRequest{Preset: "public_chat"})
	if err := rooms.Join(t.Context(), as(bob), in, "", nil); err != nil {
		t.Fatal(err)
	}
	setPolicy(t, rooms, in, g.content("a.test"))
	if len(g.asked) != 0 {
		t.Errorf("it was asked about %v before it was named", g.asked)
	}
	return g, in
}

func setPolicy(t *testing.T, rooms *room.Rooms, in id.Room, content []byte) {
	t.Helper()
	if _, err := rooms.SetState(t.Context(), as(alice), in, policy.Type, "", content); err != nil {
		t.Fatal(err)
	}
}

// stored reads an event.
func stored(t *testing.T, rooms *room.Rooms, sent id.Event) *event.Event {
	t.Helper()
	var e *event.Event
	err := rooms.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
		s, err := rooms.ByID(tx, sent)
		if s != nil {
			e = s.Event
		}
		return err
	})
	if err != nil || e == nil {
		t.Fatalf("%s: %v", sent, err)
	}
	return e
}

func TestPolicyServerIsAsked(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		g, in := guarded(t, rooms)
		server, _ := policy.Parse(g.content("a.test"))
		sent := send(t, rooms, in, bob, "hello", "t1")
		if again := send(t, rooms, in, bob, "hello", "t1"); again != sent {
			t.Errorf("a retry is another event: %s, %s", again, sent)
		}
		e := stored(t, rooms, sent)
		if err := server.Verify(e); err != nil {
			t.Error(err)
		}
		if err := e.Verify("a.test", "ed25519:1", ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)).Public().(ed25519.PublicKey)); err != nil {
			t.Errorf("its own signature: %v", err)
		}
		name, err := rooms.SetState(t.Context(), as(alice), in, "m.room.name", "", []byte(`{"name":"n"}`))
		if err != nil {
			t.Fatal(err)
		}
		if err := server.Verify(stored(t, rooms, name)); err != nil {
			t.Error(err)
		}

		no := fault.New(fault.Forbidden, "That looks like spam").WithStatus(400)
		g.set(func(g *guard) { g.refuse = no })
		_, err = rooms.Send(t.Context(), as(bob), in, text("spam"), "t2")
		if f, ok := errors.AsType[*fault.Fault](err); !ok || f.Text != no.Text || f.Status != 400 || f.Code != fault.Forbidden {
			t.Errorf("refused: got %v", err)
		}
		if _, err := rooms.SetState(t.Context(), as(alice), in, "m.room.topic", "", []byte(`{"topic":"t"}`)); !fault.Is(err, fault.Forbidden) {
			t.Errorf("state: got %v", err)
		}
		if err := rooms.Join(t.Context(), as(carol), in, "", nil); !fault.Is(err, fault.Forbidden) {
			t.Errorf("a join: got %v", err)
		}
		if err := rooms.Leave(t.Context(), as(bob), in, ""); err != nil {
			t.Errorf("nobody can be kept: %v", err)
		}
		if got := history(t, rooms, in, alice, 100); !slices.Equal(got, []string{"hello"}) {
			t.Errorf("got %v", got)
		}

		// The room can do without it, whatever it says.
		before := len(g.asked)
		setPolicy(t, rooms, in, []byte(`{}`))
		send(t, rooms, in, alice, "free", "t3")
		if len(g.asked) != before {
			t.Errorf("it is still asked about %v", g.asked[before:])
		}
		// Another key than the room has is none, and a server without users in the room no policy server.
		g.set(func(g *guard) { g.refuse = nil })
		other := newGuard()
		other.private = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
		setPolicy(t, rooms, in, other.content("a.test"))
		if _, err := rooms.Send(t.Context(), as(alice), in, text("x"), "t4"); !fault.Is(err, fault.Forbidden) {
			t.Errorf("signed with another key: got %v", err)
		}
		setPolicy(t, rooms, in, g.content("elsewhere.test"))
		send(t, rooms, in, alice, "nobody of theirs is here", "t5")
	})
}

// While a policy server thinks, others are asked about too and the room goes on; what it has allowed is put on the room as it
// is by then, and asked about again where the state is another.
func TestPolicyServerThinks(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		g, in := guarded(t, rooms)
		wait, begun := make(chan struct{}), make(chan struct{}, 100)
		g.set(func(g *guard) { g.wait, g.begun = wait, begun })
		const many = 20
		var sent sync.WaitGroup
		for i := range many {
			sent.Go(func() {
				if _, err := rooms.Send(t.Context(), as(bob), in, text(fmt.Sprint(i)), fmt.Sprint("t", i)); err != nil {
					t.Errorf("send %d: %v", i, err)
				}
			})
		}
		for range 8 {
			<-begun
		}
		setPolicy(t, rooms, in, g.content("a.test")) // repeats what is there, and is not held up
		close(wait)
		sent.Wait()
		if got := history(t, rooms, in, alice, 100); len(got) != many {
			t.Errorf("got %v", got)
		}
		last := stored(t, rooms, send(t, rooms, in, alice, "last", ""))
		if n := len(last.Prev()); n < 1 || n > 8 {
			t.Errorf("%d parents", n)
		}

		wait, begun = make(chan struct{}), make(chan struct{}, 100)
		g.set(func(g *guard) { g.wait, g.begun, g.asked = wait, begun, nil })
		late := make(chan error, 1)
		go func() {
			_, err := rooms.Send(t.Context(), as(bob), in, text("late"), "late")
			late <- err
		}()
		<-begun
		setPolicy(t, rooms, in, []byte(`{}`))
		if _, err := rooms.SetState(t.Context(), as(alice), in, "m.room.member", string(bob), []byte(`{"membership":"ban"}`)); err != nil {
			t.Fatal(err)
		}
		close(wait)
		if err := <-late; !fault.Is(err, fault.Forbidden) {
			t.Errorf("who was banned meanwhile: got %v", err)
		}
	})
}

// A policy server that is not asked at all is one that has not signed.
func TestNoWayToPolicyServers(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		_, in := guarded(t, rooms)
		rooms.Policy = nil
		if _, err := rooms.Send(t.Context(), as(alice), in, text("x"), ""); !fault.Is(err, fault.Forbidden) {
			t.Errorf("got %v", err)
		}
		setPolicy(t, rooms, in, []byte(`{}`))
		send(t, rooms, in, alice, "free", "")
	})
}

func unmarshalIn(object []byte, key string, v any) error {
	return json.Unmarshal(canon.Get(object, key), v)
}
