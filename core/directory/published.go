package directory

import (
	"context"
	"errors"
	"fmt"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

const (
	sqlPublish     = `INSERT INTO published_room (room_id) VALUES ($1) ON CONFLICT (room_id) DO NOTHING`
	sqlWithdraw    = `DELETE FROM published_room WHERE room_id = $1`
	sqlIsPublished = `SELECT count(*) FROM published_room WHERE room_id = $1`
	sqlPublished   = `SELECT room_id FROM published_room`
)

var errNoRoom = fault.New(fault.NotFound, "There is no such room")

// Publish puts a room into the directory, or takes it out, inside another write.
func (d *Directory) Publish(tx *sqldb.Tx, in id.Room, public bool) error {
	q := sqlWithdraw
	if public {
		q = sqlPublish
	}
	if _, err := tx.Exec(q, in); err != nil {
		return fmt.Errorf("publish room: %w", err)
	}
	return nil
}

// SetPublished is Publish for a caller, who must have the room's trust: the power to name its canonical alias, or to
// administer this server. Errors: M_NOT_FOUND, M_FORBIDDEN.
func (d *Directory) SetPublished(ctx context.Context, c Caller, in id.Room, public bool) error {
	return d.DB.Write(ctx, func(tx *sqldb.Tx) error {
		exists, err := d.Rooms.Exists(tx, in)
		if err != nil {
			return err
		}
		if !exists {
			return errNoRoom
		}
		if !c.Admin {
			ok, err := d.decides(tx, in, c.User)
			if err != nil {
				return err
			}
			v, err := d.Rooms.Viewer(tx, in, c.User)
			if err != nil && !fault.Is(err, fault.Forbidden) {
				return err
			}
			if err != nil || !v.Joined() || !ok {
				return fault.New(fault.Forbidden, "You may not decide whether this room is in the directory")
			}
		}
		return d.Publish(tx, in, public)
	})
}

// Published says whether a room is in the directory. Errors: M_NOT_FOUND.
func (d *Directory) Published(ctx context.Context, in id.Room) (public bool, err error) {
	err = d.DB.Read(ctx, func(tx *sqldb.Tx) error {
		exists, err := d.Rooms.Exists(tx, in)
		if err != nil {
			return err
		}
		if !exists {
			return errNoRoom
		}
		var n int
		err = tx.Row(sqlIsPublished, in).Scan(&n)
		public = n > 0
		return err
	})
	return public, err
}

const (
	sqlMoveAliases = `UPDATE room_alias SET room_id = $2 WHERE room_id = $1`
	sqlPublishToo  = `INSERT INTO published_room (room_id) SELECT CAST($2 AS TEXT) FROM published_room WHERE room_id = $1
		ON CONFLICT (room_id) DO NOTHING`
)

// Move makes the aliases and the publication of a room those of another that replaces it, inside the write that makes the
// other, or by which a user of this server comes to be in both.
func (d *Directory) Move(tx *sqldb.Tx, from, to id.Room) error {
	var errs []error
	for _, q := range []string{sqlMoveAliases, sqlPublishToo, sqlListToo} {
		_, err := tx.Exec(q, from, to)
		errs = append(errs, err)
	}
	for _, q := range []string{sqlWithdraw, sqlUnlistAll} {
		_, err := tx.Exec(q, from)
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("move room in the directory: %w", err)
	}
	return nil
}

// AllPublished is the set of published rooms.
func (d *Directory) AllPublished(ctx context.Context) (map[id.Room]bool, error) {
	all := map[id.Room]bool{}
	err := d.DB.Read(ctx, func(tx *sqldb.Tx) error {
		rooms, err := sqldb.Column[id.Room](tx, sqlPublished)
		for _, in := range rooms {
			all[in] = true
		}
		return err
	})
	return all, err
}

// ForgetRoom removes a room from the directory, with its aliases, inside the write that removes it.
func ForgetRoom(tx *sqldb.Tx, in id.Room) error {
	for _, q := range []string{
		`DELETE FROM room_alias WHERE room_id = $1`, `DELETE FROM published_room WHERE room_id = $1`, `DELETE FROM network_room WHERE room_id = $1`,
	} {
		if _, err := tx.Exec(q, in); err != nil {
			return fmt.Errorf("remove a room from the directory: %w", err)
		}
	}
	return nil
}
