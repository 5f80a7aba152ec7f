package oracle

import (
	"errors"
	"fmt"

	"github.com/matrix-org/gomatrixserverlib"
	"github.com/matrix-org/gomatrixserverlib/spec"

	"freehold.example/matrix/canon"
	"freehold.example/matrix/id"
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
	if tooLarge, ok := errors.AsType[gomatrixserverlib.EventValidationError](err); err != nil && !(ok && tooLarge.Persistable) {
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
