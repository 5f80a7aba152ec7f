package remote

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"

	"freehold.example/matrix/authrule"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/stateres"
	"freehold.example/matrix/version"
)

func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for pattern, h := range map[string]http.HandlerFunc{
		"GET /_matrix/key/v2/server":      s.keys,
		"GET /_matrix/key/v2/server/{id}": s.keys,

		"PUT /_matrix/federation/v1/send/{txn}": s.received,

		"GET /_matrix/federation/v1/make_join/{room}/{user}":   s.makeMember("join"),
		"GET /_matrix/federation/v1/make_leave/{room}/{user}":  s.makeMember("leave"),
		"GET /_matrix/federation/v1/make_knock/{room}/{user}":  s.makeMember("knock"),
		"PUT /_matrix/federation/v2/send_join/{room}/{event}":  s.sendMember("join"),
		"PUT /_matrix/federation/v2/send_leave/{room}/{event}": s.sendMember("leave"),
		"PUT /_matrix/federation/v1/send_knock/{room}/{event}": s.sendMember("knock"),
		"PUT /_matrix/federation/v2/invite/{room}/{event}":     s.invited,

		"GET /_matrix/federation/v1/event/{event}":              s.oneEvent,
		"GET /_matrix/federation/v1/state/{room}":               s.state,
		"GET /_matrix/federation/v1/state_ids/{room}":           s.stateIDs,
		"GET /_matrix/federation/v1/event_auth/{room}/{event}":  s.eventAuth,
		"GET /_matrix/federation/v1/backfill/{room}":            s.backfill,
		"POST /_matrix/federation/v1/get_missing_events/{room}": s.missing,
		"GET /_matrix/federation/v1/timestamp_to_event/{room}":  s.timestamp,
		"GET /_matrix/federation/v1/hierarchy/{room}":           s.hierarchy,
		"GET /_matrix/federation/v1/publicRooms":                s.publicRooms,
		"POST /_matrix/federation/v1/publicRooms":               s.publicRooms,
		"GET /_matrix/federation/v1/query/profile":              s.profile,
		"GET /_matrix/federation/v1/query/directory":            s.directory,
		"GET /_matrix/federation/v1/user/devices/{user}":        s.devices,
		"POST /_matrix/federation/v1/user/keys/query":           s.queryKeys,
		"POST /_matrix/federation/v1/user/keys/claim":           s.claimKeys,
		"GET /_matrix/federation/v1/media/download/{media}":     s.download,
		"GET /_matrix/federation/v1/version": func(w http.ResponseWriter, _ *http.Request) {
			say(w, map[string]any{"server": map[string]string{"name": "Remote", "version": "1"}})
		},
		"/": func(w http.ResponseWriter, _ *http.Request) {
			fail(w, http.StatusNotFound, "M_UNRECOGNIZED", "Not here")
		},
	} {
		mux.HandleFunc(pattern, h)
	}
	return mux
}

// roomOf is the room that a request names. It is answered when there is none.
func (s *Server) roomOf(w http.ResponseWriter, q *http.Request) *Room {
	room := s.Room(id.Room(q.PathValue("room")))
	if room == nil {
		fail(w, http.StatusNotFound, "M_NOT_FOUND", "No such room")
	}
	return room
}

// makeMember answers make_join, make_leave and make_knock with a template, if the rules allow the event.
func (s *Server) makeMember(kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, q *http.Request) {
		room := s.roomOf(w, q)
		if room == nil {
			return
		}
		if versions := q.URL.Query()["ver"]; kind != "leave" && !slices.Contains(versions, room.Version.ID) && (len(versions) > 0 || room.Version.ID != "1") {
			w.WriteHeader(http.StatusBadRequest)
			say(w, map[string]string{"errcode": "M_INCOMPATIBLE_ROOM_VERSION", "error": "Not yours", "room_version": room.Version.ID})
			return
		}
		user := q.PathValue("user")
		s.mu.Lock()
		defer s.mu.Unlock()
		content := map[string]any{"membership": kind}
		if kind == "join" {
			switch via, err := room.authoriser(id.User(user)); {
			case err != nil:
				fail(w, http.StatusForbidden, "M_FORBIDDEN", err.Error())
				return
			case via != "":
				content["join_authorised_via_users_server"] = via
			}
		}
		e, err := room.build(id.User(user), "m.room.member", &user, content)
		if err == nil {
			err = room.check(e)
		}
		if err != nil {
			fail(w, http.StatusForbidden, "M_FORBIDDEN", err.Error())
			return
		}
		say(w, map[string]any{"room_version": room.Version.ID, "event": template(e)})
	}
}

// template is an event as make_join gives it: unsigned, without hashes and an id.
func template(e *event.Event) map[string]json.RawMessage {
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(e.Bytes(), &fields); err != nil {
		panic(err) // it was built a moment ago
	}
	for _, field := range []string{"hashes", "signatures", "event_id"} {
		delete(fields, field)
	}
	return fields
}

// authoriser is who vouches for a join by a restricted rule; "" when nobody has to.
func (room *Room) authoriser(user id.User) (id.User, error) {
	rules := room.find(room.current[authrule.StateKey{Type: "m.room.join_rules"}])
	if rules == nil {
		return "", nil
	}
	parsed := authrule.ParseJoinRules(rules.Content())
	if parsed.Rule != authrule.RuleRestricted && parsed.Rule != authrule.RuleKnockRestricted {
		return "", nil
	}
	member := authrule.StateKey{Type: "m.room.member", Key: string(user)}
	if m := membership(room.find(room.current[member])); m == "join" || m == "invite" {
		return "", nil
	}
	for _, allowed := range parsed.Allow {
		if other := room.s.rooms[allowed]; other != nil && membership(other.find(other.current[member])) == "join" {
			create := room.find(room.current[authrule.StateKey{Type: "m.room.create"}])
			return create.Sender(), nil
		}
	}
	return "", errors.New("the user is in none of the rooms that allow a join")
}

