package authrule

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"strconv"
	"strings"

	"freehold.example/matrix/canon"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// Level is a power level. From room version 6 on it is within 2^53; larger numbers of earlier versions count as the
// largest there is.
type Level int64

const (
	// CreatorLevel is the level of a privileged creator: more than anybody else can have.
	CreatorLevel Level = math.MaxInt64
	maxLevel           = CreatorLevel - 1
	minLevel           = -maxLevel
	// maxCanonical is the largest number that canonical JSON has.
	maxCanonical = 1<<53 - 1
)

// named are the levels that stand in content by themselves, in the order in which they are checked.
type named int

const (
	usersDefault named = iota
	eventsDefault
	stateDefault
	ban
	redact
	kick
	invite
	namedCount
)

var namedKeys = [namedCount]string{"users_default", "events_default", "state_default", "ban", "redact", "kick", "invite"}

// defaults are what holds where nothing is said (m.room.power_levels).
var defaults = [namedCount]Level{stateDefault: 50, ban: 50, redact: 50, kick: 50}

// PowerLevels is a parsed m.room.power_levels event. It is immutable. The nil pointer is that of a room without one, with
// the defaults for everything; who the creators are is the State's to know, so ask State.Level for a user's level.
type PowerLevels struct {
	named         [namedCount]Level
	set           [namedCount]bool // said in content
	users         map[id.User]Level
	events        map[string]Level
	notifications map[string]Level
}

// The parts of content that a malformedPower can be about: the rules of version 10 have a number for each.
type powerPart int

const (
	partNamed powerPart = iota
	partEvents
	partUsers
)

// malformedPower says that content is not one of power levels.
type malformedPower struct {
	part powerPart
	why  string
}

func (m *malformedPower) Error() string { return m.why }

// ParsePowerLevels parses the content, any JSON, of an m.room.power_levels event by the room version: integers, and where the
// version takes them, strings that hold an integer, and fractions. It fails on what the version's rules refuse.
func ParsePowerLevels(v *version.Version, content []byte) (*PowerLevels, error) {
	p := &PowerLevels{named: defaults}
	var worst *malformedPower
	note := func(part powerPart, what string, err error) {
		if err != nil && (worst == nil || part < worst.part) {
			worst = &malformedPower{part: part, why: what + ": " + err.Error()}
		}
	}
	content, err := canon.Canonical(content, canon.Lenient)
	if err != nil || content[0] != '{' {
		return nil, &malformedPower{part: partNamed, why: "content is not an object"}
	}
	for o := canon.Open(content); ; {
		m, ok := o.Next()
		if !ok {
			break
		}
		value := m.Value()
		switch name := string(m.Key()); name {
		case "users":
			users, err := parseLevels(v, value, id.ParseUser)
			note(partUsers, name, err)
			p.users = users
		case "events":
			events, err := parseLevels(v, value, anyKey)
			note(partEvents, name, err)
			p.events = events
		case "notifications":
			notifications, err := parseLevels(v, value, anyKey)
			if v.NotificationsPowerChecked {
				note(partEvents, name, err)
			}
			p.notifications = notifications
		default:
			for i, k := range namedKeys {
				if k == name {
					level, err := parseLevel(v, value)
					note(partNamed, name, err)
					p.named[i], p.set[i] = level, true
				}
			}
		}
	}
	if worst != nil {
		return nil, worst
	}
	return p, nil
}

func anyKey(s string) (string, error) { return s, nil }

// parseLevels parses an object of levels. What is no object is an error and yields nothing.
func parseLevels[K ~string](v *version.Version, value []byte, parseKey func(string) (K, error)) (map[K]Level, error) {
	if len(value) == 0 || value[0] != '{' {
		return nil, errors.New("not an object")
	}
	levels := make(map[K]Level)
	for o := canon.Open(value); ; {
		m, ok := o.Next()
		if !ok {
			return levels, nil
		}
		name, _ := canon.String(m.Raw()[:len(m.Key())+2])
		key, err := parseKey(name)
		if err != nil {
			return nil, err
		}
		level, err := parseLevel(v, m.Value())
		if err != nil {
			return nil, fmt.Errorf("%q: %w", name, err)
		}
		levels[key] = level
	}
}

