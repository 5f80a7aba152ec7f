package remote

import (
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"slices"

	"freehold.example/matrix/authrule"
	"freehold.example/matrix/id"
)

// Person is what a remote tells of one of its users.
type Person struct {
	DisplayName, AvatarURL string

	Stream  int64                       // stream_id of the device list
	Devices map[string]json.RawMessage  // device id -> its keys object
	Names   map[string]string           // device id -> device_display_name
	Master  json.RawMessage             // nil: none
	Self    json.RawMessage             // self-signing key
	OneTime map[string][]map[string]any // device id -> {"signed_curve25519:AAA": {...}}, each given once
}

// Set makes known what this server tells of a user.
func (s *Server) Set(user id.User, p Person) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.people[user] = &p
}

// Publish gives a room an alias, #name of this server, and puts it into the list of public rooms.
func (s *Server) Publish(room *Room, localpart string) id.Alias {
	alias := id.Alias("#" + localpart + ":" + string(s.Name))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alias[alias] = room.ID
	return alias
}

// Upload puts a file where other servers find it, and gives its mxc URI.
func (s *Server) Upload(name string, content []byte) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[name] = content
	return fmt.Sprintf("mxc://%s/%s", s.Name, name)
}

func (s *Server) profile(w http.ResponseWriter, q *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.people[id.User(q.URL.Query().Get("user_id"))]
	if p == nil {
		fail(w, http.StatusNotFound, "M_NOT_FOUND", "No such user")
		return
	}
	answer := map[string]string{}
	for field, value := range map[string]string{"displayname": p.DisplayName, "avatar_url": p.AvatarURL} {
		if only := q.URL.Query().Get("field"); value != "" && (only == "" || only == field) {
			answer[field] = value
		}
	}
	say(w, answer)
}

func (s *Server) directory(w http.ResponseWriter, q *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	room, ok := s.alias[id.Alias(q.URL.Query().Get("room_alias"))]
	if !ok {
		fail(w, http.StatusNotFound, "M_NOT_FOUND", "No such alias")
		return
	}
	say(w, map[string]any{"room_id": room, "servers": []id.Server{s.Name}})
}

// summary is a room as lists of rooms show it.
func (room *Room) summary() map[string]any {
	joined := 0
	for key, e := range room.current {
		if key.Type == "m.room.member" && membership(room.find(e)) == "join" {
			joined++
		}
	}
	out := map[string]any{"room_id": room.ID, "num_joined_members": joined, "world_readable": false, "guest_can_join": false, "room_version": room.Version.ID}
	for typ, field := range map[string]string{"m.room.name": "name", "m.room.topic": "topic", "m.room.join_rules": "join_rule"} {
		var content map[string]any
		if e := room.find(room.current[authrule.StateKey{Type: typ}]); e != nil && json.Unmarshal(e.Content(), &content) == nil {
			out[field] = content[field]
		}
	}
	var create map[string]any
	if e := room.find(room.current[authrule.StateKey{Type: "m.room.create"}]); e != nil && json.Unmarshal(e.Content(), &create) == nil && create["type"] != nil {
		out["room_type"] = create["type"]
	}
	return out
}

func (s *Server) publicRooms(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	chunk := []map[string]any{}
	for alias, name := range s.alias {
		if room := s.rooms[name]; room != nil {
			entry := room.summary()
			entry["canonical_alias"] = alias
			chunk = append(chunk, entry)
		}
	}
	say(w, map[string]any{"chunk": chunk, "total_room_count_estimate": len(chunk)})
}

func (s *Server) hierarchy(w http.ResponseWriter, q *http.Request) {
	room := s.roomOf(w, q)
	if room == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	children, inaccessible := []map[string]any{}, []id.Room{}
	top := room.spaceSummary()
	for _, child := range room.children() {
		if other := s.rooms[child]; other != nil {
			children = append(children, other.spaceSummary())
		} else {
			inaccessible = append(inaccessible, child)
		}
	}
	say(w, map[string]any{"room": top, "children": children, "inaccessible_children": inaccessible})
}

