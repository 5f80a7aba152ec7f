// Package admin is the administration of a server over HTTP as the field's tools know it, beside the Client-Server API.
// What the operator's own command line asks for is in api/socket.
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

// SharedRows lists the endpoints of shared-secret registration, for the table of the client listener, whose calls are C.
// https://element-hq.github.io/synapse/latest/admin_api/register_api.html
func SharedRows[C any](a *API) []route.Row[C] {
	const path = "/_synapse/admin/v1/register"
	return []route.Row[C]{
		{Method: http.MethodGet, Path: path, Auth: route.None, Limit: limit.Register, Serve: route.JSON(nonce[C](a))},
		{Method: http.MethodPost, Path: path, Auth: route.None, Limit: limit.Register, Serve: route.JSON(registerShared[C](a))},
	}
}
