package room

import (
	"database/sql"
	"errors"

	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
	"freehold.example/matrix/policy"
	"freehold.example/matrix/version"
)

// Gate is what is known of a room before an event of another server's is looked at.
type Gate struct {
	Room    NID
	Version *version.Version
	Denied  bool           // the room's access list keeps that server out
	Policy  *policy.Server // the room's policy server; nil for none
}

const (
	sqlGate   = `SELECT nid, version, state FROM room WHERE room_id = $1`
	sqlGuards = `SELECT 1 FROM membership WHERE room = $1 AND membership = 'join' AND user_id LIKE $2 LIMIT 1`
)

// Gate reads what another server, "" for none, finds when it comes with events of a room. ok is false for a room that is not
// here at all.
func (r *Rooms) Gate(tx *sqldb.Tx, room id.Room, from id.Server) (g Gate, ok bool, err error) {
	var versionID string
	var state []byte
	err = tx.Row(sqlGate, room).Scan(&g.Room, &versionID, &state)
	if errors.Is(err, sql.ErrNoRows) {
		return g, false, nil
	}
	if err != nil {
		return g, false, err
	}
	if g.Version, ok = version.Lookup(versionID); !ok {
		return g, false, errors.New("stored room version " + versionID + " is unknown")
	}
	root := pmap.Root(state)
	if from != "" {
		if g.Denied, err = r.DeniedIn(tx, root, from); err != nil {
			return g, false, err
		}
	}
	g.Policy, err = r.policyIn(tx, g.Room, root)
	return g, err == nil, err
}

// policyIn is the policy server that a state names, while one of its users is in the room ("Determining if a Policy Server
// is enabled in a room").
func (r *Rooms) policyIn(tx *sqldb.Tx, room NID, root pmap.Root) (*policy.Server, error) {
	e, err := r.StateEvent(tx, root, policy.Type, "")
	if err != nil || e == nil {
		return nil, err
	}
	p, is := policy.Parse(e.Event.Content())
	if !is {
		return nil, nil
	}
	guards, err := sqldb.Column[int](tx, sqlGuards, room, "%:"+string(p.Name))
	if err != nil || len(guards) == 0 {
		return nil, err
	}
	return &p, nil
}
