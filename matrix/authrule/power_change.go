package authrule

import (
	"errors"

	"freehold.example/matrix/id"
)

// power is the rules on m.room.power_levels for a sender of that level.
func (c *check) power(level Level) error {
	e, n, old := c.e, c.n, c.s.Power
	now, err := ParsePowerLevels(e.Version(), e.Content())
	if err != nil {
		return c.malformed(err)
	}
	if e.Version().CreatorsPrivileged {
		for user := range now.users {
			if c.s.Create.Privileged(user) {
				return malform(n.powerMade, "", "%s is a creator of the room and has no level", user)
			}
		}
	}
	if old == nil {
		return nil
	}
	for i := range namedCount {
		was, is := old.entry(i), now.entry(i)
		if was == is {
			continue
		}
		if was.set && was.level > level {
			return refuse(n.powerNamed, ".1", "%s with level %d may not change %s from %d", e.Sender(), level, namedKeys[i], was.level)
		}
		if is.set && is.level > level {
			return refuse(n.powerNamed, ".2", "%s with level %d may not set %s to %d", e.Sender(), level, namedKeys[i], is.level)
		}
	}

	notifications := e.Version().NotificationsPowerChecked
	key, bad := changedAbove(old.events, now.events, level)
	if !bad && notifications {
		key, bad = changedAbove(old.notifications, now.notifications, level)
	}
	if bad {
		return refuse(n.powerOld, ".1", "%s with level %d may not change the level of %q, which is higher", e.Sender(), level, key)
	}
	key, bad = addedAbove(old.events, now.events, level)
	if !bad && notifications {
		key, bad = addedAbove(old.notifications, now.notifications, level)
	}
	if bad {
		return refuse(n.powerNew, ".1", "%s with level %d may not set a higher level for %q", e.Sender(), level, key)
	}
	return c.powerOfUsers(old.users, now.users, level)
}

// powerOfUsers is the part of the rules that is on users.
func (c *check) powerOfUsers(old, now map[id.User]Level, level Level) error {
	sender := c.e.Sender()
	for user, was := range old {
		if is, kept := now[user]; kept && is == was || user == sender {
			continue
		}
		if was >= level {
			return refuse(c.n.userOld, ".1", "%s with level %d may not change the level of %s, which is not lower", sender, level, user)
		}
	}
	if user, bad := addedAbove(old, now, level); bad {
		return refuse(c.n.userNew, ".1", "%s with level %d may not give a higher level to %s", sender, level, user)
	}
	return nil
}

// malformed is the refusal of power levels that could not be parsed. Before version 10 the rules name only users: for the
// rest there is no number, but levels that mean nothing must not come to stand in a room's state.
func (c *check) malformed(err error) error {
	m, ok := errors.AsType[*malformedPower](err)
	switch {
	case ok && m.part == partUsers:
		return malform(c.n.powerUsers, "", "%s", err)
	case ok && c.e.Version().IntegerPowerLevels && m.part == partNamed:
		return malform(c.n.power, ".1", "%s", err)
	case ok && c.e.Version().IntegerPowerLevels && m.part == partEvents:
		return malform(c.n.power, ".2", "%s", err)
	}
	return malform(c.n.power, "", "%s", err)
}

// entry is a level as content has it: comparing two says whether it was added, changed or removed.
type entry struct {
	level Level
	set   bool
}

func (p *PowerLevels) entry(n named) entry {
	if !p.set[n] {
		return entry{}
	}
	return entry{p.named[n], true}
}

// changedAbove finds an entry that is changed or removed and was above the level.
func changedAbove[K ~string](old, now map[K]Level, level Level) (key K, found bool) {
	for k, was := range old {
		if is, kept := now[k]; kept && is == was {
			continue
		}
		if was > level {
			return k, true
		}
	}
	return "", false
}

// addedAbove finds an entry that is added or changed and is above the level.
func addedAbove[K ~string](old, now map[K]Level, level Level) (key K, found bool) {
	for k, is := range now {
		if was, had := old[k]; had && is == was {
			continue
		}
		if is > level {
			return k, true
		}
	}
	return "", false
}