// sendMember answers send_join, send_leave and send_knock: the event gets its place, and the other servers under test that
// are in the room are sent it.
func (s *Server) sendMember(kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, q *http.Request) {
		room := s.roomOf(w, q)
		if room == nil {
			return
		}
		raw, err := io.ReadAll(q.Body)
		if err != nil {
			return
		}
		e, err := room.read(raw)
		if err != nil || membership(e) != kind || string(e.ID()) != q.PathValue("event") {
			s.t.Errorf("%s: send_%s %s: %v: %s", s.Name, kind, q.PathValue("event"), err, raw)
			fail(w, http.StatusBadRequest, "M_BAD_JSON", "Not such an event")
			return
		}
		from := origin(q)
		s.mu.Lock()
		if slices.Contains(e.Signers(), s.Name) { // it has one of our users vouch for a restricted join
			if signed, err := e.Sign(s.signer); err == nil {
				e = signed
			}
		}
		before, err := room.stateOf(e.Prev())
		if err == nil {
			err = room.check(e)
		}
		servers := room.servers()
		if err == nil {
			err = room.add(e)
		}
		s.tell()
		s.mu.Unlock()
		if err != nil {
			fail(w, http.StatusForbidden, "M_FORBIDDEN", err.Error())
			return
		}
		for _, other := range room.subjects(from) {
			if _, err := other.TryDo("PUT", Path("/_matrix/federation/v1/send", s.txn()), transaction(s.Name, nil, []json.RawMessage{e.Bytes()})); err != nil {
				s.t.Logf("%s: the %s to %s: %v", s.Name, kind, other.Name, err)
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		switch kind {
		case "join":
			say(w, room.joined(e, before, servers, s.OmitMembers && q.URL.Query().Get("omit_members") == "true"))
		case "knock":
			say(w, map[string]any{"knock_room_state": room.stripped()})
		default:
			say(w, struct{}{})
		}
	}
}

// joined is the answer to send_join.
func (room *Room) joined(e *event.Event, before stateres.StateMap, servers []id.Server, omit bool) map[string]any {
	var state []*event.Event
	for _, s := range room.events(before) {
		if !omit || s.Type() != "m.room.member" {
			state = append(state, s)
		}
	}
	chain := room.chain(append(slices.Clone(state), e)...)
	if omit {
		chain = slices.DeleteFunc(chain, func(c *event.Event) bool { return slices.Contains(state, c) })
	}
	return map[string]any{
		"origin": room.s.Name, "state": raws(state), "auth_chain": raws(chain), "event": json.RawMessage(e.Bytes()),
		"members_omitted": omit, "servers_in_room": servers,
	}
}

// stripped is what those outside may see of a room.
func (room *Room) stripped() []json.RawMessage {
	out := []json.RawMessage{}
	for _, typ := range []string{"m.room.create", "m.room.join_rules", "m.room.name", "m.room.avatar", "m.room.topic", "m.room.canonical_alias", "m.room.encryption"} {
		if e := room.find(room.current[authrule.StateKey{Type: typ}]); e != nil {
			out = append(out, e.Bytes()) // whole events, as of version 1.16
		}
	}
	return out
}

func raws(events []*event.Event) []json.RawMessage {
	out := make([]json.RawMessage, len(events))
	for i, e := range events {
		out[i] = e.Bytes()
	}
	return out
}

// Invitation is one that this server was sent.
type Invitation struct {
	Room  id.Room
	Event *event.Event
	State []json.RawMessage // invite_room_state
}

// invited answers /v2/invite: every user takes every invitation.
func (s *Server) invited(w http.ResponseWriter, q *http.Request) {
	var body struct {
		Version string            `json:"room_version"`
		Event   json.RawMessage   `json:"event"`
		State   []json.RawMessage `json:"invite_room_state"`
	}
	if err := json.NewDecoder(q.Body).Decode(&body); err != nil {
		fail(w, http.StatusBadRequest, "M_NOT_JSON", err.Error())
		return
	}
	v, ok := version.Lookup(body.Version)
	if !ok {
		fail(w, http.StatusBadRequest, "M_INCOMPATIBLE_ROOM_VERSION", "Not here")
		return
	}
	e, err := event.Parse(v, body.Event)
	if err == nil {
		err = s.signed(e)
	}
	if err != nil || string(e.ID()) != q.PathValue("event") || membership(e) != "invite" {
		s.t.Errorf("%s: invite %s: %v: %s", s.Name, q.PathValue("event"), err, body.Event)
		fail(w, http.StatusBadRequest, "M_BAD_JSON", "Not an invitation")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, err = e.Sign(s.signer); err != nil {
		fail(w, http.StatusBadRequest, "M_BAD_JSON", err.Error())
		return
	}
	s.invite = append(s.invite, Invitation{e.Room(), e, body.State})
	if room := s.rooms[e.Room()]; room != nil {
		_ = room.add(e) // where it cannot be placed, it comes again in a transaction
	}
	s.tell()
	say(w, map[string]any{"event": json.RawMessage(e.Bytes())})
}

// WaitInvite waits for an invitation of a user.
func (s *Server) WaitInvite(user id.User) (found Invitation) {
	s.t.Helper()
	s.wait("an invitation", func() bool {
		for _, i := range s.invite {
			if key, _ := i.Event.StateKey(); key == string(user) {
				found = i
				return true
			}
		}
		return false
	})
	return found
}
