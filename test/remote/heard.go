package remote

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/stateres"
)

// Patience is how long Wait... waits: far longer than anything takes, as the machine may be busy.
const Patience = 20 * time.Second

// Transaction is one that this server was sent.
type Transaction struct {
	Origin id.Server
	ID     string
	PDUs   []json.RawMessage
	EDUs   []EDU
	At     time.Time
}

// received answers /send: everything is written down, and events of rooms that are here get their places.
func (s *Server) received(w http.ResponseWriter, q *http.Request) {
	var body struct {
		PDUs []json.RawMessage `json:"pdus"`
		EDUs []EDU             `json:"edus"`
	}
	if err := json.NewDecoder(q.Body).Decode(&body); err != nil {
		fail(w, http.StatusBadRequest, "M_NOT_JSON", err.Error())
		return
	}
	if len(body.PDUs) > 50 || len(body.EDUs) > 100 {
		s.t.Errorf("%s: a transaction of %d events and %d EDUs", s.Name, len(body.PDUs), len(body.EDUs))
	}
	from := origin(q)
	s.mu.Lock()
	known := slices.ContainsFunc(s.heard, func(h Transaction) bool { return h.Origin == from && h.ID == q.PathValue("txn") })
	if !known {
		s.heard = append(s.heard, Transaction{from, q.PathValue("txn"), body.PDUs, body.EDUs, time.Now()})
	}
	s.mu.Unlock()
	results := map[id.Event]any{}
	for _, raw := range body.PDUs {
		if e, err := s.take(from, raw); e != nil && err != nil {
			results[e.ID()] = map[string]string{"error": err.Error()}
		} else if e != nil {
			results[e.ID()] = struct{}{}
		}
	}
	s.mu.Lock()
	if !known {
		s.pdus = append(s.pdus, body.PDUs...)
		s.edus = append(s.edus, body.EDUs...)
	}
	s.tell()
	s.mu.Unlock()
	say(w, map[string]any{"pdus": results, "org.freehold.wakeup": s.Fluent.Load()})
}

// tell wakes who waits. s.mu is held.
func (s *Server) tell() {
	close(s.news)
	s.news = make(chan struct{})
}

// take gives an event that came from another server its place, if its room is here.
func (s *Server) take(from id.Server, raw json.RawMessage) (*event.Event, error) {
	e, room, err := s.parse(raw)
	if err != nil || room == nil {
		return e, err
	}
	s.mu.Lock()
	err = room.check(e)
	if err == nil {
		err = room.add(e)
	}
	other := s.others[from]
	s.mu.Unlock()
	if errors.Is(err, errUnknown) && other != nil {
		s.fetch(other, room, e)
		s.mu.Lock()
		if err = room.check(e); err == nil {
			err = room.add(e)
		}
		s.mu.Unlock()
		if errors.Is(err, errUnknown) { // it follows what was before this server joined
			err = s.believe(other, room, e)
		}
	}
	if err != nil && !s.Lenient {
		s.t.Errorf("%s was sent an event that is not allowed: %v: %s", s.Name, err, raw)
	}
	return e, err
}

// fetch asks another server for what is missing before an event, until it follows something that is here.
func (s *Server) fetch(other *Subject, room *Room, e *event.Event) {
	waiting := map[id.Event]*event.Event{}
	for latest := []id.Event{e.ID()}; len(latest) > 0 && len(waiting) < 10_000; {
		a, err := other.TryDo("POST", Path("/_matrix/federation/v1/get_missing_events", room.ID), map[string]any{
			"earliest_events": room.Ends(), "latest_events": latest, "limit": 20,
		})
		var answer struct {
			Events []json.RawMessage `json:"events"`
		}
		if err != nil || a.Status != http.StatusOK || json.Unmarshal(a.Body, &answer) != nil {
			break
		}
		latest = nil
		var got []*event.Event
		for _, raw := range answer.Events {
			if missing, err := room.read(raw); err == nil && waiting[missing.ID()] == nil {
				waiting[missing.ID()] = missing
				got = append(got, missing)
			}
		}
		for _, missing := range got {
			if slices.ContainsFunc(missing.Prev(), func(p id.Event) bool { return waiting[p] == nil && room.Event(p) == nil }) {
				latest = append(latest, missing.ID())
			}
		}
	}
	missing := slices.Collect(maps.Values(waiting))
	byDepth(missing)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range missing {
		_ = room.add(m) // what follows nothing that is here stays away
	}
}

