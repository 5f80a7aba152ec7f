package client

import (
	"context"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
)

// "Adding Account Administrative Contact Information": there is none here, and clients that ask when they start are told so.
// https://spec.matrix.org/v1.19/client-server-api/#adding-account-administrative-contact-information
func (a *API) thirdPartyRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodGet, Path: "/_matrix/client/v3/account/3pid", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.threePIDs)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/account/3pid", Auth: route.User, Limit: limit.Login, Serve: route.JSON(a.no3PID)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/account/3pid/add", Auth: route.User, Limit: limit.Login, Serve: route.JSON(a.no3PID)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/account/3pid/bind", Auth: route.User, Limit: limit.Login, Serve: route.JSON(a.no3PID)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/account/3pid/delete", Auth: route.User, Limit: limit.Write, Serve: route.JSON(a.drop3PID)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/account/3pid/unbind", Auth: route.User, Limit: limit.Write, Serve: route.JSON(a.drop3PID)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/account/3pid/email/requestToken", Auth: route.None, Limit: limit.Login, Serve: route.JSON(a.notAContact)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/account/3pid/msisdn/requestToken", Auth: route.None, Limit: limit.Login, Serve: route.JSON(a.notAContact)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/account/password/email/requestToken", Auth: route.None, Limit: limit.Login, Serve: route.JSON(a.noAccountOf)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/account/password/msisdn/requestToken", Auth: route.None, Limit: limit.Login, Serve: route.JSON(a.noAccountOf)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/register/email/requestToken", Auth: route.None, Limit: limit.Register, Serve: route.JSON(a.notToRegister)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/register/msisdn/requestToken", Auth: route.None, Limit: limit.Register, Serve: route.JSON(a.notToRegister)},
	}
}

func (a *API) threePIDs(context.Context, *Call, *csapi.ThreePIDsRequest) (*csapi.ThreePIDsResponse, error) {
	return &csapi.ThreePIDsResponse{ThreePIDs: []struct{}{}}, nil
}

const no3PIDs = "This server keeps no e-mail addresses and telephone numbers"

func (a *API) no3PID(context.Context, *Call, *csapi.ThreePIDsRequest) (*csapi.Empty, error) {
	return nil, fault.New(fault.Forbidden, no3PIDs)
}

// drop3PID has nothing to remove, and so it is done; it knows no identity server to remove it from.
func (a *API) drop3PID(context.Context, *Call, *csapi.ThreePIDsRequest) (*csapi.DeactivateResponse, error) {
	return &csapi.DeactivateResponse{IDServerUnbindResult: "no-support"}, nil
}

func (a *API) notAContact(context.Context, *Call, *csapi.ThreePIDsRequest) (*csapi.Empty, error) {
	return nil, fault.New(fault.ThreePIDNotSupported, no3PIDs)
}

func (a *API) noAccountOf(context.Context, *Call, *csapi.ThreePIDsRequest) (*csapi.Empty, error) {
	return nil, fault.New(fault.ThreePIDNotFound, no3PIDs+": ask an administrator for a new password")
}

func (a *API) notToRegister(context.Context, *Call, *csapi.ThreePIDsRequest) (*csapi.Empty, error) {
	return nil, fault.New(fault.ThreePIDDenied, no3PIDs)
}
