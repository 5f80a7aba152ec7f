// Package notice is what the administrators of a server tell one of its users: each user has a room for it, with the
// server's own user, that is made with the first notice (Client-Server API, "Server Notices").
package notice

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"freehold.example/base/sqldb"
	"freehold.example/core/person"
	"freehold.example/core/room"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Localpart is of the user that notices come from. Nobody can register it, and it has no account.
const Localpart = "_server"

const displayName = "Server notices"

// Config is what notices are made with. All fields are needed.
type Config struct {
	DB     *sqldb.DB
	Rooms  *room.Rooms
	People *person.People
	Server id.Server
	Exists func(*sqldb.Tx, id.User) (bool, error) // whether a local user has an account; of core/account
}

// Notices sends notices. Its methods may be called from any goroutine.
type Notices struct {
	Config
	named sync.Mutex // held while the server's user is given its name
}

// New makes Notices.
func New(c Config) *Notices { return &Notices{Config: c} }

// user is who notices come from.
func (n *Notices) user() id.User { return id.NewUser(Localpart, n.Server) }

// Notice is one message to one user.
type Notice struct {
	To       id.User
	Type     string  // "" for m.room.message
	StateKey *string // nil for a message event
	Content  json.RawMessage

	// By and Txn make a request that is repeated the same notice; without Txn each is a new one.
	By  id.User
	Txn string
}

var errNobody = fault.New(fault.NotFound, "There is no such user on this server")

// Send sends a notice, and first makes the user's room for notices, or invites her again when she has left it. It returns
// the notice's event. Errors: M_NOT_FOUND.
func (n *Notices) Send(ctx context.Context, notice Notice) (id.Event, error) {
	err := n.DB.Read(ctx, func(tx *sqldb.Tx) error {
		known, err := n.Exists(tx, notice.To)
		if err == nil && !known {
			err = errNobody
		}
		return err
	})
	if err != nil {
		return "", err
	}
	in, err := n.open(ctx, notice.To)
	if err != nil {
		return "", err
	}
	// The administrator stands for a device: transaction ids are told apart by it.
	from := room.Caller{User: n.user(), Device: id.Device(notice.By)}
	if notice.StateKey != nil {
		return n.Rooms.SetState(ctx, from, in, notice.Type, *notice.StateKey, notice.Content)
	}
	typ := notice.Type
	if typ == "" {
		typ = "m.room.message"
	}
	return n.Rooms.Send(ctx, from, in, room.Draft{Type: typ, Content: notice.Content}, notice.Txn)
}

// open gives the user's room for notices, with the user in it or invited.
func (n *Notices) open(ctx context.Context, to id.User) (id.Room, error) {
	in, err := n.find(ctx, to)
	if err != nil {
		return "", err
	}
	if in == "" {
		if err := n.introduce(ctx); err != nil {
			return "", err
		}
		if in, err = n.create(ctx, to); err != nil {
			return "", err
		}
	}
	var there bool
	err = n.DB.Read(ctx, func(tx *sqldb.Tx) error {
		v, err := n.Rooms.Onlooker(tx, in, to)
		there = err == nil && v.Standing != nil && (v.Joined() || v.Standing.Membership == "invite")
		return err
	})
	if err != nil || there {
		return in, err
	}
	if err := n.Rooms.Invite(ctx, room.Caller{User: n.user()}, in, to, ""); err != nil {
		return "", err
	}
	return in, n.People.SetTag(ctx, to, in, "m.server_notice", json.RawMessage(`{}`))
}

// find gives the room that was made for the user's notices, or "".
func (n *Notices) find(ctx context.Context, to id.User) (in id.Room, err error) {
	err = n.DB.Read(ctx, func(tx *sqldb.Tx) error {
		err := tx.Row(`SELECT room_id FROM notice_room WHERE user_id = $1`, to).Scan(&in)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return in, err
}

// introduce gives the server's user its name, which its member events will have.
func (n *Notices) introduce(ctx context.Context) error {
	n.named.Lock()
	defer n.named.Unlock()
	if _, err := n.People.Field(ctx, n.user(), "displayname"); !fault.Is(err, fault.NotFound) {
		return err
	}
	name, err := json.Marshal(displayName)
	if err != nil {
		return err
	}
	return n.People.SetField(ctx, n.user(), "displayname", name)
}

var errMadeMeanwhile = errors.New("the room for notices was made meanwhile")

// create makes the room, in which only the server speaks. The row that says whose it is belongs to the same write.
func (n *Notices) create(ctx context.Context, to id.User) (id.Room, error) {
	in, err := n.Rooms.Create(ctx, room.Caller{User: n.user()}, room.CreateRequest{
		Preset: "private_chat",
		Name:   displayName,
		PowerLevels: map[string]json.RawMessage{
			"users_default": json.RawMessage(`-10`),
		},
		Also: func(tx *sqldb.Tx, in id.Room) error {
			made, err := tx.Exec(`INSERT INTO notice_room (user_id, room_id) VALUES ($1, $2) ON CONFLICT (user_id) DO NOTHING`, to, in)
			switch {
			case err != nil:
				return fmt.Errorf("keep the room for notices: %w", err)
			case made == 0:
				return errMadeMeanwhile
			}
			return nil
		},
	})
	if errors.Is(err, errMadeMeanwhile) {
		return n.find(ctx, to)
	}
	return in, err
}

// MayLeave refuses to let a user turn down the invitation to her room for notices. Once she has joined, she may leave.
// Errors: M_CANNOT_LEAVE_SERVER_NOTICE_ROOM.
func (n *Notices) MayLeave(ctx context.Context, user id.User, in id.Room) error {
	own, err := n.find(ctx, user)
	if err != nil || own != in {
		return err
	}
	member, err := n.Rooms.IsMember(ctx, in, user)
	if err == nil && !member {
		err = fault.New(fault.CannotLeaveServerNotices, "The invitation to the room for this server's notices cannot be turned down; you may leave after joining")
	}
	return err
}

// ForgetRoom makes the next notice to whoever the room was for go into a new one, inside the write that removes it.
func ForgetRoom(tx *sqldb.Tx, in id.Room) error {
	_, err := tx.Exec(`DELETE FROM notice_room WHERE room_id = $1`, in)
	return err
}
