package room

import (
	"sync"

	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/id"
)

// Levels is who may do what in a room at some moment.
type Levels struct {
	state authrule.State
}

// User is the user's power level.
func (l *Levels) User(u id.User) authrule.Level { return l.state.Level(u) }

// Event is the level that sending an event of that type takes.
func (l *Levels) Event(typ string, isState bool) authrule.Level {
	return l.state.Power.Event(typ, isState)
}

// Notification is the level that notifying everybody under this key takes.
func (l *Levels) Notification(key string) authrule.Level { return l.state.Power.Notification(key) }

// levels remembers the levels of states with these events.
type levels struct {
	mu   sync.Mutex           // guards all below
	m    map[levelsOf]*Levels // bounded by maxLevels
	life int                  // how often all was forgotten
}

type levelsOf struct{ create, power NID }

// limit: power levels of rooms in memory | %d of at most 64 KiB | all are forgotten
const maxLevels = 2000

func (c *levels) get(of levelsOf) (l *Levels, life int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.m[of], c.life
}

// put remembers what was read after get had told the life.
func (c *levels) put(of levelsOf, l *Levels, life int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life != life {
		return
	}
	if c.m == nil || len(c.m) >= maxLevels {
		c.m = map[levelsOf]*Levels{}
	}
	c.m[of] = l
}

// forget is called when a state event was redacted: which of them it was of does not matter, it is rare.
func (c *levels) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.m = nil
	c.life++
}

// LevelsAt reads the power levels in the state with that root. What it returns is shared.
func (r *Rooms) LevelsAt(tx *sqldb.Tx, root pmap.Root) (*Levels, error) {
	var of levelsOf
	var err error
	if of.create, err = r.stateNID(tx, root, keyCreate); err != nil {
		return nil, err
	}
	if of.power, err = r.stateNID(tx, root, keyPower); err != nil {
		return nil, err
	}
	known, life := r.levels.get(of)
	if known != nil {
		return known, nil
	}
	l, err := r.readLevels(tx, root)
	if err == nil && tx.Peeking() { // else the snapshot may be from before a redaction
		r.levels.put(of, l, life)
	}
	return l, err
}

func (r *Rooms) readLevels(tx *sqldb.Tx, root pmap.Root) (*Levels, error) {
	l := new(Levels)
	for _, key := range []authrule.StateKey{keyCreate, keyPower} {
		s, err := r.StateEvent(tx, root, key.Type, key.Key)
		if err != nil {
			return nil, err
		}
		if s == nil {
			continue
		}
		if err := l.state.Add(s.Event.Version(), s.Event); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// LevelsOf reads a room's power levels as they are now. Errors: M_NOT_FOUND.
func (r *Rooms) LevelsOf(tx *sqldb.Tx, room id.Room) (*Levels, error) {
	now, err := r.Current(tx, room)
	if err != nil {
		return nil, err
	}
	if len(now) == 0 {
		return nil, errUnknownRoom
	}
	return r.LevelsAt(tx, now[0].State)
}

// DisplayName is the name in a member event.
func (r *Rooms) DisplayName(tx *sqldb.Tx, member NID) (string, error) {
	s, err := r.Load(tx, member)
	if err != nil {
		return "", err
	}
	return textIn(s.Event.Content(), "displayname"), nil
}

// JoinedSince is the position at which the stay began that the member event belongs to: the first of an unbroken row of
// joins, as a change of name is one too.
func (r *Rooms) JoinedSince(tx *sqldb.Tx, member NID) (since sqldb.Pos, err error) {
	for s, err := range r.memberEvents(tx, member) {
		if err != nil {
			return 0, err
		}
		if s.Membership() != "join" {
			break
		}
		since = s.Pos
	}
	return since, nil
}
