package room

import (
	"maps"
	"sync"

	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/event"
)

// types remembers what rooms were made as: the type in their create event, which never changes.
type types struct {
	mu sync.Mutex     // guards m
	m  map[NID]string // bounded by maxTypes
}

// limit: types of rooms in memory | %d of at most 400 bytes | all are forgotten
const maxTypes = 100_000

// longestType bounds what is remembered of a type; of one that is longer no more can be told than that it is another.
const longestType = 255

// typeIn is what a create event says that its room is.
func typeIn(create *event.Event) string {
	typ := textIn(create.Content(), "type")
	return typ[:min(len(typ), longestType)]
}

func (t *types) learn(found map[NID]string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.m == nil || len(t.m)+len(found) > maxTypes {
		t.m = make(map[NID]string, len(found))
	}
	maps.Copy(t.m, found)
}

const (
	sqlTypes = `SELECT nid, type FROM room WHERE nid IN ({ints $1}) AND type IS NOT NULL`
	// Every room has one event that nothing comes before.
	sqlFirstEvents = `SELECT ` + storedColumns + ` FROM event e JOIN room r ON r.nid = e.room
		WHERE e.room IN ({ints $1}) AND e.depth = 1`
)

// Types is what rooms were made as: m.space, or "" for an ordinary one. It reads all that memory does not have at once.
func (r *Rooms) Types(tx *sqldb.Tx, rooms []NID) (map[NID]string, error) {
	out := make(map[NID]string, len(rooms))
	missing := func() (nids []NID) {
		for _, nid := range rooms {
			if _, ok := out[nid]; !ok {
				nids = append(nids, nid)
			}
		}
		return nids
	}
	r.types.mu.Lock()
	for _, nid := range rooms {
		if typ, ok := r.types.m[nid]; ok {
			out[nid] = typ
		}
	}
	r.types.mu.Unlock()
	if len(out) == len(rooms) {
		return out, nil
	}
	rows, err := tx.Query(sqlTypes, sqldb.List(missing()))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := map[NID]string{}
	for rows.Next() {
		var nid NID
		var typ string
		if err := rows.Scan(&nid, &typ); err != nil {
			return nil, err
		}
		found[nid], out[nid] = typ, typ
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if older := missing(); len(older) > 0 { // made before rooms had the column
		events, err := sqldb.All(tx, new(storedReader).scan, sqlFirstEvents, sqldb.List(older))
		if err != nil {
			return nil, err
		}
		for _, s := range events {
			if key, isState := s.Event.StateKey(); isState && key == "" && s.Event.Type() == "m.room.create" {
				typ := typeIn(s.Event)
				found[s.Room], out[s.Room] = typ, typ
			}
		}
	}
	r.types.learn(found)
	return out, nil
}

// HasState says whether the state with that root has such an event. It does not read the event.
func (r *Rooms) HasState(tx *sqldb.Tx, root pmap.Root, typ, key string) (bool, error) {
	nid, err := r.stateNID(tx, root, authrule.StateKey{Type: typ, Key: key})
	return nid != 0, err
}
