package oracle

import (
	"encoding/base64"
	"slices"
	"strings"

	"freehold.example/matrix/event"
)

// eventExplanations are of TestEvents.
var eventExplanations = []explanation{
	// gomatrixserverlib.
	{
		name: "gomatrixserverlib: keys are not escaped", lib: gmsl,
		why: "SortJSON writes the meaning of keys between quotation marks: {\"a\\\\b\":1} becomes invalid or another key. " +
			"Appendices, Canonical JSON, Grammar, has keys as strings",
		is: func(d *difference) bool { return d.event.any((*tree).keyNeedsEscape) },
	},
	{
		name: "gomatrixserverlib: redaction drops third_party_invite", lib: gmsl, from: 11,
		why: "v11, Redactions: \"m.room.member ... the signed key of the third_party_invite key\" is kept",
		is: func(d *difference) bool {
			e := d.event.got()
			return d.redactionOnly() && e.get("type").is("m.room.member") && e.get("content").get("third_party_invite").kindIs('{')
		},
	},
	{
		name: "gomatrixserverlib: numbers beyond canonical JSON", lib: gmsl, to: 5,
		why: "numbers are hashed as they are written, in content that redaction keeps as a float64 prints; the specification " +
			"leaves open what their canonical form is in versions 1 to 5 (v6, Canonical JSON). Ours writes them as Python does, " +
			"which is what made nearly all such events",
		is: func(d *difference) bool {
			return (d.what != "verdict" || theirsRefused("cannot unmarshal number")(d)) && d.event.any((*tree).oddNumber)
		},
	},
	{
		name: "gomatrixserverlib: a number beyond doubles", lib: gmsl, to: 5,
		why: "is kept as text where nothing reads it; ours refuses what no double can hold, as nobody can say its canonical form",
		is:  refusedFor("a number too large for a double"),
	},
	{
		name: "gomatrixserverlib: fractions of zero and capital E", lib: gmsl, from: 6,
		why: "verifyEnforcedCanonicalJSON looks for '.' and 'e' in numbers other than 0. v6, Canonical JSON: no fractions, no exponents",
		is:  refusedFor("a number that is not an integer"),
	},
	{
		name: "gomatrixserverlib: a key twice", lib: gmsl,
		why: "both stay in the canonical form, and which one counts depends on the reader. Ours takes the last in versions 1 to " +
			"5, as Python does, and refuses the event from 6 on: an object with a key twice has no canonical form",
		is: func(d *difference) bool { return d.event.any((*tree).twice) },
	},
	{
		name: "gomatrixserverlib: text that is no text", lib: gmsl,
		why: "invalid UTF-8 and halves of surrogate pairs become U+FFFD or go through. Appendices, Canonical JSON: UTF-8",
		is: func(d *difference) bool {
			return refusedFor("invalid UTF-8", "malformed escape, or half a surrogate pair")(d)
		},
	},
	{
		name: "gomatrixserverlib: deep nesting", lib: gmsl,
		why: "the specification has no limit; ours is canon.MaxNesting, theirs encoding/json's 10,000, Python's some 1,000",
		is:  refusedFor("nested too deep"),
	},
	{
		name: "gomatrixserverlib: number of references", lib: gmsl,
		why: "not checked. Event format of every version: auth_events \"up to 10\", prev_events \"up to 20\"",
		is:  refusedFor("auth_events: # entries", "prev_events: # entries"),
	},
	{
		name: "gomatrixserverlib: references that are no event ids", lib: gmsl,
		why: "not checked, nor in versions 1 and 2 that there is a list. Event format: event ids",
		is: refusedFor("auth_events: malformed identifier", "prev_events: malformed identifier", "auth_events: not a", "prev_events: not a",
			"auth_events: an entry", "prev_events: an entry", "event_id: malformed identifier", "event_id: not a string", "event_id: has no server name"),
	},
	{
		name: "gomatrixserverlib: lengths", lib: gmsl,
		why: "type, state_key and identifiers over 255 bytes are \"persistable\" errors if they are within 255 characters. " +
			"Client-Server API, Size limits: bytes",
		is: refusedFor("type: # bytes", "state_key: # bytes", "sender: # bytes", "room_id: # bytes"),
	},
	{
		name: "gomatrixserverlib: size after redaction", lib: gmsl,
		why: "where the hash is wrong only the redacted event is measured. Client-Server API, Size limits: the complete event; " +
			"Server-Server API, Checks performed on receipt of a PDU: 1 comes before 3",
		is: func(d *difference) bool { return refusedFor("# bytes of canonical JSON")(d) && !d.answer.hashed },
	},
	{
		name: "gomatrixserverlib: missing fields", lib: gmsl,
		why: "a missing field or null is read as empty or 0. Event format: required; Server-Server API, Checks performed on " +
			"receipt of a PDU, 1: otherwise it is dropped",
		is: refusedFor("depth: not an integer", "origin_server_ts: not an integer", "content: not an object", "type: not a string",
			"state_key: not a string", "sender: not a string", "redacts: not a string"),
	},
	{
		name: "gomatrixserverlib: hashes", lib: gmsl,
		why: "hashes that are missing or malformed count as wrong ones, and the event is redacted. Event format: required",
		is:  refusedFor("hashes: "),
	},
	{
		name: "gomatrixserverlib: signatures", lib: gmsl,
		why: "not looked at before they are verified. Event format: an object of objects of strings",
		is:  refusedFor("signatures: "),
	},
	{
		name: "gomatrixserverlib: any signature that is not base64 spoils all", lib: gmsl,
		why: "VerifyJSON and SignJSON decode all signatures, also those of other servers and algorithms. Appendices, Checking " +
			"for a Signature: the one of the entity with a supported algorithm",
		is: func(d *difference) bool {
			return (d.what == "signature right" || d.what == "signature made") && d.event.signatures(func(_, _, s string) bool { return !base64Text(s) })
		},
	},
	{
		name: "gomatrixserverlib: padded signatures", lib: gmsl,
		why: "refused. Appendices, Unpadded Base64: decoders SHOULD accept padding",
		is: func(d *difference) bool {
			return (d.what == "signature right" || d.what == "signature made") && d.event.signatures(func(_, _, s string) bool { return strings.HasSuffix(s, "=") })
		},
	},
	{
		name: "gomatrixserverlib: padded hash", lib: gmsl,
		why: "counts as wrong. Appendices, Unpadded Base64: decoders SHOULD accept padding",
		is: func(d *difference) bool {
			return !d.answer.hashed && strings.HasSuffix(d.event.hash(), "=")
		},
	},
	{
		name: "gomatrixserverlib: event_id from version 3 on", lib: gmsl, from: 3,
		why: "is taken out. v3, Event format: \"no longer included\". Synapse refuses it, and ours: redaction keeps event_id, so it " +
			"would be hashed",
		is: refusedFor("event_id: an event of this room version has none"),
	},
	{
		name: "gomatrixserverlib: hashes of references", lib: gmsl, to: 2,
		why: "sha256 beside an event id must be base64; ours does not look at it: no rule does, and the signatures cover it",
		is:  theirsRefused("invalid event reference, second element"),
	},
	{
		name: "gomatrixserverlib: create event with a state key", lib: gmsl, from: 12,
		why: "wants a room id for m.room.create with a state key other than \"\". v12, rule 1.2, goes by the type alone",
		is: func(d *difference) bool {
			return d.event.got().get("type").is("m.room.create") && !d.event.got().get("state_key").is("")
		},
	},
	{
		name: "gomatrixserverlib: negative timestamps", lib: gmsl,
		why: "refused. Event format: an integer",
		is:  theirsRefused("Go struct field .origin_server_ts of type spec.Timestamp"),
	},
	{
		name: "gomatrixserverlib: redacts that is no string, from version 11 on", lib: gmsl, from: 11,
		why: "refused. v11, Event format: redacts moved to content, at the top level it is an unknown field",
		is:  theirsRefused("Go struct field .redacts of type string"),
	},

	{
		name: "gomatrixserverlib: room ids that are no hash", lib: gmsl, from: 12,
		why: "RoomID panics. Ours leaves it to rule 2 of v12: the room id must be that of an accepted create event",
		is:  theirsRefused("panic: RoomID is invalid"),
	},
	{
		name: "gomatrixserverlib: what is no JSON", lib: gmsl,
		why: "the gjson library does not check all that it passes over: 01, 1., tru. RFC 8259",
		is:  refusedFor("a number with", "a number without", "not a value"),
	},
	{
		name: "gomatrixserverlib: server names", lib: gmsl,
		why: "of senders are not looked at. Appendices, Server Name",
		is: func(d *difference) bool {
			return refusedFor("sender: malformed identifier")(d) && strings.Contains(d.ours, "malformed server name")
		},
	},
	{
		name: "gomatrixserverlib: NUL", lib: gmsl,
		why: "in type and state_key. No server of the field takes them, for PostgreSQL cannot keep them",
		is:  refusedFor("type: has a NUL", "state_key: has a NUL"),
	},
	{
		name: "gomatrixserverlib: a signature makes the event too large", lib: gmsl,
		why: "Sign does not measure the event. Client-Server API, Size limits: any signatures included",
		is: func(d *difference) bool {
			return d.what == "signature made" && strings.Contains(d.ours, "bytes of canonical JSON")
		},
	},

	// mautrix.
	{
		name: "mautrix: redaction drops an empty third_party_invite", lib: mautrix, from: 11,
		why: "of one without signed ours keeps {}, as Synapse does. v11, Redactions, only says that signed is kept",
		is: func(d *difference) bool {
			e := d.event.got()
			invite := e.get("content").get("third_party_invite")
			return d.redactionOnly() && e.get("type").is("m.room.member") && invite.kindIs('{') && invite.get("signed") == nil
		},
	},
	{
		name: "mautrix: redacts that is no string, from version 11 on", lib: mautrix, from: 11,
		why: "refused. v11, Event format: redacts moved to content, at the top level it is an unknown field",
		is:  theirsRefused(`into Go id.EventID within "/redacts"`),
	},
	{
		name: "mautrix: fields that are null", lib: mautrix,
		why: "redacts, state_key and others are left out of what is hashed. Server-Server API, Calculating the content hash for " +
			"an event: only signatures, hashes and unsigned are removed",
		is: func(d *difference) bool {
			r := d.event.got().get("redacts")
			return d.what != "verdict" && r != nil && r.text == "null" && r.kind == 0
		},
	},
	{
		name: "mautrix: a signature makes the event too large", lib: mautrix,
		why: "sizes are not checked",
		is: func(d *difference) bool {
			return d.what == "signature made" && strings.Contains(d.ours, "bytes of canonical JSON")
		},
	},
	{
		name: "mautrix: redaction keeps redacts", lib: mautrix, to: 10,
		why: "of m.room.redaction. v1, Redactions: redacts is not in the list of keys to keep",
		is: func(d *difference) bool {
			return d.redactionOnly() && d.event.got().get("type").is("m.room.redaction") && d.event.got().get("redacts") != nil
		},
	},
	{
		name: "mautrix: numbers beyond canonical JSON", lib: mautrix, to: 5,
		why: "are refused where they stand in what is hashed. v6, Canonical JSON: in versions 1 to 5 \"servers MUST NOT strictly enforce\"",
		is:  func(d *difference) bool { return d.event.any((*tree).oddNumber) },
	},
	{
		name: "mautrix: numbers beyond canonical JSON are taken", lib: mautrix, from: 6,
		why: "pdu reads content as it comes and checks only what it hashes. v6, Canonical JSON: the event is refused",
		is:  refusedFor("a number that is not an integer", "an integer beyond 2^53-1", "minus zero"),
	},
	{
		name: "mautrix: a key twice", lib: mautrix,
		why: "refused in every version. In versions 1 to 5 ours takes the last, as Python does",
		is:  func(d *difference) bool { return theirsRefused("")(d) && d.event.any((*tree).twice) },
	},
	{
		name: "mautrix: a number beyond doubles", lib: mautrix, to: 5,
		why: "content that redaction removes is not looked at; ours refuses what no double can hold",
		is:  refusedFor("a number too large for a double"),
	},
	{
		name: "mautrix: nothing is checked", lib: mautrix,
		why: "pdu decodes events and has no format checks; they are its callers'. Event format, Size limits",
		is: refusedFor("type: ", "state_key: ", "sender: ", "room_id: ", "depth: ", "origin_server_ts: ", "content: ", "auth_events: ",
			"prev_events: ", "event_id: ", "hashes: ", "signatures: ", "redacts: ", "# bytes of canonical JSON"),
	},
	{
		name: "mautrix: deep nesting", lib: mautrix,
		why: "see gomatrixserverlib",
		is:  refusedFor("nested too deep"),
	},
	{
		name: "mautrix: fields that servers do not send", lib: mautrix,
		why: "age_ts, outlier and destinations are hashed, as the specification says. Synapse and gomatrixserverlib take them " +
			"out first, and so ours",
		is: func(d *difference) bool {
			e := d.event.got()
			return d.what == "content hash" && (e.get("age_ts") != nil || e.get("outlier") != nil || e.get("destinations") != nil)
		},
	},
	{
		name: "mautrix: hashes of references are written anew", lib: mautrix, to: 2,
		why: "sha256 beside an event id is decoded, encoded and put there where it is missing. It is part of what was hashed",
		is: func(d *difference) bool {
			return (d.what != "verdict" || strings.Contains(d.theirs, "V1EventReference")) && d.event.oddReference()
		},
	},
	{
		name: "mautrix: the content hash is written anew", lib: mautrix,
		why: "with other bits behind its last byte, which count for nothing. It is part of what was signed",
		is:  func(d *difference) bool { return d.redactionOnly() && !strictBase64(d.event.hash()) },
	},
	{
		name: "mautrix: padded or URL-safe hash", lib: mautrix,
		why: "refused. Appendices, Unpadded Base64: decoders SHOULD accept padding; the other alphabet Synapse and " +
			"gomatrixserverlib take, and ours",
		is: func(d *difference) bool {
			return strings.Contains(d.theirs, "jsonbytes.UnpaddedBytes") && base64Text(d.event.hash())
		},
	},
	{
		name: "mautrix: padded or URL-safe signature", lib: mautrix,
		why: "refused. The same",
		is: func(d *difference) bool {
			return d.what == "signature right" && d.event.signatures(func(_, _, s string) bool { return strings.ContainsAny(s, "=-_") })
		},
	},
	{
		name: "mautrix: one wrong signature spoils all of a server", lib: mautrix,
		why: "VerifySignature fails on the first that is not right. Appendices, Checking for a Signature: one is enough",
		is: func(d *difference) bool {
			return d.what == "signature right" && d.ours == "true" && d.event.signatures(func(_, key, _ string) bool { return key != keyID })
		},
	},
}

