package authrule

import "freehold.example/matrix/id"

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

// ParseJoinRules parses the content of an m.room.join_rules event. It takes anything: the rules refuse who joins by a
// rule that makes no sense, not the event that sets it. Without join_rule the rule is invite.
func ParseJoinRules(content []byte) *JoinRules {
	j := &JoinRules{Rule: RuleInvite}
	if value := member(content, "join_rule"); value != nil {
		j.Rule, _ = text(value)
	}
	allow := newArray(member(content, "allow"))
	for {
		entry, ok := allow.element()
		if !ok {
			return j
		}
		if kind, _ := text(member(entry, "type")); kind != "m.room_membership" {
			continue
		}
		name, _ := text(member(entry, "room_id"))
		if room, err := id.ParseRoom(name); err == nil {
			j.Allow = append(j.Allow, room)
		}
	}
}
