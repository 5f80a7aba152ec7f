package inbox

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Between servers (https://spec.matrix.org/v1.19/server-server-api/#send-to-device-messaging).

// ToDevice is the type of the EDU that carries messages to devices of another server's users.
const ToDevice = "m.direct_to_device"

const (
	maxMessageID = 255                 // bytes of a message_id; the specification wants at most 32 characters
	receivedAge  = 14 * 24 * time.Hour // how long the message ids of other servers are remembered
	passedOn     = 60 << 10            // bytes of messages past which another EDU is begun
)

// direct is the content of an m.direct_to_device.
type direct struct {
	Sender    id.User                                   `json:"sender"`
	Type      string                                    `json:"type"`
	MessageID string                                    `json:"message_id"`
	Messages  map[id.User]map[id.Device]json.RawMessage `json:"messages"`
}

// Receive delivers an m.direct_to_device of another server's, once for each message_id. What is for users of other servers
// and for devices that do not exist is left out, and so is a message for a device whose queue is full: nobody is there to be
// told. Errors: M_BAD_JSON, M_INVALID_PARAM, M_FORBIDDEN for a sender of a third server, M_TOO_LARGE, M_LIMIT_EXCEEDED when
// too much of this server's is waiting.
func (b *Inbox) Receive(ctx context.Context, origin id.Server, content json.RawMessage) error {
	var d direct
	if err := json.Unmarshal(content, &d); err != nil {
		return fault.New(fault.BadJSON, "The content of an m.direct_to_device has the wrong form").Because(err)
	}
	sender, err := id.ParseUser(string(d.Sender))
	switch {
	case err != nil:
		return fault.New(fault.InvalidParam, "The sender of a message is no user").Because(err)
	case sender.Server() != origin:
		return fault.New(fault.Forbidden, "The sender of a message is not of the server that sends it")
	case d.Type == "" || len(d.Type) > id.MaxLength:
		return fault.New(fault.InvalidParam, "The type of a message has 1 to 255 bytes")
	case d.MessageID == "" || len(d.MessageID) > maxMessageID || strings.IndexByte(d.MessageID, 0) >= 0:
		return fault.New(fault.InvalidParam, "A message_id has 1 to 255 bytes and no NUL")
	}
	maps.DeleteFunc(d.Messages, func(u id.User, _ map[id.Device]json.RawMessage) bool { return u.Server() != b.Server })
	events, err := compose(sender, d.Type, d.Messages)
	if err != nil || len(events) == 0 {
		return err
	}
	p := post{
		account: id.User(origin), share: weight{serverMessages, serverBytes}, all: weight{servedMessages, servedBytes}, skipFull: true,
	}
	var woken []string
	err = b.DB.Write(ctx, func(tx *sqldb.Tx) error {
		woken = nil
		fresh, err := b.once(tx, Sender{User: id.User(origin), Txn: d.MessageID}, "", receivedAge)
		if err != nil || !fresh {
			return err
		}
		woken, err = b.deliver(tx, p, events)
		return err
	})
	if err == nil {
		b.Wake(woken...)
	}
	return err
}

// fits says whether a message may be added to a device's queue.
func fits(tx *sqldb.Tx, p post, user id.User, device id.Device, size int) (bool, error) {
	type held struct {
		sender string
		weight
	}
	all, err := sqldb.All(tx, func(row sqldb.Scanner) (h held, err error) {
		err = row.Scan(&h.sender, &h.messages, &h.bytes)
		return h, err
	}, `SELECT sender, messages, bytes FROM inbox_size WHERE user_id = $1 AND device_id = $2 AND sender IN ($3, '')`, user, device, p.account)
	if err != nil {
		return false, fmt.Errorf("read how much waits for a device: %w", err)
	}
	for _, h := range all {
		most := p.share
		if h.sender == "" {
			most = weight{deviceMessages, deviceBytes}
		}
		if h.messages >= most.messages || h.bytes+int64(size) > most.bytes {
			return false, nil
		}
	}
	return true, nil
}

// passOn gives what is for users of other servers to those who carry it there, in EDUs of a moderate size. It runs in the
// transaction that notes the transaction id, so that all of it is sent once.
func (b *Inbox) passOn(tx *sqldb.Tx, from Sender, typ string, messages map[id.User]map[id.Device]json.RawMessage) error {
	if b.Queue == nil {
		return nil
	}
	byServer := map[id.Server][]id.User{}
	for user := range messages {
		if user.Server() == b.Server {
			continue
		}
		if _, err := id.ParseUser(string(user)); err == nil { // else there is nobody to send it to
			byServer[user.Server()] = append(byServer[user.Server()], user)
		}
	}
	for _, server := range slices.Sorted(maps.Keys(byServer)) {
		part, size, n := map[id.User]map[id.Device]json.RawMessage{}, 0, 0
		send := func() error {
			if size == 0 {
				return nil
			}
			d := direct{from.User, typ, messageID(from, typ, server, n), part}
			part, size, n = map[id.User]map[id.Device]json.RawMessage{}, 0, n+1
			content, err := json.Marshal(d)
			if err != nil {
				return err
			}
			return b.Queue(tx, []id.Server{server}, ToDevice, "", content)
		}
		slices.Sort(byServer[server])
		for _, user := range byServer[server] {
			for _, device := range slices.Sorted(maps.Keys(messages[user])) {
				content, err := canon.Canonical(messages[user][device], canon.Lenient)
				if err != nil {
					return fault.New(fault.BadJSON, "A message to a device has no canonical JSON form").Because(err)
				}
				if size > 0 && size+len(content) > passedOn {
					if err := send(); err != nil {
						return err
					}
				}
				if part[user] == nil {
					part[user] = map[id.Device]json.RawMessage{}
				}
				part[user][device] = content
				size += len(content) + len(device) + len(user)
			}
		}
		if err := send(); err != nil {
			return err
		}
	}
	return nil
}

// messageID names the nth EDU that a request becomes for a server.
func messageID(from Sender, typ string, server id.Server, n int) string {
	sum := sha256.New()
	for _, s := range []string{string(from.User), string(from.Device), from.Txn, typ, string(server), fmt.Sprint(n)} {
		fmt.Fprintf(sum, "%d:%s", len(s), s)
	}
	return base64.RawURLEncoding.EncodeToString(sum.Sum(nil)[:18])
}
