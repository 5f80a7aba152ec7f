package arrival

import (
	"context"
	"fmt"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

const (
	sqlKeep = `INSERT INTO arrived (row, origin, room_id, event_id, body, at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (origin, event_id) DO UPDATE SET row = excluded.row`
	sqlDrop    = `DELETE FROM arrived WHERE row IN ({ints $1})`
	sqlLastRow = `SELECT coalesce(max(row), 0) FROM arrived`
	sqlArrived = `SELECT row, origin, room_id, event_id, body FROM arrived ORDER BY row`
)

// keep writes those of the events that are not through yet, as they came, and takes away what has been dealt with since the
// last time.
func (a *Arrivals) keep(ctx context.Context, items []*item) error {
	a.mu.Lock()
	var rows []*item
	var numbers []int64
	for _, it := range items {
		if !it.over && it.row == 0 {
			a.lastRow++
			rows, numbers = append(rows, it), append(numbers, a.lastRow)
		}
	}
	var drop []int64
	if len(rows) > 0 {
		drop, a.finished = a.finished, nil
	}
	a.mu.Unlock()
	if len(rows) == 0 {
		return nil
	}
	now := a.Now().UnixMilli()
	err := a.DB.Write(ctx, func(tx *sqldb.Tx) error {
		for i, it := range rows {
			if err := tx.Put(sqlKeep, numbers[i], it.origin, it.room, it.event.ID(), it.event.Bytes(), now); err != nil {
				return err
			}
		}
		return dropRows(tx, drop)
	})
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.finished = append(a.finished, drop...)
		return fmt.Errorf("keep what arrived: %w", err)
	}
	a.counts.kept.Add(int64(len(rows)))
	for i, it := range rows {
		if it.over {
			a.finished = append(a.finished, numbers[i])
		} else {
			it.row = numbers[i]
		}
	}
	return nil
}

func dropRows(tx *sqldb.Tx, rows []int64) error {
	if len(rows) == 0 {
		return nil
	}
	return tx.Put(sqlDrop, sqldb.List(rows))
}

// sweep takes what has been dealt with out of the table.
func (a *Arrivals) sweep(ctx context.Context) error {
	a.mu.Lock()
	drop := a.finished
	a.finished = nil
	a.mu.Unlock()
	if len(drop) == 0 {
		return nil
	}
	err := a.DB.Write(ctx, func(tx *sqldb.Tx) error { return dropRows(tx, drop) })
	if err != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.finished = append(a.finished, drop...)
	}
	return err
}

// Resume takes up the events that an earlier life of the server has kept and not judged.
func (a *Arrivals) Resume(ctx context.Context) error {
	type row struct {
		item
		id   id.Event
		body []byte
	}
	var rows []row
	err := a.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		if err := tx.Row(sqlLastRow).Scan(&a.lastRow); err != nil {
			return err
		}
		rows, err = sqldb.All(tx, func(s sqldb.Scanner) (r row, err error) {
			err = s.Scan(&r.row, &r.origin, &r.room, &r.id, &r.body)
			return r, err
		}, sqlArrived)
		return err
	})
	if err != nil {
		return fmt.Errorf("read what arrived: %w", err)
	}
	for _, r := range rows {
		v, err := a.versionOf(ctx, r.room)
		if err != nil {
			return err
		}
		it := &item{origin: r.origin, room: r.room, row: r.row}
		if v != nil {
			it.event, _ = event.Parse(v, r.body) // it was parsed before; a room that has gone since takes its events along
		}
		a.mu.Lock()
		if it.event == nil {
			a.finish(it)
		} else {
			a.push(it)
		}
		a.mu.Unlock()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dispatch()
	return nil
}
