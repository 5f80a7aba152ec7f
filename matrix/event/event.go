// Package event is a Matrix event as servers exchange it (a PDU), in every room version: parsed once from untrusted
// bytes, hashed, redacted, signed and verified.
//
// An Event is immutable. Its bytes are the canonical JSON of the signed event without `unsigned`; they are what is
// stored, sent to other servers and hashed, and they are never marshalled again (design D8).
package event

import (
	"slices"

	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// Event is one event of a room. The zero value is not an event; Parse, Stored and Build make them.
type Event struct {
	version  *version.Version
	id       id.Event
	room     id.Room
	sender   id.User
	typ      string
	stateKey *string
	content  []byte // canonical JSON object, a slice of bytes where that is possible
	depth    int64
	ts       int64
	prev     references
	auth     references
	redacts  id.Event
	bytes    []byte
	redacted bool
}

// Version is the room version whose rules the event was parsed by.
func (e *Event) Version() *version.Version { return e.version }

// ID is the event id: given by its sender in room versions 1 and 2, the reference hash from version 3 on.
func (e *Event) ID() id.Event { return e.id }

// Room is the room id. For a create event of a version 12 room, which carries none, it is derived from the event id.
func (e *Event) Room() id.Room { return e.room }

// Sender is the user who sent the event.
func (e *Event) Sender() id.User { return e.sender }

// Type is the event type, such as m.room.message.
func (e *Event) Type() string { return e.typ }

// StateKey is the state key, and whether there is one: an event without one is not a state event.
func (e *Event) StateKey() (key string, ok bool) {
	if e.stateKey == nil {
		return "", false
	}
	return *e.stateKey, true
}

// IsState says whether this is the state event of that type and key.
func (e *Event) IsState(typ, key string) bool {
	return e.stateKey != nil && e.typ == typ && *e.stateKey == key
}

// Content is the content, a canonical JSON object. The caller must not change it.
func (e *Event) Content() []byte { return slices.Clip(e.content) }

// Depth is the depth its sender gave it.
func (e *Event) Depth() int64 { return e.depth }

// Timestamp is origin_server_ts: milliseconds since 1970, as its sender's clock had it.
func (e *Event) Timestamp() int64 { return e.ts }

// Prev are the event's prev_events. The caller must not change the slice. Of a stored event they are read anew each time.
func (e *Event) Prev() []id.Event { return e.prev.ids(e.version) }

// Auth are the event's auth_events, as Prev.
func (e *Event) Auth() []id.Event { return e.auth.ids(e.version) }

// Redacts is the event that an m.room.redaction asks to redact, wherever this room version keeps it
// (top level before version 11, in content from then on), or "".
func (e *Event) Redacts() id.Event { return e.redacts }

// Bytes is the whole event in canonical JSON without unsigned. The caller must not change it.
func (e *Event) Bytes() []byte { return slices.Clip(e.bytes) }

// Redacted says whether this copy was made by Redact, or by Parse because the content hash did not match. It is not kept
// in the bytes: Stored always says false.
func (e *Event) Redacted() bool { return e.redacted }
