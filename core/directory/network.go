package directory

import (
	"context"
	"fmt"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Network is a network outside of Matrix whose rooms an application service lists (Application Service API, "Published room
// directories").
type Network struct {
	Service string // "": any that has such a network
	ID      string
}

const (
	sqlList      = `INSERT INTO network_room (service, network, room_id) VALUES ($1, $2, $3) ON CONFLICT (service, network, room_id) DO NOTHING`
	sqlUnlist    = `DELETE FROM network_room WHERE service = $1 AND network = $2 AND room_id = $3`
	sqlListed    = `SELECT DISTINCT room_id FROM network_room WHERE network = $1 AND (service = $2 OR $2 = '')`
	sqlAllListed = `SELECT room_id FROM published_room UNION SELECT room_id FROM network_room`
	sqlHowMany   = `SELECT count(*) FROM network_room WHERE service = $1`
	sqlUnlistAll = `DELETE FROM network_room WHERE room_id = $1`
	sqlListToo   = `INSERT INTO network_room (service, network, room_id) SELECT service, network, CAST($2 AS TEXT) FROM network_room WHERE room_id = $1
		ON CONFLICT (service, network, room_id) DO NOTHING`
)

// limit: rooms that one application service lists in the directories of its networks | %d | refused
const maxListed = 100_000

// SetListed puts a room into the directory of a service's network, or takes it out. Errors: M_NOT_FOUND,
// M_RESOURCE_LIMIT_EXCEEDED.
func (d *Directory) SetListed(ctx context.Context, n Network, in id.Room, public bool) error {
	if n.ID == "" || len(n.ID) > id.MaxLength {
		return fault.New(fault.InvalidParam, "The name of a network has 1 to 255 bytes")
	}
	return d.DB.Write(ctx, func(tx *sqldb.Tx) error {
		if !public {
			_, err := tx.Exec(sqlUnlist, n.Service, n.ID, in)
			return err
		}
		exists, err := d.Rooms.Exists(tx, in)
		if err != nil {
			return err
		}
		if !exists {
			return errNoRoom
		}
		var listed int
		if err := tx.Row(sqlHowMany, n.Service).Scan(&listed); err != nil {
			return err
		}
		if listed >= maxListed {
			return fault.New(fault.ResourceLimitExceeded, "This application service lists too many rooms")
		}
		if _, err := tx.Exec(sqlList, n.Service, n.ID, in); err != nil {
			return fmt.Errorf("list room in a network: %w", err)
		}
		return nil
	})
}

// listed are the rooms that a query is about.
func (q *Query) listed(tx *sqldb.Tx) ([]id.Room, error) {
	switch {
	case q.AllNetworks:
		return sqldb.Column[id.Room](tx, sqlAllListed)
	case q.Network.ID != "":
		return sqldb.Column[id.Room](tx, sqlListed, q.Network.ID, q.Network.Service)
	}
	return sqldb.Column[id.Room](tx, sqlPublished)
}
