package keys

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Answer is what a user may see of other users' keys.
type Answer struct {
	Devices     map[id.User]map[id.Device]json.RawMessage // every local user that was asked for is here
	Master      map[id.User]json.RawMessage
	SelfSigning map[id.User]json.RawMessage
	UserSigning map[id.User]json.RawMessage // only the asking user's own
	Unreachable []id.Server                 // of users of other servers
}

// Query reads the identity keys of local users: of the named devices, or of all where none is named. asker decides which
// signatures are in the answer; it is empty for another server.
func (k *Keys) Query(ctx context.Context, asker id.User, want map[id.User][]id.Device) (*Answer, error) {
	if len(want) > MaxQueried {
		return nil, fault.Newf(fault.TooLarge, "The keys of at most %d users can be queried at once", MaxQueried)
	}
	a := &Answer{Devices: make(map[id.User]map[id.Device]json.RawMessage, len(want))} // {} also where all are of other servers
	var users []id.User
	for user := range want {
		if user.Server() == k.Server {
			users = append(users, user)
		} else {
			a.Unreachable = append(a.Unreachable, user.Server())
		}
	}
	slices.Sort(users)
	slices.Sort(a.Unreachable)
	a.Unreachable = slices.Compact(a.Unreachable)
	if len(users) == 0 {
		return a, nil
	}
	err := k.DB.Read(ctx, func(tx *sqldb.Tx) error {
		sigs, err := addedSignatures(tx, users, asker)
		if err != nil {
			return err
		}
		if err := k.queryDevices(tx, a, users, want, sigs); err != nil {
			return err
		}
		return querySigning(tx, a, users, asker, sigs)
	})
	if err != nil {
		return nil, fmt.Errorf("query keys: %w", err)
	}
	return a, nil
}

// target names a key that can be signed: a device id, or the public part of a cross-signing key.
type target struct {
	user id.User
	name string
}

// A signature is seen by whose key is signed and by whom it was made, which keeps secret who verified whom ("Key and
// signature security").
const sqlAdded = `SELECT user_id, key_name, signer, signer_key, signature FROM key_signature
	WHERE user_id IN ({list $1}) AND (signer = user_id OR signer = $2)`

// addedSignatures reads the signatures on the users' keys that asker may see.
func addedSignatures(tx *sqldb.Tx, users []id.User, asker id.User) (map[target]signatures, error) {
	rows, err := tx.Query(sqlAdded, sqldb.List(users), asker)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := make(map[target]signatures)
	for rows.Next() {
		var t target
		var signer, key, signature string
		if err := rows.Scan((*string)(&t.user), &t.name, &signer, &key, &signature); err != nil {
			return nil, err
		}
		out[t] = out[t].with(signatures{signer: {key: signature}})
	}
	return out, rows.Err()
}

func (k *Keys) queryDevices(
	tx *sqldb.Tx, a *Answer, users []id.User, want map[id.User][]id.Device, sigs map[target]signatures,
) error {
	names := make(map[id.User]map[id.Device]string, len(users))
	for _, user := range users {
		a.Devices[user] = make(map[id.Device]json.RawMessage)
		var err error
		if names[user], err = k.Devices(tx, user); err != nil {
			return err
		}
	}
	rows, err := tx.Query(`SELECT user_id, device_id, body, signatures FROM device_key WHERE user_id IN ({list $1})`, sqldb.List(users))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var user id.User
		var device id.Device
		var body, own []byte
		if err := rows.Scan((*string)(&user), (*string)(&device), &body, &own); err != nil {
			return err
		}
		if only := want[user]; len(only) > 0 && !slices.Contains(only, device) {
			continue
		}
		unsigned := []byte("{}")
		if name := names[user][device]; name != "" {
			if unsigned, err = json.Marshal(map[string]string{"device_display_name": name}); err != nil {
				return err
			}
		}
		if a.Devices[user][device], err = rejoin(body, own, sigs[target{user, string(device)}], unsigned); err != nil {
			return err
		}
	}
	return rows.Err()
}

func querySigning(tx *sqldb.Tx, a *Answer, users []id.User, asker id.User, sigs map[target]signatures) error {
	a.Master = make(map[id.User]json.RawMessage)
	a.SelfSigning = make(map[id.User]json.RawMessage)
	a.UserSigning = make(map[id.User]json.RawMessage)
	rows, err := tx.Query(`SELECT user_id, purpose, public_key, body, signatures FROM cross_signing_key
		WHERE user_id IN ({list $1})`, sqldb.List(users))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var user id.User
		var purpose, public string
		var body, own []byte
		if err := rows.Scan((*string)(&user), &purpose, &public, &body, &own); err != nil {
			return err
		}
		whole, err := rejoin(body, own, sigs[target{user, public}], nil)
		if err != nil {
			return err
		}
		switch {
		case purpose == master:
			a.Master[user] = whole
		case purpose == selfSigning:
			a.SelfSigning[user] = whole
		case purpose == userSigning && user == asker:
			a.UserSigning[user] = whole
		}
	}
	return rows.Err()
}

// rejoin puts a stored key together with the signatures it was uploaded with, JSON or "null", and those added later.
func rejoin(body, own []byte, added signatures, unsigned []byte) (json.RawMessage, error) {
	if string(own) == "null" {
		own = nil
	}
	if len(added) == 0 {
		return join(body, own, unsigned), nil
	}
	var sigs signatures
	if own != nil {
		if err := json.Unmarshal(own, &sigs); err != nil {
			return nil, fmt.Errorf("stored signatures: %w", err)
		}
	}
	all, err := json.Marshal(sigs.with(added))
	if err != nil {
		return nil, err
	}
	return join(body, all, unsigned), nil
}
