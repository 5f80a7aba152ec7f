package server

import (
	"freehold.example/api/admin"
	"freehold.example/api/client"
	"freehold.example/base/sqldb"
	"freehold.example/core/delayed"
	"freehold.example/core/directory"
	"freehold.example/core/ephemeral"
	"freehold.example/core/notice"
	"freehold.example/core/push"
	"freehold.example/core/removal"
	"freehold.example/core/room"
	"freehold.example/core/search"
	"freehold.example/core/thread"
	"freehold.example/matrix/id"
)

// administration is what administrators ask for over HTTP.
func (s *Server) administration() *admin.API {
	return &admin.API{
		Accounts: s.accounts, Audit: s.audit, Directory: s.directory, Keys: s.keys, Media: s.media, Notices: s.notices, People: s.people,
		Peers: s.peers, Queues: s.queues, Wake: s.outbox.Wake, Push: s.push, Removals: s.removals, Reports: s.reports, Rooms: s.rooms, Handshakes: s.handshakes, Budget: s.budgetView, Drills: s.drills, Changes: s.config.Changes, Version: Version(), Now: s.config.Now,
	}
}

// administrator is who makes a call that the guard has let through as one.
func administrator(c *client.Call) admin.By {
	return admin.By{User: c.Session.User, Device: c.Session.Device}
}

// ofRemovals says who has what of rooms and events. Reports stay: they are the administrators' own; and the keys of a room
// in somebody's backup are hers.
func (s *Server) ofRemovals() removal.Config {
	return removal.Config{
		DB: s.db, Rooms: s.rooms, Directory: s.directory, Notify: s.notify, Now: s.config.Now, Log: s.config.Log,
		OfRoom: []func(*sqldb.Tx, id.Room, []id.User) error{
			func(tx *sqldb.Tx, in id.Room, _ []id.User) error { return directory.ForgetRoom(tx, in) },
			func(tx *sqldb.Tx, in id.Room, _ []id.User) error { return ephemeral.ForgetRoom(tx, in) },
			func(tx *sqldb.Tx, in id.Room, _ []id.User) error { return notice.ForgetRoom(tx, in) },
			func(tx *sqldb.Tx, in id.Room, _ []id.User) error { return delayed.ForgetRoom(tx, in) },
			s.people.ForgetRoom,
			thread.ForgetRoom,
		},
		OfEvents: []func(*sqldb.Tx, []room.NID) error{search.ForgetEvents, push.ForgetEvents},
	}
}
