// Package inbox carries messages from device to device (Client-Server API, "Send-to-Device messaging"): room keys,
// verification, everything that clients tell each other outside of rooms. A message is kept until the receiving device
// has it, and given to it once.
//
// Nothing is dropped for lack of room. A message that is too large is refused with 413, and one whose queue is full with
// 429; the request is then refused as a whole, so that the sender knows that nothing of it was done. The bound that a
// sender meets first is that of his own messages to the device: nobody can fill a device's queue and so keep others from
// writing to it, or to the rooms it is in. What one sender has waiting for all devices together is bounded too, so that no
// account fills the disk.
package inbox

import (
	"cmp"
	"context"
	"time"

	"freehold.example/base/news"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// The bounds of messages and queues.
const (
	MaxContent = 64 << 10 // bytes of a message's content
	// limit: to-device messages of one sender that wait | 20,000 and 32 MiB for one device, 1,000,000 and 1 GiB for all | the request is refused
	MaxRecipients = 5000     // devices in one request, "*" counted as what it stands for
	MaxRequest    = 32 << 20 // bytes of all that one request puts into queues, so that it does not hold up other writes

	senderMessages = 20_000    // waiting messages of one sender for one device
	senderBytes    = 32 << 20  // and their bytes
	sentMessages   = 1_000_000 // waiting messages of one sender for all devices together
	sentBytes      = 1 << 30   // and their bytes
	// limit: to-device messages of another server's users that wait | 100,000 and 160 MiB for one device, 4,000,000 and 4 GiB for all | the message is left out
	serverMessages = 100_000   // waiting messages of all users of another server for one device
	serverBytes    = 160 << 20 // and their bytes
	servedMessages = 4_000_000 // waiting messages of all users of another server for all devices together
	servedBytes    = 4 << 30   // and their bytes
	deviceMessages = 500_000   // waiting messages for one device
	deviceBytes    = 1 << 30   // and their bytes

	txnAge = 3 * 24 * time.Hour // how long transaction ids are remembered
)

// Config is what this package works with. All fields but Queue, Service and Recall are needed.
type Config struct {
	DB     *sqldb.DB
	Wake   func(topics ...string) // wakes the sleepers of base/bus
	Server id.Server
	Now    func() time.Time

	// Devices gives the devices of a local user, whatever the value; none for an unknown user.
	Devices func(tx *sqldb.Tx, user id.User) (map[id.Device]string, error)

	// Queue has an EDU of this kind sent to other servers, however long that takes; nil where there are none.
	Queue func(tx *sqldb.Tx, servers []id.Server, kind, key string, content []byte) error

	// Service names the application service that is told of a user's messages; "" for none, and nil for none of anybody.
	Service func(user id.User) string

	// limit: which devices have no messages waiting, in memory | 50,000 of at most 600 bytes, several times | the older half goes; the rest is asked of the disk
	Recall int // devices whose queues are known to be empty without asking; 50,000 when 0
}

// Inbox is the queues of all devices of one server. Its methods may be called from any goroutine.
type Inbox struct {
	Config
	queued  *news.Latest[queue]           // the last message for each device
	emptied *news.Values[queue, struct{}] // devices for which nothing waits that came before
}

// queue is the messages of one device.
type queue struct {
	user   id.User
	device id.Device
}

// New makes an Inbox.
func New(c Config) *Inbox {
	c.Recall = cmp.Or(c.Recall, 50_000)
	queued := news.NewLatest[queue](c.DB.Committed(), c.Recall)
	return &Inbox{Config: c, queued: queued, emptied: news.NewValues[queue, struct{}](queued, c.Recall)}
}

// Message is one message of a queue.
type Message struct {
	Pos   sqldb.Pos
	Event []byte // JSON as in to_device.events: content, sender, type
}

const (
	sqlSince = `SELECT pos, event FROM inbox
		WHERE user_id = $1 AND device_id = $2 AND pos > $3 AND pos <= $4 ORDER BY pos LIMIT $5`
	sqlPending  = `SELECT count(*) FROM (SELECT 1 FROM inbox WHERE user_id = $1 AND device_id = $2 AND pos <= $3 LIMIT 1) AS one`
	sqlTake     = `DELETE FROM inbox WHERE user_id = $1 AND device_id = $2 AND pos <= $3 RETURNING sender, length(event)`
	sqlTakeBack = `UPDATE inbox_sent SET messages = messages - $2, bytes = bytes - $3 WHERE sender = $1`
	sqlDropSent = `DELETE FROM inbox_sent WHERE sender = $1 AND messages <= 0`
	sqlShrink   = `UPDATE inbox_size SET messages = messages - $4, bytes = bytes - $5
		WHERE user_id = $1 AND device_id = $2 AND sender = $3`
)

// Since reads what waits for the device after since and up to upto, the oldest first, at most limit messages. next is the
// position to go on from: upto, or that of the last message when there are more.
func (b *Inbox) Since(
	tx *sqldb.Tx, user id.User, device id.Device, since, upto sqldb.Pos, limit int,
) (messages []Message, next sqldb.Pos, err error) {
	if since >= upto {
		return nil, since, nil
	}
	if !b.queued.After(queue{user, device}, since) {
		return nil, upto, nil
	}
	scan := func(row sqldb.Scanner) (m Message, err error) {
		err = row.Scan(&m.Pos, &m.Event)
		return m, err
	}
	if messages, err = sqldb.All(tx, scan, sqlSince, user, device, since, upto, limit+1); err != nil {
		return nil, 0, err
	}
	if len(messages) > limit {
		messages = messages[:limit]
		return messages, messages[limit-1].Pos, nil
	}
	return messages, upto, nil
}

// Ack removes what the device has: it synced from a token at upto, which it can only have from the answer that held the
// messages up to there. It writes nothing when there is nothing to remove.
func (b *Inbox) Ack(ctx context.Context, user id.User, device id.Device, upto sqldb.Pos) error {
	key := queue{user, device}
	if _, empty := b.emptied.Get(key, b.DB.Committed()); empty {
		return nil
	}
	var n int
	err := b.DB.Read(ctx, func(tx *sqldb.Tx) error {
		err := tx.Row(sqlPending, user, device, upto).Scan(&n)
		if err == nil && n == 0 && !b.queued.After(key, upto) {
			b.emptied.Put(key, tx.Pos(), struct{}{})
		}
		return err
	})
	if err != nil || n == 0 {
		return err
	}
	return b.DB.Write(ctx, func(tx *sqldb.Tx) error { return remove(tx, user, device, upto) })
}

// weight is a number of messages and their bytes.
type weight struct{ messages, bytes int64 }

func remove(tx *sqldb.Tx, user id.User, device id.Device, upto sqldb.Pos) error {
	removed, err := take(tx, user, device, upto)
	if err != nil {
		return err
	}
	return shrink(tx, user, device, removed)
}

// shrink takes what was removed off the sizes of the device's queue.
func shrink(tx *sqldb.Tx, user id.User, device id.Device, removed map[string]weight) error {
	for sender, w := range removed {
		if err := tx.Put(sqlShrink, user, device, sender, w.messages, w.bytes); err != nil {
			return err
		}
		if err := takeBack(tx, sender, w); err != nil {
			return err
		}
	}
	return tx.Put(`DELETE FROM inbox_size WHERE user_id = $1 AND device_id = $2 AND messages <= 0`, user, device)
}

// takeBack notes that messages of a sender wait no longer.
func takeBack(tx *sqldb.Tx, sender string, w weight) error {
	if sender == "" {
		return nil // the total of a device
	}
	if err := tx.Put(sqlTakeBack, sender, w.messages, w.bytes); err != nil {
		return err
	}
	return tx.Put(sqlDropSent, sender)
}

// take deletes messages and returns what went, by sender, and in total under "".
func take(tx *sqldb.Tx, user id.User, device id.Device, upto sqldb.Pos) (map[string]weight, error) {
	rows, err := tx.Query(sqlTake, user, device, upto)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	removed := make(map[string]weight)
	for rows.Next() {
		var sender string
		var size int64
		if err := rows.Scan(&sender, &size); err != nil {
			return nil, err
		}
		for _, key := range [...]string{sender, ""} {
			w := removed[key]
			removed[key] = weight{w.messages + 1, w.bytes + size}
		}
	}
	return removed, rows.Err()
}

// DropDevice removes what waits for the device and what is remembered of its sending. It runs in the transaction that
// removes the device.
func (b *Inbox) DropDevice(tx *sqldb.Tx, user id.User, device id.Device) error {
	type share struct {
		sender string
		weight
	}
	waiting, err := sqldb.All(tx, func(row sqldb.Scanner) (s share, err error) {
		err = row.Scan(&s.sender, &s.messages, &s.bytes)
		return s, err
	}, `SELECT sender, messages, bytes FROM inbox_size WHERE user_id = $1 AND device_id = $2 ORDER BY sender`, user, device)
	if err != nil {
		return err
	}
	for _, s := range waiting {
		if err := takeBack(tx, s.sender, s.weight); err != nil {
			return err
		}
	}
	for _, q := range []string{
		`DELETE FROM inbox WHERE user_id = $1 AND device_id = $2`,
		`DELETE FROM inbox_size WHERE user_id = $1 AND device_id = $2`,
		`DELETE FROM inbox_service WHERE user_id = $1 AND device_id = $2`,
		`DELETE FROM inbox_txn WHERE sender = $1 AND device = $2`,
	} {
		if err := tx.Put(q, user, device); err != nil {
			return err
		}
	}
	return nil
}
