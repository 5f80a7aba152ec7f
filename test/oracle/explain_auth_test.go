package oracle

import (
	"slices"
	"strconv"
	"strings"

	"freehold.example/matrix/authrule"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/id"
)

// authExplanations are of TestAuth and TestAuthEvents.
var authExplanations = []explanation{
	// gomatrixserverlib.
	{
		name: "gomatrixserverlib: the creator's join by another", lib: gmsl,
		why: "is refused. v1, rule 5.2.1: \"If the only previous event is an m.room.create and the state_key is the creator, " +
			"allow\", whoever the sender is",
		is: func(d *difference) bool {
			c := d.auth
			return d.ours == "allowed" && c.firstJoin() && c.target() == c.s.Create.Creator && c.event.Sender() != c.target()
		},
	},
	{
		name: "gomatrixserverlib: content.creator", lib: gmsl, to: 10,
		why: "the create event's sender counts, not content.creator: for the first join, and for the level of who made a room " +
			"without power levels. v1, rule 5.2.1; m.room.power_levels: \"the room's creator\"",
		is: func(d *difference) bool {
			c := d.auth
			return c.s != nil && c.s.Create != nil && c.s.Create.Creator != c.s.Create.Sender && (c.firstJoin() || c.s.Power == nil)
		},
	},
	{
		name: "gomatrixserverlib: aliases from version 6 on", lib: gmsl, from: 6,
		why: "are allowed to every server for its own name. v6, Authorisation rules: the rule on m.room.aliases is gone",
		is:  func(d *difference) bool { return d.auth.event.Type() == "m.room.aliases" },
	},
	{
		name: "gomatrixserverlib: leaving again", lib: gmsl,
		why: "who has left may leave. v1, rule 5.4.1: \"if and only if that user's current membership state is invite or join\"",
		is: func(d *difference) bool {
			c := d.auth
			return d.theirs == "allowed" && c.membership() == authrule.Leave && c.event.Sender() == c.target() && c.now() == authrule.Leave
		},
	},
	{
		name: "gomatrixserverlib: unbanning", lib: gmsl,
		why: "needs the ban level alone. v1, rules 5.4.3 and 5.4.4: the kick level too, and to stand above the target",
		is: func(d *difference) bool {
			c := d.auth
			return d.theirs == "allowed" && c.membership() == authrule.Leave && c.now() == authrule.Ban && c.event.Sender() != c.target()
		},
	},
	{
		name: "gomatrixserverlib: knock_restricted before version 10", lib: gmsl, from: 7, to: 9,
		why: "is taken for knock and restricted. v7, rule 4.6.1, and v8, rule 4.3.5: only the rules named there",
		is: func(d *difference) bool {
			m := d.auth.membership()
			return d.theirs == "allowed" && (m == authrule.Knock || m == authrule.Join) && d.auth.rule() == authrule.RuleKnockRestricted
		},
	},
	{
		name: "gomatrixserverlib: invited, so in", lib: gmsl,
		why: "who is invited or joined may join whatever the join rule is. v1, rule 5.2.6: by other rules than invite and public nobody",
		is: func(d *difference) bool {
			c := d.auth
			return d.theirs == "allowed" && c.membership() == authrule.Join && strings.Contains(d.ours, "does not let") &&
				(c.now() == authrule.Invite || c.now() == authrule.Join)
		},
	},
	{
		name: "gomatrixserverlib: from a knock into a public room", lib: gmsl,
		why: "is refused: only who has left may join. v7, rule 4.3.5: \"If the join_rule is public, allow\", to all who are not banned",
		is: func(d *difference) bool {
			c := d.auth
			return d.ours == "allowed" && c.membership() == authrule.Join && c.rule() == authrule.RulePublic && c.now() != authrule.Leave
		},
	},
	{
		name: "gomatrixserverlib: who sent the third-party invite", lib: gmsl,
		why: "is not looked at, nor whether the user is banned. v1, rules 5.3.1.1 and 5.3.1.6",
		is: func(d *difference) bool {
			return d.theirs == "allowed" && d.auth.thirdParty() && (strings.Contains(d.ours, "was sent by") || strings.Contains(d.ours, "is banned"))
		},
	},
	{
		name: "gomatrixserverlib: third_party_invite that is null", lib: gmsl,
		why: "counts as none. v1, rule 5.3.1: if content has one",
		is: func(d *difference) bool {
			return d.auth.thirdParty() && string(canon.Get(d.auth.event.Content(), "third_party_invite")) == "null"
		},
	},
	{
		name: "gomatrixserverlib: users_default", lib: gmsl,
		why: "changes of it are not checked. v1, rule 10.3: \"users_default, events_default, ...\"",
		is:  func(d *difference) bool { return d.theirs == "allowed" && strings.Contains(d.ours, "users_default") },
	},
	{
		name: "gomatrixserverlib: the first power levels", lib: gmsl,
		why: "are compared with the defaults. v1, rule 10.2: \"If there is no previous m.room.power_levels event in the room, allow\"",
		is: func(d *difference) bool {
			return d.ours == "allowed" && d.auth.event.Type() == "m.room.power_levels" && d.auth.s.Power == nil
		},
	},
	{
		name: "gomatrixserverlib: notification levels", lib: gmsl, from: 6,
		why: "may not be changed from one's own level, nor by creators. v6, rules 9.4 and 9.5: \"greater than the sender's\"",
		is: func(d *difference) bool {
			return d.ours == "allowed" && strings.Contains(d.theirs, "notification level")
		},
	},
	{
		name: "gomatrixserverlib: users of less than four bytes", lib: gmsl,
		why: "such as @:x are refused. Appendices, Historical User IDs: the local part may be empty",
		is: func(d *difference) bool {
			return d.ours == "allowed" && strings.Contains(d.theirs, "is not within the bounds 4-255")
		},
	},
	{
		name: "gomatrixserverlib: what kind of value creator is", lib: gmsl, to: 10,
		why: "it must be a string. v1, rule 1.4: \"If content has no creator property, reject\"",
		is: func(d *difference) bool {
			return d.ours == "allowed" && d.auth.event.Type() == "m.room.create" && !strings.HasPrefix(string(canon.Get(d.auth.event.Content(), "creator")), `"`)
		},
	},
	{
		name: "gomatrixserverlib: room_version in version 11", lib: gmsl, from: 11, to: 11,
		why: "is not looked at. v11, rule 1.3: \"not a recognised version\"",
		is: func(d *difference) bool {
			return d.theirs == "allowed" && d.auth.event.Type() == "m.room.create" && strings.Contains(d.ours, "the room version is not known")
		},
	},
	{
		name: "gomatrixserverlib: additional_creators that is null", lib: gmsl, from: 12,
		why: "counts as none. v12, rule 1.4: \"present in content and is not an array of strings\"",
		is: func(d *difference) bool {
			return d.theirs == "allowed" && string(canon.Get(d.auth.event.Content(), "additional_creators")) == "null"
		},
	},
	{
		name: "gomatrixserverlib: power levels that are null", lib: gmsl,
		why: "count as none where an object is wanted, and from version 10 on as 0 where an integer is. v1, rule 10.1; v10, rules 9.1 to 9.3",
		is: func(d *difference) bool {
			return d.theirs == "allowed" && d.auth.event.Type() == "m.room.power_levels" && strings.Contains(string(d.auth.event.Content()), "null")
		},
	},
	{
		name: "gomatrixserverlib: levels that are not there", lib: gmsl,
		why: "count as their defaults when levels are changed: what is added is compared with the default, and what is removed " +
			"may be if the default is the same. v1, rules 10.3 to 10.6: added, changed or removed are by the keys",
		is: func(d *difference) bool {
			return (d.ours == "allowed" && strings.Contains(d.theirs, "is not allowed to change") ||
				d.theirs == "allowed" && strings.Contains(d.ours, " may not ")) && d.auth.levelAdded()
		},
	},
	{
		name: "gomatrixserverlib: the level of m.room.third_party_invite", lib: gmsl,
		why: "in events may be set to any, for it counts for nothing. v1, rule 10.5, has no exception",
		is: func(d *difference) bool {
			return d.theirs == "allowed" && d.auth.event.Type() == "m.room.power_levels" && strings.Contains(d.ours, `"m.room.third_party_invite"`)
		},
	},
	{
		name: "gomatrixserverlib: join_authorised_via_users_server in other events than joins", lib: gmsl, from: 8,
		why: "is not looked at. v8, rule 4.2: \"If content has a join_authorised_via_users_server property\", whatever the membership",
		is: func(d *difference) bool {
			return d.theirs == "allowed" && d.auth.membership() != authrule.Join && strings.Contains(d.ours, "join_authorised_via_users_server")
		},
	},
	{
		name: "gomatrixserverlib: notifications before version 6", lib: gmsl, to: 5,
		why: "must be levels, else the power levels are refused, or passed over where they are in the state. v6, rule 9.3, is new there",
		is:  func(d *difference) bool { return d.auth.oddNotifications() },
	},
	{
		name: "gomatrixserverlib: levels beyond 64 bits", lib: gmsl, to: 5,
		why: "overflow to the smallest. Ours takes the largest",
		is:  func(d *difference) bool { return d.auth.hugeLevel() },
	},

	// mautrix.
	{
		name: "mautrix: levels beyond 64 bits", lib: mautrix, to: 5,
		why: "overflow or count as the largest or smallest there are. Ours takes the largest",
		is:  func(d *difference) bool { return d.auth.hugeLevel() },
	},
	{
		name: "mautrix: server names of users", lib: mautrix,
		why: "are not looked at. v1, rule 10.1: valid user ids; Appendices, Server Name",
		is: func(d *difference) bool {
			return d.theirs == "allowed" && strings.Contains(d.ours, "users: malformed identifier") && strings.Contains(d.ours, "server name")
		},
	},
	{
		name: "mautrix: notifications before version 6", lib: mautrix, to: 5,
		why: "are checked. v6, rule 9.3, is new there",
		is: func(d *difference) bool {
			return d.ours == "allowed" && strings.Contains(d.theirs, "can't change notifications.")
		},
	},
	{
		name: "mautrix: third-party invites", lib: mautrix,
		why: "are never allowed: the keys are looked for in the membership event, as strings. v3, rule 4.3.1.7: those of the " +
			"m.room.third_party_invite event",
		is: func(d *difference) bool { return strings.Contains(d.theirs, "5.4.1.8") && d.auth.thirdParty() },
	},
	{
		name: "mautrix: join_authorised_via_users_server before version 8", lib: mautrix, to: 7,
		why: "must be signed by that user's server. v8, rule 4.2, is new there",
		is:  func(d *difference) bool { return d.ours == "allowed" && strings.Contains(d.theirs, "fail 5.2:") },
	},
	{
		name: "mautrix: aliases before version 6", lib: mautrix, to: 5,
		why: "have no rule of their own. v3, rule 4",
		is:  func(d *difference) bool { return d.auth.event.Type() == "m.room.aliases" },
	},
	{
		name: "mautrix: join_rule that is no string", lib: mautrix,
		why: "counts as invite. The specification leaves it open; ours lets nobody in, as Synapse does",
		is: func(d *difference) bool {
			c := d.auth
			return d.theirs == "allowed" && c.membership() == authrule.Join && c.rule() == ""
		},
	},
	{
		name: "mautrix: room_version", lib: mautrix,
		why: "of content is not looked at, only the version asked for. v1, rule 1.3",
		is: func(d *difference) bool {
			return d.theirs == "allowed" && d.auth.event.Type() == "m.room.create" && strings.Contains(d.ours, "the room version is not known")
		},
	},
	{
		name: "mautrix: power levels that are true or false", lib: mautrix, to: 9,
		why: "count as 1 and 0, as Python has it. v3, rule 9.1: integers, or strings that are integers",
		is: func(d *difference) bool {
			text := string(d.auth.event.Content())
			return d.theirs == "allowed" && strings.Contains(d.ours, "not a power level") && (strings.Contains(text, "true") || strings.Contains(text, "false"))
		},
	},
	{
		name: "mautrix: power levels that are none", lib: mautrix, to: 9,
		why: "but for those of users, are passed over. The rules before version 10 do not name them; ours and gomatrixserverlib " +
			"do not let them into a room's state",
		is: func(d *difference) bool {
			return d.theirs == "allowed" && strings.HasPrefix(d.ours, "not allowed by rule "+powerRule(d)+": ")
		},
	},
	{
		name: "mautrix: content.creator", lib: mautrix, to: 10,
		why: "in a room without power levels the create event's sender has level 100. m.room.power_levels: the creator",
		is: func(d *difference) bool {
			s := d.auth.s
			return s != nil && s.Power == nil && s.Create != nil && s.Create.Creator != s.Create.Sender
		},
	},
}

