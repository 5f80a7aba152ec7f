// Package authrule decides whether an event may happen, in every room version.
//
// Check is the authorisation rules as the room version pages list them (Room Versions, "Authorisation rules"): pure, on
// values, without callbacks. A refusal carries the number that the event's own room version gives to the rule, so that
// it can be looked up on that page. The rules live in one file per group; number.go has what moves between versions.
//
// The same event is checked against several states (Server-Server API, "Checks performed on receipt of a PDU"): the one
// its auth events make (CheckAuthEvents, Gather and Check), the one before it, and the room's current one (Check).
package authrule

import (
	"fmt"
	"slices"
	"strings"

	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

// The event types that the rules know.
const (
	typeCreate     = "m.room.create"
	typeMember     = "m.room.member"
	typePower      = "m.room.power_levels"
	typeJoinRules  = "m.room.join_rules"
	typeThirdParty = "m.room.third_party_invite"
	typeAliases    = "m.room.aliases"
	typeRedaction  = "m.room.redaction"
)

// Refused is the answer of Check and CheckAuthEvents to an event that is not allowed.
type Refused struct {
	Rule   string // the rule's number on the page of the event's room version, such as "5.3.4"
	Reason string // what was wrong, for people and logs

	// Malformed says that the event's own content is at fault, whoever sends it.
	Malformed bool
}

func (r *Refused) Error() string { return "not allowed by rule " + r.Rule + ": " + r.Reason }

// refuse makes the refusal by rule number group.sub, sub being "" or beginning with a dot.
func refuse(group, sub, reason string, args ...any) error {
	if len(args) > 0 {
		reason = fmt.Sprintf(reason, args...)
	}
	return &Refused{Rule: group + sub, Reason: reason}
}

// malform is refuse for content that nobody could send.
func malform(group, sub, reason string, args ...any) error {
	return &Refused{Rule: group + sub, Reason: fmt.Sprintf(reason, args...), Malformed: true}
}

// check is one run of the rules.
type check struct {
	e        *event.Event
	s        *State
	n        *numbers
	signedBy []id.Server
}

// Check says whether the event is allowed in a room whose state is s: nil, or a *Refused.
//
// All rules but those on auth_events are applied; CheckAuthEvents has these. s must hold what Needed names, and the
// create event in every version; what s lacks counts as not being in the room's state.
//
// The event's signatures are the caller's to verify. signedBy are the servers, besides the sender's, whose signatures
// were found valid: the rule on content.join_authorised_via_users_server asks for one of them.
func Check(e *event.Event, s *State, signedBy ...id.Server) error {
	c := check{e: e, s: s, n: numbersOf(e.Version()), signedBy: signedBy}
	v := e.Version()

	if e.Type() == typeCreate {
		return c.create()
	}
	if err := c.room(); err != nil {
		return err
	}
	if v.SpecialCaseAliasesAuth && e.Type() == typeAliases {
		return c.aliases()
	}
	if e.Type() == typeMember {
		return c.member()
	}
	sender := e.Sender()
	if s.Membership(sender) != Join {
		return refuse(c.n.joined, "", "%s is not joined to the room", sender)
	}
	level := s.Level(sender)
	if e.Type() == typeThirdParty {
		if want := s.Power.Invite(); level < want {
			return refuse(c.n.thirdParty, ".1", "%s has level %d, an invitation needs %d", sender, level, want)
		}
		return nil
	}
	key, isState := e.StateKey()
	if want := s.Power.Event(e.Type(), isState); level < want {
		return refuse(c.n.required, "", "%s has level %d, %s needs %d", sender, level, e.Type(), want)
	}
	if isState && strings.HasPrefix(key, "@") && key != string(sender) {
		return refuse(c.n.ownKey, "", "%s is not the user in the state key %s", sender, key)
	}
	if e.Type() == typePower {
		return c.power(level)
	}
	if v.RedactionAuthRule && e.Type() == typeRedaction {
		return c.redaction(level)
	}
	return nil
}

// aliases is the rule that room versions 1 to 5 have on m.room.aliases.
func (c *check) aliases() error {
	key, isState := c.e.StateKey()
	if !isState {
		return refuse(c.n.aliases, ".1", "an m.room.aliases event must have a state key")
	}
	if string(c.e.Sender().Server()) != key {
		return refuse(c.n.aliases, ".2", "%s may not set the aliases of %s", c.e.Sender(), key)
	}
	return nil
}

// redaction is the rule that room versions 1 and 2 have on m.room.redaction.
func (c *check) redaction(level Level) error {
	if level >= c.s.Power.Redact() || c.e.Redacts().Server() == c.e.ID().Server() {
		return nil
	}
	return refuse(c.n.redaction, ".3", "%s has level %d, redacting another server's event needs %d",
		c.e.Sender(), level, c.s.Power.Redact())
}

// verified says whether a valid signature of the server is known to be on the event: the sender's own server has signed
// every event that comes this far.
func (c *check) verified(server id.Server) bool {
	return server == c.e.Sender().Server() || slices.Contains(c.signedBy, server)
}
