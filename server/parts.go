package server

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"freehold.example/base/blob"
	"freehold.example/base/bus"
	"freehold.example/base/dial"
	"freehold.example/base/limit"
	"freehold.example/base/sqldb"
	"freehold.example/core/account"
	"freehold.example/core/appservice"
	"freehold.example/core/arrival"
	"freehold.example/core/audit"
	"freehold.example/core/backup"
	"freehold.example/core/delayed"
	"freehold.example/core/directory"
	"freehold.example/core/drill"
	"freehold.example/core/ephemeral"
	"freehold.example/core/feed"
	"freehold.example/core/handshake"
	"freehold.example/core/inbox"
	"freehold.example/core/keys"
	"freehold.example/core/media"
	"freehold.example/core/notice"
	"freehold.example/core/notify"
	"freehold.example/core/outbox"
	"freehold.example/core/peer"
	"freehold.example/core/person"
	"freehold.example/core/preview"
	"freehold.example/core/push"
	"freehold.example/core/reach"
	"freehold.example/core/removal"
	"freehold.example/core/report"
	"freehold.example/core/room"
	"freehold.example/core/search"
	"freehold.example/core/space"
	"freehold.example/core/thread"
	"freehold.example/core/wake"
	"freehold.example/matrix/id"
)

// parts are the packages of core that a server is made of.
type parts struct {
	door       *dial.Door
	peers      *peer.Peers
	limits     *limit.Limits
	reports    *report.Reports
	bus        *bus.Local
	audit      *audit.Log
	accounts   *account.Accounts
	rooms      *room.Rooms
	outbox     *outbox.Outbox
	arrivals   *arrival.Arrivals
	keys       *keys.Keys
	backups    *backup.Backups
	inbox      *inbox.Inbox
	ephemeral  *ephemeral.Ephemeral
	threads    *thread.Threads
	people     *person.People
	directory  *directory.Directory
	wake       *wake.Wake
	reach      *reach.Reach
	handshakes *handshake.Handshakes
	services   *appservice.Services
	line       *appservice.Line // to the services
	desk       *appservice.Desk
	spaces     *space.Spaces
	notices    *notice.Notices
	delayed    *delayed.Delayed
	media      *media.Media
	previews   *preview.Previews // nil unless they are on
	notify     *notify.Notify
	push       *push.Push
	search     *search.Search
	removals   *removal.Removals
	drills     *drill.Drills
	feed       *feed.Feed
}