// levelAdded says whether power levels say something about what they said nothing about before, or the other way about.
func (c *authCase) levelAdded() bool {
	if c.event.Type() != "m.room.power_levels" {
		return false
	}
	now, old := parseTree(c.event.Content()), parseTree(c.inState("m.room.power_levels"))
	for _, key := range levelKeys {
		if (now.get(key) == nil) != (old.get(key) == nil) {
			return true
		}
	}
	for _, key := range []string{"users", "events"} {
		a, b := now.get(key), old.get(key)
		if a == nil || b == nil || !slices.Equal(a.keys, b.keys) { // canonical, so in order
			return true
		}
	}
	return false
}

// hugeLevel says whether old or new power levels have a number that 64 bits do not hold.
func (c *authCase) hugeLevel() bool {
	huge := func(t *tree) bool {
		if t.kind != 0 {
			return false
		}
		f, err := strconv.ParseFloat(t.text, 64)
		return err == nil && (f >= 1<<63 || f <= -1<<63)
	}
	return parseTree(c.event.Content()).any(huge) || parseTree(c.inState("m.room.power_levels")).any(huge)
}

// inState is the content of an event of the state, an empty object if there is none.
func (c *authCase) inState(typ string) []byte {
	for _, n := range c.state {
		if n.event.IsState(typ, "") {
			return n.event.Content()
		}
	}
	return []byte("{}")
}