// believe gives an event its place with the state before it as another server tells it.
func (s *Server) believe(other *Subject, room *Room, e *event.Event) error {
	a, err := other.TryDo("GET", Path("/_matrix/federation/v1/state", room.ID)+"?event_id="+url.QueryEscape(string(e.ID())), nil)
	if err != nil {
		return err
	}
	var answer struct {
		State []json.RawMessage `json:"pdus"`
		Auth  []json.RawMessage `json:"auth_chain"`
	}
	if err := json.Unmarshal(a.Body, &answer); err != nil || a.Status != http.StatusOK {
		return fmt.Errorf("the state before %s: %d %s", e.ID(), a.Status, a.Body)
	}
	base := stateres.StateMap{}
	for i, list := range [][]json.RawMessage{answer.Auth, answer.State} {
		for _, raw := range list {
			b, err := room.read(raw)
			if err != nil {
				return err
			}
			s.mu.Lock()
			if room.find(b.ID()) == nil {
				room.aside[b.ID()] = b
			}
			s.mu.Unlock()
			if i == 1 {
				put(base, b)
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if room.nodes[e.ID()] == nil {
		room.place(&node{e: e, base: base})
		room.current, err = room.resolve(room.ends)
	}
	return err
}

// parse reads an event of another server and checks its signature, if that server is known. room is nil where it is not
// here; then the event is, too.
func (s *Server) parse(raw json.RawMessage) (*event.Event, *Room, error) {
	var in struct {
		Room    id.Room `json:"room_id"`
		Content struct {
			Version string `json:"room_version"`
		} `json:"content"`
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	room := s.rooms[in.Room]
	s.mu.Unlock()
	if room == nil {
		return nil, nil, nil
	}
	e, err := event.Parse(room.Version, raw)
	if err != nil {
		if !s.Lenient {
			s.t.Errorf("%s was sent what is no event: %v: %s", s.Name, err, raw)
		}
		return nil, room, err
	}
	if e.Redacted() && !s.Lenient {
		s.t.Errorf("%s was sent an event with a wrong hash: %s", s.Name, raw)
	}
	if err := s.signed(e); err != nil {
		if !s.Lenient {
			s.t.Errorf("%s was sent an event that is not signed: %v: %s", s.Name, err, raw)
		}
		return nil, room, err
	}
	return e, room, nil
}

// signed checks the signatures that an event needs, as far as they are of servers that are known.
func (s *Server) signed(e *event.Event) error {
	has := e.Signatures()
	for _, server := range e.Signers() {
		s.mu.Lock()
		other := s.others[server]
		s.mu.Unlock()
		if other == nil {
			continue
		}
		err := event.ErrSignature
		for _, key := range has[server] {
			public, failed := other.key(key)
			if failed != nil {
				return failed
			}
			err = e.Verify(server, key, public)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// wait asks found again whenever something was heard, until it says true. s.mu is held while it is asked.
func (s *Server) wait(what string, found func() bool) {
	s.t.Helper()
	late := time.After(Patience)
	for {
		s.mu.Lock()
		ok, news := found(), s.news
		s.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-news:
		case <-late:
			s.t.Fatalf("%s was not sent %s", s.Name, what)
		}
	}
}

// WaitPDU waits for an event in a transaction, in a room that is here, and gives the first that fits, of all that ever came.
func (s *Server) WaitPDU(fits func(*event.Event) bool) (e *event.Event) {
	s.t.Helper()
	seen := 0
	s.wait("such an event", func() bool {
		for ; seen < len(s.pdus); seen++ {
			var in struct {
				Room id.Room `json:"room_id"`
			}
			if json.Unmarshal(s.pdus[seen], &in) != nil || s.rooms[in.Room] == nil {
				continue
			}
			if found, err := event.Parse(s.rooms[in.Room].Version, s.pdus[seen]); err == nil && fits(found) {
				e = found
				return true
			}
		}
		return false
	})
	return e
}

// WaitEvent is WaitPDU for one event by its id.
func (s *Server) WaitEvent(e id.Event) *event.Event {
	s.t.Helper()
	return s.WaitPDU(func(got *event.Event) bool { return got.ID() == e })
}

// WaitEDU waits for an EDU of a type, and gives the content of the first that fits, of all that ever came. fits may be nil.
func (s *Server) WaitEDU(typ string, fits func(content json.RawMessage) bool) (content json.RawMessage) {
	s.t.Helper()
	seen := 0
	s.wait("an EDU "+typ, func() bool {
		for ; seen < len(s.edus); seen++ {
			if edu := s.edus[seen]; edu.Type == typ && (fits == nil || fits(edu.Content)) {
				content = edu.Content
				return true
			}
		}
		return false
	})
	return content
}

// PDUs are all events of transactions so far, in the order in which they came, each as often as it came; EDUs and
// Transactions likewise.
func (s *Server) PDUs() []json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.pdus)
}

// EDUs are all EDUs so far.
func (s *Server) EDUs() []EDU {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.edus)
}

// Transactions are all transactions so far; one that came again is there once.
func (s *Server) Transactions() []Transaction {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.heard)
}
