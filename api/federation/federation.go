// Package federation is the server-server API over HTTP: what other homeservers may ask this one.
//
// Who asks is told by a signature over the whole request (guard.go); only keys, the version and whose an OpenID token is are
// given to anybody. An endpoint that is not here answers M_UNRECOGNIZED, as the specification wants it of a server that does
// not have it.
package federation

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/core/account"
	"freehold.example/core/arrival"
	"freehold.example/core/directory"
	"freehold.example/core/handshake"
	"freehold.example/core/keys"
	"freehold.example/core/media"
	"freehold.example/core/peer"
	"freehold.example/core/person"
	"freehold.example/core/room"
	"freehold.example/core/space"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

// Config is what the API answers from.
type Config struct {
	Signer  event.Signer    // whose public half is published
	Pins    func() []string // hashes of the certificates that the listener shows; see peer.PinField
	Version string          // of this program
	Now     func() time.Time

	Peers      *peer.Peers
	Accounts   *account.Accounts
	People     *person.People
	Directory  *directory.Directory
	Keys       *keys.Keys
	Media      *media.Media
	Arrivals   *arrival.Arrivals
	EDUs       map[string]EDUHandler // by type
	Asked      func(id.Server)       // is told of a server that asks for events that it lacks; nil: nobody is
	Log        *slog.Logger
	Rooms      *room.Rooms
	Spaces     *space.Spaces
	Handshakes *handshake.Handshakes
}

// API is the server-server API of one server.
type API struct {
	Config
	answers answers
}

// New makes the API.
func New(c Config) *API { return &API{Config: c} }

// Rows lists every endpoint.
func (a *API) Rows() []route.Row[Call] {
	rows := []route.Row[Call]{
		{Method: http.MethodGet, Path: "/_matrix/federation/v1/version", Limit: limit.Read, Serve: route.JSON(a.version)},
	}
	return slices.Concat(rows, a.keyRows(), a.queryRows(), a.deviceKeyRows(), a.mediaRows(), a.transactionRows(), a.eventRows(), a.referenceRows(), a.stateRows(),
		a.membershipRows(), a.roomRows(), a.inviteRows(), a.thirdPartyRows())
}

// versionRequest has nothing in it.
type versionRequest struct{}

// versionResponse is what this server is (Server-Server API, "GET /_matrix/federation/v1/version").
type versionResponse struct {
	Server struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	} `json:"server"`
}

func (a *API) version(context.Context, *Call, *versionRequest) (*versionResponse, error) {
	out := new(versionResponse)
	out.Server.Name, out.Server.Version = "Freehold", a.Version
	return out, nil
}
