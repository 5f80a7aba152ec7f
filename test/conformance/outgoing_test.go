package conformance

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/test/remote"
)

// told is the texts that a remote was sent in a room, in their order.
func told(r *remote.Server, room id.Room) (texts []string) {
	for _, raw := range r.PDUs() {
		var e struct {
			Room    id.Room `json:"room_id"`
			Content struct {
				Body string `json:"body"`
			} `json:"content"`
		}
		if json.Unmarshal(raw, &e) == nil && e.Room == room && e.Content.Body != "" {
			texts = append(texts, e.Content.Body)
		}
	}
	return texts
}

// B380: of a room that a user of S has joined, nothing but what S's users do in it.
func TestB380(t *testing.T) {
	s := first(t)
	r, room, _ := theirs(t, "10")
	alice := s.newUser(t)
	s.meet(r)
	alice.joinVia(string(room.ID), r.Name).ok()
	sent := id.Event(alice.send(string(room.ID), "hello"))
	r.WaitEvent(sent)
	if pdus := r.PDUs(); len(pdus) != 1 {
		t.Errorf("R was sent %d events: %s", len(pdus), pdus)
	}
}

// B381: the bounds of a transaction, which the remote checks, its signature and its destination, when there is much to send.
// Everything arrives, and each text once.
func TestB381(t *testing.T) {
	g := newGuest(t, obj{"preset": "public_chat", "room_version": "10"})
	g.r.WaitEvent(id.Event(g.alice.send(string(g.room.ID), "hello")))
	open := make(chan struct{})
	remove := g.r.Hook("PUT /_matrix/federation/v1/send/", remote.Hold(open))
	const n = 130
	for i := range n {
		g.alice.send(string(g.room.ID), fmt.Sprint("m", i))
	}
	close(open)
	remove()
	g.r.WaitPDU(func(e *event.Event) bool { return strings.Contains(string(e.Content()), fmt.Sprintf(`"m%d"`, n-1)) })
	var want []string
	for i := range n {
		want = append(want, fmt.Sprint("m", i))
	}
	if got := told(g.r, g.room.ID); !slices.Equal(got, append([]string{"hello"}, want...)) {
		t.Errorf("got %d texts: %v", len(got), got)
	}
	for _, tx := range g.r.Transactions() {
		if tx.Origin != g.at.Name || len(tx.PDUs) > 50 || len(tx.EDUs) > 100 {
			t.Errorf("a transaction of %s with %d events and %d EDUs", tx.Origin, len(tx.PDUs), len(tx.EDUs))
		}
	}
}

// A server that did not answer is sent what it has missed as soon as it shows a sign of life, the newest first.
func TestBackAfterSilence(t *testing.T) {
	g := newGuest(t, obj{"preset": "public_chat", "room_version": "10"})
	g.r.WaitEvent(id.Event(g.alice.send(string(g.room.ID), "hello")))
	remove := g.r.Hook("PUT /_matrix/federation/v1/send/", remote.Drop())
	const n = 60
	for i := range n {
		g.alice.send(string(g.room.ID), fmt.Sprint("m", i))
	}
	time.Sleep(5 * time.Second) // it has failed more than once by now, and is not tried again at once
	remove()
	began := time.Now()
	g.room.Send(g.robin, "m.room.message", remote.Text("here I am"))
	for i := range n {
		g.r.WaitPDU(func(e *event.Event) bool { return strings.Contains(string(e.Content()), fmt.Sprintf(`"m%d"`, i)) })
	}
	if took := time.Since(began); took > within {
		t.Errorf("it took %s", took)
	}
}

// A server whose last user is thrown out is told of that, and of nothing that comes after.
func TestKickedServerHears(t *testing.T) {
	g := newGuest(t, obj{"preset": "public_chat", "room_version": "10"})
	g.r.WaitEvent(id.Event(g.alice.send(string(g.room.ID), "hello")))
	g.alice.post(path("/v3/rooms", string(g.room.ID), "kick"), obj{"user_id": g.robin}).ok()
	kicked := func(e *event.Event) bool {
		return e.IsState("m.room.member", string(g.robin)) && strings.Contains(string(e.Content()), `"leave"`)
	}
	g.r.WaitPDU(kicked)
	g.alice.send(string(g.room.ID), "not for R")
	other := g.at.Join(id.Room(g.alice.createRoom(obj{"preset": "public_chat"})), g.robin)
	g.r.WaitEvent(id.Event(g.alice.send(string(other.ID), "for R")))
	if got := told(g.r, g.room.ID); slices.Contains(got, "not for R") {
		t.Errorf("R was told %v", got)
	}
}
