package appservice

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"freehold.example/base/backoff"
	"freehold.example/base/bus"
	"freehold.example/base/sqldb"
	"freehold.example/core/ephemeral"
	"freehold.example/core/inbox"
	"freehold.example/core/keys"
	"freehold.example/core/room"
	"freehold.example/matrix/id"
)

// QueueConfig is what a Queue works with. All fields are needed.
type QueueConfig struct {
	DB        *sqldb.DB
	Bus       *bus.Local
	Rooms     *room.Rooms
	Ephemeral *ephemeral.Ephemeral
	Inbox     *inbox.Inbox
	Keys      *keys.Keys
	Aliases   func(tx *sqldb.Tx, in id.Room) ([]id.Alias, error) // of a room, on this server
	Line      *Line
	Metrics   *Metrics
	Now       func() time.Time
	Log       *slog.Logger
}

// Queue tells one application service of what is its business, in the order in which it was committed (Application Service
// API, "Pushing events"): events, and where its registration asks for that, receipts, typing and presence, messages to its
// users' devices, and whose devices changed. It keeps a cursor and no copies. A transaction that was not acknowledged is sent
// again, the same events under the same id, until it is: a service that is down loses nothing. Messages to devices are
// deleted when they have arrived; who types and who is there is told as it is when the service is back.
type Queue struct {
	QueueConfig
	service *Service

	// interest is which rooms are the service's business as a whole, as far as it was asked of late.
	interest map[room.NID]bool
	asked    time.Time

	typed, seen ephemeral.Serial // up to where typing and presence have been told

	adopted bool // whether the messages that waited before it was told of any are among those that it will be
}

// NewQueue makes the queue of a service that has an address.
func NewQueue(c QueueConfig, s *Service) *Queue { return &Queue{QueueConfig: c, service: s} }

const (
	askAgain = time.Minute // after which rooms are looked at anew: their aliases may have changed
	// limit: rooms of which it is known whether they are an application service's business, for each, in memory | %d of some 50 bytes | all are forgotten
	maxRooms = 20_000
)

const (
	sqlBegin  = `INSERT INTO appservice_queue (service, pos, upto, txn, events) VALUES ($1, $2, $2, '', '[]') ON CONFLICT (service) DO NOTHING`
	sqlCursor = `SELECT pos, upto, txn, events FROM appservice_queue WHERE service = $1`
	sqlMove   = `UPDATE appservice_queue SET pos = $2, upto = $3, txn = $4, events = $5 WHERE service = $1`
)

// cursor is how far the service has been told.
type cursor struct {
	pos    sqldb.Pos  // everything up to here has arrived
	upto   sqldb.Pos  // where the transaction ends that may have arrived or not; pos when there is none
	txn    string     // its id
	events []room.NID // which of the events up to there it has
}