// refusedFor says whether ours refused an event that they took, for one of the reasons. # stands for a number.
func refusedFor(reasons ...string) func(d *difference) bool {
	return func(d *difference) bool {
		reason := particularNumber.ReplaceAllString(d.ours, "#")
		return d.what == "verdict" && d.theirs == "taken" && slices.ContainsFunc(reasons, func(r string) bool {
			return strings.Contains(reason, "invalid event: "+r) || strings.Contains(reason, "JSON at byte #: "+particularNumber.ReplaceAllString(r, "#"))
		})
	}
}

// theirsRefused says whether they refused, for that reason, an event that ours took.
func theirsRefused(reason string) func(d *difference) bool {
	return func(d *difference) bool {
		return d.what == "verdict" && d.ours == "taken" && strings.Contains(d.theirs, reason)
	}
}

// redactionOnly says whether the difference is in what follows from the redacted form.
func (d *difference) redactionOnly() bool { return d.what != "verdict" && d.what != "content hash" }

func (c *eventCase) any(is func(*tree) bool) bool { return c.got().any(is) }

func (t *tree) kindIs(kind byte) bool { return t != nil && t.kind == kind }

func (t *tree) is(text string) bool { return t.kindIs('"') && t.text == text }

// hash is the content hash as the event has it.
func (c *eventCase) hash() string {
	if h := c.got().get("hashes").get("sha256"); h != nil {
		return h.text
	}
	return ""
}

