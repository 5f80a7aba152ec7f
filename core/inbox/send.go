package inbox

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Sender is who sends, and the transaction that makes a repeated request do nothing.
type Sender struct {
	User   id.User
	Device id.Device
	Txn    string
}

// Everything is the device name that stands for all devices of a user.
const Everything id.Device = "*"

// Send puts a message of this type into the queue of each device that is named, in one transaction with the transaction
// id: once it has returned, the messages are on disk and the same request again changes nothing. Devices that do not
// exist are left out. A device that is named itself and by "*" gets the message under its name.
func (b *Inbox) Send(ctx context.Context, from Sender, typ string, messages map[id.User]map[id.Device]json.RawMessage) error {
	if typ == "" || len(typ) > id.MaxLength || len(from.Txn) > id.MaxLength {
		return fault.New(fault.InvalidParam, "The event type and the transaction id have 1 to 255 bytes")
	}
	events, err := compose(from.User, typ, messages)
	if err != nil {
		return err
	}
	var woken []string
	err = b.DB.Write(ctx, func(tx *sqldb.Tx) error {
		woken = nil
		fresh, err := b.once(tx, from, typ, txnAge)
		if err != nil || !fresh {
			return err
		}
		if woken, err = b.deliver(tx, ofUser(from.User), events); err != nil {
			return err
		}
		return b.passOn(tx, from, typ, messages)
	})
	if err != nil {
		return err
	}
	b.Wake(woken...)
	return nil
}

// outgoing is one message before it is known which devices there are.
type outgoing struct {
	user   id.User
	device id.Device
	event  []byte
}

// compose checks the messages and makes the events that the devices will be given. They come in a fixed order, "*" first.
func compose(sender id.User, typ string, messages map[id.User]map[id.Device]json.RawMessage) ([]outgoing, error) {
	tail, err := json.Marshal(struct {
		Sender id.User `json:"sender"`
		Type   string  `json:"type"`
	}{sender, typ})
	if err != nil {
		return nil, err
	}
	var out []outgoing
	for _, user := range slices.Sorted(maps.Keys(messages)) {
		for _, device := range slices.Sorted(maps.Keys(messages[user])) {
			content := bytes.TrimSpace(messages[user][device])
			if len(content) > MaxContent {
				return nil, fault.Newf(fault.TooLarge, "A message to a device may have at most %d bytes", MaxContent)
			}
			if len(content) == 0 || content[0] != '{' {
				return nil, fault.New(fault.BadJSON, "A message to a device must be an object")
			}
			event, err := compact(content, tail)
			if err != nil {
				return nil, fault.New(fault.BadJSON, "A message to a device is not valid JSON").Because(err)
			}
			out = append(out, outgoing{user, device, event})
			if len(out) > MaxRecipients {
				return nil, errTooMany
			}
		}
	}
	slices.SortStableFunc(out, func(a, b outgoing) int {
		if c := cmp.Compare(a.user, b.user); c != 0 || a.device == b.device {
			return c
		}
		switch Everything {
		case a.device:
			return -1
		case b.device:
			return 1
		}
		return cmp.Compare(a.device, b.device)
	})
	return out, nil
}

// compact makes an event of a message's content and the object that holds the other members. The content stays as it was
// sent but for the space between its tokens.
func compact(content, rest []byte) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(len(`{"content":`) + len(content) + len(rest))
	b.WriteString(`{"content":`)
	if err := json.Compact(&b, content); err != nil {
		return nil, err
	}
	b.WriteByte(',')
	b.Write(rest[1:])
	return b.Bytes(), nil
}

var (
	errTooMany = fault.Newf(fault.TooLarge, "A request may go to at most %d devices", MaxRecipients)
	errTooMuch = fault.Newf(fault.TooLarge, "The messages of a request may have at most %d bytes over all devices", MaxRequest)
)

// once notes the transaction id, for at least so long, and says whether it is new.
func (b *Inbox) once(tx *sqldb.Tx, from Sender, typ string, age time.Duration) (fresh bool, err error) {
	now := b.Now()
	n, err := tx.Exec(`INSERT INTO inbox_txn (sender, device, type, txn_id, at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (sender, device, type, txn_id) DO NOTHING`, from.User, from.Device, typ, from.Txn, now.UnixMilli())
	if err != nil || n == 0 {
		return false, err
	}
	err = tx.Put(`DELETE FROM inbox_txn WHERE sender = $1 AND device = $2 AND at < $3`,
		from.User, from.Device, now.Add(-age).UnixMilli())
	return true, err
}

// post says on whose account messages wait, and how many may.
type post struct {
	account    id.User // a local user, or another server for all of its users
	share, all weight  // that may wait for one device, and for all of them
	skipFull   bool    // leave out devices that have no room, instead of refusing all
}

func ofUser(user id.User) post {
	return post{account: user, share: weight{senderMessages, senderBytes}, all: weight{sentMessages, sentBytes}}
}