// Run tells the service until ctx ends. There must be only one for each service.
func (q *Queue) Run(ctx context.Context) error {
	topics := []string{room.Log}
	if q.service.Ephemeral {
		topics = append(topics, ephemeral.Log)
	}
	if q.service.devices() {
		topics = append(topics, inbox.Log, keys.Log)
	}
	sleeper := q.Bus.Sleep(topics...)
	defer sleeper.Close()
	q.typed = q.Ephemeral.Serial()
	q.seen = q.typed
	at, err := q.begin(ctx)
	for err == nil {
		var told bool
		if told, err = q.step(ctx, &at); err != nil || told {
			continue
		}
		select {
		case <-sleeper.C():
		case <-ctx.Done():
		}
		err = ctx.Err()
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// begin reads the cursor. A service that is new is told from now on, but of all messages that wait for its users' devices.
func (q *Queue) begin(ctx context.Context) (cursor, error) {
	var at cursor
	devices := q.service.devices()
	err := q.DB.Write(ctx, func(tx *sqldb.Tx) error {
		high, err := tx.High()
		if err != nil {
			return err
		}
		if err := tx.Put(sqlBegin, q.service.ID, high); err != nil {
			return err
		}
		var events string
		if err := tx.Row(sqlCursor, q.service.ID).Scan(&at.pos, &at.upto, &at.txn, &events); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(events), &at.events); err != nil || !devices || at.upto > at.pos {
			return err
		}
		return q.Inbox.Adopt(tx, q.service.ID)
	})
	if err != nil {
		return cursor{}, err
	}
	q.adopted = at.upto == at.pos
	return at, nil
}

// move notes where the cursor is, and in the same breath that the messages up to it have arrived. Those that wait since before
// the service was told of any are taken once no transaction is under way, as that stays as it is.
func (q *Queue) move(ctx context.Context, at cursor) error {
	arrived := at.upto == at.pos
	devices, adopt := q.service.devices() && arrived, q.service.devices() && arrived && !q.adopted
	err := q.DB.Write(ctx, func(tx *sqldb.Tx) error {
		if devices {
			if err := q.Inbox.Delivered(tx, q.service.ID, at.pos); err != nil {
				return err
			}
		}
		if adopt {
			if err := q.Inbox.Adopt(tx, q.service.ID); err != nil {
				return err
			}
		}
		return tx.Put(sqlMove, q.service.ID, at.pos, at.upto, at.txn, sqldb.List(at.events))
	})
	if err == nil && arrived {
		q.adopted = true
	}
	return err
}

// step finds and delivers the next transaction; told is false when nothing is left to look at. What is of no interest moves
// the cursor in memory alone: it is cheap to look at it again. So does a transaction of what is not on disk either.
func (q *Queue) step(ctx context.Context, at *cursor) (told bool, err error) {
	var next *news
	var more bool
	err = q.DB.Read(ctx, func(tx *sqldb.Tx) error {
		if at.upto > at.pos { // it was begun before a restart
			next, err = q.again(tx, *at)
			return err
		}
		next, more, err = q.next(tx, at.pos)
		return err
	})
	if err != nil {
		return false, err
	}
	if at.upto == at.pos {
		if next.empty() {
			at.pos, at.upto = next.upto, next.upto
			return more, nil
		}
		*at = cursor{pos: at.pos, upto: next.upto, txn: rand.Text(), events: next.nids()}
		if next.durable() {
			// What the transaction holds is on disk before it is sent, and so it is the same when it is sent again.
			if err := q.move(ctx, *at); err != nil {
				return false, err
			}
		}
	}
	body, err := next.body(q.service)
	if err != nil {
		return false, err
	}
	if err := q.deliver(ctx, at.txn, body); err != nil {
		return false, err
	}
	q.Metrics.told(q.service, next)
	*at = cursor{pos: at.upto, upto: at.upto}
	if !next.durable() {
		return true, nil
	}
	return true, q.move(ctx, *at)
}

// deliver sends a transaction until it is acknowledged.
func (q *Queue) deliver(ctx context.Context, txn string, body []byte) error {
	wait := backoff.Backoff{Policy: backoff.Policy{Cap: time.Minute}}
	for {
		err := q.send(ctx, txn, body)
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		pause := wait.Next()
		q.Metrics.failed(q.service)
		q.Log.WarnContext(ctx, "an application service does not take its events; it will be told again", "id", q.service.ID,
			"again_in", pause.Round(time.Millisecond).String(), "cause", err)
		if !rest(ctx, pause) {
			return ctx.Err()
		}
	}
}

func (q *Queue) send(ctx context.Context, txn string, body []byte) error {
	status, _, err := q.Line.call(ctx, q.service, request{
		method: http.MethodPut, path: app("transactions", txn), legacy: []string{"transactions", txn}, body: body,
	})
	switch {
	case status == http.StatusOK: // whatever became of the rest of the answer
		return nil
	case err == nil:
		err = fmt.Errorf("it answered %d %s", status, http.StatusText(status))
	}
	return err
}
