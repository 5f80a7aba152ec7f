package authrule

import (
	"freehold.example/matrix/canon"
	"freehold.example/matrix/id"
)

// Membership is the membership of an m.room.member event.
type Membership string

// The memberships.
const (
	Join   Membership = "join"
	Invite Membership = "invite"
	Leave  Membership = "leave" // also that of a user for whom there is no event
	Ban    Membership = "ban"
	Knock  Membership = "knock" // in versions with KnockRule
)

// Member is what the rules need of an m.room.member event.
type Member struct {
	Membership Membership    // "" where it is missing or not a string
	Authoriser id.User       // join_authorised_via_users_server, "" where it is missing or not a user id
	ThirdParty *SignedInvite // third_party_invite, nil where it is missing

	hasMembership bool
	hasAuthoriser bool
}

// The members that have nothing but a membership, which are nearly all, shared.
var (
	plainJoin   = &Member{Membership: Join, hasMembership: true}
	plainInvite = &Member{Membership: Invite, hasMembership: true}
	plainLeave  = &Member{Membership: Leave, hasMembership: true}
	plainBan    = &Member{Membership: Ban, hasMembership: true}
	plainKnock  = &Member{Membership: Knock, hasMembership: true}
)

// MemberOf is a member of whom nothing but the membership is known. Values are shared.
func MemberOf(m Membership) *Member {
	switch m {
	case Join:
		return plainJoin
	case Invite:
		return plainInvite
	case Leave:
		return plainLeave
	case Ban:
		return plainBan
	case Knock:
		return plainKnock
	}
	return &Member{Membership: m, hasMembership: true}
}

// ParseMember parses the content, canonical JSON, of an m.room.member event. It takes anything; Check refuses what makes no sense.
func ParseMember(content []byte) *Member {
	var m Member
	for o := canon.Open(content); ; {
		entry, ok := o.Next()
		if !ok {
			break
		}
		value := entry.Value()
		switch string(entry.Key()) {
		case "membership":
			m.Membership, m.hasMembership = parseMembership(value), true
		case "join_authorised_via_users_server":
			s, _ := canon.String(value)
			m.Authoriser, m.hasAuthoriser = "", true
			if user, err := id.ParseUser(s); err == nil {
				m.Authoriser = user
			}
		case "third_party_invite":
			m.ThirdParty = parseSignedInvite(value)
		}
	}
	if m.hasMembership && !m.hasAuthoriser && m.ThirdParty == nil {
		return MemberOf(m.Membership)
	}
	return &m
}

// parseMembership avoids a new string for the memberships there are.
func parseMembership(value []byte) Membership {
	switch string(value) {
	case `"join"`:
		return Join
	case `"invite"`:
		return Invite
	case `"leave"`:
		return Leave
	case `"ban"`:
		return Ban
	case `"knock"`:
		return Knock
	}
	s, _ := canon.String(value)
	return Membership(s)
}

// membership is one run of the rules on m.room.member.
type membership struct {
	*check
	m      *Member // what the event says
	target id.User // its state key
	sender id.User
}

// member is the rules on m.room.member.
func (c *check) member() error {
	key, isState := c.e.StateKey()
	m := membership{check: c, m: ParseMember(c.e.Content()), target: id.User(key), sender: c.e.Sender()}
	if !isState || !m.m.hasMembership {
		return refuse(c.n.member, ".1", "a member event must have a state key and a membership")
	}
	if c.e.Version().RestrictedJoin && m.m.hasAuthoriser &&
		(m.m.Authoriser == "" || !c.verified(m.m.Authoriser.Server())) {
		return refuse(c.n.authorised, ".1", "the server of join_authorised_via_users_server has not signed the event")
	}
	switch m.m.Membership {
	case Join:
		return m.join()
	case Invite:
		if m.m.ThirdParty != nil {
			return m.thirdPartyInvite()
		}
		return m.invite()
	case Leave:
		return m.leave()
	case Ban:
		return m.ban()
	case Knock:
		if c.e.Version().KnockRule {
			return m.knock()
		}
	}
	return refuse(c.n.unknown, "", "unknown membership %q", m.m.Membership)
}

