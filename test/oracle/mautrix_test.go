package oracle

import (
	"encoding/base64"
	"encoding/json/v2"
	"errors"
	"fmt"
	"time"

	"maunium.net/go/mautrix/crypto/canonicaljson"
	"maunium.net/go/mautrix/federation/pdu"
	mid "maunium.net/go/mautrix/id"

	"freehold.example/matrix/id"
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