// oddNotifications says whether the notifications of old or new power levels are no levels.
func (c *authCase) oddNotifications() bool {
	for _, content := range [][]byte{c.event.Content(), c.inState("m.room.power_levels")} {
		n := parseTree(content).get("notifications")
		if n != nil && (n.kind != '{' || n.any(func(t *tree) bool { return t != n && t.kind != 0 || t.text == "null" || t.text == "true" })) {
			return true
		}
	}
	return false
}

// powerRule is the number of the rules on m.room.power_levels.
func powerRule(d *difference) string {
	if d.version.SpecialCaseAliasesAuth {
		return "10"
	}
	return "9"
}

func (c *authCase) target() id.User {
	key, _ := c.event.StateKey()
	return id.User(key)
}

// membership is what the event would make of its target, "" if it is of another type.
func (c *authCase) membership() authrule.Membership {
	if c.event.Type() != "m.room.member" {
		return ""
	}
	return authrule.ParseMember(c.event.Content()).Membership
}

// now is the target's membership.
func (c *authCase) now() authrule.Membership {
	if c.s == nil {
		return ""
	}
	return c.s.Membership(c.target())
}

func (c *authCase) rule() string {
	if c.s == nil || c.s.JoinRules == nil {
		return authrule.RuleInvite
	}
	return c.s.JoinRules.Rule
}

// thirdParty says whether the event turns an invitation by e-mail into one of a user.
func (c *authCase) thirdParty() bool {
	return c.membership() == authrule.Invite && authrule.ParseMember(c.event.Content()).ThirdParty != nil
}

// firstJoin says whether the event is a join right after the create event.
func (c *authCase) firstJoin() bool {
	return c.membership() == authrule.Join && c.s != nil && c.s.Create != nil && slices.Equal(c.event.Prev(), []id.Event{c.s.Create.Event})
}
