package event

import (
	"strings"

	"freehold.example/matrix/canon"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// Stored makes an event of bytes that Bytes once gave: they were checked then and are trusted now, nothing is hashed. The
// event keeps raw, which the caller must not change any more, and shares what it has in common with like: one that was read before it, or
// nil. The error says that the bytes are damaged.
func Stored(v *version.Version, eventID id.Event, raw []byte, like *Event) (*Event, error) {
	e := &Event{version: v, id: eventID, bytes: raw}
	var space [typicalMembers]canon.Member
	f := fieldsOf(e.members(space[:0]))
	var okType, okSender, okRoom, okDepth, okTime bool
	e.typ, okType = storedType(f.typ)
	if like == nil {
		like = &Event{}
	}
	e.sender, okSender = storedText(f.sender, like.sender)
	e.room, okRoom = storedText(f.room, like.room)
	e.depth, okDepth = canon.Integer(f.depth)
	e.ts, okTime = canon.Integer(f.ts)
	if e.room == "" {
		e.roomFromID()
		okRoom = e.room != ""
	}
	if !okType || !okSender || !okRoom || !okDepth || !okTime || len(f.content) == 0 || len(eventID) < 2 || raw[len(raw)-1] != '}' {
		return nil, invalid("stored bytes of %s are damaged", eventID)
	}
	if f.stateKey != nil {
		key, ok := storedText(f.stateKey, string(e.sender))
		if !ok {
			return nil, invalid("stored bytes of %s are damaged", eventID)
		}
		e.stateKey = &key
	}
	e.content = f.content
	e.auth.list, e.prev.list = f.auth, f.prev
	e.redacts = redacts(v, e.typ, &f)
	return e, nil
}

// storedType is the type, without an allocation for the most frequent ones.
func storedType(value []byte) (string, bool) {
	switch string(value) {
	case `"m.room.encrypted"`:
		return "m.room.encrypted", true
	case `"m.room.message"`:
		return "m.room.message", true
	case `"m.reaction"`:
		return "m.reaction", true
	case `"m.room.member"`:
		return typeMember, true
	case `"m.room.redaction"`:
		return typeRedaction, true
	}
	return canon.String(value)
}

// storedText is the text in a value: like itself, and no allocation, where that is the same.
func storedText[T ~string](value []byte, like T) (T, bool) {
	if n := len(value); n > len(`""`) && string(value[1:n-1]) == string(like) && strings.IndexByte(string(like), '\\') < 0 {
		return like, true
	}
	s, ok := canon.String(value)
	return T(s), ok
}

// references are the events that an event names. Most events that are read from the disk are only shown, so of those they stay text until
// somebody asks.
type references struct {
	known []id.Event
	list  []byte // of a stored event in the place of known: canonical JSON that was checked before
}

func (r references) ids(v *version.Version) []id.Event {
	if len(r.list) <= len("[]") {
		return r.known
	}
	text := string(r.list) // which the ids share
	if v.HashedReferences || strings.IndexByte(text, '\\') >= 0 {
		ids, err := readReferences("stored", r.list, len(r.list), v.HashedReferences)
		if err != nil {
			return nil
		}
		return ids
	}
	ids := make([]id.Event, 0, strings.Count(text, ",")+1)
	for {
		_, after, ok := strings.Cut(text, `"`)
		if !ok {
			return ids
		}
		one, rest, _ := strings.Cut(after, `"`)
		ids = append(ids, id.Event(one))
		text = rest
	}
}
