package client

import (
	"context"
	"encoding/json"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Discovery is what the program publishes of itself below /.well-known, which a proxy can hand on for the whole domain.
// What is empty is answered 404.
type Discovery struct {
	Server    string // host:port at which other servers find this one
	Support   csapi.SupportResponse
	PolicyKey string // ed25519 key of the policy server at this domain, unpadded base64
}

// "Server Discovery", and of the Server-Server API what is asked at the same place.
// https://spec.matrix.org/v1.19/client-server-api/#server-discovery
func (a *API) wellKnownRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodGet, Path: "/.well-known/matrix/client", Auth: route.None, Limit: limit.Read, Serve: route.Raw(a.wellKnown)},
		{Method: http.MethodGet, Path: "/.well-known/matrix/support", Auth: route.None, Limit: limit.Read, Serve: route.JSON(a.support)},
		{Method: http.MethodGet, Path: "/.well-known/matrix/policy_server", Auth: route.None, Limit: limit.Read, Serve: route.JSON(a.policyServer)},
		{Method: http.MethodGet, Path: "/.well-known/matrix/server", Auth: route.None, Limit: limit.Read, Serve: route.JSON(a.delegation)},
	}
}

// wellKnown says where this server is: at PublicURL, or where it was asked when none is set.
func (a *API) wellKnown(w http.ResponseWriter, r *http.Request, _ *Call, _ route.Params) error {
	base := a.PublicURL
	if base == "" {
		host, err := id.ParseServer(r.Host)
		if err != nil {
			return fault.New(fault.InvalidParam, "The Host header is malformed").Because(err)
		}
		scheme := "http"
		if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
			scheme = "https"
		}
		base = scheme + "://" + string(host)
	}
	body, err := json.Marshal(csapi.WellKnownResponse{Homeserver: csapi.WellKnownHomeserver{BaseURL: base}, RTCFoci: a.transports()})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Vary", "Host, X-Forwarded-Proto")
	_, err = w.Write(body)
	return err
}

func (a *API) support(context.Context, *Call, *csapi.WellKnownRequest) (*csapi.SupportResponse, error) {
	if s := a.Discovery.Support; len(s.Contacts) > 0 || s.Page != "" {
		return &s, nil
	}
	return nil, fault.New(fault.NotFound, "This server names nobody to ask for help")
}

func (a *API) policyServer(context.Context, *Call, *csapi.WellKnownRequest) (*csapi.PolicyServerResponse, error) {
	if a.Discovery.PolicyKey == "" {
		return nil, fault.New(fault.NotFound, "There is no policy server here")
	}
	return &csapi.PolicyServerResponse{Keys: map[string]string{"ed25519": a.Discovery.PolicyKey}}, nil
}

func (a *API) delegation(context.Context, *Call, *csapi.WellKnownRequest) (*csapi.ServerDelegation, error) {
	if a.Discovery.Server == "" {
		return nil, fault.New(fault.NotFound, "Other servers find this one by its name alone")
	}
	return &csapi.ServerDelegation{Server: a.Discovery.Server}, nil
}