// deliver queues the messages for local users and returns the topics to wake.
func (b *Inbox) deliver(tx *sqldb.Tx, from post, messages []outgoing) (topics []string, err error) {
	n, size := 0, 0
	for user, of := range byUser(messages) {
		if user.Server() != b.Server {
			continue
		}
		devices, err := b.Devices(tx, user)
		if err != nil {
			return nil, err
		}
		events := resolve(of, devices)
		if n += len(events); n > MaxRecipients {
			return nil, errTooMany
		}
		service := ""
		if b.Service != nil {
			service = b.Service(user)
		}
		for device, event := range events {
			if from.skipFull {
				if ok, err := fits(tx, from, user, device, len(event)); err != nil || !ok {
					if err != nil {
						return nil, err
					}
					n--
					continue
				}
			}
			if size += len(event); size > MaxRequest {
				return nil, errTooMuch
			}
			if err := b.put(tx, from, user, device, event); err != nil {
				return nil, err
			}
			if service == "" {
				continue
			}
			if err := tx.Put(sqlDeliver, service, tx.Pos(), user, device); err != nil {
				return nil, fmt.Errorf("queue a message for an application service: %w", err)
			}
		}
		if len(events) > 0 {
			topics = append(topics, "u:"+string(user))
			if service != "" {
				topics = append(topics, Log)
			}
		}
	}
	if n == 0 {
		return topics, nil
	}
	return topics, countSent(tx, from, n, size)
}

// sqlSent leaves out what is over the bound.
const sqlSent = `INSERT INTO inbox_sent (sender, messages, bytes) VALUES ($1, $2, $3) ON CONFLICT (sender)
	DO UPDATE SET messages = inbox_sent.messages + excluded.messages, bytes = inbox_sent.bytes + excluded.bytes
	WHERE inbox_sent.messages + excluded.messages <= $4 AND inbox_sent.bytes + excluded.bytes <= $5`

// countSent adds to what the sender has waiting for all devices together.
func countSent(tx *sqldb.Tx, from post, messages, bytes int) error {
	n, err := tx.Exec(sqlSent, from.account, messages, bytes, from.all.messages, from.all.bytes)
	if err != nil {
		return fmt.Errorf("count what a sender has sent to devices: %w", err)
	}
	if n == 0 {
		return fault.New(fault.LimitExceeded, "Too much of what you have sent to devices has not been fetched by them yet").After(time.Minute)
	}
	return nil
}

// byUser splits messages, which are sorted by user.
func byUser(messages []outgoing) func(yield func(id.User, []outgoing) bool) {
	return func(yield func(id.User, []outgoing) bool) {
		for len(messages) > 0 {
			n := 1
			for n < len(messages) && messages[n].user == messages[0].user {
				n++
			}
			if !yield(messages[0].user, messages[:n]) {
				return
			}
			messages = messages[n:]
		}
	}
}

// resolve says what each existing device gets; "*" comes first and names itself later overrule it.
func resolve(messages []outgoing, devices map[id.Device]string) map[id.Device][]byte {
	out := make(map[id.Device][]byte, len(messages))
	for _, m := range messages {
		if m.device == Everything {
			for device := range devices {
				out[device] = m.event
			}
			continue
		}
		if _, ok := devices[m.device]; ok {
			out[m.device] = m.event
		}
	}
	return out
}

const (
	sqlPut = `INSERT INTO inbox (user_id, device_id, pos, sender, event) VALUES ($1, $2, $3, $4, $5)`
	// The sender's share and the total, in one statement, which leaves out what is over its bound.
	sqlGrow = `INSERT INTO inbox_size (user_id, device_id, sender, messages, bytes) VALUES ($1, $2, $3, 1, $4), ($1, $2, '', 1, $4)
		ON CONFLICT (user_id, device_id, sender)
		DO UPDATE SET messages = inbox_size.messages + 1, bytes = inbox_size.bytes + excluded.bytes
		WHERE inbox_size.messages < CASE inbox_size.sender WHEN '' THEN CAST($5 AS BIGINT) ELSE CAST($6 AS BIGINT) END
		AND inbox_size.bytes + excluded.bytes <= CASE inbox_size.sender WHEN '' THEN CAST($7 AS BIGINT) ELSE CAST($8 AS BIGINT) END`
)

// put queues one message, unless the queue is full.
func (b *Inbox) put(tx *sqldb.Tx, from post, user id.User, device id.Device, event []byte) error {
	b.queued.Note(queue{user, device}, tx.Pos())
	if err := tx.Put(sqlPut, user, device, tx.Pos(), from.account, event); err != nil {
		return fmt.Errorf("queue a message for a device: %w", err)
	}
	n, err := tx.Exec(sqlGrow, user, device, from.account, len(event), deviceMessages, from.share.messages, deviceBytes, from.share.bytes)
	if err == nil && n < 2 {
		err = fault.Newf(fault.LimitExceeded, "%s has not fetched its messages for too long to be sent more", user).After(time.Minute)
	}
	return err
}
