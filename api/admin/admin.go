// Package admin is the administration of a server over HTTP as the field's tools know it: the part of Synapse's admin API
// that they use, below /_synapse/admin, and what Freehold has beside it, below /_freehold/admin. docs/administration.md
// says which tool works how. What the operator's own command line asks for is in api/socket.
//
// Everything that changes something, and everything that shows what is private, is written down before it is done
// (core/audit): a row says by its kind whether it is, and its request says what is written.
package admin

import (
	"context"
	"net/http"
	"slices"
	"time"

	"freehold.example/api/change"
	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/core/account"
	"freehold.example/core/audit"
	"freehold.example/core/budget"
	"freehold.example/core/directory"
	"freehold.example/core/drill"
	"freehold.example/core/handshake"
	"freehold.example/core/keys"
	"freehold.example/core/media"
	"freehold.example/core/notice"
	"freehold.example/core/outbox"
	"freehold.example/core/peer"
	"freehold.example/core/person"
	"freehold.example/core/push"
	"freehold.example/core/removal"
	"freehold.example/core/report"
	"freehold.example/core/room"
	"freehold.example/matrix/id"
)

// API is the administration of one server. All fields are needed by the rows that use them.
type API struct {
	Accounts   *account.Accounts
	Audit      *audit.Log
	Directory  *directory.Directory
	Keys       *keys.Keys
	Media      *media.Media
	Notices    *notice.Notices
	Peers      *peer.Peers
	People     *person.People
	Push       *push.Push
	Removals   *removal.Removals
	Reports    *report.Reports
	Rooms      *room.Rooms
	Handshakes *handshake.Handshakes
	Queues     func(context.Context) ([]outbox.Destination, error) // what is to be sent to other servers
	Wake       func(id.Server)                                     // sends it now
	Budget     func(context.Context) (*budget.View, error)         // the offline budget
	Drills     *drill.Drills
	Changes    change.Keeper // nil where the configuration cannot be changed
	Version    string        // of the program
	Now        func() time.Time
}

// By is the administrator who makes a call.
type By struct {
	User   id.User
	Device id.Device
}

// Rows lists the endpoints for the table of the client listener, whose calls are C; by says who makes one.
func Rows[C any](a *API, by func(*C) By) []route.Row[C] {
	t := &table[C]{api: a, by: by}
	userRows(t)
	deviceRows(t)
	roomRows(t)
	roomPowerRows(t)
	removalRows(t)
	mediaRows(t)
	statisticsRows(t)
	invitationRows(t)
	reportRows(t)
	noticeRows(t)
	peerRows(t)
	configRows(t)
	auditRows(t)
	budgetRows(t)
	drillRows(t)
	versionRows(t)
	return slices.Concat(t.rows, sharedRows[C](a), wordRows[C](a))
}

// table gathers rows.
type table[C any] struct {
	api  *API
	by   func(*C) By
	rows []route.Row[C]
}

func (t *table[C]) add(method, path string, serve route.Endpoint[C]) {
	t.rows = append(t.rows, route.Row[C]{Method: method, Path: path, Auth: route.Admin, Limit: limit.Admin, Serve: serve})
}

// looks adds a row that changes nothing and shows nothing private.
func looks[C, Req, Resp any](t *table[C], path string, h func(context.Context, *Req) (*Resp, error)) {
	t.add(http.MethodGet, path, route.JSON(func(ctx context.Context, _ *C, r *Req) (*Resp, error) { return h(ctx, r) }))
}

// deed is a request that is written down before it is done.
type deed interface {
	// deed says to what it is done, and with which parameters. Secrets and contents of messages are none.
	deed() (target string, params any)
}

// does adds a row that changes something, or shows something private.
func does[C, Req, Resp any, R interface {
	*Req
	deed
}](t *table[C], method, path string, h func(context.Context, By, *Req) (*Resp, error),
) {
	action := method + " " + path
	t.add(method, path, route.JSON(func(ctx context.Context, c *C, r *Req) (*Resp, error) {
		by := t.by(c)
		target, params := R(r).deed()
		e := audit.Entry{By: by.User, Device: by.Device, Action: action, Target: target}
		return audit.Do(ctx, t.api.Audit, e, params, func() (*Resp, error) { return h(ctx, by, r) })
	}))
}
