package room

import (
	"maps"
	"sync"

	"freehold.example/base/sqldb"
)

// keyKinds remembers which state keys are members: most of a large room's, and what a client that loads members lazily is
// not to be told. Entries never change; the whole is dropped when it is full.
type keyKinds struct {
	mu     sync.RWMutex // guards member
	member map[NID]bool // bounded by maxKeyKinds
}

const (
	// limit: kinds of state keys in memory | %d of some 40 bytes | all are forgotten
	maxKeyKinds = 500_000
	kindsAtOnce = 5000
)

func newKeyKinds() *keyKinds { return &keyKinds{member: map[NID]bool{}} }

const sqlKinds = `SELECT nid, type = 'm.room.member' FROM state_key WHERE nid IN ({ints $1})`

// withoutMembers drops the events whose keys are members. keys and nids go together; nids is changed.
func (k *keyKinds) withoutMembers(tx *sqldb.Tx, keys, nids []NID) ([]NID, error) {
	kept, unknownKeys, unknown := nids[:0], []NID(nil), map[NID]NID{}
	k.mu.RLock()
	for i, key := range keys {
		member, known := k.member[key]
		switch {
		case !known:
			unknownKeys = append(unknownKeys, key)
			unknown[key] = nids[i]
		case !member:
			kept = append(kept, nids[i])
		}
	}
	k.mu.RUnlock()
	for len(unknownKeys) > 0 {
		n := min(len(unknownKeys), kindsAtOnce)
		found, err := k.learn(tx, unknownKeys[:n])
		if err != nil {
			return nil, err
		}
		for _, key := range unknownKeys[:n] {
			if !found[key] {
				kept = append(kept, unknown[key])
			}
		}
		unknownKeys = unknownKeys[n:]
	}
	return kept, nil
}

// learn reads what kind the keys are.
func (k *keyKinds) learn(tx *sqldb.Tx, keys []NID) (map[NID]bool, error) {
	rows, err := tx.Query(sqlKinds, sqldb.List(keys))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := make(map[NID]bool, len(keys))
	for rows.Next() {
		var key NID
		var member bool
		if err := rows.Scan(&key, &member); err != nil {
			return nil, err
		}
		found[key] = member
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.member)+len(found) > maxKeyKinds {
		clear(k.member)
	}
	maps.Copy(k.member, found)
	return found, nil
}
