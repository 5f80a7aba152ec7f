// Package client is the client-server API over HTTP: it parses a request, calls one function of core, and shapes the
// answer. It holds no state and no SQL.
//
// One file per chapter of the specification; each has a method xyzRows that lists its endpoints, and Rows puts them
// together for base/route.
package client

import (
	"log/slog"
	"net/netip"
	"time"

	"freehold.example/base/route"
	"freehold.example/core/account"
	"freehold.example/core/backup"
	"freehold.example/core/directory"
	"freehold.example/core/ephemeral"
	"freehold.example/core/feed"
	"freehold.example/core/inbox"
	"freehold.example/core/keys"
	"freehold.example/core/media"
	"freehold.example/core/person"
	"freehold.example/core/room"
	"freehold.example/matrix/version"
)

// Config is what the API serves from.
type Config struct {
	Accounts  *account.Accounts
	Keys      *keys.Keys
	Backups   *backup.Backups
	Inbox     *inbox.Inbox
	Directory *directory.Directory
	Rooms     *room.Rooms
	Ephemeral *ephemeral.Ephemeral
	People    *person.People
	Media     *media.Media
	Feed      *feed.Feed

	DeviceLists DeviceLists // of core/feed

	DefaultRoomVersion string // of new rooms; the newest unless told otherwise
	LegacyMedia        bool   // whether media can be had without a token, by the old paths
	PublicURL          string // where clients reach this server; "": where they asked

	Now func() time.Time
	Log *slog.Logger
}

// API is the client-server API of one server.
type API struct{ Config }

// New makes the API.
func New(c Config) *API {
	if c.DefaultRoomVersion == "" {
		c.DefaultRoomVersion = version.Default().ID
	}
	return &API{Config: c}
}

// Call is who makes a request and from where.
type Call struct {
	Session   *account.Session // nil when the row asks for no token and none was sent
	Remote    netip.Addr
	UserAgent string
}

// Rows lists every endpoint.
func (a *API) Rows() []route.Row[Call] {
	var rows []route.Row[Call]
	for _, chapter := range [][]route.Row[Call]{
		// one line a chapter, in the specification's order
		a.versionRows(),
		a.loginRows(),
		a.registerRows(),
		a.passwordRows(),
		a.deviceRows(),
		a.syncRows(),
		a.roomRows(),
		a.eventRows(),
		a.administrationRows(),
		a.thirdPartyRows(),
		a.directoryRows(),
		a.toDeviceRows(),
		a.keyRows(),
		a.signingRows(),
		a.backupRows(),
		a.profileRows(),
		a.userDirectoryRows(),
		a.accountDataRows(),
		a.tagRows(),
		a.filterRows(),
		a.pushRuleRows(),
		a.receiptRows(),
		a.typingRows(),
		a.presenceRows(),
		a.mediaRows(),
	} {
		rows = append(rows, chapter...)
	}
	return rows
}
