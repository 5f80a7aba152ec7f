package server

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"freehold.example/base/blob"
	"freehold.example/base/bus"
	"freehold.example/base/sqldb"
	"freehold.example/core/account"
	"freehold.example/core/backup"
	"freehold.example/core/directory"
	"freehold.example/core/ephemeral"
	"freehold.example/core/feed"
	"freehold.example/core/inbox"
	"freehold.example/core/keys"
	"freehold.example/core/media"
	"freehold.example/core/notify"
	"freehold.example/core/person"
	"freehold.example/core/room"
	"freehold.example/matrix/id"
)

// parts are the packages of core that a server is made of.
type parts struct {
	bus       *bus.Local
	accounts  *account.Accounts
	rooms     *room.Rooms
	keys      *keys.Keys
	backups   *backup.Backups
	inbox     *inbox.Inbox
	ephemeral *ephemeral.Ephemeral
	people    *person.People
	directory *directory.Directory
	media     *media.Media
	notify    *notify.Notify
	feed      *feed.Feed
}

// openParts makes them, each from those before it. Accounts come first and tell the later ones of devices that come and
// go, by hooks that look the parts up when they are called.
func (s *Server) openParts(ctx context.Context) (err error) {
	c := &s.config
	s.bus = new(bus.Local)
	s.accounts, err = account.New(account.Config{
		DB: s.db, Now: c.Now, Log: c.Log, ServerName: c.ServerName,
		Registration: c.Registration, SharedSecret: c.RegistrationSharedSecret,
		FastHashing: c.PasswordHashing == "fast",
		Wake:        s.bus.Wake,
		DropDevice: []account.DeviceHook{
			func(tx *sqldb.Tx, user id.User, device id.Device) error { return s.keys.DropDevice(tx, user, device) },
			func(tx *sqldb.Tx, user id.User, device id.Device) error { return s.inbox.DropDevice(tx, user, device) },
			func(tx *sqldb.Tx, user id.User, device id.Device) error { return s.people.DropDevice(tx, user, device) },
		},
		DeviceChanged: []account.DeviceHook{
			func(tx *sqldb.Tx, user id.User, device id.Device) error {
				return s.keys.DeviceChanged(tx, user, device)
			},
		},
		LeaveRooms: func(ctx context.Context, user id.User) error {
			return errors.Join(s.rooms.LeaveAll(ctx, user), s.people.Forget(ctx, user))
		},
	})
	if err != nil {
		return err
	}
	if err := s.accounts.Own(ctx); err != nil {
		return err
	}
	s.rooms, err = room.New(room.Config{
		DB: s.db, Bus: s.bus, Profiles: person.Profiles{DB: s.db}, Server: c.ServerName, Signer: s.signer,
		DefaultVersion: c.DefaultRoomVersion, Now: c.Now, Log: c.Log,
	})
	if err != nil {
		return err
	}
	s.keys = keys.New(keys.Config{
		DB: s.db, Wake: s.bus.Wake, Rooms: s.rooms, Server: c.ServerName, Log: c.Log, Devices: s.accounts.DeviceNames,
	})
	s.backups = backup.New(s.db)
	s.inbox = inbox.New(inbox.Config{DB: s.db, Wake: s.bus.Wake, Server: c.ServerName, Now: c.Now, Devices: s.accounts.DeviceNames})
	s.ephemeral = ephemeral.New(ephemeral.Config{
		DB: s.db, Bus: s.bus, Rooms: s.rooms, Presence: c.Presence != "off", Now: c.Now, Log: c.Log,
	})
	s.closers = append(s.closers, func() error { s.ephemeral.Close(); return nil })
	s.people = person.New(person.Config{
		DB: s.db, Bus: s.bus, Rooms: s.rooms, Exists: s.accounts.Exists, Server: c.ServerName, Log: c.Log,
	})
	s.directory = directory.New(directory.Config{DB: s.db, Rooms: s.rooms, Server: c.ServerName, Now: c.Now})
	blobs, err := blob.Open(filepath.Join(c.DataDir, "media"), c.Now)
	if err != nil {
		return fmt.Errorf("open the media store: %w", err)
	}
	s.media, err = media.New(media.Config{DB: s.db, Blobs: blobs, Bus: s.bus, Server: c.ServerName, Now: c.Now, Log: c.Log})
	if err != nil {
		return err
	}
	s.notify = notify.New(notify.Config{Rooms: s.rooms, People: s.people, Ephemeral: s.ephemeral})
	s.feed = feed.New(feed.Config{
		DB: s.db, Bus: s.bus, Rooms: s.rooms, Keys: s.keys, Inbox: s.inbox, Ephemeral: s.ephemeral, People: s.people,
		Notify: s.notify, Now: c.Now, Log: c.Log,
	})
	return nil
}
