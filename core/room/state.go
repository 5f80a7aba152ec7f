package room

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync"

	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/id"
)

// A room's state is a pmap from state-key nid to event nid. Equal states have equal roots, a change writes a few nodes, and
// what changed between two moments is a walk over the nodes that differ (design D6).

// keyNames remembers which nid stands for which state key, and of which keys there is none. The first never changes, so it
// may be kept for ever; the number kept is bounded, and the whole is dropped when it is full.
type keyNames struct {
	mu sync.RWMutex // guards the rest
	m  map[authrule.StateKey]NID
	// fresh has numbers that are promised to keys which are not on disk yet. Each write that uses one puts the key there
	// (planned.freshKey); what another write has put there meanwhile stands.
	fresh map[authrule.StateKey]NID
	// absent are keys that the database did not have, and for which nobody was promised a number since. Once numbers were
	// forgotten that cannot be told: lost ends it.
	absent map[authrule.StateKey]bool
	lost   bool
}

const (
	// limit: numbers of state keys in memory | twice %d of at most 600 bytes | all are forgotten
	maxKeyNames = 200_000
	// limit: state keys that no room has, in memory | %d of at most 600 bytes | all are forgotten
	maxAbsentKeys = 2000
)

func newKeyNames() *keyNames {
	return &keyNames{m: map[authrule.StateKey]NID{}, fresh: map[authrule.StateKey]NID{}, absent: map[authrule.StateKey]bool{}}
}

// get gives the number of a key, and whether it is only promised.
func (k *keyNames) get(key authrule.StateKey) (nid NID, fresh, ok bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if nid, ok := k.m[key]; ok {
		return nid, false, true
	}
	nid, ok = k.fresh[key]
	return nid, ok, ok
}

// none says whether no event of any room has the key.
func (k *keyNames) none(key authrule.StateKey) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.absent[key]
}

// miss is called when a snapshot does not have a key.
func (k *keyNames) miss(key authrule.StateKey) {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, known := k.m[key]
	_, promised := k.fresh[key]
	if known || promised || k.lost {
		return // it may have come after the snapshot
	}
	if len(k.absent) >= maxAbsentKeys {
		clear(k.absent)
	}
	k.absent[key] = true
}

// lose is called where numbers are forgotten that snapshots may not have yet.
func (k *keyNames) lose() {
	k.lost = true
	clear(k.absent)
}

// put remembers the number that a key has on disk.
func (k *keyNames) put(key authrule.StateKey, nid NID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.m) >= maxKeyNames {
		clear(k.m)
		k.lose()
	}
	k.m[key] = nid
	delete(k.fresh, key)
}

// promise gives a key the number, unless it has one.
func (k *keyNames) promise(key authrule.StateKey, nid NID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.fresh) >= maxKeyNames {
		clear(k.fresh)
		k.lose()
	}
	_, known := k.m[key]
	_, promised := k.fresh[key]
	if !known && !promised {
		k.fresh[key] = nid
		delete(k.absent, key)
	}
}

// forget takes a promise back.
func (k *keyNames) forget(key authrule.StateKey) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.fresh, key)
	k.lose()
}

const (
	sqlKeyNID  = `SELECT nid FROM state_key WHERE type = $1 AND state_key = $2`
	sqlKeyNIDs = `SELECT nid, state_key FROM state_key WHERE type = $1 AND state_key IN ({list $2})`
	sqlAddKey  = `INSERT INTO state_key (nid, type, state_key) VALUES ($1, $2, $3) ON CONFLICT (type, state_key) DO NOTHING`
)

