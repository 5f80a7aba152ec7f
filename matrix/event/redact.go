package event

import (
	"bytes"
	"crypto/sha256"

	"freehold.example/matrix/canon"
	"freehold.example/matrix/version"
)

// The event types that the format itself knows.
const (
	typeAliases     = "m.room.aliases"
	typeCreate      = "m.room.create"
	typeHistory     = "m.room.history_visibility"
	typeJoinRules   = "m.room.join_rules"
	typeMember      = "m.room.member"
	typePowerLevels = "m.room.power_levels"
	typeRedaction   = "m.room.redaction"
)

// form is one of the two forms of a redacted event.
type form bool

const (
	whole  form = true  // with its signatures
	signed form = false // without: what is signed and what the reference hash is taken of
)

// Redact returns the event without what its room version's redaction algorithm takes away. Its id and its signatures are
// the same. Redacting again changes nothing.
func (e *Event) Redact() (*Event, error) {
	r, err := e.redact()
	if err != nil {
		return nil, err
	}
	r.id, r.room = e.id, e.room
	return r, nil
}

// redact is Redact without the id.
func (e *Event) redact() (*Event, error) {
	var space [typicalMembers]canon.Member
	members := e.members(space[:0])
	r := &Event{version: e.version, redacted: true}
	r.bytes = bytes.Clone(e.appendRedacted(make([]byte, 0, len(e.bytes)), members, whole)) // often far smaller
	f := fieldsOf(r.members(space[:0]))
	if err := r.read(&f); err != nil {
		return nil, err
	}
	return r, nil
}

// ReferenceHash is the hash that event ids are made of from room version 3 on, and that events of versions 1 and 2 put
// beside the ids of their prev_events and auth_events.
func (e *Event) ReferenceHash() [sha256.Size]byte {
	return sha256.Sum256(e.signedForm())
}

// signedForm is the redacted event without signatures.
func (e *Event) signedForm() []byte {
	var space [typicalMembers]canon.Member
	return e.appendRedacted(make([]byte, 0, len(e.bytes)), e.members(space[:0]), signed)
}

// appendRedacted appends the redacted event. It needs no more of e than its version and type.
func (e *Event) appendRedacted(dst []byte, members []canon.Member, what form) []byte {
	dst = append(dst, '{')
	for _, m := range members {
		if !keeps(e.version, m.Key()) || what == signed && string(m.Key()) == "signatures" {
			continue
		}
		dst = appendComma(dst)
		if string(m.Key()) == "content" {
			dst = append(dst, `"content":`...)
			dst = appendRedactedContent(dst, e.version, e.typ, m.Value())
			continue
		}
		dst = append(dst, m.Raw()...)
	}
	return append(dst, '}')
}

// keeps says whether a top-level key survives redaction.
func keeps(v *version.Version, key []byte) bool {
	switch string(key) {
	case "auth_events", "content", "depth", "event_id", "hashes", "origin_server_ts", "prev_events", "room_id", "sender",
		"signatures", "state_key", "type":
		return true
	case "membership", "origin", "prev_state":
		return !v.UpdatedRedaction
	}
	return false
}

// appendRedactedContent appends what redaction leaves of a content.
func appendRedactedContent(dst []byte, v *version.Version, typ string, content []byte) []byte {
	var kept func(v *version.Version, key []byte) bool
	switch typ {
	case typeCreate:
		if v.UpdatedRedaction {
			return append(dst, content...)
		}
		kept = keepsCreate
	case typeMember:
		kept = keepsMember
	case typeJoinRules:
		kept = keepsJoinRules
	case typePowerLevels:
		kept = keepsPowerLevels
	case typeHistory:
		kept = keepsHistory
	case typeAliases:
		kept = keepsAliases
	case typeRedaction:
		kept = keepsRedaction
	default:
		return append(dst, "{}"...)
	}
	dst = append(dst, '{')
	for o := canon.Open(content); ; {
		m, ok := o.Next()
		if !ok {
			return append(dst, '}')
		}
		invite := typ == typeMember && v.UpdatedRedaction && string(m.Key()) == "third_party_invite" && m.Value()[0] == '{'
		if !invite && !kept(v, m.Key()) {
			continue
		}
		dst = appendComma(dst)
		if invite {
			dst = appendRedactedInvite(dst, m.Value())
			continue
		}
		dst = append(dst, m.Raw()...)
	}
}

// appendRedactedInvite appends the third_party_invite of a membership: of it only signed is kept (v11, "Redactions").
func appendRedactedInvite(dst, invite []byte) []byte {
	dst = append(dst, `"third_party_invite":{`...)
	if s := canon.Get(invite, "signed"); s != nil {
		dst = append(append(dst, `"signed":`...), s...)
	}
	return append(dst, '}')
}

func keepsCreate(_ *version.Version, key []byte) bool { return string(key) == "creator" }

func keepsHistory(_ *version.Version, key []byte) bool { return string(key) == "history_visibility" }

func keepsAliases(v *version.Version, key []byte) bool {
	return v.RedactKeepsAliases && string(key) == "aliases"
}

func keepsRedaction(v *version.Version, key []byte) bool {
	return v.UpdatedRedaction && string(key) == "redacts"
}

func keepsMember(v *version.Version, key []byte) bool {
	switch string(key) {
	case "membership":
		return true
	case "join_authorised_via_users_server":
		return v.RedactKeepsAuthorisedVia
	}
	return false
}

func keepsJoinRules(v *version.Version, key []byte) bool {
	switch string(key) {
	case "join_rule":
		return true
	case "allow":
		return v.RedactKeepsAllow
	}
	return false
}

func keepsPowerLevels(v *version.Version, key []byte) bool {
	switch string(key) {
	case "ban", "events", "events_default", "kick", "redact", "state_default", "users", "users_default":
		return true
	case "invite":
		return v.UpdatedRedaction
	}
	return false
}
