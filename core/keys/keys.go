// Package keys keeps the public keys of end-to-end encryption and hands them out: device keys, one-time keys, fallback
// keys, cross-signing keys and the signatures between them (Client-Server API, "End-to-End Encryption"). The server never
// has a private key; what it can do wrong is to hand out a stale key, one key twice, or a signature to somebody who may
// not see it, and the tests of this package are about that.
//
// Every change that others must learn takes a position in the device-list stream in the transaction that makes it
// (changes.go), and wakes their syncs after the commit.
package keys

import (
	"context"
	"log/slog"
	"sync"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// The bounds of what one device or user can have stored.
const (
	MaxDeviceKeys   = 32 << 10 // bytes of a device's identity keys, and of a cross-signing key, with signatures
	MaxOneTimeKey   = 4 << 10  // bytes of a one-time or fallback key
	MaxOneTimeKeys  = 1000     // unclaimed one-time keys of a device; further uploads are refused with 413
	MaxFallbackKeys = 16       // fallback keys, that is algorithms, of a device
	MaxQueried      = 10_000   // users in one query
	MaxClaims       = 20_000   // devices in one claim
	MaxSignatures   = 256      // keys in one upload of signatures

	rememberedClaims = 200 // claimed one-time keys of a device that are remembered
)

// Rooms is what this package asks of the room engine.
type Rooms interface {
	// SharesRoom says whether both are joined to a common room.
	SharesRoom(tx *sqldb.Tx, a, b id.User) (bool, error)
	// SharedUsers lists whoever is joined to a room that user is joined to.
	SharedUsers(tx *sqldb.Tx, user id.User) ([]id.User, error)
}

// Config is what this package works with. All fields are needed.
type Config struct {
	DB     *sqldb.DB
	Wake   func(topics ...string) // wakes the sleepers of base/bus
	Rooms  Rooms
	Server id.Server
	Log    *slog.Logger

	// Devices gives the devices of a local user with their display names; none for an unknown user.
	Devices func(tx *sqldb.Tx, user id.User) (map[id.Device]string, error)
}

// Keys is the public keys of one server's users. Its methods may be called from any goroutine.
type Keys struct {
	Config

	mu     sync.Mutex       // guards queued
	queued map[id.User]bool // users whose announcement waits for a commit
}

// New makes a Keys.
func New(c Config) *Keys { return &Keys{Config: c, queued: make(map[id.User]bool)} }

// announce wakes the syncs of everybody who can see a change of user's device list. It is called after the commit of the
// change; a wake that is lost costs the sleeper one poll.
func (k *Keys) announce(ctx context.Context, user id.User) {
	var users []id.User
	err := k.DB.Read(context.WithoutCancel(ctx), func(tx *sqldb.Tx) (err error) {
		users, err = k.Rooms.SharedUsers(tx, user)
		return err
	})
	if err != nil {
		k.Log.Warn("nobody was woken for a change of keys", "cause", err)
	}
	topics := make([]string, 1, len(users)+1)
	topics[0] = "u:" + string(user)
	for _, u := range users {
		if u != user && u.Server() == k.Server {
			topics = append(topics, "u:"+string(u))
		}
	}
	k.Wake(topics...)
}

// DropDevice removes everything that the device published, and records the change when others could see it. It runs in
// the transaction that removes the device.
func (k *Keys) DropDevice(tx *sqldb.Tx, user id.User, device id.Device) error {
	for _, q := range []string{
		`DELETE FROM one_time_key WHERE user_id = $1 AND device_id = $2`,
		`DELETE FROM one_time_count WHERE user_id = $1 AND device_id = $2`,
		`DELETE FROM fallback_key WHERE user_id = $1 AND device_id = $2`,
		`DELETE FROM key_signature WHERE user_id = $1 AND key_name = $2`,
	} {
		if _, err := tx.Exec(q, user, device); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(`DELETE FROM key_signature WHERE signer = $1 AND signer_key = $2`, user, "ed25519:"+string(device)); err != nil {
		return err
	}
	n, err := tx.Exec(`DELETE FROM device_key WHERE user_id = $1 AND device_id = $2`, user, device)
	if err != nil || n == 0 {
		return err
	}
	k.announceLater(user)
	return change(tx, user, device, everybody)
}

// DeviceChanged records that a device has another name, where its keys can be seen. It runs in the transaction that
// renames the device.
func (k *Keys) DeviceChanged(tx *sqldb.Tx, user id.User, device id.Device) error {
	var n int
	err := tx.Row(`SELECT count(*) FROM device_key WHERE user_id = $1 AND device_id = $2`, user, device).Scan(&n)
	if err != nil || n == 0 {
		return err
	}
	k.announceLater(user)
	return change(tx, user, device, everybody)
}

// announceLater is announce for the transaction being written. It queues an empty write: when that is done, so is this
// one. The goroutine ends with that write.
func (k *Keys) announceLater(user id.User) {
	k.mu.Lock()
	queued := k.queued[user]
	k.queued[user] = true
	k.mu.Unlock()
	if queued {
		return
	}
	done := k.DB.Submit(0, func(*sqldb.Tx) error {
		k.mu.Lock()
		delete(k.queued, user) // from here on a further change needs a further announcement
		k.mu.Unlock()
		return nil
	})
	go func() {
		if err := done.Wait(context.Background()); err != nil {
			k.mu.Lock()
			delete(k.queued, user)
			k.mu.Unlock()
		}
		k.announce(context.Background(), user)
	}()
}
