// Package keys keeps the public keys of end-to-end encryption and hands them out: device keys, one-time keys, fallback
// keys, cross-signing keys and the signatures between them (Client-Server API, "End-to-End Encryption"). The server never
// has a private key; what it can do wrong is to hand out a stale key, one key twice, or a signature to somebody who may
// not see it, and the tests of this package are about that.
//
// Every change that others must learn takes a position in the device-list stream in the transaction that makes it
// (changes.go), and wakes their syncs after the commit.
package keys

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"freehold.example/base/bus"
	"freehold.example/base/news"
	"freehold.example/base/sqldb"
	"freehold.example/core/peer"
	"freehold.example/core/room"
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

	// Meets says whether a user of another server is joined to a room that somebody of this one is joined to.
	Meets(tx *sqldb.Tx, user id.User) (bool, error)
	// MayMeet says whether a user of a server may be joined to a room of which not all members are known yet.
	MayMeet(tx *sqldb.Tx, server id.Server) (bool, error)
	// SharedServers lists the servers of the rooms that the user is joined to but this one; SharedServersBut leaves rooms out.
	SharedServers(tx *sqldb.Tx, user id.User) ([]id.Server, error)
	SharedServersBut(tx *sqldb.Tx, user id.User, but []room.NID) ([]id.Server, error)
	// ServersOf lists the servers of a room but this one; whole is false while not all members are known.
	ServersOf(tx *sqldb.Tx, in room.NID) (servers []id.Server, whole bool, err error)
	// ServersThen lists the servers of a room as it was at a position.
	ServersThen(tx *sqldb.Tx, in room.NID, at sqldb.Pos) ([]id.Server, error)
	// Unsettled says whether a local user is joined to a room of which not all members are known.
	Unsettled(tx *sqldb.Tx, user id.User) (bool, error)
	// FoundGone lists who left a room, or turned out to have left it, since all of its members are known.
	FoundGone(tx *sqldb.Tx, in room.NID) ([]id.User, error)
	// Inhabited says whether somebody of this server is joined to the room.
	Inhabited(tx *sqldb.Tx, in room.NID) (bool, error)
	// Members lists whoever is joined to the room.
	Members(tx *sqldb.Tx, in room.NID) ([]id.User, error)
	// Moves reads the newest memberships that were set between two positions; see room.Rooms.
	Moves(tx *sqldb.Tx, after, upto sqldb.Pos, limit int) (moves []room.Move, end sqldb.Pos, err error)
	// NIDOf finds a room by its id.
	NIDOf(tx *sqldb.Tx, in id.Room) (nid room.NID, found bool, err error)
}

// Line is the way to other servers; *peer.Peers is one.
type Line interface {
	// Ask sends a request. Errors are those of peer.Peers.Ask.
	Ask(ctx context.Context, q peer.Question, out any) error
}

// Config is what this package works with. All fields but Peers, and Bus and Queue where there are no other servers, are
// needed.
type Config struct {
	DB     *sqldb.DB
	Bus    *bus.Local
	Wake   func(topics ...string) // wakes the sleepers of base/bus
	Rooms  Rooms
	Peers  Line // asked for the keys of other servers' users; nil: nobody is asked
	Server id.Server
	Now    func() time.Time
	Log    *slog.Logger

	// Queue has an EDU of this kind sent to other servers, however long that takes; one that is not sent yet makes room for a
	// later one with the same key. nil where there are none.
	Queue func(tx *sqldb.Tx, servers []id.Server, kind, key string, content []byte) error

	// Devices gives the devices of a local user with their display names; none for an unknown user.
	Devices func(tx *sqldb.Tx, user id.User) (map[id.Device]string, error)

	// limit: changes of device lists, and stocks of keys, in memory | 20,000 of at most 600 bytes, several times | the older half goes; the rest is asked of the disk
	Recall int // changes of device lists, and devices with what they have left, that are known without asking; 20,000 when 0
}

// Keys is the public keys of one server's users. Its methods may be called from any goroutine.
type Keys struct {
	Config

	mu     sync.Mutex       // guards queued
	queued map[id.User]bool // users whose announcement waits for a commit; bounded by the queue of writes

	changed *news.Log[notice]   // of late
	counted *news.Latest[owner] // of whose keys for others to claim the number may have changed
	stocks  *news.Values[owner, Stock]

	restocked *news.Log[owner] // of whose, in order

	upto     sqldb.Pos // how far follow has looked; only used by it
	fetching fetching
	poked    chan struct{} // bounded: of size one. a list may have become stale
}

// notice is a change of a user's device list, for seenBy or everybody.
type notice struct {
	user, seenBy id.User
}

// owner is the device that has published keys.
type owner struct {
	user   id.User
	device id.Device
}

// New makes a Keys.
func New(c Config) *Keys {
	c.Recall = cmp.Or(c.Recall, 20_000)
	floor := c.DB.Committed()
	counted := news.NewLatest[owner](floor, c.Recall)
	return &Keys{
		Config: c, queued: make(map[id.User]bool), changed: news.NewLog[notice](floor, c.Recall),
		counted: counted, stocks: news.NewValues[owner, Stock](counted, c.Recall), restocked: news.NewLog[owner](floor, c.Recall),
		fetching: fetching{now: map[id.User]*fetch{}, slots: make(chan struct{}, fetchAtOnce)}, poked: make(chan struct{}, 1),
	}
}

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
	topics := make([]string, 2, len(users)+2)
	topics[0], topics[1] = "u:"+string(user), Log
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
	k.counted.Note(owner{user, device}, tx.Pos())
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
	return k.change(tx, user, device, everybody)
}

// DeviceChanged records that a device has another name, where its keys can be seen. It runs in the transaction that
// renames the device.
func (k *Keys) DeviceChanged(tx *sqldb.Tx, user id.User, device id.Device) error {
	var n int
	err := tx.Row(`SELECT count(*) FROM device_key WHERE user_id = $1 AND device_id = $2`, user, device).Scan(&n)
	if err == nil && n == 0 && k.Queue != nil { // clients have nothing to see; other servers know of devices without keys
		tx.Then(func() { k.Wake(Log) })
		return k.change(tx, user, device, abroad)
	}
	if err != nil || n == 0 {
		return err
	}
	k.announceLater(user)
	return k.change(tx, user, device, everybody)
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