// signatures says whether one of the signatures is such.
func (c *eventCase) signatures(is func(server, key, signature string) bool) bool {
	all := c.got().get("signatures")
	if all == nil {
		return false
	}
	for i, server := range all.items {
		for j, signature := range server.items {
			if server.kind == '{' && is(all.keys[i], server.keys[j], signature.text) {
				return true
			}
		}
	}
	return false
}

// base64Text says whether s is base64 in one of the two alphabets, with padding perhaps.
func base64Text(s string) bool {
	_, err := event.DecodeBase64(s)
	return err == nil
}

// strictBase64 says whether s is what decoding and encoding again gives.
func strictBase64(s string) bool {
	_, err := base64.RawStdEncoding.Strict().DecodeString(s)
	return err == nil
}

// oddReference says whether the hashes of a reference are other than servers make them.
func (c *eventCase) oddReference() bool {
	for _, key := range []string{"prev_events", "auth_events"} {
		refs := c.got().get(key)
		if refs == nil {
			continue
		}
		for _, ref := range refs.items {
			if ref.kind != '[' || len(ref.items) != 2 {
				continue
			}
			h := ref.items[1]
			if len(h.keys) != 1 || h.keys[0] != "sha256" || !h.items[0].kindIs('"') || !strictBase64(h.items[0].text) {
				return true
			}
		}
	}
	return false
}
