package person

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Types of account data that the server itself writes, so that clients may not
// (https://spec.matrix.org/v1.18/client-server-api/#client-config, "Server Behaviour").
const (
	typePushRules = "m.push_rules"
	typeFullyRead = "m.fully_read"
)

const (
	// limit: one piece of account data | %b | 413
	maxDatum    = 256 << 10 // bytes of one content
	maxDataType = 255       // bytes of a type
	// limit: account data of one user | %d pieces, 32 MiB | refused
	maxDataRows = 20_000   // pieces of account data one user may have, over all rooms
	maxDataSize = 32 << 20 // and their bytes together
)

const (
	sqlDatum     = `SELECT content FROM account_data WHERE user_id = $1 AND room_id = $2 AND type = $3`
	sqlSetDatum  = `INSERT INTO account_data (user_id, room_id, type, content, size, pos) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (user_id, room_id, type) DO UPDATE SET content = excluded.content, size = excluded.size, pos = excluded.pos`
	sqlDatumSize = `SELECT size FROM account_data WHERE user_id = $1 AND room_id = $2 AND type = $3`
	sqlDataUsage = `SELECT count(*), coalesce(sum(size), 0) FROM account_data WHERE user_id = $1`
	sqlAllData   = `SELECT room_id, type, content FROM account_data WHERE user_id = $1 AND pos <= $2 ORDER BY pos, room_id, type`
	sqlNewData   = `SELECT room_id, type, content FROM account_data WHERE user_id = $1 AND pos > $2 AND pos <= $3 ORDER BY pos, room_id, type`
	sqlRoomData  = `SELECT room_id, type, content FROM account_data WHERE user_id = $1 AND room_id = $2 AND pos <= $3 ORDER BY pos, type`
)

// Datum is one piece of account data.
type Datum struct {
	Room    id.Room // "" for data of the whole account
	Type    string
	Content json.RawMessage // {} in an incremental read: it was deleted
}

// Data reads one piece of the user's account data, of a room or with room "" of the account; M_NOT_FOUND when there is
// none.
func (p *People) Data(ctx context.Context, user id.User, room id.Room, typ string) (json.RawMessage, error) {
	var content json.RawMessage
	err := p.DB.Read(ctx, func(tx *sqldb.Tx) error {
		var err error
		if room == "" && typ == typePushRules {
			content, _, err = pushRulesContent(tx, user)
		} else {
			content, err = readDatum(tx, user, room, typ)
		}
		return err
	})
	if err == nil && deleted(content) {
		return nil, fault.New(fault.NotFound, "There is no such account data")
	}
	return content, err
}

// readDatum gives nil when there is none.
func readDatum(tx *sqldb.Tx, user id.User, room id.Room, typ string) (json.RawMessage, error) {
	var content []byte
	err := tx.Row(sqlDatum, string(user), string(room), typ).Scan(&content)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("read account data: %w", err)
	}
	return content, nil
}

// SetData replaces one piece of account data. Empty content deletes it (MSC3391).
func (p *People) SetData(ctx context.Context, user id.User, room id.Room, typ string, content json.RawMessage) error {
	switch {
	case typ == typePushRules || typ == typeFullyRead:
		return fault.Newf(fault.BadJSON, "Cannot set %s through this API", typ).WithStatus(405)
	case typ == "" || len(typ) > maxDataType || strings.IndexByte(typ, 0) >= 0:
		return fault.New(fault.InvalidParam, "A type has 1 to 255 bytes")
	}
	if err := object(content); err != nil {
		return err
	}
	err := p.DB.Write(ctx, func(tx *sqldb.Tx) error { return p.putDatum(tx, user, room, typ, content) })
	if err == nil {
		p.wake(user)
	}
	return err
}

// SetFullyRead moves the user's fully-read marker of a room, which is room account data
// (https://spec.matrix.org/v1.18/client-server-api/#fully-read-markers). That the event is in the room is for the caller
// to check.
func (p *People) SetFullyRead(ctx context.Context, user id.User, room id.Room, event id.Event) error {
	content, err := json.Marshal(map[string]id.Event{"event_id": event})
	if err != nil {
		return err
	}
	err = p.DB.Write(ctx, func(tx *sqldb.Tx) error { return p.putDatum(tx, user, room, typeFullyRead, content) })
	if err == nil {
		p.wake(user)
	}
	return err
}

// putDatum writes at the transaction's stream position and keeps the user within bounds. Making something smaller is
// always allowed.
func (p *People) putDatum(tx *sqldb.Tx, user id.User, room id.Room, typ string, content json.RawMessage) error {
	p.written.Note(user, tx.Pos())
	if len(content) > maxDatum {
		return fault.New(fault.TooLarge, "Account data has at most 256 KiB")
	}
	size := int64(len(typ) + len(content))
	var old int64
	err := tx.Row(sqlDatumSize, string(user), string(room), typ).Scan(&old)
	fresh := errors.Is(err, sql.ErrNoRows)
	if err != nil && !fresh {
		return fmt.Errorf("read account data: %w", err)
	}
	if fresh && deleted(content) {
		return nil
	}
	if size > old {
		var rows, bytes int64
		if err := tx.Row(sqlDataUsage, string(user)).Scan(&rows, &bytes); err != nil {
			return fmt.Errorf("count account data: %w", err)
		}
		if fresh && rows >= maxDataRows || bytes+size-old > maxDataSize {
			return fault.New(fault.ResourceLimitExceeded, "This account keeps too much account data")
		}
	}
	_, err = tx.Exec(sqlSetDatum, string(user), string(room), typ, []byte(content), size, int64(tx.Pos()))
	return err
}

