package keys

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Upload is what a device publishes at once; any part may be empty.
type Upload struct {
	DeviceKeys   json.RawMessage
	OneTimeKeys  map[string]json.RawMessage // by algorithm:id
	FallbackKeys map[string]json.RawMessage // by algorithm:id
}

// oneKey is a one-time or fallback key.
type oneKey struct {
	algorithm, id string
	body          []byte // canonical JSON: a string or an object
}

// Upload stores what the device publishes, all of it or nothing, and says what the device has then. Keys that are stored
// already are left as they are; a one-time key with the id of another is refused.
func (k *Keys) Upload(ctx context.Context, user id.User, device id.Device, up Upload) (Stock, error) {
	p, err := Prepare(user, device, up)
	if err != nil {
		return Stock{}, err
	}
	var stock Stock
	var changed bool
	err = k.DB.Write(ctx, func(tx *sqldb.Tx) error {
		devices, err := k.Devices(tx, user)
		if err != nil {
			return err
		}
		if _, ok := devices[device]; !ok { // logged out since the request began: its keys would stay for ever
			return fault.New(fault.UnknownToken, "This device was logged out")
		}
		if changed, err = k.store(tx, p); err != nil {
			return err
		}
		stock, err = readStock(tx, user, device)
		return err
	})
	if err != nil {
		return Stock{}, err
	}
	if changed {
		k.announce(ctx, user)
	}
	return stock, nil
}

// Prepared is an upload that has been checked.
type Prepared struct {
	owner
	identity          *object // nil: none
	oneTime, fallback []oneKey
}

// HasIdentity says whether the identity keys of the device are in it.
func (p *Prepared) HasIdentity() bool { return p.identity != nil }

// Prepare checks an upload.
func Prepare(user id.User, device id.Device, up Upload) (p *Prepared, err error) {
	if device == "" {
		return nil, fault.New(fault.InvalidParam, "Only a device can upload keys")
	}
	p = &Prepared{owner: owner{user, device}}
	if p.identity, err = parseDeviceKeys(user, device, up.DeviceKeys); err != nil {
		return nil, err
	}
	if p.oneTime, err = parseOneKeys("one_time_keys", up.OneTimeKeys, MaxOneTimeKeys); err != nil {
		return nil, err
	}
	if p.fallback, err = parseOneKeys("fallback_keys", up.FallbackKeys, MaxFallbackKeys); err != nil {
		return nil, err
	}
	for i := range p.fallback {
		if i > 0 && p.fallback[i].algorithm == p.fallback[i-1].algorithm {
			return nil, fault.New(fault.InvalidParam, "There may be one fallback key of an algorithm")
		}
	}
	return p, nil
}

// Publish stores what was prepared, in the transaction that makes the device.
func (k *Keys) Publish(tx *sqldb.Tx, p *Prepared) error {
	changed, err := k.store(tx, p)
	if changed {
		k.announceLater(p.user)
	}
	return err
}

// store says whether others have something to learn.
func (k *Keys) store(tx *sqldb.Tx, p *Prepared) (changed bool, err error) {
	if changed, err = k.storeDeviceKeys(tx, p.user, p.device, p.identity); err != nil {
		return false, err
	}
	k.restock(p.user, p.device, tx.Pos())
	if err := storeOneTimeKeys(tx, p.user, p.device, p.oneTime); err != nil {
		return false, err
	}
	return changed, storeFallbackKeys(tx, p.user, p.device, p.fallback)
}

// parseDeviceKeys checks the identity keys of a device ("DeviceKeys" of POST /keys/upload). It returns nil when there are
// none. Signatures are for other devices to verify: they trust the key, not this server. Keys that nobody has signed are
// shown as such, which is what other devices refuse them for.
func parseDeviceKeys(user id.User, device id.Device, raw json.RawMessage) (*object, error) {
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return nil, nil
	}
	o, err := parseObject(raw, MaxDeviceKeys)
	if err != nil {
		return nil, err
	}
	var userID, deviceID string
	var algorithms []string
	var keys map[string]string
	if err := errors.Join(
		o.need("user_id", &userID), o.need("device_id", &deviceID), o.need("algorithms", &algorithms), o.need("keys", &keys),
	); err != nil {
		return nil, err
	}
	if o.signatures == nil {
		o.signatures = signatures{}
	}
	switch {
	case userID != string(user):
		return nil, fault.New(fault.InvalidParam, "user_id is not that of the caller")
	case deviceID != string(device):
		return nil, fault.New(fault.InvalidParam, "device_id is not that of the caller")
	}
	return o, nil
}

