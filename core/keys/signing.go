package keys

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// The purposes of cross-signing keys, as in their member usage.
const (
	master      = "master"
	selfSigning = "self_signing"
	userSigning = "user_signing"
)

// Signing is a set of cross-signing keys to publish; any may be missing.
type Signing struct{ Master, SelfSigning, UserSigning json.RawMessage }

// ErrAuthRequired is returned when a set of cross-signing keys changes what is published, and the user has not confirmed
// that: the caller asks for user-interactive authentication and tries again.
var ErrAuthRequired = errors.New("changing cross-signing keys needs user-interactive authentication")

// crossKey is a cross-signing key.
type crossKey struct {
	purpose string
	public  string // unpadded base64, also the key's name
	body    []byte // canonical, without signatures
	sigs    signatures
}

func (c *crossKey) name() string { return "ed25519:" + c.public }

// UploadSigning publishes cross-signing keys (POST /keys/device_signing/upload). The first set, and one that is published
// already, need no confirmation; for any other it returns ErrAuthRequired unless the user has confirmed.
//
// A new master key takes the place of the old one and of what the old one signed: the self-signing and user-signing keys
// that do not come with it are removed, and so are the signatures on and by removed keys.
func (k *Keys) UploadSigning(ctx context.Context, user id.User, s Signing, confirmed bool) error {
	var given []*crossKey
	for _, g := range []struct {
		purpose string
		raw     json.RawMessage
	}{{master, s.Master}, {selfSigning, s.SelfSigning}, {userSigning, s.UserSigning}} {
		if len(g.raw) == 0 || bytes.Equal(g.raw, []byte("null")) {
			continue
		}
		key, err := parseCrossKey(user, g.purpose, g.raw)
		if err != nil {
			return err
		}
		given = append(given, key)
	}
	var fresh []*crossKey
	err := k.DB.Write(ctx, func(tx *sqldb.Tx) (err error) {
		fresh, err = k.storeSigning(tx, user, given, confirmed)
		return err
	})
	if err != nil {
		return err
	}
	switch {
	case len(fresh) == 1 && fresh[0].purpose == userSigning:
		k.Wake("u:" + string(user)) // nobody else sees it
	case len(fresh) > 0:
		k.announce(ctx, user)
	}
	return nil
}

// parseCrossKey checks the form of one key ("CrossSigningKey").
func parseCrossKey(user id.User, purpose string, raw json.RawMessage) (*crossKey, error) {
	o, err := parseObject(raw, MaxDeviceKeys)
	if err != nil {
		return nil, err
	}
	var owner string
	var usage []string
	var keys map[string]string
	if err := errors.Join(o.need("user_id", &owner), o.need("usage", &usage), o.need("keys", &keys)); err != nil {
		return nil, err
	}
	switch {
	case owner != string(user):
		return nil, fault.New(fault.InvalidParam, "user_id is not that of the caller")
	case !slices.Contains(usage, purpose):
		return nil, fault.Newf(fault.InvalidParam, "usage does not name %s", purpose)
	case len(keys) != 1:
		return nil, fault.New(fault.InvalidParam, "keys must have exactly one member")
	}
	key := &crossKey{purpose: purpose, body: o.body, sigs: o.signatures}
	for name, public := range keys {
		if name != "ed25519:"+public {
			return nil, fault.New(fault.InvalidParam, "The name of a cross-signing key is its public key")
		}
		if _, ok := publicKey(public); !ok {
			return nil, fault.New(fault.InvalidParam, "A cross-signing key must be 32 bytes in unpadded base64")
		}
		key.public = public
	}
	return key, nil
}

