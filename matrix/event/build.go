package event

import (
	"crypto/sha256"
	"encoding/base64"
	"strconv"

	"freehold.example/matrix/canon"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// Draft is an event to be made.
type Draft struct {
	Room      id.Room // "" for the create event of a room whose id is that event's hash
	Type      string
	StateKey  *string // nil: not a state event
	Sender    id.User
	Content   []byte   // any JSON object
	Redacts   id.Event // of an m.room.redaction; put where the room version wants it
	Prev      []id.Event
	Auth      []id.Event
	Depth     int64 // the largest of Prev plus one; what is over the version's limit, or overflowed, is set to the limit
	Timestamp int64 // ms

	// Hashes are the reference hashes of Prev and Auth, needed only where version.HashedReferences is set (v1 and v2).
	Hashes map[id.Event][sha256.Size]byte
	// ID is the event id where version.IDGiven holds (v1 and v2). "" makes one from the event's hash.
	ID id.Event
}

// Build makes the event that d describes: canonical, within all limits, hashed, signed and with its id. It fails with
// *Invalid.
func Build(v *version.Version, d Draft, s Signer) (*Event, error) {
	if uint64(d.Depth) > uint64(v.MaxDepth) { // a negative one, too
		d.Depth = v.MaxDepth
	}
	content, err := d.content(v)
	if err != nil {
		return nil, err
	}
	if v.EventID == version.IDGiven && d.ID == "" {
		if d.ID, err = d.makeID(v, content, s.Server); err != nil {
			return nil, err
		}
	}
	buf := make([]byte, 0, len(content)+60*(len(d.Prev)+len(d.Auth))+1000)
	buf, hashesAt, signaturesAt, err := d.append(buf, v, content)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(buf)

	// Put in the hash, sign that, and put in the signature behind it: in canonical order, hashes stand before signatures.
	e := &Event{version: v, typ: d.Type, bytes: make([]byte, 0, len(buf)+300)}
	e.bytes = append(append(e.bytes, buf[:hashesAt]...), `,"hashes":{"sha256":"`...)
	e.bytes = base64.RawStdEncoding.AppendEncode(e.bytes, sum[:])
	e.bytes = append(append(e.bytes, `"}`...), buf[hashesAt:signaturesAt]...)
	unsigned := len(e.bytes)
	e.bytes = append(e.bytes, buf[signaturesAt:]...)
	form := e.signedForm()
	e.bytes = append(e.bytes[:unsigned], `,"signatures":`...)
	e.bytes = appendSignatures(e.bytes, nil, string(s.Server), s.Key, sign(form, s))
	e.bytes = append(e.bytes, buf[signaturesAt:]...)

	if len(e.bytes) > MaxSize {
		return nil, tooLarge("%d bytes of canonical JSON", len(e.bytes))
	}
	var space [typicalMembers]canon.Member
	f := fieldsOf(e.members(space[:0]))
	if err := e.read(&f); err != nil {
		return nil, err
	}
	e.identify(form)
	return e, nil
}

// Template is the event that d describes for somebody else to make: without hashes and signatures, and with the server that
// offers it as its origin (Server-Server API, "Joining Rooms"). It fails with *Invalid.
func Template(v *version.Version, d Draft, origin id.Server) ([]byte, error) {
	content, err := d.content(v)
	if err != nil {
		return nil, err
	}
	b, _, _, err := d.append(nil, v, content)
	if err != nil {
		return nil, err
	}
	t := canon.AppendString([]byte(`{"origin":`), origin)
	return append(append(t, ','), b[1:]...), nil
}

// content is the content in canonical form, with redacts in it where the version has it there.
func (d *Draft) content(v *version.Version) ([]byte, error) {
	content, err := canon.Canonical(d.Content, mode(v))
	switch {
	case err != nil:
		return nil, invalid("content: %v", err)
	case len(content) == 0 || content[0] != '{':
		return nil, invalid("content: not an object")
	case d.Redacts != "" && v.RedactsInContent:
		return appendWith(nil, content, "redacts", func(dst, _ []byte) []byte {
			return canon.AppendString(dst, d.Redacts)
		}), nil
	}
	return content, nil
}

// makeID makes an event id of the form that room versions 1 and 2 have, from the hash of what the event will be: two
// different events get different ids, and the same draft the same.
func (d *Draft) makeID(v *version.Version, content []byte, server id.Server) (id.Event, error) {
	buf, _, _, err := d.append(nil, v, content)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(buf)
	return id.Event("$" + base64.RawURLEncoding.EncodeToString(sum[:24]) + ":" + string(server)), nil
}

// append appends the event in canonical form, yet without hashes and signatures, and says where they belong. What is
// wrong with the fields is left for Event.read to find.
func (d *Draft) append(b []byte, v *version.Version, content []byte) (_ []byte, hashesAt, signaturesAt int, err error) {
	b = append(b, `{"auth_events":`...)
	if b, err = d.appendReferences(b, v, d.Auth); err != nil {
		return nil, 0, 0, err
	}
	b = append(append(b, `,"content":`...), content...)
	b = strconv.AppendInt(append(b, `,"depth":`...), d.Depth, 10)
	if v.EventID == version.IDGiven && d.ID != "" {
		b = canon.AppendString(append(b, `,"event_id":`...), d.ID)
	}
	hashesAt = len(b)
	b = strconv.AppendInt(append(b, `,"origin_server_ts":`...), d.Timestamp, 10)
	b = append(b, `,"prev_events":`...)
	if b, err = d.appendReferences(b, v, d.Prev); err != nil {
		return nil, 0, 0, err
	}
	if d.Redacts != "" && !v.RedactsInContent {
		b = canon.AppendString(append(b, `,"redacts":`...), d.Redacts)
	}
	if d.Room != "" {
		b = canon.AppendString(append(b, `,"room_id":`...), d.Room)
	}
	b = canon.AppendString(append(b, `,"sender":`...), d.Sender)
	signaturesAt = len(b)
	if d.StateKey != nil {
		b = canon.AppendString(append(b, `,"state_key":`...), *d.StateKey)
	}
	b = canon.AppendString(append(b, `,"type":`...), d.Type)
	return append(b, '}'), hashesAt, signaturesAt, nil
}

// appendReferences appends auth_events or prev_events.
func (d *Draft) appendReferences(b []byte, v *version.Version, ids []id.Event) ([]byte, error) {
	b = append(b, '[')
	for i, e := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		if !v.HashedReferences {
			b = canon.AppendString(b, e)
			continue
		}
		hash, ok := d.Hashes[e]
		if !ok {
			return nil, invalid("no reference hash for %s", e)
		}
		b = append(canon.AppendString(append(b, '['), e), `,{"sha256":"`...)
		b = base64.RawStdEncoding.AppendEncode(b, hash[:])
		b = append(b, `"}]`...)
	}
	return append(b, ']'), nil
}
