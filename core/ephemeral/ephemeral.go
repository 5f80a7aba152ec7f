// Package ephemeral keeps what is told about people and soon forgotten: who is typing, how far each has read, who is
// here.
//
// Receipts are in the database, for they decide what counts as unread. Typing and presence are in memory and are gone
// with the process; their news is numbered by serials, which grow over restarts because they begin at the clock.
package ephemeral

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"freehold.example/base/bus"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Rooms is what this package asks of the room engine.
type Rooms interface {
	// IsMember says whether the user is joined to the room.
	IsMember(ctx context.Context, room id.Room, user id.User) (bool, error)
	// LocalMembers lists the joined users of this server.
	LocalMembers(ctx context.Context, room id.Room) ([]id.User, error)
	// EventPos is the position of an event of this room, or 0 when the room has no such event.
	EventPos(tx *sqldb.Tx, room id.Room, event id.Event) (sqldb.Pos, error)
	// SharesRoom says whether both are joined to one room.
	SharesRoom(tx *sqldb.Tx, a, b id.User) (bool, error)
	// SharedUsers lists whoever is joined to a room that user is joined to.
	SharedUsers(tx *sqldb.Tx, user id.User) ([]id.User, error)
}

// Config is what this package works with. All fields but Presence are needed.
type Config struct {
	DB       *sqldb.DB
	Bus      *bus.Local
	Rooms    Rooms
	Presence bool // whether to keep presence at all
	Now      func() time.Time
	Log      *slog.Logger
}

// Serial numbers the news of typing and presence. 0 is before all of it.
type Serial int64

// Ephemeral is what is soon forgotten on one server. Its methods may be called from any goroutine.
type Ephemeral struct {
	Config
	serial   atomic.Int64
	typing   typing
	presence *presence // nil when presence is off
}

// New makes an Ephemeral. Close ends its timers.
func New(c Config) *Ephemeral {
	e := &Ephemeral{Config: c}
	// Microseconds: faster than serials are ever used up, so that those of the next process are greater.
	e.serial.Store(c.Now().UnixMicro())
	e.typing.rooms = map[id.Room]*typists{}
	if c.Presence {
		e.presence = &presence{people: map[id.User]*somebody{}}
	}
	return e
}

// Close stops what runs by itself. Typing and presence last as they are.
func (e *Ephemeral) Close() {
	e.typing.close()
	if e.presence != nil {
		e.presence.close()
	}
}

// Serial is the newest number: news after this call has a greater one. Take it before reading, as the next since.
func (e *Ephemeral) Serial() Serial { return Serial(e.serial.Load()) }

func (e *Ephemeral) next() Serial { return Serial(e.serial.Add(1)) }

// wakeRoom lets the syncs of the room's local members look for news.
func (e *Ephemeral) wakeRoom(ctx context.Context, room id.Room) error {
	members, err := e.Rooms.LocalMembers(ctx, room)
	if err != nil {
		return err
	}
	e.wakeUsers(members)
	return nil
}

func (e *Ephemeral) wakeUsers(users []id.User) {
	topics := make([]string, len(users))
	for i, u := range users {
		topics[i] = "u:" + string(u)
	}
	e.Bus.Wake(topics...)
}

func (e *Ephemeral) checkMember(ctx context.Context, room id.Room, user id.User) error {
	in, err := e.Rooms.IsMember(ctx, room, user)
	if err == nil && !in {
		return fault.New(fault.Forbidden, "You are not in this room")
	}
	return err
}