// storeSigning returns the keys that are new.
func (k *Keys) storeSigning(tx *sqldb.Tx, user id.User, given []*crossKey, confirmed bool) ([]*crossKey, error) {
	stored, err := crossKeys(tx, user)
	if err != nil {
		return nil, err
	}
	root := stored[master]
	if len(given) > 0 && given[0].purpose == master {
		root = given[0]
	}
	if root == nil {
		return nil, fault.New(fault.MissingParam, "There is no master key yet, and master_key is missing")
	}
	var fresh []*crossKey
	for _, key := range given {
		if old := stored[key.purpose]; old == nil || !bytes.Equal(old.body, key.body) {
			fresh = append(fresh, key)
		}
		if key != root && !signedBy(key.body, key.sigs, user, root.name(), root.public) {
			return nil, fault.Newf(fault.InvalidSignature, "The %s key is not signed by the master key", key.purpose)
		}
	}
	if len(fresh) == 0 {
		return nil, nil
	}
	if stored[master] != nil && !confirmed {
		return nil, ErrAuthRequired
	}
	devices, err := k.Devices(tx, user)
	if err != nil {
		return nil, err
	}
	for _, key := range fresh {
		if _, clash := devices[id.Device(key.public)]; clash {
			return nil, fault.New(fault.Forbidden, "A cross-signing key is in use as the id of a device")
		}
	}
	if root.purpose == master && stored[master] != nil && stored[master].public != root.public {
		for _, old := range stored {
			if err := dropCrossKey(tx, user, old); err != nil {
				return nil, err
			}
		}
		stored = nil
	}
	seenBy := user
	for _, key := range fresh {
		if old := stored[key.purpose]; old != nil && old.public != key.public {
			if err := dropCrossKey(tx, user, old); err != nil {
				return nil, err
			}
		}
		if key.purpose != userSigning {
			seenBy = everybody
		}
	}
	for _, key := range given { // all of them: those that were known may just have been dropped with their master key
		if err := storeCrossKey(tx, user, key); err != nil {
			return nil, err
		}
	}
	return fresh, k.change(tx, user, "", seenBy)
}

func crossKeys(tx *sqldb.Tx, user id.User) (map[string]*crossKey, error) {
	rows, err := tx.Query(`SELECT purpose, public_key, body FROM cross_signing_key WHERE user_id = $1`, user)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := make(map[string]*crossKey)
	for rows.Next() {
		var key crossKey
		if err := rows.Scan(&key.purpose, &key.public, &key.body); err != nil {
			return nil, err
		}
		out[key.purpose] = &key
	}
	return out, rows.Err()
}

func storeCrossKey(tx *sqldb.Tx, user id.User, key *crossKey) error {
	sigs, err := json.Marshal(key.sigs)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO cross_signing_key (user_id, purpose, public_key, body, signatures) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (user_id, purpose) DO UPDATE
		SET public_key = excluded.public_key, body = excluded.body, signatures = excluded.signatures`,
		user, key.purpose, key.public, key.body, sigs)
	return err
}

// dropCrossKey removes a key with the signatures on it and by it.
func dropCrossKey(tx *sqldb.Tx, user id.User, key *crossKey) error {
	if _, err := tx.Exec(`DELETE FROM cross_signing_key WHERE user_id = $1 AND purpose = $2`, user, key.purpose); err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM key_signature WHERE user_id = $1 AND key_name = $2`, user, key.public); err != nil {
		return err
	}
	_, err := tx.Exec(`DELETE FROM key_signature WHERE signer = $1 AND signer_key = $2`, user, key.name())
	return err
}

// Forget removes a user's cross-signing keys and every signature by or on them, for an account that has been deactivated.
// What the user's devices published goes with the devices.
func (k *Keys) Forget(ctx context.Context, user id.User) error {
	changed := false
	err := k.DB.Write(ctx, func(tx *sqldb.Tx) error {
		if _, err := tx.Exec(`DELETE FROM key_signature WHERE user_id = $1 OR signer = $1`, user); err != nil {
			return err
		}
		n, err := tx.Exec(`DELETE FROM cross_signing_key WHERE user_id = $1`, user)
		if changed = n > 0; err != nil || !changed {
			return err
		}
		return k.change(tx, user, "", everybody)
	})
	if err == nil && changed {
		k.announce(ctx, user)
	}
	return err
}

// signedBy says whether sigs has a good signature over body that user made with the Ed25519 key of this name
// (Appendices, "Checking for a signature").
func signedBy(body []byte, sigs signatures, user id.User, name, public string) bool {
	return verify(body, sigs[string(user)][name], public)
}

func verify(body []byte, signature, public string) bool {
	key, ok := publicKey(public)
	if !ok {
		return false
	}
	sig, err := base64.RawStdEncoding.DecodeString(signature)
	return err == nil && event.VerifyEd25519(key, body, sig)
}

func publicKey(public string) (ed25519.PublicKey, bool) {
	key, err := base64.RawStdEncoding.DecodeString(public)
	return key, err == nil && len(key) == ed25519.PublicKeySize
}
