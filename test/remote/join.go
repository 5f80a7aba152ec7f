package remote

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/stateres"
	"freehold.example/matrix/version"
)

// Template is the answer to make_join and its like.
type Template struct {
	Version string          `json:"room_version"`
	Event   json.RawMessage `json:"event"`
}

// vers is the query that names all room versions.
func vers() string {
	var out []string
	for _, v := range version.All() {
		out = append(out, "ver="+v.ID)
	}
	return "?" + strings.Join(out, "&")
}

// MakeMember asks for the template of a join, leave or knock.
func (x *Subject) MakeMember(kind string, room id.Room, user id.User) *Answer {
	x.r.t.Helper()
	path := Path("/_matrix/federation/v1/make_"+kind, string(room), string(user))
	if kind != "leave" {
		path += vers()
	}
	return x.Do("GET", path, nil)
}

// Sign makes the event of a template, with its prev_events, auth_events, depth and content, signed by this server.
func (s *Server) Sign(answer Template, room id.Room, user id.User, change ...Change) (*event.Event, error) {
	v, err := lookup(answer.Version)
	if err != nil {
		return nil, err
	}
	var in struct {
		Room    id.Room           `json:"room_id"`
		Sender  id.User           `json:"sender"`
		Key     string            `json:"state_key"`
		Type    string            `json:"type"`
		Content json.RawMessage   `json:"content"`
		Prev    []json.RawMessage `json:"prev_events"`
		Auth    []json.RawMessage `json:"auth_events"`
		Depth   int64             `json:"depth"`
	}
	if err := json.Unmarshal(answer.Event, &in); err != nil {
		return nil, err
	}
	if in.Room != room || in.Sender != user || in.Key != string(user) || in.Type != "m.room.member" {
		return nil, fmt.Errorf("the template is not for %s in %s: %s", user, room, answer.Event)
	}
	key := string(user)
	d := event.Draft{Room: room, Type: in.Type, StateKey: &key, Sender: user, Content: in.Content, Depth: in.Depth, Timestamp: time.Now().UnixMilli()}
	d.Hashes = map[id.Event][sha256.Size]byte{}
	for _, list := range []struct {
		from []json.RawMessage
		to   *[]id.Event
	}{{in.Prev, &d.Prev}, {in.Auth, &d.Auth}} {
		for _, raw := range list.from {
			e, err := reference(v, raw, d.Hashes)
			if err != nil {
				return nil, err
			}
			*list.to = append(*list.to, e)
		}
	}
	for _, c := range change {
		c(&d)
	}
	return event.Build(v, d, s.Signer())
}

// reference reads one entry of prev_events or auth_events.
func reference(v *version.Version, raw json.RawMessage, hashes map[id.Event][sha256.Size]byte) (e id.Event, err error) {
	if !v.HashedReferences {
		return e, json.Unmarshal(raw, &e)
	}
	var hash struct {
		SHA256 string `json:"sha256"`
	}
	if err := json.Unmarshal(raw, &[]any{&e, &hash}); err != nil {
		return e, err
	}
	sum, err := event.DecodeBase64(hash.SHA256)
	if err == nil && len(sum) == sha256.Size {
		hashes[e] = [sha256.Size]byte(sum)
	}
	return e, err
}

// Member does a join, leave or knock of one of this server's users: the template, the event, and sending that. It fails the
// test when it is refused. room_version is "1" where an answer names none.
func (x *Subject) Member(kind string, room id.Room, user id.User, change ...Change) (*event.Event, *Answer) {
	x.r.t.Helper()
	template := Template{Version: "1"}
	x.MakeMember(kind, room, user).OK().Decode(&template)
	e, err := x.r.Sign(template, room, user, change...)
	if err != nil {
		x.r.t.Fatalf("%s: %v", kind, err)
	}
	return e, x.SendMember(kind, e)
}

// SendMember sends an event to send_join, send_leave or send_knock.
func (x *Subject) SendMember(kind string, e *event.Event) *Answer {
	x.r.t.Helper()
	v := "v2"
	if kind == "knock" {
		v = "v1"
	}
	return x.Do("PUT", Path("/_matrix/federation/"+v+"/send_"+kind, string(e.Room()), string(e.ID())), json.RawMessage(e.Bytes()))
}