func (m *membership) join() error {
	v, create := m.e.Version(), m.s.Create
	if prev := m.e.Prev(); len(prev) == 1 && prev[0] == create.Event && m.target == create.Creator {
		return nil
	}
	if m.sender != m.target {
		return refuse(m.n.join, ".2", "%s may not make %s join", m.sender, m.target)
	}
	now := m.s.Membership(m.target)
	if now == Ban {
		return refuse(m.n.join, ".3", "%s is banned", m.target)
	}
	rule := m.s.joinRule()
	switch {
	case rule == RuleInvite || v.KnockRule && rule == RuleKnock:
		if now == Invite || now == Join {
			return nil
		}
	case v.RestrictedJoin && rule == RuleRestricted || v.KnockRestricted && rule == RuleKnockRestricted:
		if now == Join || now == Invite {
			return nil
		}
		return m.restrictedJoin()
	case rule == RulePublic:
		return nil
	}
	return refuse(m.n.joinElse, "", "the join rule %q does not let %s in", rule, m.target)
}

// restrictedJoin is the part of the restricted join rule for those whom nobody invited.
func (m *membership) restrictedJoin() error {
	const rule = ".5.2"
	by := m.m.Authoriser
	if by == "" {
		return refuse(m.n.join, rule, "nobody in the room authorised the join")
	}
	if m.s.Membership(by) != Join {
		return refuse(m.n.join, rule, "%s, who authorised the join, is not joined to the room", by)
	}
	if level, want := m.s.Level(by), m.s.Power.Invite(); level < want {
		return refuse(m.n.join, rule, "%s, who authorised the join, has level %d, an invitation needs %d", by, level, want)
	}
	return nil
}

func (m *membership) invite() error {
	if err := m.senderJoined(m.n.invite, ".2"); err != nil {
		return err
	}
	if now := m.s.Membership(m.target); now == Join || now == Ban {
		return refuse(m.n.invite, ".3", "the membership of %s is %s", m.target, now)
	}
	if level, want := m.s.Level(m.sender), m.s.Power.Invite(); level < want {
		return refuse(m.n.invite, ".5", "%s has level %d, an invitation needs %d", m.sender, level, want)
	}
	return nil
}

func (m *membership) leave() error {
	now := m.s.Membership(m.target)
	if m.sender == m.target {
		if now == Invite || now == Join || m.e.Version().KnockRule && now == Knock {
			return nil
		}
		return refuse(m.n.leave, ".1", "%s is not in the room", m.target)
	}
	if err := m.senderJoined(m.n.leave, ".2"); err != nil {
		return err
	}
	level := m.s.Level(m.sender)
	if want := m.s.Power.Ban(); now == Ban && level < want {
		return refuse(m.n.leave, ".3", "%s has level %d, lifting a ban needs %d", m.sender, level, want)
	}
	return m.outranks(m.n.leave, ".5", "kick", m.s.Power.Kick())
}

func (m *membership) ban() error {
	if err := m.senderJoined(m.n.ban, ".1"); err != nil {
		return err
	}
	return m.outranks(m.n.ban, ".3", "ban", m.s.Power.Ban())
}

func (m *membership) knock() error {
	rule := m.s.joinRule()
	if rule != RuleKnock && (rule != RuleKnockRestricted || !m.e.Version().KnockRestricted) {
		return refuse(m.n.knock, ".1", "the join rule %q does not allow knocking", rule)
	}
	if m.sender != m.target {
		return refuse(m.n.knock, ".2", "%s may not knock for %s", m.sender, m.target)
	}
	if now := m.s.Membership(m.target); now == Ban || now == Invite || now == Join {
		return refuse(m.n.knock, ".4", "the membership of %s is %s", m.target, now)
	}
	return nil
}

// senderJoined refuses by the rule if the sender is not joined to the room.
func (m *membership) senderJoined(group, rule string) error {
	if m.s.Membership(m.sender) != Join {
		return refuse(group, rule, "%s is not joined to the room", m.sender)
	}
	return nil
}

// outranks refuses by the rule if the sender has not the level wanted, or no more than the target has.
func (m *membership) outranks(group, rule, what string, want Level) error {
	level, target := m.s.Level(m.sender), m.s.Level(m.target)
	if level < want {
		return refuse(group, rule, "%s has level %d, a %s needs %d", m.sender, level, what, want)
	}
	if target >= level {
		return refuse(group, rule, "%s has level %d, not more than %s with %d", m.sender, level, m.target, target)
	}
	return nil
}
