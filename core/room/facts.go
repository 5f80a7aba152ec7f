package room

import (
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

// LevelsAt reads the power levels in the state with that root.
func (r *Rooms) LevelsAt(tx *sqldb.Tx, root pmap.Root) (*Levels, error) {
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
	s, err := r.load(tx, member)
	if err != nil {
		return "", err
	}
	return textIn(s.Event.Content(), "displayname"), nil
}

// ByID reads an event by its id, whoever asks: nil when this server does not have it.
func (r *Rooms) ByID(tx *sqldb.Tx, eventID id.Event) (*Stored, error) { return r.byID(tx, eventID) }

// JoinedSince is the position at which the stay began that the member event belongs to: the first of an unbroken row of
// joins, as a change of name is one too.
func (r *Rooms) JoinedSince(tx *sqldb.Tx, member NID) (sqldb.Pos, error) {
	var since sqldb.Pos
	for range maxMemberships {
		if member == 0 {
			break
		}
		s, err := r.load(tx, member)
		if err != nil {
			return 0, err
		}
		if s.Membership() != "join" {
			break
		}
		since, member = s.Pos, s.Replaces
	}
	return since, nil
}
