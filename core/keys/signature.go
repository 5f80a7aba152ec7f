package keys

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Failures says why signatures were not taken: user -> key -> reason.
type Failures map[id.User]map[string]*fault.Fault

// added is one signature to store.
type added struct {
	on         target
	signerKey  string
	signature  string
	seenByAll  bool      // the signer's own device or master key, which others see as well
	deviceOfIt id.Device // of the changed device list; empty for a cross-signing key
}

// UploadSignatures adds user's signatures to keys that are published (POST /keys/signatures/upload):
//
//   - a device of the user's, signed by the user's self-signing key;
//   - the user's master key, signed by devices of the user's;
//   - another user's master key, signed by the user's user-signing key.
//
// The object that is sent must be the published key apart from its signatures. Every key succeeds or fails by itself.
func (k *Keys) UploadSignatures(ctx context.Context, user id.User, keys map[id.User]map[string]json.RawMessage) (Failures, error) {
	objects, failures, err := parseSigned(keys)
	if err != nil {
		return nil, err
	}
	var stored []added
	var refused Failures
	err = k.DB.Write(ctx, func(tx *sqldb.Tx) error {
		stored, refused = nil, make(Failures)
		mine, err := crossKeys(tx, user)
		if err != nil {
			return err
		}
		for _, t := range slices.SortedFunc(maps.Keys(objects), compareTargets) {
			sigs, err := k.checkSignatures(tx, user, mine, t, objects[t])
			if f, ok := errors.AsType[*fault.Fault](err); ok {
				refused.add(t, f)
				continue
			}
			if err != nil {
				return err
			}
			news, err := k.storeSignatures(tx, user, sigs)
			if err != nil {
				return err
			}
			stored = append(stored, news...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for user, of := range refused {
		for name, f := range of {
			failures.add(target{user, name}, f)
		}
	}
	if slices.ContainsFunc(stored, func(a added) bool { return a.seenByAll }) {
		k.announce(ctx, user)
	} else if len(stored) > 0 {
		k.Wake("u:" + string(user))
	}
	return failures, nil
}

func (f Failures) add(t target, reason *fault.Fault) {
	if f[t.user] == nil {
		f[t.user] = make(map[string]*fault.Fault)
	}
	f[t.user][t.name] = reason
}

func compareTargets(a, b target) int {
	if c := strings.Compare(string(a.user), string(b.user)); c != 0 {
		return c
	}
	return strings.Compare(a.name, b.name)
}

func parseSigned(keys map[id.User]map[string]json.RawMessage) (map[target]*object, Failures, error) {
	objects, failures := make(map[target]*object), make(Failures)
	n := 0
	for user, of := range keys {
		for name, raw := range of {
			if n++; n > MaxSignatures {
				return nil, nil, fault.Newf(fault.TooLarge, "At most %d keys can be signed at once", MaxSignatures)
			}
			o, err := parseObject(raw, MaxDeviceKeys)
			if f, ok := errors.AsType[*fault.Fault](err); ok {
				failures.add(target{user, name}, f)
				continue
			}
			if err != nil {
				return nil, nil, err
			}
			objects[target{user, name}] = o
		}
	}
	return objects, failures, nil
}

var (
	errNoSuchKey  = fault.New(fault.NotFound, "There is no such key to sign")
	errNotThatKey = fault.New(fault.InvalidParam, "The signed key is not the published one")
	errUnsigned   = fault.New(fault.InvalidSignature, "There is no valid signature by a key that may sign this one")
)

// checkSignatures returns the signatures of o that may be stored, at least one.
func (k *Keys) checkSignatures(tx *sqldb.Tx, user id.User, mine map[string]*crossKey, t target, o *object) ([]added, error) {
	theirs := mine
	if t.user != user {
		var err error
		if theirs, err = k.crossKeysOf(tx, t.user); err != nil {
			return nil, err
		}
	}
	if m := theirs[master]; m != nil && m.public == t.name {
		if !bytes.Equal(m.body, o.body) {
			return nil, errNotThatKey
		}
		if t.user == user {
			return signedByDevices(tx, user, t, o)
		}
		return signedByCrossKey(user, mine[userSigning], added{on: t}, o)
	}
	if t.user != user {
		return nil, errNoSuchKey // devices of others are not signed
	}
	device, err := deviceBody(tx, user, id.Device(t.name))
	if err != nil {
		return nil, err
	}
	if device == nil {
		return nil, errNoSuchKey
	}
	if !bytes.Equal(device, o.body) {
		return nil, errNotThatKey
	}
	return signedByCrossKey(user, mine[selfSigning], added{on: t, seenByAll: true, deviceOfIt: id.Device(t.name)}, o)
}

// crossKeysOf is crossKeys for any user: of another server's, it has the master key as it was told last.
func (k *Keys) crossKeysOf(tx *sqldb.Tx, user id.User) (map[string]*crossKey, error) {
	if user.Server() == k.Server {
		return crossKeys(tx, user)
	}
	l, err := followed(tx, user)
	if err != nil || l == nil {
		return nil, err
	}
	key, err := parseCrossKey(user, master, l.master)
	if err != nil {
		return nil, nil // there is none that could be signed
	}
	return map[string]*crossKey{master: key}, nil
}

// signedByCrossKey completes a with the signature that key made on o.
func signedByCrossKey(user id.User, key *crossKey, a added, o *object) ([]added, error) {
	if key == nil || !signedBy(o.body, o.signatures, user, key.name(), key.public) {
		return nil, errUnsigned
	}
	a.signerKey, a.signature = key.name(), o.signatures[string(user)][key.name()]
	return []added{a}, nil
}

// signedByDevices takes the signatures of the user's devices on the user's master key. What else the object carries
// (clients send it as they have it) is ignored, but a device's signature that is wrong is refused.
func signedByDevices(tx *sqldb.Tx, user id.User, t target, o *object) ([]added, error) {
	var out []added
	for name, signature := range o.signatures[string(user)] {
		device, ok := strings.CutPrefix(name, "ed25519:")
		if !ok {
			continue
		}
		body, err := deviceBody(tx, user, id.Device(device))
		if err != nil {
			return nil, err
		}
		if body == nil {
			continue
		}
		var published struct {
			Keys map[string]string `json:"keys"`
		}
		if err := json.Unmarshal(body, &published); err != nil {
			return nil, err
		}
		if !verify(o.body, signature, published.Keys[name]) {
			return nil, errUnsigned
		}
		out = append(out, added{on: t, signerKey: name, signature: signature, seenByAll: true})
	}
	if len(out) == 0 {
		return nil, errUnsigned
	}
	return out, nil
}

// deviceBody is the signed part of a device's identity keys, or nil.
func deviceBody(tx *sqldb.Tx, user id.User, device id.Device) ([]byte, error) {
	var body []byte
	err := tx.Row(`SELECT body FROM device_key WHERE user_id = $1 AND device_id = $2`, user, device).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return body, err
}

// storeSignatures returns those that were not stored already.
func (k *Keys) storeSignatures(tx *sqldb.Tx, user id.User, sigs []added) ([]added, error) {
	var news []added
	for _, a := range sigs {
		n, err := tx.Exec(`INSERT INTO key_signature (user_id, key_name, signer, signer_key, signature) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (user_id, key_name, signer, signer_key) DO UPDATE SET signature = excluded.signature
			WHERE key_signature.signature <> excluded.signature`,
			a.on.user, a.on.name, user, a.signerKey, a.signature)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			continue
		}
		seenBy := user
		if a.seenByAll {
			seenBy = everybody
		}
		if err := k.change(tx, a.on.user, a.deviceOfIt, seenBy); err != nil {
			return nil, err
		}
		news = append(news, a)
	}
	return news, nil
}
