package keys

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Claimed is the keys given out: user -> device -> algorithm:id -> key. Whoever had none is absent.
type Claimed map[id.User]map[id.Device]map[string]json.RawMessage

// claim is one wanted key.
type claim struct {
	user      id.User
	device    id.Device
	algorithm string
}

// claimsPerWrite keeps one large claim from holding up the writes of everybody else.
const claimsPerWrite = 128

// Claim takes a one-time key of each local device that is named, or its fallback key when none is left, and gives it to
// the caller. A one-time key is given once: it is marked in the transaction that reads it, before the caller has it.
// Users of other servers are returned by server in failures.
func (k *Keys) Claim(ctx context.Context, want map[id.User]map[id.Device]string) (got Claimed, failures []id.Server, err error) {
	var claims []claim
	for user, devices := range want {
		if user.Server() != k.Server {
			failures = append(failures, user.Server())
			continue
		}
		for device, algorithm := range devices {
			claims = append(claims, claim{user, device, algorithm})
		}
	}
	if len(claims) > MaxClaims {
		return nil, nil, fault.Newf(fault.TooLarge, "At most %d keys can be claimed at once", MaxClaims)
	}
	slices.SortFunc(claims, func(a, b claim) int { // a fixed order, so that two nodes do not wait for each other
		if c := strings.Compare(string(a.user), string(b.user)); c != 0 {
			return c
		}
		return strings.Compare(string(a.device), string(b.device))
	})
	slices.Sort(failures)
	failures = slices.Compact(failures)

	got = make(Claimed)
	for chunk := range slices.Chunk(claims, claimsPerWrite) {
		var keys []oneKey
		err := k.DB.Write(ctx, func(tx *sqldb.Tx) error {
			keys = make([]oneKey, len(chunk))
			for i, c := range chunk {
				var err error
				k.restock(c.user, c.device, tx.Pos())
				if keys[i], err = claimOne(tx, c); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
		for i, c := range chunk {
			if keys[i].body == nil {
				continue
			}
			if got[c.user] == nil {
				got[c.user] = make(map[id.Device]map[string]json.RawMessage)
			}
			got[c.user][c.device] = map[string]json.RawMessage{keys[i].algorithm + ":" + keys[i].id: keys[i].body}
		}
	}
	k.Wake(Log)
	return got, failures, nil
}

const (
	// In the order of upload; keys of one upload are equal in this (POST /keys/claim).
	sqlClaim = `UPDATE one_time_key SET claimed = $4
		WHERE user_id = $1 AND device_id = $2 AND algorithm = $3 AND claimed = 0 AND key_id = (
			SELECT key_id FROM one_time_key WHERE user_id = $1 AND device_id = $2 AND algorithm = $3 AND claimed = 0
			ORDER BY uploaded, key_id LIMIT 1)
		RETURNING key_id, body`
	sqlClaimFallback = `UPDATE fallback_key SET used = TRUE
		WHERE user_id = $1 AND device_id = $2 AND algorithm = $3 RETURNING key_id, body`
)

// claimOne returns a key without body when the device has none of this algorithm.
func claimOne(tx *sqldb.Tx, c claim) (oneKey, error) {
	key := oneKey{algorithm: c.algorithm}
	err := tx.Row(sqlClaim, c.user, c.device, c.algorithm, tx.Pos()).Scan(&key.id, &key.body)
	if err == nil {
		_, err = tx.Exec(sqlOneTimeCount, c.user, c.device, c.algorithm, -1)
		return key, err
	}
	if errors.Is(err, sql.ErrNoRows) {
		err = tx.Row(sqlClaimFallback, c.user, c.device, c.algorithm).Scan(&key.id, &key.body)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return oneKey{}, nil
	}
	return key, err
}
