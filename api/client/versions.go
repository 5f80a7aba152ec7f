package client

import (
	"context"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/version"
)

// "API Versions" and "Capabilities negotiation"
// https://spec.matrix.org/v1.19/client-server-api/#api-versions
func (a *API) versionRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodGet, Path: "/_matrix/client/versions", Auth: route.None, Limit: limit.Read, Serve: route.JSON(a.versions)},
		{Method: http.MethodGet, Path: "/_matrix/client/v3/capabilities", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.capabilities)},
	}
}

// served are the versions whose additions work (design D1): clients choose paths and features by them. v1.1 is the /v3
// prefix, v1.2 spaces, v1.3 relations, v1.4 threads, v1.7 reactions, v1.11 authenticated media, v1.13 and v1.14 reports of
// rooms and users; r0.6.1 is for old clients that know no other, as every /v3 path is served under /r0 too.
var served = []string{
	"r0.6.1", "v1.1", "v1.2", "v1.3", "v1.4", "v1.5", "v1.6", "v1.7", "v1.8", "v1.9", "v1.10", "v1.11", "v1.12", "v1.13", "v1.14",
}

func (a *API) versions(context.Context, *Call, *csapi.VersionsRequest) (*csapi.VersionsResponse, error) {
	return &csapi.VersionsResponse{Versions: served, UnstableFeatures: map[string]bool{
		"org.freehold.reachability":     true, // which side of a cut this server is on
		"org.matrix.e2e_cross_signing":  true,
		"org.matrix.msc4143":            len(a.Calls.LiveKit) > 0,
		"org.matrix.msc3814":            true, // dehydrated devices
		"org.matrix.msc4140":            true, // delayed events
		"org.matrix.msc4155":            true, // who may invite
		"org.matrix.msc4306":            true, // thread subscriptions
		"org.matrix.msc4308":            true, // and what changed of them, in sliding sync
		"org.matrix.simplified_msc3575": true, // sliding sync
		"uk.tcpip.msc4133.stable":       true, // custom profile fields, which belong to v1.16
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
		"m.get_login_token": csapi.Enabled{Enabled: a.LoginTokens},
	}
	if c.Session.Admin {
		all["m.account_moderation"] = csapi.AccountModeration{Lock: true, Suspend: true}
	}
	return &csapi.CapabilitiesResponse{Capabilities: all}, nil
}
