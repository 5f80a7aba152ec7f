// Package ephemeral keeps what is told about people and soon forgotten: who is typing, how far each has read, who is
// here.
//
// Receipts are in the database, for they decide what counts as unread. Typing and presence are in memory and are gone
// with the process; their news is numbered by serials, which grow over restarts because they begin at the clock.
package ephemeral

import (
	"cmp"
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"freehold.example/base/bus"
	"freehold.example/base/news"
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
	// SharedWith lists whoever is joined to a room that any of the users is joined to.
	SharedWith(tx *sqldb.Tx, users []id.User) ([]id.User, error)

	// Admits says whether a user of another server may be heard in the room: joined, as far as that is known, and the
	// server not denied.
	Admits(ctx context.Context, room id.Room, user id.User) (bool, error)
	// OtherServers lists the servers of the room but this one.
	OtherServers(ctx context.Context, room id.Room) ([]id.Server, error)
	// SharedServers lists the servers of the rooms that the user is joined to but this one.
	SharedServers(tx *sqldb.Tx, user id.User) ([]id.Server, error)
	// SharedServersBy is SharedServers for who has read SharedUsers.
	SharedServersBy(tx *sqldb.Tx, user id.User, shared []id.User) ([]id.Server, error)
	// Meets says whether a user of another server is joined to a room that somebody of this one is joined to.
	Meets(tx *sqldb.Tx, user id.User) (bool, error)
	// MayShare lists the local users who are joined to a room that somebody of the server may be in, as not all of its members
	// are known yet.
	MayShare(tx *sqldb.Tx, server id.Server) ([]id.User, error)
}

// Config is what this package works with. All fields but Presence, PresenceAbroad and Tell are needed.
type Config struct {
	DB       *sqldb.DB
	Bus      *bus.Local
	Rooms    Rooms
	Server   id.Server
	Presence bool // whether to keep presence at all
	Now      func() time.Time
	Log      *slog.Logger

	PresenceAbroad bool // whether to exchange presence with other servers

	// Tell has an EDU of this kind sent to those other servers that are there; a later one of the kind with the same key
	// takes its place. nil where there are none.
	Tell func(servers []id.Server, kind, key string, content []byte)

	// limit: receipts of late, and of whom, in memory | 20,000 of at most 600 bytes, several times | the older half goes; the rest is asked of the disk
	Recall int // receipts that moved of late, and one user's in one room, that are known without asking; 20,000 when 0
}

// Serial numbers the news of typing and presence. 0 is before all of it.
type Serial int64

// Ephemeral is what is soon forgotten on one server. Its methods may be called from any goroutine.
type Ephemeral struct {
	Config
	serial   atomic.Int64
	receipts *news.Log[id.Room]     // rooms in which any moved
	moved    *news.Latest[ownPlace] // whose moved
	own      *news.Values[ownPlace, []Receipt]
	late     late
	typing   typing
	presence *presence // nil when presence is off
}

// ownPlace is one user's receipts in one room.
type ownPlace struct {
	user id.User
	room id.Room
}

// New makes an Ephemeral. Close ends its timers.
func New(c Config) *Ephemeral {
	c.Recall = cmp.Or(c.Recall, 20_000)
	var floor sqldb.Pos
	if c.DB != nil { // nil where a test is of typing or presence alone
		floor = c.DB.Committed()
	}
	moved := news.NewLatest[ownPlace](floor, c.Recall)
	e := &Ephemeral{
		Config: c, receipts: news.NewLog[id.Room](floor, c.Recall), moved: moved,
		own:  news.NewValues[ownPlace, []Receipt](moved, c.Recall),
		late: late{floor: floor, limit: c.Recall},
	}
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
	bus.WakeEach(e.Bus, "u:", users)
	e.Bus.Wake(Log)
}

func (e *Ephemeral) checkMember(ctx context.Context, room id.Room, user id.User) error {
	in, err := e.Rooms.IsMember(ctx, room, user)
	if err == nil && !in {
		return fault.New(fault.Forbidden, "You are not in this room")
	}
	return err
}
