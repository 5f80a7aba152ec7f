package remote

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

// read parses an event of this room and checks its signature, if that server is known.
func (room *Room) read(raw json.RawMessage) (*event.Event, error) {
	e, err := event.Parse(room.Version, raw)
	if err != nil {
		return nil, err
	}
	return e, room.s.signed(e)
}

func (s *Server) oneEvent(w http.ResponseWriter, q *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, room := range s.rooms {
		if e := room.find(id.Event(q.PathValue("event"))); e != nil {
			say(w, map[string]any{"origin": s.Name, "origin_server_ts": time.Now().UnixMilli(), "pdus": raws([]*event.Event{e})})
			return
		}
	}
	fail(w, http.StatusNotFound, "M_NOT_FOUND", "No such event")
}

// before gives the state before the event that a request names, and its auth chain.
func (s *Server) before(w http.ResponseWriter, q *http.Request, do func(state, chain []*event.Event)) {
	room := s.roomOf(w, q)
	if room == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := room.nodes[id.Event(q.URL.Query().Get("event_id"))]
	if n == nil {
		fail(w, http.StatusNotFound, "M_NOT_FOUND", "No such event")
		return
	}
	state := room.events(n.before())
	do(state, room.chain(append(slices.Clone(state), n.e)...))
}

func (s *Server) state(w http.ResponseWriter, q *http.Request) {
	s.before(w, q, func(state, chain []*event.Event) {
		say(w, map[string]any{"pdus": raws(state), "auth_chain": raws(chain)})
	})
}

func (s *Server) stateIDs(w http.ResponseWriter, q *http.Request) {
	s.before(w, q, func(state, chain []*event.Event) {
		say(w, map[string]any{"pdu_ids": idsOf(state), "auth_chain_ids": idsOf(chain)})
	})
}

func idsOf(events []*event.Event) []id.Event {
	out := make([]id.Event, len(events))
	for i, e := range events {
		out[i] = e.ID()
	}
	return out
}

func (s *Server) eventAuth(w http.ResponseWriter, q *http.Request) {
	room := s.roomOf(w, q)
	if room == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := room.find(id.Event(q.PathValue("event")))
	if e == nil {
		fail(w, http.StatusNotFound, "M_NOT_FOUND", "No such event")
		return
	}
	say(w, map[string]any{"auth_chain": raws(room.chain(e))})
}

func (s *Server) backfill(w http.ResponseWriter, q *http.Request) {
	room := s.roomOf(w, q)
	if room == nil {
		return
	}
	limit, err := strconv.Atoi(q.URL.Query().Get("limit"))
	if err != nil {
		fail(w, http.StatusBadRequest, "M_INVALID_PARAM", "limit")
		return
	}
	var from []id.Event
	for _, v := range q.URL.Query()["v"] {
		from = append(from, id.Event(v))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	events := room.back(from, true, min(limit, 100), func(*event.Event) bool { return false })
	say(w, map[string]any{"origin": s.Name, "origin_server_ts": time.Now().UnixMilli(), "pdus": raws(events)})
}

func (s *Server) missing(w http.ResponseWriter, q *http.Request) {
	room := s.roomOf(w, q)
	if room == nil {
		return
	}
	body := struct {
		Limit    int        `json:"limit"`
		MinDepth int64      `json:"min_depth"`
		Earliest []id.Event `json:"earliest_events"`
		Latest   []id.Event `json:"latest_events"`
	}{Limit: 10}
	if err := json.NewDecoder(q.Body).Decode(&body); err != nil {
		fail(w, http.StatusBadRequest, "M_NOT_JSON", err.Error())
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	events := room.back(body.Latest, false, min(body.Limit, 20), func(e *event.Event) bool {
		return e.Depth() < body.MinDepth || slices.Contains(body.Earliest, e.ID())
	})
	slices.Reverse(events)
	say(w, map[string]any{"events": raws(events)})
}

func (s *Server) timestamp(w http.ResponseWriter, q *http.Request) {
	room := s.roomOf(w, q)
	if room == nil {
		return
	}
	ts, err := strconv.ParseInt(q.URL.Query().Get("ts"), 10, 64)
	if err != nil {
		fail(w, http.StatusBadRequest, "M_INVALID_PARAM", "ts")
		return
	}
	back := q.URL.Query().Get("dir") == "b"
	s.mu.Lock()
	defer s.mu.Unlock()
	var found *event.Event
	for _, n := range room.order {
		at := n.e.Timestamp()
		if back && at <= ts && (found == nil || at >= found.Timestamp()) || !back && at >= ts && (found == nil || at < found.Timestamp()) {
			found = n.e
		}
	}
	if found == nil {
		fail(w, http.StatusNotFound, "M_NOT_FOUND", "No such event")
		return
	}
	say(w, map[string]any{"event_id": found.ID(), "origin_server_ts": found.Timestamp()})
}
