package client

import (
	"context"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/matrix/csapi"
)

// "Adding Account Administrative Contact Information" and "Third-party Networks": there are none here, and clients that
// ask when they start are told so.
// https://spec.matrix.org/v1.19/client-server-api/#adding-account-administrative-contact-information
func (a *API) thirdPartyRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodGet, Path: "/_matrix/client/v3/account/3pid", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.threePIDs)},
		{Method: http.MethodGet, Path: "/_matrix/client/v3/thirdparty/protocols", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.protocols)},
	}
}

func (a *API) threePIDs(context.Context, *Call, *csapi.ThreePIDsRequest) (*csapi.ThreePIDsResponse, error) {
	return &csapi.ThreePIDsResponse{ThreePIDs: []struct{}{}}, nil
}

func (a *API) protocols(context.Context, *Call, *csapi.ProtocolsRequest) (*csapi.Empty, error) {
	return nil, nil
}
