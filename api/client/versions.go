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
	"freehold.example/matrix/version"
)

// "API Versions", "Server Discovery" and "Capabilities negotiation"
// https://spec.matrix.org/v1.19/client-server-api/#api-versions
func (a *API) versionRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodGet, Path: "/_matrix/client/versions", Auth: route.None, Limit: limit.Read, Serve: route.JSON(a.versions)},
		{Method: http.MethodGet, Path: "/_matrix/client/v3/capabilities", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.capabilities)},
		{Method: http.MethodGet, Path: "/.well-known/matrix/client", Auth: route.None, Limit: limit.Read, Serve: route.Raw(a.wellKnown)},
	}
}

// served are the versions whose additions work (design D1): clients choose paths and features by them. v1.1 is the /v3
// prefix, v1.11 authenticated media; r0.6.1 is for old clients that know no other, as every /v3 path is served under /r0
// too. Not there yet: v1.2 (space hierarchy), v1.3, v1.5, v1.7 and v1.10 (relations and their aggregation), v1.4 (threads),
// v1.6 (event by timestamp), v1.13 and later (reporting rooms).
var served = []string{"r0.6.1", "v1.1", "v1.8", "v1.9", "v1.11", "v1.12"}

func (a *API) versions(context.Context, *Call, *csapi.VersionsRequest) (*csapi.VersionsResponse, error) {
	return &csapi.VersionsResponse{Versions: served, UnstableFeatures: map[string]bool{
		"org.matrix.e2e_cross_signing": true,
		"uk.tcpip.msc4133.stable":      true, // custom profile fields, which belong to v1.16
	}}, nil
}

func (a *API) capabilities(_ context.Context, c *Call, _ *csapi.CapabilitiesRequest) (*csapi.CapabilitiesResponse, error) {
	rooms := csapi.RoomVersions{Default: a.DefaultRoomVersion, Available: map[string]string{}}
	for _, v := range version.All() {
		rooms.Available[v.ID] = "stable"
	}
	all := map[string]any{
		"m.room_versions":   rooms,
		"m.change_password": csapi.Enabled{Enabled: true},
		"m.set_displayname": csapi.Enabled{Enabled: true},
		"m.set_avatar_url":  csapi.Enabled{Enabled: true},
		"m.profile_fields":  csapi.Enabled{Enabled: true},
		"m.3pid_changes":    csapi.Enabled{Enabled: false},
		"m.get_login_token": csapi.Enabled{Enabled: false},
	}
	if c.Session.Admin {
		all["m.account_moderation"] = csapi.AccountModeration{Lock: true}
	}
	return &csapi.CapabilitiesResponse{Capabilities: all}, nil
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
	body, err := json.Marshal(csapi.WellKnownResponse{Homeserver: csapi.WellKnownHomeserver{BaseURL: base}})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Vary", "Host, X-Forwarded-Proto")
	_, err = w.Write(body)
	return err
}
