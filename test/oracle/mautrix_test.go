package oracle

import (
	"encoding/base64"
	"encoding/json/v2"
	"errors"
	"fmt"
	"time"

	"github.com/matrix-org/gomatrixserverlib"
	"maunium.net/go/mautrix/crypto/canonicaljson"
	"maunium.net/go/mautrix/federation/eventauth"
	"maunium.net/go/mautrix/federation/pdu"
	mid "maunium.net/go/mautrix/id"

	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// mautrixEvent is what mautrix says about an event.
func mautrixEvent(c *eventCase, ours eventAnswer) (a eventAnswer) {
	defer func() {
		if r := recover(); r != nil {
			a = eventAnswer{refused: fmt.Sprint("panic: ", r)}
		}
	}()
	v := mid.RoomVersion(c.version.ID)
	var e pdu.AnyPDU
	var sender mid.UserID
	var redact func() pdu.AnyPDU
	if c.version.HashedReferences {
		var p pdu.RoomV1PDU
		if err := json.Unmarshal(c.raw, &p); err != nil {
			return eventAnswer{refused: err.Error()}
		}
		e, sender = &p, p.Sender
		redact = func() pdu.AnyPDU { return p.Clone().Redact(v) }
	} else {
		var p pdu.PDU
		if err := json.Unmarshal(c.raw, &p); err != nil {
			return eventAnswer{refused: err.Error()}
		}
		e, sender = &p, p.Sender
		redact = func() pdu.AnyPDU { return p.Clone().Redact(v) }
	}
	eventID, err := e.GetEventID(v)
	if err != nil {
		return eventAnswer{refused: err.Error()}
	}
	if _, err := e.GetReferenceHash(v); err != nil {
		return eventAnswer{refused: err.Error()}
	}
	a.id = string(eventID)
	a.hashed = e.VerifyContentHash()
	redacted, err := canonicaljson.Marshal(redact())
	if err != nil {
		return eventAnswer{refused: err.Error()}
	}
	a.redacted = string(redacted)
	server := id.User(sender).Server()
	a.signed = e.VerifySignature(v, string(server), mautrixKey) == nil
	if ours.refused == "" && ours.resigned != "" {
		if err := e.Sign(v, string(server), keyID, keyOf(server)); err != nil {
			a.resigned = err.Error()
		} else if signed, err := canonicaljson.Marshal(e); err != nil {
			a.resigned = err.Error()
		} else {
			a.resigned = signatureIn(signed, server)
		}
	}
	return a
}

// mautrixKey is how mautrix asks for a server's key.
func mautrixKey(server string, key mid.KeyID, _ time.Time) (mid.SigningKey, time.Time, error) {
	if key != keyID {
		return "", time.Time{}, nil
	}
	if server == "" {
		return "", time.Time{}, errors.New("no such server")
	}
	return mid.SigningKey(base64.RawStdEncoding.EncodeToString(publicKeyOf(id.Server(server)))), time.Unix(1<<45, 0), nil
}

// theirs is an event as the other libraries read it. mautrix has no rules for room versions 1 and 2.
func theirs(e *event.Event) (gomatrixserverlib.PDU, *pdu.PDU) {
	v := gomatrixserverlib.MustGetRoomVersion(gomatrixserverlib.RoomVersion(e.Version().ID))
	// With our id, so that how it reads numbers and redacts, which TestEvents is about, is of no consequence.
	g, err := v.NewEventFromTrustedJSONWithEventID(string(e.ID()), e.Bytes(), false)
	if err != nil {
		panic(fmt.Sprintf("%v: %s", err, e.Bytes())) // Build makes only good events
	}
	if e.Version().HashedReferences {
		return g, nil
	}
	var m pdu.PDU
	if err := json.Unmarshal(e.Bytes(), &m); err != nil {
		panic(fmt.Sprintf("%v: %s", err, e.Bytes()))
	}
	return g, &m
}

// mautrixAuth is what mautrix says about an event in a state.
func mautrixAuth(v *version.Version, e *pdu.PDU, state []*node) (answer string) {
	defer func() {
		if r := recover(); r != nil {
			answer = fmt.Sprint("panic: ", r)
		}
	}()
	rv := mid.RoomVersion(v.ID)
	needed := e.AuthEventSelection(rv)
	events := []*pdu.PDU{}
	var create []*pdu.PDU
	for _, n := range state {
		if n.mautrix.Type == "m.room.create" {
			create = append(create, n.mautrix)
		}
		if needed.Has(pdu.StateKey{Type: n.mautrix.Type, StateKey: *n.mautrix.StateKey}) {
			events = append(events, n.mautrix)
		}
	}
	get := func([]mid.EventID) ([]*pdu.PDU, error) { return create, nil } // it asks for the create event only
	return allowed(eventauth.Authorize(rv, e, events, get, mautrixKey))
}

// mautrixAuthEvents is what mautrix says about an event and the auth events that it names.
func mautrixAuthEvents(v *version.Version, e *pdu.PDU, known []*node, rejected map[id.Event]bool) (answer string) {
	defer func() {
		if r := recover(); r != nil {
			answer = fmt.Sprint("panic: ", r)
		}
	}()
	get := func(names []mid.EventID) (found []*pdu.PDU, _ error) {
		for _, name := range names {
			for _, n := range known {
				if string(n.event.ID()) == string(name) {
					copied := *n.mautrix
					copied.InternalMeta.Rejected = rejected[n.event.ID()]
					found = append(found, &copied)
					break
				}
			}
		}
		return found, nil
	}
	return allowed(eventauth.Authorize(mid.RoomVersion(v.ID), e, nil, get, mautrixKey))
}
