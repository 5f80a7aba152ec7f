package authrule

import (
	"strconv"

	"freehold.example/matrix/version"
)

// numbers are the numbers of one room version's rules, group by group. Within a group the rules are numbered alike in
// all versions, but for those named below.
type numbers struct {
	create     string
	room       string // the room id names the create event; before version 12 this is part of auth
	auth       string // auth_events
	authRoom   string // an auth event of another room
	federate   string
	aliases    string
	member     string
	authorised string // join_authorised_via_users_server is signed; the next six are in member too
	join       string
	joinPublic string // the rules on join from here on moved down by the restricted join rule
	joinElse   string
	invite     string
	leave      string
	ban        string
	knock      string
	unknown    string
	joined     string
	thirdParty string
	required   string
	ownKey     string
	power      string
	powerUsers string // the next six are in power
	powerMade  string // a creator has no level
	powerNamed string
	powerOld   string
	powerNew   string
	userOld    string
	userNew    string
	redaction  string
}

// The numberings there are: which one applies follows from a version's flags.
var (
	numbersAliases    = numbering(false, true, false, false, false)
	numbersPlain      = numbering(false, false, false, false, false)
	numbersKnock      = numbering(false, false, true, false, false)
	numbersRestricted = numbering(false, false, true, true, false)
	numbersInteger    = numbering(false, false, true, true, true)
	numbersCreators   = numbering(true, false, true, true, true)
)

func numbersOf(v *version.Version) *numbers {
	switch {
	case v.RoomIDIsCreateHash:
		return numbersCreators
	case v.IntegerPowerLevels:
		return numbersInteger
	case v.RestrictedJoin:
		return numbersRestricted
	case v.KnockRule:
		return numbersKnock
	case v.SpecialCaseAliasesAuth:
		return numbersAliases
	}
	return numbersPlain
}

// numbering counts through the rules in their order.
func numbering(creators, aliases, knock, restricted, integer bool) *numbers {
	top := counter{}
	n := &numbers{create: top.next()}
	if creators {
		n.room = top.next()
	}
	n.auth = top.next()
	n.authRoom = n.auth + ".5"
	if creators {
		// The page's source says 5, but without the former rule 4 it is shown as 4.
		n.authRoom = n.auth + ".4"
	} else {
		n.room = n.authRoom
	}
	n.federate = top.next()
	if aliases {
		n.aliases = top.next()
	}

	n.member = top.next()
	member := counter{prefix: n.member + ".", n: 1}
	if restricted {
		n.authorised = member.next()
	}
	n.join = member.next()
	join := counter{prefix: n.join + ".", n: 4}
	if restricted {
		join.next()
	}
	n.joinPublic, n.joinElse = join.next(), join.next()
	n.invite, n.leave, n.ban = member.next(), member.next(), member.next()
	if knock {
		n.knock = member.next()
	}
	n.unknown = member.next()

	n.joined, n.thirdParty, n.required, n.ownKey = top.next(), top.next(), top.next(), top.next()
	n.power = top.next()
	power := counter{prefix: n.power + "."}
	if integer {
		power.n = 2
	}
	n.powerUsers = power.next()
	if creators {
		n.powerMade = power.next()
	}
	power.next() // there are no power levels yet: allow
	n.powerNamed, n.powerOld, n.powerNew = power.next(), power.next(), power.next()
	n.userOld, n.userNew = power.next(), power.next()
	n.redaction = top.next()
	return n
}

// counter counts rules: next is its prefix and the number after the last one.
type counter struct {
	prefix string
	n      int
}

func (c *counter) next() string {
	c.n++
	return c.prefix + strconv.Itoa(c.n)
}