// Join has one of this server's users join a room of the server under test, and gives it as it is then: a room like the
// others, whose history before the join is not here.
func (x *Subject) Join(room id.Room, user id.User) *Room {
	x.r.t.Helper()
	e, a := x.Member("join", room, user)
	a.OK()
	r, err := x.r.adopt(e, a.Body)
	if err != nil {
		x.r.t.Fatalf("join %s: %v", room, err)
	}
	return r
}

// Leave has one of this server's users leave a room, or reject an invitation, through the server under test.
func (x *Subject) Leave(room id.Room, user id.User) *event.Event {
	x.r.t.Helper()
	e, a := x.Member("leave", room, user)
	a.OK()
	x.r.mu.Lock()
	defer x.r.mu.Unlock()
	if r := x.r.rooms[room]; r != nil {
		_ = r.add(e) // what it follows may not be here
	}
	return e
}

// Knock has one of this server's users knock, and gives what the room shows of itself.
func (x *Subject) Knock(room id.Room, user id.User) (*event.Event, []json.RawMessage) {
	x.r.t.Helper()
	e, a := x.Member("knock", room, user)
	var answer struct {
		State []json.RawMessage `json:"knock_room_state"`
	}
	a.OK().Decode(&answer)
	return e, answer.State
}

// Invite invites a user of the server under test to a room that is here, and gives the event as it signed it. It gets its
// place in the room.
func (x *Subject) Invite(room *Room, sender, user id.User) *event.Event {
	x.r.t.Helper()
	key := string(user)
	e := room.Build(sender, "m.room.member", &key, map[string]any{"membership": "invite"})
	x.r.mu.Lock()
	state := room.stripped()
	x.r.mu.Unlock()
	a := x.Do("PUT", Path("/_matrix/federation/v2/invite", string(room.ID), string(e.ID())), map[string]any{
		"room_version": room.Version.ID, "event": json.RawMessage(e.Bytes()), "invite_room_state": state,
	}).OK()
	var answer struct {
		Event json.RawMessage `json:"event"`
	}
	a.Decode(&answer)
	signed, err := room.read(answer.Event)
	if err != nil || signed.ID() != e.ID() {
		x.r.t.Fatalf("invite: %v in %s", err, a.Body)
	}
	if !slices.ContainsFunc(signed.Signatures()[x.Name], func(id.Key) bool { return true }) {
		x.r.t.Fatalf("invite: %s has not signed %s", x.Name, a.Body)
	}
	x.r.mu.Lock()
	defer x.r.mu.Unlock()
	if err := room.add(signed); err != nil {
		x.r.t.Fatalf("invite: %v", err)
	}
	return signed
}

// adopt makes a room of the answer to send_join.
func (s *Server) adopt(e *event.Event, body []byte) (*Room, error) {
	var answer struct {
		State   []json.RawMessage `json:"state"`
		Auth    []json.RawMessage `json:"auth_chain"`
		Event   json.RawMessage   `json:"event"`
		Omitted bool              `json:"members_omitted"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, err
	}
	if answer.Omitted {
		return nil, fmt.Errorf("members were left out unasked")
	}
	room := s.Room(e.Room())
	if room == nil {
		room = s.newRoom(e.Room(), e.Version())
	}
	before := stateres.StateMap{}
	for i, list := range [][]json.RawMessage{answer.Auth, answer.State} {
		for _, raw := range list {
			a, err := room.read(raw)
			if err != nil {
				return nil, fmt.Errorf("%w in %s", err, raw)
			}
			s.mu.Lock()
			room.aside[a.ID()] = a
			s.mu.Unlock()
			if i == 1 {
				put(before, a)
			}
		}
	}
	if answer.Event != nil {
		signed, err := room.read(answer.Event)
		if err != nil || signed.ID() != e.ID() {
			return nil, fmt.Errorf("the event came back as %s: %w", answer.Event, err)
		}
		e = signed
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rooms[e.Room()] = room
	room.current = before
	for _, a := range e.Auth() {
		if room.find(a) == nil {
			return nil, fmt.Errorf("the auth event %s did not come along", a)
		}
	}
	room.place(&node{e: e, base: before})
	room.ends = []id.Event{e.ID()}
	room.current = (&node{e: e, base: before}).after()
	return room, nil
}
