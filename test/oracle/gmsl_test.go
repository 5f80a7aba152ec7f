package oracle

import (
	"errors"
	"fmt"

	"github.com/matrix-org/gomatrixserverlib"
	"github.com/matrix-org/gomatrixserverlib/spec"

	"freehold.example/matrix/canon"
	"freehold.example/matrix/id"
	"freehold.example/matrix/stateres"
	"freehold.example/matrix/version"
)

// gmslEvent is what gomatrixserverlib says about an event.
func gmslEvent(c *eventCase, ours eventAnswer) (a eventAnswer) {
	defer func() {
		if r := recover(); r != nil {
			a = eventAnswer{refused: fmt.Sprint("panic: ", r)}
		}
	}()
	v := gomatrixserverlib.MustGetRoomVersion(gomatrixserverlib.RoomVersion(c.version.ID))
	e, err := v.NewEventFromUntrustedJSON(c.raw)
	if tooLarge, ok := errors.AsType[gomatrixserverlib.EventValidationError](err); err != nil && (!ok || !tooLarge.Persistable) {
		return eventAnswer{refused: err.Error()}
	}
	e.RoomID() // panics where the room id is malformed
	a.id, a.hashed = e.EventID(), !e.Redacted()
	server := id.User(e.SenderID()).Server()
	redacted, err := v.RedactEventJSON(e.JSON())
	if err != nil {
		return eventAnswer{refused: err.Error()}
	}
	redacted = gomatrixserverlib.CanonicalJSONAssumeValid(redacted)
	a.redacted = string(redacted)
	a.signed = gomatrixserverlib.VerifyJSON(string(server), keyID, publicKeyOf(server), redacted) == nil
	if ours.refused == "" && ours.resigned != "" {
		fresh, err := v.NewEventFromTrustedJSON(e.JSON(), false) // Sign changes the event
		if err != nil {
			return eventAnswer{refused: err.Error()}
		}
		a.resigned = sign(fresh, server)
	}
	return a
}

func sign(e gomatrixserverlib.PDU, server id.Server) (signature string) {
	defer func() {
		if r := recover(); r != nil {
			signature = fmt.Sprint("panic: ", r)
		}
	}()
	signed := e.Sign(string(server), keyID, keyOf(server)).JSON()
	if text, err := canon.Canonical(signed, canon.Lenient); err == nil {
		signed = text
	}
	return signatureIn(signed, server)
}

// gmslUser is how gomatrixserverlib asks for the user id of a sender.
func gmslUser(_ spec.RoomID, sender spec.SenderID) (*spec.UserID, error) {
	return spec.NewUserID(string(sender), true)
}

// gmslAuth is what gomatrixserverlib says about an event in a state: its Allowed, and the signature of who vouches for a
// restricted join, which it checks elsewhere.
func gmslAuth(e gomatrixserverlib.PDU, state []*node) (answer string) {
	defer func() {
		if r := recover(); r != nil {
			answer = fmt.Sprint("panic: ", r)
		}
	}()
	if answer := gmslAllowed(e, state); answer != "allowed" {
		return answer
	}
	if membership, err := e.Membership(); e.Type() == "m.room.member" && err == nil && membership == "join" {
		v := gomatrixserverlib.MustGetRoomVersion(e.Version())
		server, err := v.RestrictedJoinServername(e.Content())
		if err != nil {
			return err.Error()
		}
		if server != "" {
			redacted, err := v.RedactEventJSON(e.JSON())
			if err != nil {
				return err.Error()
			}
			return allowed(gomatrixserverlib.VerifyJSON(string(server), keyID, publicKeyOf(id.Server(server)), redacted))
		}
	}
	return "allowed"
}

// gmslAllowed is Allowed alone.
func gmslAllowed(e gomatrixserverlib.PDU, state []*node) (answer string) {
	defer func() {
		if r := recover(); r != nil {
			answer = fmt.Sprint("panic: ", r)
		}
	}()
	events := make([]gomatrixserverlib.PDU, len(state))
	for i, n := range state {
		events[i] = n.gmsl
	}
	provider, err := gomatrixserverlib.NewAuthEvents(events)
	if err != nil {
		return err.Error()
	}
	return allowed(gomatrixserverlib.Allowed(e, provider, gmslUser))
}

// gmslState is the state that gomatrixserverlib resolves, or why it does not.
func gmslState(c *stateCase) (state stateres.StateMap, trouble string) {
	defer func() {
		if r := recover(); r != nil {
			state, trouble = nil, fmt.Sprint("panic: ", r, "; ")
		}
	}()
	sets := make([][]gomatrixserverlib.PDU, len(c.sets))
	for i, set := range c.sets {
		for _, e := range c.room.stateEvents(set) {
			sets[i] = append(sets[i], c.room.byID[e.ID()].gmsl)
		}
	}
	var known []gomatrixserverlib.PDU
	if c.room.version.StateRes == version.V1 {
		// Its v1 takes the unconflicted events that it may need as these.
		m := model{room: c.room, sets: c.sets}
		unconflicted, _ := m.split()
		for _, e := range c.room.stateEvents(unconflicted) {
			known = append(known, c.room.byID[e.ID()].gmsl)
		}
	} else {
		for _, n := range c.room.nodes {
			known = append(known, n.gmsl)
		}
	}
	resolved, err := gomatrixserverlib.ResolveConflictsNew(gomatrixserverlib.RoomVersion(c.room.version.ID), sets, known, gmslUser,
		func(name string) bool { return c.rejected[id.Event(name)] })
	if err != nil {
		return nil, err.Error()
	}
	state = stateres.StateMap{}
	for _, e := range resolved {
		state[stateKey{Type: e.Type(), Key: *e.StateKey()}] = id.Event(e.EventID())
	}
	return state, ""
}

// withJoinRule is a join rules event with another rule.
func withJoinRule(e gomatrixserverlib.PDU, rule string) gomatrixserverlib.PDU {
	t := parseTree(e.JSON()).set("content", object().set("join_rule", str(rule)))
	changed, err := gomatrixserverlib.MustGetRoomVersion(e.Version()).NewEventFromTrustedJSONWithEventID(e.EventID(), t.bytes(), false)
	if err != nil {
		panic(err)
	}
	return changed
}
