// Package filter is what a client asks to see and what not: the filters of /sync, /messages, /context and their
// relatives (Client-Server API, "Filtering"), checked once and then asked for every event.
//
// A list that is absent lets everything through; a list that is empty lets nothing through.
package filter

import (
	"freehold.example/matrix/canon"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// MaxBytes is the longest a filter may be.
const MaxBytes = 64 << 10

// Filter is a filter for /sync. The zero value lets everything through. It is not changed after Parse and may be used by
// many goroutines.
type Filter struct {
	Presence        Part // presence updates
	AccountData     Part // account data that belongs to no room
	RoomAccountData Part // account data of rooms
	Ephemeral       Part // typing and receipts
	State           Part // state before the timeline
	Timeline        Part // messages and state changes

	IncludeLeave bool   // rooms that were left are shown too
	Federation   bool   // event_format is "federation": events as servers exchange them
	Fields       Fields // event_fields; the zero value keeps all

	rooms, notRooms set[id.Room]
}

// Parse reads a filter for /sync. Errors are faults: M_TOO_LARGE, M_NOT_JSON, M_BAD_JSON.
func Parse(raw []byte) (*Filter, error) {
	object, err := open(raw)
	if err != nil {
		return nil, err
	}
	f := new(Filter)
	if err := members(object, "", f.parse); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *Filter) parse(at, key string, value []byte) error {
	switch key {
	case "presence":
		return f.Presence.parse(at, value)
	case "account_data":
		return f.AccountData.parse(at, value)
	case "room":
		return members(value, at, f.parseRoom)
	case "event_format":
		format, err := text(at, value)
		if err == nil && format != "client" && format != "federation" {
			err = wrong(at, `"client" or "federation"`)
		}
		f.Federation = format == "federation"
		return err
	case "event_fields":
		return f.Fields.parse(at, value)
	}
	return nil
}

func (f *Filter) parseRoom(at, key string, value []byte) error {
	switch key {
	case "rooms":
		return f.rooms.parse(at, value, id.ParseRoom)
	case "not_rooms":
		return f.notRooms.parse(at, value, id.ParseRoom)
	case "ephemeral":
		return f.Ephemeral.parse(at, value)
	case "state":
		return f.State.parse(at, value)
	case "timeline":
		return f.Timeline.parse(at, value)
	case "account_data":
		return f.RoomAccountData.parse(at, value)
	case "include_leave":
		return flag(at, value, &f.IncludeLeave)
	}
	return nil
}

// Room says whether the filter shows anything of a room at all. The parts have room lists of their own besides.
func (f *Filter) Room(r id.Room) bool { return f.rooms.lets(r) && !f.notRooms.has(r) }

// open makes the outermost object canonical, so that what is in it can be walked through.
func open(raw []byte) ([]byte, error) {
	if len(raw) > MaxBytes {
		return nil, fault.Newf(fault.TooLarge, "A filter has at most %d bytes", MaxBytes)
	}
	object, err := canon.Canonical(raw, canon.Lenient)
	if err != nil {
		return nil, fault.New(fault.NotJSON, "The filter is not JSON").Because(err)
	}
	return object, nil
}

// members calls fn for each member of the object at the place named at, with the member's own place.
func members(object []byte, at string, fn func(at, key string, value []byte) error) error {
	if len(object) == 0 || object[0] != '{' {
		return wrong(at, "an object")
	}
	if at != "" {
		at += "."
	}
	for o := canon.Open(object); ; {
		m, ok := o.Next()
		if !ok {
			return nil
		}
		// Known names have no escapes; others are passed over.
		if err := fn(at+string(m.Key()), string(m.Key()), m.Value()); err != nil {
			return err
		}
	}
}

// elements calls fn for each string of a list.
func elements(list []byte, at string, fn func(s string) error) error {
	if len(list) == 0 || list[0] != '[' {
		return wrong(at, "a list of strings")
	}
	for a := canon.OpenArray(list); ; {
		v, ok := a.Next()
		if !ok {
			return nil
		}
		s, ok := canon.String(v)
		if !ok {
			return wrong(at, "a list of strings")
		}
		if err := fn(s); err != nil {
			return err
		}
	}
}

func text(at string, value []byte) (string, error) {
	s, ok := canon.String(value)
	if !ok {
		return "", wrong(at, "a string")
	}
	return s, nil
}

func flag(at string, value []byte, dst *bool) error {
	switch string(value) {
	case "true":
		*dst = true
	case "false", "null":
		*dst = false
	default:
		return wrong(at, "true or false")
	}
	return nil
}

// wrong says that the value at a place is not what it must be.
func wrong(at, want string) error {
	if at == "" {
		at = "the whole"
	}
	return fault.Newf(fault.BadJSON, "In the filter, %s must be %s", at, want)
}
