package inbox

import (
	"database/sql"
	"errors"
	"fmt"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// Log is the topic that is woken when there is a message for a user of any application service.
const Log = "inbox"

// Delivery is a message for a device of an application service's user.
type Delivery struct {
	Pos    sqldb.Pos
	User   id.User
	Device id.Device
	Event  []byte // as Message.Event
}

const (
	sqlDeliver    = `INSERT INTO inbox_service (service, pos, user_id, device_id) VALUES ($1, $2, $3, $4)`
	sqlFirst      = `SELECT pos FROM inbox_service WHERE service = $1 AND pos <= $2 ORDER BY pos LIMIT 1`
	sqlBeyond     = `SELECT pos FROM inbox_service WHERE service = $1 AND pos <= $2 ORDER BY pos LIMIT 1 OFFSET $3`
	sqlDeliveries = `SELECT i.pos, i.user_id, i.device_id, i.event FROM inbox_service s
		JOIN inbox i ON i.user_id = s.user_id AND i.device_id = s.device_id AND i.pos = s.pos
		WHERE s.service = $1 AND s.pos <= $2 ORDER BY s.pos, s.user_id, s.device_id`
	sqlDelivered = `DELETE FROM inbox WHERE (user_id, device_id, pos) IN
		(SELECT user_id, device_id, pos FROM inbox_service WHERE service = $1 AND pos <= $2)
		RETURNING user_id, device_id, sender, length(event)`
	sqlForget = `DELETE FROM inbox_service WHERE service = $1 AND pos <= $2`
)

// Deliveries reads what waits for the users of a service up to a position, the oldest first: about limit messages, or all
// of one request where that had more; limit 0 reads all. end is the position up to which that is everything.
func (b *Inbox) Deliveries(tx *sqldb.Tx, service string, upto sqldb.Pos, limit int) (all []Delivery, end sqldb.Pos, err error) {
	if end, err = deliverable(tx, service, upto, limit); err != nil || end == 0 {
		return nil, upto, err
	}
	scan := func(row sqldb.Scanner) (d Delivery, err error) {
		err = row.Scan(&d.Pos, &d.User, &d.Device, &d.Event)
		return d, err
	}
	all, err = sqldb.All(tx, scan, sqlDeliveries, service, end)
	return all, end, err
}

// deliverable is where a read of about limit messages ends; 0 when there is none.
func deliverable(tx *sqldb.Tx, service string, upto sqldb.Pos, limit int) (sqldb.Pos, error) {
	var first, beyond sqldb.Pos
	switch err := tx.Row(sqlFirst, service, upto).Scan(&first); {
	case errors.Is(err, sql.ErrNoRows):
		return 0, nil
	case err != nil:
		return 0, err
	case limit == 0:
		return upto, nil
	}
	switch err := tx.Row(sqlBeyond, service, upto, limit).Scan(&beyond); {
	case errors.Is(err, sql.ErrNoRows):
		return upto, nil
	case err != nil:
		return 0, err
	}
	return max(first, beyond-1), nil
}

const (
	sqlWaiting = `SELECT user_id, device_id FROM inbox_size WHERE sender = ''`
	sqlAdopt   = `INSERT INTO inbox_service (service, pos, user_id, device_id)
		SELECT $1, pos, user_id, device_id FROM inbox WHERE user_id = $2 AND device_id = $3
		ON CONFLICT (service, pos, user_id, device_id) DO NOTHING`
)

// Adopt has a service told of what waits for its users since before it was to be told of messages.
func (b *Inbox) Adopt(tx *sqldb.Tx, service string) error {
	if b.Service == nil {
		return nil
	}
	waiting, err := sqldb.All(tx, func(row sqldb.Scanner) (q queue, err error) {
		err = row.Scan(&q.user, &q.device)
		return q, err
	}, sqlWaiting)
	if err != nil {
		return err
	}
	for _, q := range waiting {
		if b.Service(q.user) != service {
			continue
		}
		if _, err := tx.Exec(sqlAdopt, service, q.user, q.device); err != nil {
			return fmt.Errorf("adopt messages for an application service: %w", err)
		}
	}
	return nil
}

// Delivered removes what a service has been told of, up to a position. It runs in the transaction that notes that it was.
func (b *Inbox) Delivered(tx *sqldb.Tx, service string, upto sqldb.Pos) error {
	gone, err := delivered(tx, service, upto)
	if err != nil {
		return fmt.Errorf("remove messages that an application service has: %w", err)
	}
	for of, senders := range gone {
		if err := shrink(tx, of.user, of.device, senders); err != nil {
			return err
		}
	}
	_, err = tx.Exec(sqlForget, service, upto)
	return err
}

// delivered deletes messages and returns what went of each device, as take does.
func delivered(tx *sqldb.Tx, service string, upto sqldb.Pos) (map[queue]map[string]weight, error) {
	rows, err := tx.Query(sqlDelivered, service, upto)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	gone := map[queue]map[string]weight{}
	for rows.Next() {
		var of queue
		var sender string
		var size int64
		if err := rows.Scan(&of.user, &of.device, &sender, &size); err != nil {
			return nil, err
		}
		if gone[of] == nil {
			gone[of] = map[string]weight{}
		}
		for _, key := range [...]string{sender, ""} {
			w := gone[of][key]
			gone[of][key] = weight{w.messages + 1, w.bytes + size}
		}
	}
	return gone, rows.Err()
}