func (room *Room) children() []id.Room {
	var out []id.Room
	for key := range room.current {
		if key.Type == "m.space.child" {
			out = append(out, id.Room(key.Key))
		}
	}
	slices.Sort(out)
	return out
}

func (room *Room) spaceSummary() map[string]any {
	out := room.summary()
	state := []any{}
	for _, e := range room.events(room.current) {
		if key, _ := e.StateKey(); e.Type() == "m.space.child" {
			state = append(state, map[string]any{
				"type": e.Type(), "state_key": key, "sender": e.Sender(), "origin_server_ts": e.Timestamp(), "content": json.RawMessage(e.Content()),
			})
		}
	}
	out["children_state"] = state
	return out
}

func (s *Server) devices(w http.ResponseWriter, q *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	user := id.User(q.PathValue("user"))
	p := s.people[user]
	if p == nil {
		fail(w, http.StatusNotFound, "M_NOT_FOUND", "No such user")
		return
	}
	devices := []map[string]any{}
	for device, keys := range p.Devices {
		entry := map[string]any{"device_id": device, "keys": keys}
		if p.Names[device] != "" {
			entry["device_display_name"] = p.Names[device]
		}
		devices = append(devices, entry)
	}
	answer := map[string]any{"user_id": user, "stream_id": p.Stream, "devices": devices}
	if p.Master != nil {
		answer["master_key"] = p.Master
	}
	if p.Self != nil {
		answer["self_signing_key"] = p.Self
	}
	say(w, answer)
}

func (s *Server) queryKeys(w http.ResponseWriter, q *http.Request) {
	var body struct {
		Keys map[id.User][]string `json:"device_keys"`
	}
	if err := json.NewDecoder(q.Body).Decode(&body); err != nil {
		fail(w, http.StatusBadRequest, "M_NOT_JSON", err.Error())
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	devices, master, self := map[id.User]map[string]json.RawMessage{}, map[id.User]json.RawMessage{}, map[id.User]json.RawMessage{}
	for user, wanted := range body.Keys {
		p := s.people[user]
		if p == nil {
			continue
		}
		devices[user] = map[string]json.RawMessage{}
		for device, keys := range p.Devices {
			if len(wanted) == 0 || slices.Contains(wanted, device) {
				devices[user][device] = keys
			}
		}
		if p.Master != nil {
			master[user] = p.Master
		}
		if p.Self != nil {
			self[user] = p.Self
		}
	}
	say(w, map[string]any{"device_keys": devices, "master_keys": master, "self_signing_keys": self})
}

func (s *Server) claimKeys(w http.ResponseWriter, q *http.Request) {
	var body struct {
		Keys map[id.User]map[string]string `json:"one_time_keys"`
	}
	if err := json.NewDecoder(q.Body).Decode(&body); err != nil {
		fail(w, http.StatusBadRequest, "M_NOT_JSON", err.Error())
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	given := map[id.User]map[string]any{}
	for user, wanted := range body.Keys {
		p := s.people[user]
		for device := range wanted {
			if p == nil || len(p.OneTime[device]) == 0 {
				continue
			}
			if given[user] == nil {
				given[user] = map[string]any{}
			}
			given[user][device] = p.OneTime[device][0]
			p.OneTime[device] = p.OneTime[device][1:]
		}
	}
	say(w, map[string]any{"one_time_keys": given})
}

func (s *Server) download(w http.ResponseWriter, q *http.Request) {
	s.mu.Lock()
	content, ok := s.files[q.PathValue("media")]
	s.mu.Unlock()
	if !ok {
		fail(w, http.StatusNotFound, "M_NOT_FOUND", "No such file")
		return
	}
	parts := multipart.NewWriter(w)
	w.Header().Set("Content-Type", "multipart/mixed; boundary="+parts.Boundary())
	for _, part := range []struct {
		typ  string
		body []byte
	}{{"application/json", []byte("{}")}, {"application/octet-stream", content}} {
		out, err := parts.CreatePart(textproto.MIMEHeader{"Content-Type": {part.typ}})
		if err == nil {
			_, err = out.Write(part.body)
		}
		if err != nil {
			return // the other server is gone
		}
	}
	_, _ = io.WriteString(w, "\r\n--"+parts.Boundary()+"--\r\n") // the same
}