// intern gives each key a number, promising new ones to those the database has not seen. It is called before a lane is
// taken, as it reads.
func (r *Rooms) intern(ctx context.Context, keys ...authrule.StateKey) error {
	var unknown []authrule.StateKey
	for _, key := range keys {
		if _, _, ok := r.keys.get(key); !ok {
			unknown = append(unknown, key)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	var known map[authrule.StateKey]bool
	read := r.DB.Read
	if len(unknown) == 1 {
		read = r.DB.ReadOne
	}
	err := read(ctx, func(tx *sqldb.Tx) (err error) {
		known, err = r.keysOnDisk(tx, unknown)
		return err
	})
	missing := slices.DeleteFunc(unknown, func(key authrule.StateKey) bool { return known[key] })
	if err != nil || len(missing) == 0 {
		return err
	}
	first, err := r.allot(ctx, len(missing))
	if err != nil {
		return err
	}
	for i, key := range missing {
		r.keys.promise(key, first+NID(i))
	}
	return nil
}

// keysOnDisk reads the numbers of keys, as many at once as there are of a type, and says which have one.
func (r *Rooms) keysOnDisk(tx *sqldb.Tx, keys []authrule.StateKey) (known map[authrule.StateKey]bool, err error) {
	known = map[authrule.StateKey]bool{}
	types := map[string][]string{}
	for _, key := range keys {
		types[key.Type] = append(types[key.Type], key.Key)
	}
	for typ, all := range types {
		for some := range slices.Chunk(all, 500) {
			if len(some) == 1 {
				key := authrule.StateKey{Type: typ, Key: some[0]}
				if _, known[key], err = r.keyNID(tx, key); err != nil {
					return nil, err
				}
				continue
			}
			_, err := sqldb.All(tx, func(row sqldb.Scanner) (key authrule.StateKey, err error) {
				var nid NID
				key.Type = typ
				if err = row.Scan(&nid, &key.Key); err == nil {
					known[key] = true
					r.keys.put(key, nid)
				}
				return key, err
			}, sqlKeyNIDs, typ, sqldb.List(some))
			if err != nil {
				return nil, err
			}
		}
	}
	return known, nil
}

// freshKey is a state key that comes into the database with the event that is the first to have it.
type freshKey struct {
	authrule.StateKey
	nid   NID
	names *keyNames
}

// persist puts the key there. errStale: it has another number there.
func (k *freshKey) persist(tx *sqldb.Tx) error {
	n, err := tx.Exec(sqlAddKey, k.nid, k.Type, k.Key)
	if err != nil || n == 1 {
		return err
	}
	var there NID
	if err := tx.Row(sqlKeyNID, k.Type, k.Key).Scan(&there); err != nil {
		return err
	}
	if there != k.nid {
		k.names.forget(k.StateKey)
		return errStale
	}
	return nil
}

// keyNID looks a state key's number up. ok is false for a key that no event of any room ever had.
func (r *Rooms) keyNID(tx *sqldb.Tx, key authrule.StateKey) (nid NID, ok bool, err error) {
	if nid, _, ok := r.keys.get(key); ok {
		return nid, true, nil
	}
	if r.keys.none(key) {
		return 0, false, nil
	}
	err = tx.Row(sqlKeyNID, key.Type, key.Key).Scan(&nid)
	if errors.Is(err, sql.ErrNoRows) {
		r.keys.miss(key)
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	r.keys.put(key, nid)
	return nid, true, nil
}

// errUnseen: an event of a state is not there for this transaction.
var errUnseen = errors.New("the state has an event that is not here")

// unseen says whether an error is that of going from a state which was worked out in a later transaction, and remembered: this
// one does not see its nodes, or its events, and begins anew from what it sees.
func unseen(err error) bool { return errors.Is(err, errUnseen) || errors.Is(err, sql.ErrNoRows) }

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
	return r.Load(tx, nid)
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
	return r.LoadAll(tx, nids)
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
	return r.LoadAll(tx, nids)
}

// StateNIDs lists the events of the state with that root, for LoadAll.
func (r *Rooms) StateNIDs(tx *sqldb.Tx, root pmap.Root) ([]NID, error) {
	var nids []NID
	err := pmap.Walk(r.nodesOf(tx), root, func(_, v uint64) error {
		nids = append(nids, NID(v))
		return nil
	})
	return nids, err
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
