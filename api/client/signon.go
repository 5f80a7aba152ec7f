package client

import (
	"context"
	"net/http"
	"strings"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
)

// "Server metadata discovery" of the OAuth 2.0 API, and "Client login via SSO": there is neither, which clients learn from
// the one and from GET /login.
// https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1auth_metadata
func (a *API) signOnRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodGet, Path: "/_matrix/client/v1/auth_metadata", Auth: route.None, Limit: limit.Read, Serve: route.JSON(a.authMetadata)},
		{Method: http.MethodGet, Path: "/_matrix/client/unstable/org.matrix.msc2965/auth_metadata", Auth: route.None, Limit: limit.Read, Serve: route.JSON(a.authMetadata)},
		{Method: http.MethodGet, Path: "/_matrix/client/unstable/org.matrix.msc2965/auth_issuer", Auth: route.None, Limit: limit.Read, Serve: route.JSON(a.authMetadata)},
		{Method: http.MethodGet, Path: "/_matrix/client/v3/login/sso/redirect", Auth: route.None, Limit: limit.Read, Serve: route.Raw(a.singleSignOn)},
		{Method: http.MethodGet, Path: "/_matrix/client/v3/login/sso/redirect/{idpID}", Auth: route.None, Limit: limit.Read, Serve: route.Raw(a.singleSignOn)},
	}
}

func (a *API) authMetadata(context.Context, *Call, *csapi.AuthMetadataRequest) (*csapi.Empty, error) {
	return nil, fault.New(fault.Unrecognized, "People sign in to this server with a password, not by OAuth 2.0")
}

const noSSO = "Nobody signs in to this server through another service. Go back, and sign in with your password."

// singleSignOn sends nobody anywhere. As it is where a client sends a browser, there is a page for people ("The server is
// encouraged to provide a user-friendly page"), and an error for programs.
func (a *API) singleSignOn(w http.ResponseWriter, r *http.Request, _ *Call, _ route.Params) error {
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		return fault.New(fault.Unrecognized, noSSO)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNotFound)
	_, _ = w.Write([]byte("<!doctype html><html lang=\"en\"><title>Sign in</title><p>" + noSSO + "</p>\n")) // to who may have gone
	return nil
}