// deleted says whether content is that of data that is not there.
func deleted(content json.RawMessage) bool {
	s := strings.TrimSpace(string(content))
	return s == "" || s == "{}" || len(s) > 1 && s[0] == '{' && strings.TrimSpace(s[1:len(s)-1]) == ""
}

// AccountData reads what changed of the user's account data at the positions after since, up to and with upto: of the
// account and of all rooms, push rules included. With since 0 it reads all there is, and nothing that was deleted.
func (p *People) AccountData(tx *sqldb.Tx, user id.User, since, upto sqldb.Pos) ([]Datum, error) {
	if since != 0 && !p.written.After(user, since) {
		return nil, nil
	}
	var data []Datum
	var err error
	if since == 0 {
		data, err = readData(tx, true, sqlAllData, string(user), int64(upto))
	} else {
		data, err = readData(tx, false, sqlNewData, string(user), int64(since), int64(upto))
	}
	if err != nil {
		return nil, err
	}
	rules, pos, err := readRules(tx, user)
	if err != nil {
		return nil, err
	}
	if since == 0 || pos > since && pos <= upto {
		data = append(data, Datum{Type: typePushRules, Content: rules.JSON(user)})
	}
	return data, nil
}

// RoomAccountData reads all of the user's account data of one room, for a room that is new to a sync.
func (p *People) RoomAccountData(tx *sqldb.Tx, user id.User, room id.Room, upto sqldb.Pos) ([]Datum, error) {
	return readData(tx, true, sqlRoomData, string(user), string(room), int64(upto))
}

// OwnAccountData reads all of the user's account data that belongs to no room, push rules included; with everDeleted also what was
// deleted, as "{}", for who may have been told of it before.
func (p *People) OwnAccountData(tx *sqldb.Tx, user id.User, upto sqldb.Pos, everDeleted bool) ([]Datum, error) {
	data, err := readData(tx, !everDeleted, sqlRoomData, string(user), "", int64(upto))
	if err != nil {
		return nil, err
	}
	rules, _, err := readRules(tx, user)
	if err != nil {
		return nil, err
	}
	return append(data, Datum{Type: typePushRules, Content: rules.JSON(user)}), nil
}

// readData reads rows of room, type, content. living leaves out what was deleted.
func readData(tx *sqldb.Tx, living bool, query string, args ...any) ([]Datum, error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, fmt.Errorf("read account data: %w", err)
	}
	defer rows.Close()
	var data []Datum
	for rows.Next() {
		var room, typ string
		var content []byte
		if err := rows.Scan(&room, &typ, &content); err != nil {
			return nil, fmt.Errorf("read account data: %w", err)
		}
		if living && deleted(content) {
			continue
		}
		data = append(data, Datum{Room: id.Room(room), Type: typ, Content: content})
	}
	return data, rows.Err()
}

// DropDevice removes what account data holds for one device: its notification settings (MSC3890).
func (p *People) DropDevice(tx *sqldb.Tx, user id.User, device id.Device) error {
	typ := "org.matrix.msc3890.local_notification_settings." + string(device)
	old, err := readDatum(tx, user, "", typ)
	if err != nil || deleted(old) {
		return err
	}
	return p.putDatum(tx, user, "", typ, json.RawMessage(`{}`))
}

// Ignored lists whom the user ignores: the keys of m.ignored_user_list
// (https://spec.matrix.org/v1.18/client-server-api/#ignoring-users). The map is shared and must not be changed.
func (p *People) Ignored(tx *sqldb.Tx, user id.User) (map[id.User]bool, error) {
	if ignored, ok := p.ignored.Get(user, tx.Pos()); ok {
		return ignored, nil
	}
	ignored, err := readIgnored(tx, user)
	if err == nil {
		p.ignored.Put(user, tx.Pos(), ignored)
	}
	return ignored, err
}

func readIgnored(tx *sqldb.Tx, user id.User) (map[id.User]bool, error) {
	content, err := readDatum(tx, user, "", "m.ignored_user_list")
	if err != nil || len(content) == 0 {
		return nil, err
	}
	var list struct {
		Users map[string]json.RawMessage `json:"ignored_users"`
	}
	if json.Unmarshal(content, &list) != nil {
		return nil, nil // whatever it is, it is not a list of users
	}
	ignored := make(map[id.User]bool, len(list.Users))
	for u := range list.Users {
		ignored[id.User(u)] = true
	}
	return ignored, nil
}
