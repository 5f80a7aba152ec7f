package event

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"freehold.example/matrix/canon"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// typicalMembers is room for the members of an event without going to the heap.
const typicalMembers = 20

// Parse reads an event that another server sent. It does the checks that need nothing but the event: the format and the
// limits of its room version, and the content hash. An event that fails the former is an *Invalid; one whose content
// hash does not match comes back redacted, as the specification wants (Server-Server API, "Checks performed on receipt
// of a PDU", 1 and 3), and Redacted tells. Signatures are left to Verify.
//
// unsigned is dropped, and so are top-level age_ts, outlier and destinations, which the field's servers leave out of the
// hashes as well. raw is not kept.
func Parse(v *version.Version, raw []byte) (*Event, error) {
	if len(raw) > MaxRaw {
		return nil, tooLarge("%d bytes", len(raw))
	}
	var space [typicalMembers]canon.Member
	_, members, err := canon.Members(raw, mode(v), space[:0])
	if err != nil {
		return nil, invalid("%v", err)
	}
	e := &Event{version: v, bytes: appendObject(make([]byte, 0, size(members)), members, isStored)}
	if len(e.bytes) > MaxSize {
		return nil, tooLarge("%d bytes of canonical JSON", len(e.bytes))
	}
	members = e.members(space[:0])
	f := fieldsOf(members)
	if err := e.read(&f); err != nil {
		return nil, err
	}
	want, err := f.contentHash()
	if err != nil {
		return nil, err
	}
	scratch := appendObject(make([]byte, 0, len(e.bytes)), members, isHashed)
	if got := sha256.Sum256(scratch); !bytes.Equal(got[:], want) {
		if e, err = e.redact(); err != nil {
			return nil, err
		}
		members = e.members(space[:0])
	}
	e.identify(e.appendRedacted(scratch[:0], members, signed))
	return e, nil
}

func mode(v *version.Version) canon.Mode {
	if v.StrictJSON {
		return canon.Strict
	}
	return canon.Lenient
}

// fields are the members that every event has or may have, as canonical JSON; nil where there is none.
type fields struct {
	auth, content, depth, id, hashes, ts, prev, redacts, room, sender, signatures, stateKey, typ []byte
}

// set takes a member down if it is one of the fields.
func (f *fields) set(m canon.Member) {
	switch string(m.Key()) {
	case "auth_events":
		f.auth = m.Value()
	case "content":
		f.content = m.Value()
	case "depth":
		f.depth = m.Value()
	case "event_id":
		f.id = m.Value()
	case "hashes":
		f.hashes = m.Value()
	case "origin_server_ts":
		f.ts = m.Value()
	case "prev_events":
		f.prev = m.Value()
	case "redacts":
		f.redacts = m.Value()
	case "room_id":
		f.room = m.Value()
	case "sender":
		f.sender = m.Value()
	case "signatures":
		f.signatures = m.Value()
	case "state_key":
		f.stateKey = m.Value()
	case "type":
		f.typ = m.Value()
	}
}

// fieldsOf picks the fields out of an event's members.
func fieldsOf(members []canon.Member) fields {
	var f fields
	for _, m := range members {
		f.set(m)
	}
	return f
}

// isStored says whether a top-level key of a received event is kept.
func isStored(key []byte) bool {
	switch string(key) {
	case "unsigned", "age_ts", "outlier", "destinations":
		return false
	}
	return true
}

// isHashed says whether a top-level key counts for the content hash (Server-Server API, "Calculating the content hash for
// an event"), of those that isStored lets through.
func isHashed(key []byte) bool {
	return string(key) != "hashes" && string(key) != "signatures"
}

// size is the length of the object of those members that isStored lets through.
func size(members []canon.Member) int {
	n := len("{}")
	for _, m := range members {
		if isStored(m.Key()) {
			n += len(m.Raw()) + 1
		}
	}
	return n
}

// appendObject appends the object of those members whose key passes.
func appendObject(dst []byte, members []canon.Member, passes func(key []byte) bool) []byte {
	dst = append(dst, '{')
	for _, m := range members {
		if passes(m.Key()) {
			dst = append(appendComma(dst), m.Raw()...)
		}
	}
	return append(dst, '}')
}

// members appends the event's members to dst.
func (e *Event) members(dst []canon.Member) []canon.Member {
	for o := canon.Open(e.bytes); ; {
		m, ok := o.Next()
		if !ok {
			return dst
		}
		dst = append(dst, m)
	}
}

