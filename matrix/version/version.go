// Package version is the table of room versions: what differs between them, as flags.
//
// Code asks a flag, never a version's id: room versions have no order (Room Versions, "Room version grammar"), and a
// version 13 is then one more literal in table.go.
package version

// IDFormat is how an event comes by its id.
type IDFormat int

// The event id formats.
const (
	IDGiven   IDFormat = iota // the sender chose it: a field of the event (v1, "Event IDs")
	IDBase64                  // $ and the reference hash in unpadded base64 (v3, "Event IDs")
	IDURLSafe                 // $ and the reference hash in URL-safe unpadded base64 (v4, "Event IDs")
)

// Algorithm is a state resolution algorithm.
type Algorithm int

// The state resolution algorithms.
const (
	V1   Algorithm = iota // v1, "State resolution"
	V2                    // v2, "State resolution"
	V2_1                  // v12, "State resolution": starts from nothing, adds the conflicted state subgraph
)

// Version is one room version. Values are shared and must not be changed.
type Version struct {
	ID      string
	Stable  bool // Room Versions, "Complete list of room versions"
	Default bool // what servers SHOULD make new rooms with (same place); one version has it

	// The form of events.

	EventID IDFormat
	// HashedReferences: prev_events and auth_events are lists of [event id, {"sha256": hash}] pairs (v1 to v2).
	HashedReferences bool
	// StrictJSON: events must be canonical JSON in the strict sense, else they are refused (v6, "Canonical JSON").
	StrictJSON bool
	// MaxDepth is the largest depth: 2^63-1, or 2^53-1 where StrictJSON holds (v6, "Event format").
	MaxDepth int64
	// CodePointLimits: type and state_key are measured in code points, not in bytes (v1 to v10: not as the specification has
	// it, but as the field's servers have done, whose events are in the rooms).
	CodePointLimits bool
	// RoomIDIsCreateHash: the room id is the create event's id with the sigil !; the create event has no room_id; and it
	// is not among any event's auth_events (v12, "Event format" and auth rules 1.2, 2, 3.2).
	RoomIDIsCreateHash bool
	// RedactsInContent: an m.room.redaction names its target in content, not at the top level (v11, "Event format").
	RedactsInContent bool

	// Signatures.

	// EventIDServerSigns: the server in the event id must have signed the event too (v3, "Authorisation rules", says
	// that it was so before).
	EventIDServerSigns bool
	// EnforceKeyValidity: a key counts only for events of before its valid_until_ts (v5, "Signing key validity period").
	EnforceKeyValidity bool

	// What redaction keeps (section "Redactions" of each version).

	// RedactKeepsAliases: aliases of m.room.aliases (v1 to v5).
	RedactKeepsAliases bool
	// RedactKeepsAllow: allow of m.room.join_rules (v8 on).
	RedactKeepsAllow bool
	// RedactKeepsAuthorisedVia: join_authorised_via_users_server of m.room.member (v9 on).
	RedactKeepsAuthorisedVia bool
	// UpdatedRedaction: v11 on. Drops origin, membership and prev_state; keeps all of m.room.create's content, invite of
	// m.room.power_levels, redacts of m.room.redaction, and third_party_invite.signed of m.room.member.
	UpdatedRedaction bool

	// Authorisation rules.

	// SpecialCaseAliasesAuth: rule 4, m.room.aliases needs only the sender's server as its state key (v1 to v5).
	SpecialCaseAliasesAuth bool
	// RedactionAuthRule: rule 11, redactions need the redact level or an event id of the same server (v1 to v2). Later
	// versions apply that when the redaction is carried out (v3, "Handling redactions").
	RedactionAuthRule bool
	// NotificationsPowerChecked: changes of notifications are checked as those of events are (v6, rules 9.4 and 9.5).
	NotificationsPowerChecked bool
	// KnockRule: membership and join rule knock (v7, rules 4.2.4, 4.4.1 and 4.6).
	KnockRule bool
	// RestrictedJoin: join rule restricted and join_authorised_via_users_server (v8, rules 4.2 and 4.3.5).
	RestrictedJoin bool
	// KnockRestricted: join rule knock_restricted (v10, rules 4.3.5 and 4.7.1).
	KnockRestricted bool
	// IntegerPowerLevels: power levels must be integers (v10, rules 9.1 to 9.3). Without it strings holding an integer
	// are taken too ("Deprecated event content schemas").
	IntegerPowerLevels bool
	// FloatPowerLevels: power levels may be fractions, which are cut off (v1 to v5, same section).
	FloatPowerLevels bool
	// ImplicitCreator: the creator is the create event's sender; content.creator means nothing (v11, rules 1 and 4.3.1).
	ImplicitCreator bool
	// CreatorsPrivileged: the creators (sender and content.additional_creators) stand above every power level and must
	// not be listed in users (v12, rules 1.4 and 10.4).
	CreatorsPrivileged bool

	StateRes Algorithm
}

// Lookup finds a version by its id, such as "12".
func Lookup(id string) (*Version, bool) {
	for _, v := range table {
		if v.ID == id {
			return v, true
		}
	}
	return nil, false
}

// All are the versions this server knows, in the order of the specification's list. The slice is the caller's.
func All() []*Version {
	return append([]*Version(nil), table[:]...)
}

// Default is the version the specification recommends for new rooms.
func Default() *Version {
	for _, v := range table {
		if v.Default {
			return v
		}
	}
	return table[len(table)-1]
}
