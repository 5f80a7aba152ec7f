package push

import (
	"context"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

const (
	// limit: failures of one pusher that are remembered | %d of 500 bytes | the oldest goes
	maxFailures = 20
	maxTrouble  = 500 // bytes
)

const (
	sqlComplain = `INSERT INTO push_failure (pusher, at, times, trouble) VALUES ($1, $2, $3, $4) ON CONFLICT (pusher, at) DO NOTHING`
	sqlTrimWoes = `DELETE FROM push_failure WHERE pusher = $1
		AND at <= (SELECT at FROM push_failure WHERE pusher = $1 ORDER BY at DESC LIMIT 1 OFFSET $2)`
	sqlWoesOf = `DELETE FROM push_failure WHERE pusher = $1`
	sqlHealth = `SELECT ` + columns + `, nid, failures, retry, (SELECT count(*) FROM push_queue q WHERE q.pusher = pusher.nid)
		FROM pusher WHERE user_id = $1 ORDER BY nid`
	sqlWoes = `SELECT at, times, trouble FROM push_failure WHERE pusher = $1 ORDER BY at DESC`
)

// complain writes down that a notification could not be sent.
func complain(tx *sqldb.Tx, nid int64, at time.Time, times int, trouble string) error {
	if _, err := tx.Exec(sqlComplain, nid, at.UnixMilli(), times, trouble); err != nil {
		return err
	}
	_, err := tx.Exec(sqlTrimWoes, nid, maxFailures)
	return err
}

// Health is how it goes with a pusher.
type Health struct {
	Pusher
	Waiting  int       // notifications
	Failures int       // attempts in a row that failed; 0: the last one went well
	Retry    time.Time // when it is tried again, if it failed
	Log      []Failure // of late, the newest first
}

// Failure is an attempt to send that failed.
type Failure struct {
	At      time.Time
	Times   int // how many in a row it was the last of
	Trouble string
}

// Health says how it goes with a user's pushers, in the order in which they were first set.
func (p *Push) Health(ctx context.Context, user id.User) (list []Health, err error) {
	err = p.DB.Read(ctx, func(tx *sqldb.Tx) error {
		var nids []int64
		list, err = sqldb.All(tx, func(row sqldb.Scanner) (h Health, err error) {
			var since, nid, retry int64
			var data string
			err = row.Scan(&h.AppID, &h.Key, &h.Kind, &h.App, &h.Device, &h.Profile, &h.Lang, &h.URL, &data, &since,
				&nid, &h.Failures, &retry, &h.Waiting)
			h.Data, h.Since = []byte(data), time.UnixMilli(since)
			if retry != 0 {
				h.Retry = time.UnixMilli(retry)
			}
			nids = append(nids, nid)
			return h, err
		}, sqlHealth, user)
		if err != nil {
			return err
		}
		for i, nid := range nids {
			list[i].Log, err = sqldb.All(tx, func(row sqldb.Scanner) (f Failure, err error) {
				var at int64
				err = row.Scan(&at, &f.Times, &f.Trouble)
				f.At = time.UnixMilli(at)
				return f, err
			}, sqlWoes, nid)
			if err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}