// openParts makes them, each from those before it. Accounts come first and tell the later ones of devices that come and
// go, by hooks that look the parts up when they are called.
func (s *Server) openParts(ctx context.Context) (err error) {
	c := &s.config
	s.door = dial.New(dial.Config{Inside: c.InsideNetworks, Now: c.Now, Connect: c.Connect, Lookup: c.Lookup, SRV: c.SRV})
	if err := s.door.DeclareNames(dial.Reason{
		Name: "names", Target: "name servers (DNS)", Reach: dial.Everywhere, Stops: "servers that were never met are not found, and phones are not woken",
		Whom: "who wants to reach a server for the first time",
	}); err != nil {
		return err
	}
	if err := s.openDrills(); err != nil {
		return err
	}
	limits, err := c.limits()
	if err != nil {
		return err
	}
	s.limits = limit.New(limits, c.Now)
	s.bus = new(bus.Local)
	if err := s.openPeers(); err != nil {
		return err
	}
	s.audit = audit.New(audit.Config{DB: s.db, Now: c.Now})
	s.accounts, err = account.New(account.Config{
		DB: s.db, Now: c.Now, Log: c.Log, ServerName: c.ServerName,
		Registration: c.Registration, Reserved: append([]string{notice.Localpart}, drillNames...), SharedSecret: c.RegistrationSharedSecret,
		FastHashing: c.PasswordHashing == "fast",
		Limits:      s.limits,
		Wake:        s.bus.Wake,
		DropDevice: []account.DeviceHook{
			func(tx *sqldb.Tx, user id.User, device id.Device) error { return s.keys.DropDevice(tx, user, device) },
			func(tx *sqldb.Tx, user id.User, device id.Device) error { return s.inbox.DropDevice(tx, user, device) },
			func(tx *sqldb.Tx, user id.User, device id.Device) error { return s.people.DropDevice(tx, user, device) },
			func(tx *sqldb.Tx, user id.User, device id.Device) error { return s.push.DropDevice(tx, user, device) },
		},
		NewPassword: []account.DeviceHook{
			func(tx *sqldb.Tx, user id.User, device id.Device) error { return s.push.DropOthers(tx, user, device) },
		},
		DeviceChanged: []account.DeviceHook{
			func(tx *sqldb.Tx, user id.User, device id.Device) error {
				return s.keys.DeviceChanged(tx, user, device)
			},
		},
		Depart: func(ctx context.Context, user id.User) error {
			return errors.Join(s.handshakes.LeaveAll(ctx, user), s.people.Forget(ctx, user), s.keys.Forget(ctx, user),
				s.backups.Forget(ctx, user), s.delayed.Forget(ctx, user), s.threads.Forget(ctx, user))
		},
	})
	if err != nil {
		return err
	}
	if err := s.accounts.Own(ctx); err != nil {
		return err
	}
	if err := s.ownKey(ctx); err != nil {
		return err
	}
	if err := s.accounts.ReadErased(ctx); err != nil {
		return err
	}
	if err := s.accounts.ReadSendRates(ctx); err != nil {
		return err
	}
	s.rooms, err = room.New(room.Config{
		DB: s.db, Bus: s.bus, Profiles: person.Profiles{DB: s.db}, Server: c.ServerName, Signer: s.signer,
		DefaultVersion: c.DefaultRoomVersion, Limits: s.limits, Erased: s.accounts.Erased, Now: c.Now, Log: c.Log,
		MayInvite: s.mayInvite, InviteOut: s.inviteOut(), Policy: s.peers,
		Unseated: func(tx *sqldb.Tx, events []room.NID) error {
			return errors.Join(search.ForgetEvents(tx, events), push.ForgetEvents(tx, events))
		},
		Follow: func(tx *sqldb.Tx, user id.User, from, to id.Room) error {
			return errors.Join(s.people.Follow(tx, user, from, to), s.directory.Move(tx, from, to))
		},
	})
	if err != nil {
		return err
	}
	told, err := outbox.NewMetrics(s.registry)
	if err != nil {
		return err
	}
	s.outbox = outbox.New(outbox.Config{
		DB: s.db, Bus: s.bus, Rooms: s.rooms, Line: s.peers, Server: c.ServerName, Allowed: c.speaksWith, Entered: func(server id.Server) { s.wake.Entered(server) }, Metrics: told, Now: c.Now, Log: c.Log,
	})
	if err := s.openWake(); err != nil {
		return err
	}
	s.reports = report.New(report.Config{DB: s.db, Rooms: s.rooms, Now: c.Now})
	s.keys = keys.New(keys.Config{
		DB: s.db, Bus: s.bus, Wake: s.bus.Wake, Rooms: s.rooms, Peers: s.peers, Queue: s.outbox.Queue, Server: c.ServerName,
		Now: c.Now, Log: c.Log, Devices: s.accounts.DeviceNames,
	})
	s.backups = backup.New(s.db)
	s.inbox = inbox.New(inbox.Config{
		DB: s.db, Wake: s.bus.Wake, Server: c.ServerName, Now: c.Now, Devices: s.accounts.DeviceNames,
		Service: func(user id.User) string { return s.services.Messages(user) }, Queue: s.outbox.Queue,
	})
	s.ephemeral = ephemeral.New(ephemeral.Config{
		DB: s.db, Bus: s.bus, Rooms: s.rooms, Server: c.ServerName, Now: c.Now, Log: c.Log, Tell: s.outbox.Tell,
		Presence: c.Presence != "off", PresenceAbroad: c.Presence == "on",
	})
	s.closers = append(s.closers, func() error { s.ephemeral.Close(); return nil })
	s.threads = thread.New(thread.Config{DB: s.db, Rooms: s.rooms, Wake: s.bus.Wake})
	s.people = person.New(person.Config{
		DB: s.db, Bus: s.bus, Rooms: s.rooms, Exists: s.accounts.Exists, Server: c.ServerName, Log: c.Log, Peers: s.peers,
	})
	s.directory = directory.New(directory.Config{DB: s.db, Rooms: s.rooms, Server: c.ServerName, Now: c.Now, Peers: s.peers})
	if err := s.openHandshakes(ctx); err != nil {
		return err
	}
	s.spaces = space.New(space.Config{DB: s.db, Rooms: s.rooms, Directory: s.directory, Peers: s.peers, Now: c.Now})
	if err := s.openServices(ctx); err != nil {
		return fmt.Errorf("appservices_dir: %w", err)
	}
	if err := s.openArrivals(ctx); err != nil {
		return err
	}
	s.delayed = delayed.New(delayed.Config{DB: s.db, Rooms: s.rooms, Now: c.Now, Log: c.Log})
	s.notices = notice.New(notice.Config{DB: s.db, Rooms: s.rooms, People: s.people, Server: c.ServerName, Exists: s.accounts.Exists})
	blobs, err := blob.Open(filepath.Join(c.DataDir, "media"), c.Now)
	if err != nil {
		return fmt.Errorf("open the media store: %w", err)
	}
	s.media, err = media.New(media.Config{
		DB: s.db, Blobs: blobs, Bus: s.bus, Server: c.ServerName, Now: c.Now, Log: c.Log,
		Fetch: s.peers.File, MaxUpload: int64(c.MediaMaxFile), MaxUser: int64(c.MediaMaxUser), MaxTotal: int64(c.MediaMaxTotal),
	})
	if err != nil {
		return err
	}
	if c.URLPreviews {
		s.previews, err = preview.New(preview.Config{Media: s.media, Door: s.door, Now: c.Now, Agent: "Freehold/" + Version() + " (link preview)"})
		if err != nil {
			return err
		}
	}
	s.notify = notify.New(notify.Config{Rooms: s.rooms, People: s.people, Ephemeral: s.ephemeral, Threads: s.threads})
	s.push, err = push.New(push.Config{DB: s.db, Rooms: s.rooms, Notify: s.notify, Door: s.door, Now: c.Now, Log: c.Log})
	if err != nil {
		return err
	}
	s.search = search.New(search.Config{DB: s.db, Rooms: s.rooms, Log: c.Log})
	s.removals = removal.New(s.ofRemovals())
	s.feed = feed.New(feed.Config{
		DB: s.db, Bus: s.bus, Rooms: s.rooms, Keys: s.keys, Inbox: s.inbox, Ephemeral: s.ephemeral, People: s.people, Threads: s.threads,
		Notify: s.notify, Now: c.Now, Log: c.Log,
	})
	s.closers = append(s.closers, func() error { s.feed.Close(); return nil })
	return nil
}
