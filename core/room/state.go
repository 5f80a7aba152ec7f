package room

import (
	"context"
	"database/sql"
	"errors"
	"sync"

	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/id"
)

// A room's state is a pmap from state-key nid to event nid. Equal states have equal roots, a change writes a few nodes, and
// what changed between two moments is a walk over the nodes that differ (design D6).

// keyNames remembers which nid stands for which state key. Entries never change, so they may be kept for ever; the number
// kept is bounded, and the whole is dropped when it is full.
type keyNames struct {
	mu sync.RWMutex // guards m
	m  map[authrule.StateKey]NID
}

const maxKeyNames = 200_000

func newKeyNames() *keyNames { return &keyNames{m: map[authrule.StateKey]NID{}} }

func (k *keyNames) get(key authrule.StateKey) (NID, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	nid, ok := k.m[key]
	return nid, ok
}

func (k *keyNames) put(key authrule.StateKey, nid NID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.m) >= maxKeyNames {
		clear(k.m)
	}
	k.m[key] = nid
}

const (
	sqlKeyNID = `SELECT nid FROM state_key WHERE type = $1 AND state_key = $2`
	sqlAddKey = `INSERT INTO state_key (nid, type, state_key) VALUES ($1, $2, $3) ON CONFLICT (type, state_key) DO NOTHING`
)

// intern gives each key a number, adding those the database has not seen. It writes, so it is called before a lane is taken.
func (r *Rooms) intern(ctx context.Context, keys ...authrule.StateKey) error {
	var missing []authrule.StateKey
	for _, key := range keys {
		if _, ok := r.keys.get(key); !ok {
			missing = append(missing, key)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	first, err := r.allot(ctx, len(missing))
	if err != nil {
		return err
	}
	found := make([]NID, len(missing))
	err = r.DB.Write(ctx, func(tx *sqldb.Tx) error {
		for i, key := range missing {
			if _, err := tx.Exec(sqlAddKey, first+NID(i), key.Type, key.Key); err != nil {
				return err
			}
			if err := tx.Row(sqlKeyNID, key.Type, key.Key).Scan(&found[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, key := range missing {
		r.keys.put(key, found[i])
	}
	return nil
}

// keyNID looks a state key's number up. ok is false for a key that no event of any room ever had.
func (r *Rooms) keyNID(tx *sqldb.Tx, key authrule.StateKey) (nid NID, ok bool, err error) {
	if nid, ok := r.keys.get(key); ok {
		return nid, true, nil
	}
	err = tx.Row(sqlKeyNID, key.Type, key.Key).Scan(&nid)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	r.keys.put(key, nid)
	return nid, true, nil
}

const sqlNode = `SELECT body FROM state_node WHERE address = $1`

// nodesOf reads the nodes of the state tree within tx, through the cache.
func (r *Rooms) nodesOf(tx *sqldb.Tx) pmap.Loader {
	return r.nodes.Loader(func(address pmap.Root) ([]byte, error) {
		var body []byte
		err := tx.Row(sqlNode, address[:]).Scan(&body)
		return body, err
	})
}

// stateNID finds the state event of that type and key in the state with that root; 0 when there is none.
func (r *Rooms) stateNID(tx *sqldb.Tx, root pmap.Root, key authrule.StateKey) (NID, error) {
	return r.stateNIDIn(tx, r.nodesOf(tx), root, key)
}

// stateNIDIn is stateNID for a state that is perhaps not on disk yet.
func (r *Rooms) stateNIDIn(tx *sqldb.Tx, load pmap.Loader, root pmap.Root, key authrule.StateKey) (NID, error) {
	k, ok, err := r.keyNID(tx, key)
	if err != nil || !ok {
		return 0, err
	}
	v, ok, err := pmap.Get(load, root, uint64(k))
	if err != nil || !ok {
		return 0, err
	}
	return NID(v), nil
}

// StateEvent reads one state event out of the state with that root; nil when there is none.
func (r *Rooms) StateEvent(tx *sqldb.Tx, root pmap.Root, typ, key string) (*Stored, error) {
	nid, err := r.stateNID(tx, root, authrule.StateKey{Type: typ, Key: key})
	if err != nil || nid == 0 {
		return nil, err
	}
	return r.load(tx, nid)
}

// StateEvents reads all the events of the state with that root, in no particular order.
func (r *Rooms) StateEvents(tx *sqldb.Tx, root pmap.Root) ([]*Stored, error) {
	var nids []NID
	err := pmap.Walk(r.nodesOf(tx), root, func(_, v uint64) error {
		nids = append(nids, NID(v))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return r.loadAll(tx, nids)
}

// StateDelta reads the events that stand in the state b and not in the state a: what changed from a to b. State that was
// there and is gone, which cannot happen by sending events, is not reported. lazy leaves members out, and does not read
// their events, so that a room costs what it has besides its members.
func (r *Rooms) StateDelta(tx *sqldb.Tx, a, b pmap.Root, lazy bool) ([]*Stored, error) {
	if a == b {
		return nil, nil
	}
	var keys, nids []NID
	err := pmap.Diff(r.nodesOf(tx), a, b, func(key, _, now uint64) error {
		if now != 0 {
			keys, nids = append(keys, NID(key)), append(nids, NID(now))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if lazy {
		if nids, err = r.kinds.withoutMembers(tx, keys, nids); err != nil {
			return nil, err
		}
	}
	return r.loadAll(tx, nids)
}

// membership finds a user's membership in the state with that root.
func (r *Rooms) membership(tx *sqldb.Tx, root pmap.Root, user id.User) (authrule.Membership, error) {
	e, err := r.StateEvent(tx, root, "m.room.member", string(user))
	if err != nil || e == nil {
		return authrule.Leave, err
	}
	return authrule.Membership(e.Membership()), nil
}

// MemberEvents reads the m.room.member events of the state with that root whose membership keep keeps.
func (r *Rooms) MemberEvents(tx *sqldb.Tx, root pmap.Root, keep func(membership string) bool) ([]*Stored, error) {
	events, err := r.StateEvents(tx, root)
	if err != nil {
		return nil, err
	}
	members := make([]*Stored, 0, len(events))
	for _, e := range events {
		if e.Event.Type() == "m.room.member" && keep(e.Membership()) {
			members = append(members, e)
		}
	}
	return members, nil
}