// read checks the fields and fills the event from them, all but its id where that is a hash.
func (e *Event) read(f *fields) error {
	v := e.version
	var err error
	if e.typ, err = shortString(v, "type", f.typ); err != nil {
		return err
	}
	if f.stateKey != nil {
		key, err := shortString(v, "state_key", f.stateKey)
		if err != nil {
			return err
		}
		e.stateKey = &key
	}
	if e.sender, err = identifier("sender", f.sender, id.ParseUser); err != nil {
		return err
	}
	if v.RoomIDIsCreateHash && e.typ == typeCreate {
		if f.room != nil {
			return invalid("room_id: a create event of this room version has none")
		}
	} else if e.room, err = identifier("room_id", f.room, id.ParseRoom); err != nil {
		return err
	} else if e.room.Server() == "" && !v.RoomIDIsCreateHash {
		return invalid("room_id: has no server name")
	}
	if v.EventID == version.IDGiven {
		if e.id, err = identifier("event_id", f.id, id.ParseEvent); err != nil {
			return err
		}
		if e.id.Server() == "" {
			return invalid("event_id: has no server name")
		}
	} else if f.id != nil {
		// "No longer included" (v3, "Event format"), yet redaction would keep it and so make it part of the hash. Servers
		// refuse it or take it out; none makes an id with it.
		return invalid("event_id: an event of this room version has none")
	}
	var ok bool
	if e.depth, ok = canon.Integer(f.depth); !ok || e.depth < 0 || e.depth > v.MaxDepth {
		return invalid("depth: not an integer of 0 to %d", v.MaxDepth)
	}
	if e.ts, ok = canon.Integer(f.ts); !ok {
		return invalid("origin_server_ts: not an integer")
	}
	if v.StrictJSON && (e.ts > canon.MaxInteger || e.ts < -canon.MaxInteger) { // of a draft; others were scanned
		return invalid("origin_server_ts: beyond 2^53-1")
	}
	if len(f.content) == 0 || f.content[0] != '{' {
		return invalid("content: not an object")
	}
	e.content = f.content
	if e.auth.known, err = readReferences("auth_events", f.auth, MaxAuth, v.HashedReferences); err != nil {
		return err
	}
	if e.prev.known, err = readReferences("prev_events", f.prev, MaxPrev, v.HashedReferences); err != nil {
		return err
	}
	if f.redacts != nil && !v.RedactsInContent {
		if _, ok := canon.String(f.redacts); !ok {
			return invalid("redacts: not a string")
		}
	}
	e.redacts = redacts(v, e.typ, f)
	return checkSignatures(f.signatures)
}

// shortString reads type or state_key. NUL is refused: PostgreSQL cannot keep it, and no server of the field can both.
func shortString(v *version.Version, name string, value []byte) (string, error) {
	s, ok := canon.String(value)
	size := len(s)
	if v.CodePointLimits {
		size = utf8.RuneCountInString(s)
	}
	switch {
	case !ok:
		return "", invalid("%s: not a string", name)
	case size > MaxString:
		return "", tooLarge("%s: %d bytes", name, len(s))
	case strings.IndexByte(s, 0) >= 0:
		return "", invalid("%s: has a NUL", name)
	}
	return s, nil
}

func identifier[T ~string](name string, value []byte, parse func(string) (T, error)) (T, error) {
	s, ok := canon.String(value)
	if !ok {
		return "", invalid("%s: not a string", name)
	}
	if len(s) > id.MaxLength {
		return "", tooLarge("%s: %d bytes", name, len(s))
	}
	t, err := parse(s)
	if err != nil {
		return "", invalid("%s: %v", name, err)
	}
	return t, nil
}

// references reads auth_events or prev_events: a list of event ids, or of pairs of an event id and its hashes. The hashes
// are not looked at: no server of the field does, and the signatures cover them.
func readReferences(name string, list []byte, most int, pairs bool) ([]id.Event, error) {
	if len(list) == 0 || list[0] != '[' {
		return nil, invalid("%s: not a list", name)
	}
	n := 0
	for a := canon.OpenArray(list); ; n++ {
		if _, ok := a.Next(); !ok {
			break
		}
	}
	if n > most {
		return nil, tooLarge("%s: %d entries", name, n)
	}
	ids := make([]id.Event, 0, n)
	for a := canon.OpenArray(list); ; {
		ref, ok := a.Next()
		if !ok {
			return ids, nil
		}
		if pairs {
			pair := canon.OpenArray(ref)
			first, _ := pair.Next()
			second, _ := pair.Next()
			if _, more := pair.Next(); more || len(second) == 0 || second[0] != '{' {
				return nil, invalid("%s: an entry is not a pair of event id and hashes", name)
			}
			ref = first
		}
		e, err := identifier(name, ref, id.ParseEvent)
		if err != nil {
			return nil, err
		}
		ids = append(ids, e)
	}
}

// redacts is the event a redaction names, or "". It need not be a well-formed event id: that is for whoever carries the
// redaction out, and an event may name nonsense.
func redacts(v *version.Version, typ string, f *fields) id.Event {
	if typ != typeRedaction {
		return ""
	}
	value := f.redacts
	if v.RedactsInContent {
		value = canon.Get(f.content, "redacts")
	}
	s, _ := canon.String(value)
	return id.Event(s)
}

// contentHash is the content hash the event gives.
func (f *fields) contentHash() ([]byte, error) {
	if len(f.hashes) == 0 || f.hashes[0] != '{' {
		return nil, invalid("hashes: not an object")
	}
	text, ok := canon.String(canon.Get(f.hashes, "sha256"))
	if !ok {
		return nil, invalid("hashes: no sha256")
	}
	hash, err := DecodeBase64(text)
	if err != nil {
		return nil, invalid("hashes: %v", err)
	}
	return hash, nil
}

// identify sets the event's id, where it is a hash, from the event's signed form, and the room id that follows from it.
// The reference hash is taken of the same bytes as are signed: the redacted event without signatures (Server-Server API,
// "Calculating the reference hash for an event").
func (e *Event) identify(form []byte) {
	switch e.version.EventID {
	case version.IDGiven:
	case version.IDBase64:
		sum := sha256.Sum256(form)
		e.id = id.Event("$" + base64.RawStdEncoding.EncodeToString(sum[:]))
	case version.IDURLSafe:
		sum := sha256.Sum256(form)
		e.id = id.Event("$" + base64.RawURLEncoding.EncodeToString(sum[:]))
	}
	e.roomFromID()
}

// roomFromID sets the room id of a create event that has none of its own: its event id with the other sigil.
func (e *Event) roomFromID() {
	if e.version.RoomIDIsCreateHash && e.typ == typeCreate && e.id != "" {
		e.room = id.Room("!" + e.id[1:])
	}
}