// parseOneKeys checks one-time or fallback keys and returns them in order of algorithm and id.
func parseOneKeys(member string, in map[string]json.RawMessage, limit int) ([]oneKey, error) {
	if len(in) > limit {
		return nil, fault.Newf(fault.TooLarge, "%s may have at most %d keys", member, limit)
	}
	out := make([]oneKey, 0, len(in))
	for name, raw := range in {
		algorithm, keyID, ok := strings.Cut(name, ":")
		if !ok || algorithm == "" || keyID == "" || len(name) > id.MaxLength {
			return nil, fault.Newf(fault.BadJSON, "%s: a name is not algorithm:id", member)
		}
		if len(raw) > MaxOneTimeKey {
			return nil, fault.Newf(fault.TooLarge, "%s: a key may have at most %d bytes", member, MaxOneTimeKey)
		}
		body, err := canon.Canonical(raw, canon.Lenient)
		if err != nil || len(body) == 0 || (body[0] != '{' && body[0] != '"') {
			return nil, fault.Newf(fault.BadJSON, "%s: a key must be a string or an object", member).Because(err)
		}
		out = append(out, oneKey{algorithm: algorithm, id: keyID, body: body})
	}
	slices.SortFunc(out, func(a, b oneKey) int {
		if c := strings.Compare(a.algorithm, b.algorithm); c != 0 {
			return c
		}
		return strings.Compare(a.id, b.id)
	})
	return out, nil
}

// storeDeviceKeys says whether others have something to learn.
func (k *Keys) storeDeviceKeys(tx *sqldb.Tx, user id.User, device id.Device, o *object) (changed bool, err error) {
	if o == nil {
		return false, nil
	}
	sigs, err := json.Marshal(o.signatures)
	if err != nil {
		return false, err
	}
	var oldBody, oldSigs []byte
	err = tx.Row(`SELECT body, signatures FROM device_key WHERE user_id = $1 AND device_id = $2`, user, device).Scan(&oldBody, &oldSigs)
	switch {
	case err == nil && bytes.Equal(oldBody, o.body) && bytes.Equal(oldSigs, sigs):
		return false, nil
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return false, err
	}
	// A device id that is also a cross-signing key would let one pass for the other ("Key and signature security").
	var clash int
	if err := tx.Row(`SELECT count(*) FROM cross_signing_key WHERE user_id = $1 AND public_key = $2`, user, device).Scan(&clash); err != nil {
		return false, err
	}
	if clash > 0 {
		return false, fault.New(fault.Forbidden, "This device's id is in use as a cross-signing key")
	}
	if !bytes.Equal(oldBody, o.body) { // what was signed is gone
		if err := tx.Put(`DELETE FROM key_signature WHERE user_id = $1 AND key_name = $2`, user, device); err != nil {
			return false, err
		}
	}
	err = tx.Put(`INSERT INTO device_key (user_id, device_id, body, signatures) VALUES ($1, $2, $3, $4)
		ON CONFLICT (user_id, device_id) DO UPDATE SET body = excluded.body, signatures = excluded.signatures`,
		user, device, o.body, sigs)
	if err != nil {
		return false, err
	}
	return true, k.change(tx, user, device, everybody)
}

const (
	sqlOneTimeKnown = `SELECT algorithm, key_id, body, claimed FROM one_time_key
		WHERE user_id = $1 AND device_id = $2 AND key_id IN ({list $3})`
	sqlOneTimeAdd = `INSERT INTO one_time_key (user_id, device_id, algorithm, key_id, body, uploaded, claimed)
		VALUES ($1, $2, $3, $4, $5, $6, 0)
		ON CONFLICT (user_id, device_id, algorithm, key_id)
		DO UPDATE SET body = excluded.body, uploaded = excluded.uploaded, claimed = 0`
	sqlOneTimeForget = `DELETE FROM one_time_key WHERE user_id = $1 AND device_id = $2 AND claimed > 0 AND claimed <=
		(SELECT claimed FROM one_time_key WHERE user_id = $1 AND device_id = $2 AND claimed > 0
		ORDER BY claimed DESC LIMIT 1 OFFSET $3)`
	sqlOneTimeCount = `INSERT INTO one_time_count (user_id, device_id, algorithm, held) VALUES ($1, $2, $3, $4)
		ON CONFLICT (user_id, device_id, algorithm) DO UPDATE SET held = one_time_count.held + excluded.held`
)