var errLevel = errors.New("not a power level")

// parseLevel parses one level.
func parseLevel(v *version.Version, value []byte) (Level, error) {
	if len(value) == 0 {
		return 0, errLevel
	}
	if value[0] == '"' {
		s, ok := canon.String(value)
		if !ok || v.IntegerPowerLevels {
			return 0, errLevel
		}
		return levelOfString(s)
	}
	s := string(value)
	if c := s[len(s)-1]; c < '0' || c > '9' || s[0] == '+' || strings.Trim(s, "0123456789+-.eE") != "" {
		return 0, errLevel
	}
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case err == nil && v.StrictJSON && (n > maxCanonical || n < -maxCanonical):
		return 0, errLevel
	case err == nil:
		return clamp(n), nil
	case !v.FloatPowerLevels:
		return 0, errLevel
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil { // also where it is beyond a double's range
		return 0, errLevel
	}
	return levelOfFloat(f), nil
}

// levelOfString parses a level in a string: an integer with a sign perhaps, leading zeros and white space around it
// (v1, "m.room.power_levels events accept values as strings").
func levelOfString(s string) (Level, error) {
	s = strings.TrimSpace(s)
	digits := s
	if s != "" && (s[0] == '+' || s[0] == '-') {
		digits = s[1:]
	}
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, errLevel
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, errLevel
	}
	return clamp(n), nil // at the end of int64 where it is out of range
}

// levelOfFloat cuts the fraction off (v1, "m.room.power_levels events accept values as floats").
func levelOfFloat(f float64) Level {
	switch f = math.Trunc(f); {
	case f >= float64(maxLevel):
		return maxLevel
	case f <= float64(minLevel):
		return minLevel
	}
	return Level(f)
}

func clamp(n int64) Level { return max(minLevel, min(maxLevel, Level(n))) }

func (p *PowerLevels) level(n named) Level {
	if p == nil {
		return defaults[n]
	}
	return p.named[n]
}

// User is the level that the event gives the user; State.Level knows about creators too.
func (p *PowerLevels) User(u id.User) Level {
	if p == nil {
		return 0
	}
	if level, ok := p.users[u]; ok {
		return level
	}
	return p.named[usersDefault]
}

// Users are the users whom the event gives a level by name, in no order.
func (p *PowerLevels) Users() iter.Seq2[id.User, Level] {
	if p == nil {
		return func(func(id.User, Level) bool) {}
	}
	return maps.All(p.users)
}

// Event is the level needed to send an event of that type.
func (p *PowerLevels) Event(typ string, isState bool) Level {
	if p != nil {
		if level, ok := p.events[typ]; ok {
			return level
		}
	}
	if isState {
		return p.level(stateDefault)
	}
	return p.level(eventsDefault)
}

// Invite is the level needed to invite.
func (p *PowerLevels) Invite() Level { return p.level(invite) }

// Kick is the level needed to kick.
func (p *PowerLevels) Kick() Level { return p.level(kick) }

// Ban is the level needed to ban, and besides that of kicking to lift a ban.
func (p *PowerLevels) Ban() Level { return p.level(ban) }

// Redact is the level needed to redact another's event.
func (p *PowerLevels) Redact() Level { return p.level(redact) }

// UsersDefault is the level of users who have none by name.
func (p *PowerLevels) UsersDefault() Level { return p.level(usersDefault) }

// Notification is the level needed to notify by the key, such as "room" for @room: 50 where nothing is said.
func (p *PowerLevels) Notification(key string) Level {
	if p != nil {
		if level, ok := p.notifications[key]; ok {
			return level
		}
	}
	return 50
}
