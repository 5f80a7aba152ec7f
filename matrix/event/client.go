package event

import (
	"slices"
	"strconv"

	"freehold.example/matrix/canon"
)

// ClientForm says how an event is shown to a client.
type ClientForm struct {
	WithoutRoom bool   // leave room_id out, where the place in the answer says it (/sync)
	Unsigned    []byte // unsigned as JSON; left out when empty
}

// AppendClient appends the event in the format for clients (Client-Server API, "Room event format"). An
// m.room.redaction names its target both at the top level and in content, whatever its room version (v11, "Moving the
// redacts property").
func (e *Event) AppendClient(dst []byte, opt ClientForm) []byte {
	dst = slices.Grow(dst, len(e.content)+len(opt.Unsigned)+300) // ids, keys and punctuation, as a rule
	dst = append(dst, `{"content":`...)
	if e.redacts != "" && !e.version.RedactsInContent && canon.Get(e.content, "redacts") == nil {
		dst = append(dst, `{"redacts":`...)
		dst = canon.AppendString(dst, e.redacts)
		if len(e.content) > len("{}") {
			dst = append(dst, ',')
		}
		dst = append(dst, e.content[1:]...)
	} else {
		dst = append(dst, e.content...)
	}
	dst = append(dst, `,"event_id":`...)
	dst = canon.AppendString(dst, e.id)
	dst = append(dst, `,"origin_server_ts":`...)
	dst = strconv.AppendInt(dst, e.ts, 10)
	if e.redacts != "" {
		dst = append(dst, `,"redacts":`...)
		dst = canon.AppendString(dst, e.redacts)
	}
	if !opt.WithoutRoom {
		dst = append(dst, `,"room_id":`...)
		dst = canon.AppendString(dst, e.room)
	}
	dst = e.appendSubject(dst)
	if len(opt.Unsigned) > 0 {
		dst = append(append(dst, `,"unsigned":`...), opt.Unsigned...)
	}
	return append(dst, '}')
}

// AppendStripped appends the event as stripped state (Client-Server API, "Stripped state"): content, sender, state_key
// and type.
func (e *Event) AppendStripped(dst []byte) []byte {
	dst = append(append(dst, `{"content":`...), e.content...)
	return append(e.appendSubject(dst), '}')
}

// appendSubject appends sender, state_key and type.
func (e *Event) appendSubject(dst []byte) []byte {
	dst = append(dst, `,"sender":`...)
	dst = canon.AppendString(dst, e.sender)
	if e.stateKey != nil {
		dst = append(dst, `,"state_key":`...)
		dst = canon.AppendString(dst, *e.stateKey)
	}
	dst = append(dst, `,"type":`...)
	return canon.AppendString(dst, e.typ)
}