func storeOneTimeKeys(tx *sqldb.Tx, user id.User, device id.Device, keys []oneKey) error {
	if len(keys) == 0 {
		return nil
	}
	known, err := knownOneTimeKeys(tx, user, device, keys)
	if err != nil {
		return err
	}
	added := make(map[string]int)
	for _, key := range keys {
		if old, ok := known[[2]string{key.algorithm, key.id}]; ok {
			if sameKey(old.body, key.body) {
				continue // stored, or already given out: a client repeats what it got no answer to
			}
			if !old.claimed {
				return fault.Newf(fault.InvalidParam, "One-time key %s:%s already exists", key.algorithm, key.id)
			}
		}
		if err := tx.Put(sqlOneTimeAdd, user, device, key.algorithm, key.id, key.body, tx.Pos()); err != nil {
			return err
		}
		added[key.algorithm]++
	}
	if len(added) == 0 {
		return nil
	}
	for algorithm, n := range added {
		if err := tx.Put(sqlOneTimeCount, user, device, algorithm, n); err != nil {
			return err
		}
	}
	if err := tx.Put(sqlOneTimeForget, user, device, rememberedClaims); err != nil {
		return err
	}
	var total int
	err = tx.Row(`SELECT CAST(coalesce(sum(held), 0) AS BIGINT) FROM one_time_count
		WHERE user_id = $1 AND device_id = $2`, user, device).Scan(&total)
	if err != nil {
		return err
	}
	if total > MaxOneTimeKeys {
		return fault.Newf(fault.TooLarge, "A device may have at most %d one-time keys", MaxOneTimeKeys)
	}
	return nil
}

type storedOneTime struct {
	body    []byte
	claimed bool
}

func knownOneTimeKeys(tx *sqldb.Tx, user id.User, device id.Device, keys []oneKey) (map[[2]string]storedOneTime, error) {
	ids := make([]string, len(keys))
	for i, key := range keys {
		ids[i] = key.id
	}
	rows, err := tx.Query(sqlOneTimeKnown, user, device, sqldb.List(ids))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	known := make(map[[2]string]storedOneTime)
	for rows.Next() {
		var name [2]string
		var body []byte
		var claimed int64
		if err := rows.Scan(&name[0], &name[1], &body, &claimed); err != nil {
			return nil, err
		}
		known[name] = storedOneTime{body: body, claimed: claimed > 0}
	}
	return known, rows.Err()
}

// sameKey compares one-time keys apart from their signatures: a client may have signed the same key anew.
func sameKey(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y map[string]any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	delete(x, "signatures")
	delete(y, "signatures")
	return reflect.DeepEqual(x, y)
}

// storeFallbackKeys replaces the fallback key of each algorithm. A key that is there already stays used if it was.
func storeFallbackKeys(tx *sqldb.Tx, user id.User, device id.Device, keys []oneKey) error {
	for _, key := range keys {
		err := tx.Put(`INSERT INTO fallback_key (user_id, device_id, algorithm, key_id, body, used)
			VALUES ($1, $2, $3, $4, $5, FALSE)
			ON CONFLICT (user_id, device_id, algorithm)
			DO UPDATE SET key_id = excluded.key_id, body = excluded.body, used = FALSE
			WHERE fallback_key.key_id <> excluded.key_id OR fallback_key.body <> excluded.body`,
			user, device, key.algorithm, key.id, key.body)
		if err != nil {
			return err
		}
	}
	if len(keys) == 0 {
		return nil
	}
	var n int
	err := tx.Row(`SELECT count(*) FROM fallback_key WHERE user_id = $1 AND device_id = $2`, user, device).Scan(&n)
	if err == nil && n > MaxFallbackKeys {
		err = fault.Newf(fault.TooLarge, "A device may have fallback keys of at most %d algorithms", MaxFallbackKeys)
	}
	return err
}
