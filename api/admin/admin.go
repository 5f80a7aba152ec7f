// Package admin is the administration of a server over HTTP: shared-secret registration as Synapse's tools know it, on the
// client listener, and the admin socket, which the command line talks to.
//
// The socket has no tokens: whoever may open the file (its mode is 0600) owns the server anyway.
package admin

import (
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/core/account"
)

// API is the administration of one server.
type API struct {
	Accounts *account.Accounts
}

// Call is a request over the admin socket.
type Call struct{}

// Guard lets everybody in: the socket's file mode is the guard.
func Guard(*http.Request, route.Auth) (*Call, string, error) { return &Call{}, "socket", nil }

// SocketRows lists the endpoints of the admin socket. They are for the program's own command line, and may change with it.
func (a *API) SocketRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodGet, Path: "/v1/users", Auth: route.None, Limit: limit.None, Serve: route.JSON(a.users)},
		{Method: http.MethodPost, Path: "/v1/users", Auth: route.None, Limit: limit.None, Serve: route.JSON(a.addUser)},
		{Method: http.MethodPost, Path: "/v1/invitations", Auth: route.None, Limit: limit.None, Serve: route.JSON(a.invite)},
	}
}

// SharedRows lists the endpoints of shared-secret registration, for the table of the client listener, whose calls are C.
// https://element-hq.github.io/synapse/latest/admin_api/register_api.html
func SharedRows[C any](a *API) []route.Row[C] {
	const path = "/_synapse/admin/v1/register"
	return []route.Row[C]{
		{Method: http.MethodGet, Path: path, Auth: route.None, Limit: limit.Register, Serve: route.JSON(nonce[C](a))},
		{Method: http.MethodPost, Path: path, Auth: route.None, Limit: limit.Register, Serve: route.JSON(registerShared[C](a))},
	}
}
