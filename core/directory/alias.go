package directory

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// maxAliases is how many aliases one user may have made.
const maxAliases = 1000

const (
	sqlAlias        = `SELECT room_id, creator FROM room_alias WHERE alias = $1`
	sqlAliases      = `SELECT alias FROM room_alias WHERE room_id = $1 ORDER BY alias`
	sqlAddAlias     = `INSERT INTO room_alias (alias, room_id, creator, created) VALUES ($1, $2, $3, $4) ON CONFLICT (alias) DO NOTHING`
	sqlDropAlias    = `DELETE FROM room_alias WHERE alias = $1`
	sqlCountAliases = `SELECT count(*) FROM room_alias WHERE creator = $1`
)

var (
	errNoAlias = fault.New(fault.NotFound, "There is no such room alias")
	errInUse   = fault.New(fault.RoomInUse, "This room alias is taken")
	errForeign = fault.New(fault.InvalidParam, "This room alias belongs to another server")
)

// alias reads whom an alias stands for; room is "" when there is none.
func alias(tx *sqldb.Tx, a id.Alias) (in id.Room, creator id.User, err error) {
	err = tx.Row(sqlAlias, a).Scan(&in, &creator)
	if errors.Is(err, sql.ErrNoRows) {
		return "", "", nil
	}
	return in, creator, err
}

// NewAlias is the alias with this local part, which createRoom asks for. Errors: M_INVALID_PARAM, M_ROOM_IN_USE.
func (d *Directory) NewAlias(ctx context.Context, localpart string) (id.Alias, error) {
	a, err := id.ParseAlias("#" + localpart + ":" + string(d.Server))
	if err != nil || localpart == "" || strings.Contains(localpart, ":") {
		return "", fault.New(fault.InvalidParam, "This cannot be a room alias").Because(err)
	}
	var in id.Room
	err = d.DB.Read(ctx, func(tx *sqldb.Tx) error {
		in, _, err = alias(tx, a)
		return err
	})
	if err == nil && in != "" {
		err = errInUse
	}
	return a, err
}

// Add makes an alias inside another write. Errors: M_ROOM_IN_USE, M_RESOURCE_LIMIT_EXCEEDED.
func (d *Directory) Add(tx *sqldb.Tx, a id.Alias, in id.Room, creator id.User) error {
	var made int
	if err := tx.Row(sqlCountAliases, creator).Scan(&made); err != nil {
		return err
	}
	if made >= maxAliases {
		return fault.New(fault.ResourceLimitExceeded, "You have made too many room aliases; please delete some")
	}
	n, err := tx.Exec(sqlAddAlias, a, in, creator, d.Now().UnixMilli())
	if err != nil {
		return fmt.Errorf("add room alias: %w", err)
	}
	if n == 0 {
		return errInUse
	}
	return nil
}

// Put makes an alias of this server for a room that the caller is in. An application service need not be in it: the alias is
// one of its own, and by it people find the room that it bridges. Errors: M_INVALID_PARAM, M_FORBIDDEN, M_NOT_FOUND, and a
// 409 for one that is taken.
func (d *Directory) Put(ctx context.Context, c Caller, a id.Alias, in id.Room) error {
	if a.Server() != d.Server {
		return errForeign
	}
	if a.Localpart() == "" {
		return fault.New(fault.InvalidParam, "This cannot be a room alias")
	}
	member, err := d.Rooms.IsMember(ctx, in, c.User)
	if err != nil {
		return err
	}
	if !member && !c.Service {
		return fault.New(fault.Forbidden, "You are not in this room")
	}
	err = d.DB.Write(ctx, func(tx *sqldb.Tx) error {
		exists, err := d.Rooms.Exists(tx, in)
		if err == nil && !exists {
			err = errNoRoom
		}
		if err != nil {
			return err
		}
		return d.Add(tx, a, in, c.User)
	})
	if fault.Is(err, fault.RoomInUse) {
		return fault.New(fault.Unknown, "This room alias is taken").WithStatus(http.StatusConflict)
	}
	return err
}

// Resolve finds the room that an alias stands for. Errors: M_NOT_FOUND; also for aliases of other servers, until servers
// talk to each other.
func (d *Directory) Resolve(ctx context.Context, a id.Alias) (in id.Room, err error) {
	err = d.DB.Read(ctx, func(tx *sqldb.Tx) error {
		in, _, err = alias(tx, a)
		return err
	})
	if err == nil && in == "" {
		err = errNoAlias
	}
	return in, err
}

// Servers are some of those that a room can be joined through, this one first if it is in the room.
func (d *Directory) Servers(ctx context.Context, in id.Room) (via []id.Server, err error) {
	err = d.DB.Read(ctx, func(tx *sqldb.Tx) error {
		places, err := d.Rooms.Places(tx, []id.Room{in})
		if err != nil || len(places) == 0 {
			return err
		}
		via, err = d.Rooms.Servers(tx, places[0].Room)
		return err
	})
	if err != nil {
		return nil, err
	}
	own, is := slices.BinarySearch(via, d.Server)
	via = slices.Clone(via) // it is shared
	if is || len(via) == 0 {
		via = append([]id.Server{d.Server}, slices.Delete(via, own, min(own+1, len(via)))...)
	}
	return via[:min(len(via), maxVia)], nil
}

// Aliases lists a room's aliases on this server, for its members and whoever may read it. Errors: M_FORBIDDEN.
func (d *Directory) Aliases(ctx context.Context, user id.User, in id.Room) ([]id.Alias, error) {
	var list []id.Alias
	err := d.Rooms.View(ctx, in, user, func(tx *sqldb.Tx, v *room.Viewer) (err error) {
		if !v.Joined() {
			readable, err := d.worldReadable(tx, v)
			if err != nil {
				return err
			}
			if !readable {
				return fault.New(fault.Forbidden, "You are not in this room")
			}
		}
		list, err = d.AliasesOf(tx, in)
		return err
	})
	return list, err
}

// AliasesOf lists the aliases of a room, for those who may know.
func (d *Directory) AliasesOf(tx *sqldb.Tx, in id.Room) ([]id.Alias, error) {
	return sqldb.Column[id.Alias](tx, sqlAliases, in)
}

func (d *Directory) worldReadable(tx *sqldb.Tx, v *room.Viewer) (bool, error) {
	now, err := d.Rooms.Current(tx, v.RoomID)
	if err != nil || len(now) == 0 {
		return false, err
	}
	s, err := d.text(tx, now[0].State, "m.room.history_visibility", "history_visibility")
	return s == "world_readable", err
}

// Delete removes an alias: who made it may, and whoever decides about the room's aliases, and administrators. If it was
// the room's canonical alias and the caller has the power, the room's state is changed too. Errors: M_NOT_FOUND,
// M_FORBIDDEN.
func (d *Directory) Delete(ctx context.Context, c Caller, a id.Alias) error {
	var in id.Room
	err := d.DB.Write(ctx, func(tx *sqldb.Tx) error {
		var creator id.User
		var err error
		if in, creator, err = alias(tx, a); err != nil {
			return err
		}
		if in == "" {
			return errNoAlias
		}
		if creator != c.User && !c.Admin {
			ok, err := d.decides(tx, in, c.User)
			if err != nil {
				return err
			}
			if !ok {
				return fault.New(fault.Forbidden, "You may not delete this room alias")
			}
		}
		_, err = tx.Exec(sqlDropAlias, a)
		return err
	})
	if err != nil {
		return err
	}
	return d.withdraw(ctx, c, in, a)
}
