package authrule

import (
	"freehold.example/matrix/canon"
	"freehold.example/matrix/id"
)

// The join rules (m.room.join_rules).
const (
	RulePublic          = "public"
	RuleInvite          = "invite"
	RuleKnock           = "knock"            // in versions with KnockRule
	RuleRestricted      = "restricted"       // in versions with RestrictedJoin
	RuleKnockRestricted = "knock_restricted" // in versions with KnockRestricted
)

// JoinRules is a parsed m.room.join_rules event.
type JoinRules struct {
	Rule  string    // one of the rules above, any other string, or "" where the event has something else
	Allow []id.Room // rooms whose members may join by themselves: entries of allow with type m.room_membership
}

// ParseJoinRules parses the content, canonical JSON, of an m.room.join_rules event. It takes anything: the rules refuse who joins by a
// rule that makes no sense, not the event that sets it. Without join_rule the rule is invite.
func ParseJoinRules(content []byte) *JoinRules {
	j := &JoinRules{Rule: RuleInvite}
	if value := canon.Get(content, "join_rule"); value != nil {
		j.Rule, _ = canon.String(value)
	}
	for allow := canon.OpenArray(canon.Get(content, "allow")); ; {
		entry, ok := allow.Next()
		if !ok {
			return j
		}
		if kind, _ := canon.String(canon.Get(entry, "type")); kind != "m.room_membership" {
			continue
		}
		name, _ := canon.String(canon.Get(entry, "room_id"))
		if room, err := id.ParseRoom(name); err == nil {
			j.Allow = append(j.Allow, room)
		}
	}
}
