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

	"freehold.example/base/bus"
	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/core/account"
	"freehold.example/core/appservice"
	"freehold.example/core/audit"
	"freehold.example/core/backup"
	"freehold.example/core/call"
	"freehold.example/core/delayed"
	"freehold.example/core/directory"
	"freehold.example/core/ephemeral"
	"freehold.example/core/feed"
	"freehold.example/core/handshake"
	"freehold.example/core/inbox"
	"freehold.example/core/keys"
	"freehold.example/core/media"
	"freehold.example/core/notice"
	"freehold.example/core/person"
	"freehold.example/core/preview"
	"freehold.example/core/push"
	"freehold.example/core/reach"
	"freehold.example/core/report"
	"freehold.example/core/room"
	"freehold.example/core/search"
	"freehold.example/core/space"
	"freehold.example/core/thread"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// Config is what the API serves from.
type Config struct {
	Accounts   *account.Accounts
	Audit      *audit.Log // of what administrators do
	Keys       *keys.Keys
	Backups    *backup.Backups
	Inbox      *inbox.Inbox
	Directory  *directory.Directory
	Notices    *notice.Notices
	Services   *appservice.Services
	Line       *appservice.Line
	Desk       *appservice.Desk
	Delayed    *delayed.Delayed
	Threads    *thread.Threads
	Spaces     *space.Spaces
	Reports    *report.Reports
	Rooms      *room.Rooms
	Past       Past // nil: nobody else is asked
	Reach      *reach.Reach
	Bus        *bus.Local
	Looked     func(id.Room) // is told of rooms that people do something in; nil: nobody is
	Handshakes *handshake.Handshakes
	Ephemeral  *ephemeral.Ephemeral
	People     *person.People
	Media      *media.Media
	Previews   *preview.Previews // nil where url_previews is off
	Push       *push.Push
	Search     *search.Search
	Feed       *feed.Feed
	Calls      *call.Calls // nil: no servers for calls

	DeviceLists DeviceLists // of core/feed

	DefaultRoomVersion string // of new rooms; the newest unless told otherwise
	LoginTokens        bool   // whether a signed-in user can make a token for one more login
	LegacyMedia        bool   // whether media can be had without a token, by the old paths
	Discovery          Discovery
	PublicURL          string // where clients reach this server; "": where they asked

	Limits *limit.Limits // what base/route does not count: several uses at once, tokens that nobody has

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
	if c.Calls == nil {
		c.Calls = call.New(call.Config{Now: c.Now})
	}
	return &API{Config: c}
}

// Call is who makes a request and from where.
type Call struct {
	Session   *account.Session    // nil when the row asks for no token and none was sent
	Service   *appservice.Service // that makes the call, as one of its users; nil for people
	Remote    netip.Addr
	UserAgent string
}

// Rows lists every endpoint.
func (a *API) Rows() []route.Row[Call] {
	var rows []route.Row[Call]
	for _, chapter := range [][]route.Row[Call]{
		// one line a chapter, in the specification's order
		a.versionRows(),
		a.wellKnownRows(),
		a.signOnRows(),
		a.loginRows(),
		a.registerRows(),
		a.passwordRows(),
		a.deviceRows(),
		a.syncRows(),
		a.slidingRows(),
		a.roomRows(),
		a.upgradeRows(),
		a.spaceRows(),
		a.eventRows(),
		a.delayedRows(),
		a.serviceRows(),
		a.relationRows(),
		a.threadRows(),
		a.referenceRows(),
		a.peekRows(),
		a.administrationRows(),
		a.thirdPartyRows(),
		a.networkRows(),
		a.reportRows(),
		a.openIDRows(),
		a.directoryRows(),
		a.toDeviceRows(),
		a.keyRows(),
		a.dehydratedRows(),
		a.signingRows(),
		a.backupRows(),
		a.profileRows(),
		a.userDirectoryRows(),
		a.searchRows(),
		a.accountDataRows(),
		a.tagRows(),
		a.filterRows(),
		a.pushRuleRows(),
		a.pusherRows(),
		a.mutualRows(),
		a.callRows(),
		a.receiptRows(),
		a.typingRows(),
		a.presenceRows(),
		a.mediaRows(),
		a.reachabilityRows(),
	} {
		rows = append(rows, chapter...)
	}
	return rows
}
