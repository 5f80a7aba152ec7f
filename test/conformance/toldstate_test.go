package conformance

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"freehold.example/matrix/event"
	"freehold.example/test/remote"
)

// toldState is an answer to send_join.
type toldState map[string]json.RawMessage

// retold changes R's answers to send_join.
func retold(r *remote.Server, change func(toldState)) (remove func()) {
	return r.Hook("PUT /_matrix/federation/v2/send_join/", func(w http.ResponseWriter, q *http.Request, next http.Handler) {
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, q)
		answer := toldState{}
		if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil {
			remote.Say(500, "{}")(w, q, next)
			return
		}
		change(answer)
		body, err := json.Marshal(answer)
		if err != nil {
			panic(err)
		}
		remote.Say(rec.Code, string(body))(w, q, next)
	})
}

func (a toldState) list(key string) (out []json.RawMessage) {
	_ = json.Unmarshal(a[key], &out)
	return out
}

func (a toldState) set(key string, value any) {
	b, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	a[key] = b
}

// add puts events at the end of a list.
func (a toldState) add(key string, events ...json.RawMessage) {
	a.set(key, append(a.list(key), events...))
}

// edit changes the members of one event.
func edit(raw []byte, change func(map[string]json.RawMessage)) json.RawMessage {
	e := map[string]json.RawMessage{}
	if err := json.Unmarshal(raw, &e); err != nil {
		panic(err)
	}
	change(e)
	b, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return b
}

func unsigned(raw []byte) json.RawMessage {
	return edit(raw, func(e map[string]json.RawMessage) { e["signatures"] = json.RawMessage(`{}`) })
}

// B389, B390, B391: what of the state is not signed by whom it should be is left out, with what depends on it.
func TestB389B390B391UnsignedStateIsDropped(t *testing.T) {
	s := first(t)
	r, room, robin := theirs(t, "10")
	s.meet(r)
	wrong := func(raw []byte) json.RawMessage {
		return edit(raw, func(e map[string]json.RawMessage) {
			e["signatures"] = json.RawMessage(strings.Replace(string(e["signatures"]), `":"`, `":"AAAA`, 1))
		})
	}
	otherKey := func(raw []byte) json.RawMessage {
		return edit(raw, func(e map[string]json.RawMessage) {
			e["signatures"] = json.RawMessage(strings.Replace(string(e["signatures"]), string(r.Signer().Key), "ed25519:nobody", 1))
		})
	}
	rita := r.User("rita")
	joined := room.Build(rita, "m.room.member", new(string(rita)), obj{"membership": "join"})
	topic := room.Build(robin, "m.room.topic", new(""), obj{"topic": "x"})
	name := room.Build(robin, "m.room.name", new(""), obj{"name": "x"})
	avatar := room.Build(robin, "m.room.avatar", new(""), obj{"url": "mxc://x/y"})
	byRita := room.Build(rita, "org.example.state", new(""), obj{}, func(d *event.Draft) { d.Auth = append(d.Auth, joined.ID()) })
	retold(r, func(a toldState) {
		a.add("state", unsigned(topic.Bytes()), wrong(name.Bytes()), otherKey(avatar.Bytes()), byRita.Bytes())
		a.add("auth_chain", wrong(joined.Bytes()))
		a.set("members_omitted", false)
	})
	alice := s.newUser(t)
	in := string(room.ID)
	alice.joinVia(in, r.Name).ok()
	for _, typ := range []string{"m.room.topic", "m.room.name", "m.room.avatar", "org.example.state"} {
		alice.state(in, typ, "").fails(404)
	}
	alice.state(in, "m.room.member", string(rita)).fails(404)
	alice.state(in, "m.room.join_rules", "").ok()
}

// Answers to send_join that make no room are refused, nothing of them stays, and the room can still be joined through an
// honest server.
func TestB389HostileAnswers(t *testing.T) {
	s := first(t)
	other := remote.New(t)
	stray := other.NewRoom("10", other.User("mallory"))
	pick := func(list []json.RawMessage, typ string, keep bool) (out []json.RawMessage) {
		for _, raw := range list {
			if strings.Contains(string(raw), `"type":"`+typ+`"`) == keep {
				out = append(out, raw)
			}
		}
		return out
	}
	for name, change := range map[string]func(a toldState){
		"nothing":         func(a toldState) { maps.DeleteFunc(a, func(string, json.RawMessage) bool { return true }) },
		"no state":        func(a toldState) { a.set("state", list{}) },
		"state of a type": func(a toldState) { a.set("state", "x") },
		"no create event": func(a toldState) { a.set("state", pick(a.list("state"), "m.room.create", false)) },
		"create unsigned": func(a toldState) {
			a.set("state", append(pick(a.list("state"), "m.room.create", false), unsigned(pick(a.list("state"), "m.room.create", true)[0])))
		},
		"another room's": func(a toldState) { a.set("state", eventsOf(stray)); a.set("auth_chain", eventsOf(stray)) },
		"another version's": func(a toldState) {
			a.set("state", append(pick(a.list("state"), "m.room.create", false), edit(pick(a.list("state"), "m.room.create", true)[0], func(e map[string]json.RawMessage) {
				e["content"] = json.RawMessage(`{"room_version":"9"}`)
			})))
		},
		"only the create event": func(a toldState) {
			a.set("state", pick(a.list("state"), "m.room.create", true))
			a.set("auth_chain", list{})
		},
		"garbage": func(a toldState) {
			a.set("state", list{1, nil, "x", list{}, obj{}, obj{"type": "m.room.create", "state_key": ""}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, room, _ := theirs(t, "10")
			s.meet(r)
			alice, in := s.newUser(t), string(room.ID)
			remove := retold(r, change)
			if a := alice.joinVia(in, r.Name); a.status < 400 {
				t.Errorf("she has joined: %s", a)
			}
			if a := alice.sync("", nil); !a.joined(in).missing() {
				t.Errorf("she is in %s", a.joined(in))
			}
			remove()
			alice.joinVia(in, r.Name).ok()
			alice.send(in, "well")
		})
	}
}

func eventsOf(room *remote.Room) (out []json.RawMessage) {
	for _, e := range room.Events() {
		out = append(out, e.Bytes())
	}
	return out
}

// A restricted join that the server which allows it has not signed is none.
func TestB397UnsignedAuthorisation(t *testing.T) {
	s := first(t)
	r, room, robin := theirs(t, "10")
	s.meet(r)
	allowed := r.NewRoom("10", robin)
	alice, in := s.newUser(t), string(room.ID)
	alice.joinVia(string(allowed.ID), r.Name).ok()
	room.State(robin, "m.room.join_rules", "", obj{"join_rule": "restricted", "allow": list{obj{"type": "m.room_membership", "room_id": allowed.ID}}})
	remove := retold(r, func(a toldState) { a.set("event", obj{"signatures": obj{}}) })
	if a := alice.joinVia(in, r.Name); a.status < 400 {
		t.Errorf("she has joined: %s", a)
	}
	remove()
	alice.joinVia(in, r.Name).ok()
}
