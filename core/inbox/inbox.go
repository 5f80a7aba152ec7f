// Package inbox carries messages from device to device (Client-Server API, "Send-to-Device messaging"): room keys,
// verification, everything that clients tell each other outside of rooms. A message is kept until the receiving device
// has it, and given to it once.
//
// Nothing is dropped for lack of room. A message that is too large is refused with 413, and one whose queue is full with
// 429; the request is then refused as a whole, so that the sender knows that nothing of it was done. The bound that a
// sender meets first is that of his own messages to the device: nobody can fill a device's queue and so keep others from
// writing to it, or to the rooms it is in.
package inbox

import (
	"context"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// The bounds of messages and queues.
const (
	MaxContent    = 64 << 10 // bytes of a message's content
	MaxRecipients = 5000     // devices in one request, "*" counted as what it stands for
	MaxRequest    = 32 << 20 // bytes of all that one request puts into queues, so that it does not hold up other writes

	senderMessages = 20_000   // waiting messages of one sender for one device
	senderBytes    = 32 << 20 // and their bytes
	deviceMessages = 500_000  // waiting messages for one device
	deviceBytes    = 1 << 30  // and their bytes

	txnAge = 3 * 24 * time.Hour // how long transaction ids are remembered
)

// Config is what this package works with. All fields are needed.
type Config struct {
	DB     *sqldb.DB
	Wake   func(topics ...string) // wakes the sleepers of base/bus
	Server id.Server
	Now    func() time.Time

	// Devices gives the devices of a local user, whatever the value; none for an unknown user.
	Devices func(tx *sqldb.Tx, user id.User) (map[id.Device]string, error)
}

// Inbox is the queues of all devices of one server. Its methods may be called from any goroutine.
type Inbox struct{ Config }

// New makes an Inbox.
func New(c Config) *Inbox { return &Inbox{Config: c} }

// Message is one message of a queue.
type Message struct {
	Pos   sqldb.Pos
	Event []byte // JSON as in to_device.events: content, sender, type
}

const (
	sqlSince = `SELECT pos, event FROM inbox
		WHERE user_id = $1 AND device_id = $2 AND pos > $3 AND pos <= $4 ORDER BY pos LIMIT $5`
	sqlPending = `SELECT count(*) FROM (SELECT 1 FROM inbox WHERE user_id = $1 AND device_id = $2 AND pos <= $3 LIMIT 1) AS one`
	sqlTake    = `DELETE FROM inbox WHERE user_id = $1 AND device_id = $2 AND pos <= $3 RETURNING sender, length(event)`
	sqlShrink  = `UPDATE inbox_size SET messages = messages - $4, bytes = bytes - $5
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
	var n int
	err := b.DB.Read(ctx, func(tx *sqldb.Tx) error {
		return tx.Row(sqlPending, user, device, upto).Scan(&n)
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
	for sender, w := range removed {
		if _, err := tx.Exec(sqlShrink, user, device, sender, w.messages, w.bytes); err != nil {
			return err
		}
	}
	_, err = tx.Exec(`DELETE FROM inbox_size WHERE user_id = $1 AND device_id = $2 AND messages <= 0`, user, device)
	return err
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
	for _, q := range []string{
		`DELETE FROM inbox WHERE user_id = $1 AND device_id = $2`,
		`DELETE FROM inbox_size WHERE user_id = $1 AND device_id = $2`,
		`DELETE FROM inbox_txn WHERE sender = $1 AND device = $2`,
	} {
		if _, err := tx.Exec(q, user, device); err != nil {
			return err
		}
	}
	return nil
}
