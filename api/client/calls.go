package client

import (
	"context"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/matrix/csapi"
)

// "Voice over IP", and the transports of MatrixRTC (MSC4143): by the path that clients ask, and by that which the proposal
// asks for.
// https://spec.matrix.org/v1.19/client-server-api/#voice-over-ip
func (a *API) callRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodGet, Path: "/_matrix/client/v3/voip/turnServer", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.turnServer)},
		{Method: http.MethodGet, Path: "/_matrix/client/unstable/org.matrix.msc4143/rtc/transports", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.rtcTransports)},
		{Method: http.MethodGet, Path: "/_matrix/client/v1/rtc/transports", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.rtcTransports)},
	}
}

func (a *API) turnServer(_ context.Context, c *Call, _ *csapi.TurnServerRequest) (*csapi.TurnServerResponse, error) {
	own, ok := a.Calls.Credentials(c.Session.User)
	if !ok {
		return nil, nil
	}
	return &csapi.TurnServerResponse{
		Username: own.Username, Password: own.Password, URIs: own.URIs, Seconds: int64(own.Lifetime.Seconds()),
	}, nil
}

func (a *API) rtcTransports(context.Context, *Call, *csapi.RTCTransportsRequest) (*csapi.RTCTransportsResponse, error) {
	all := a.transports()
	return &csapi.RTCTransportsResponse{Transports: all, Unstable: all}, nil
}

// transports is never nil, so that it is written as a list.
func (a *API) transports() []csapi.RTCTransport {
	all := make([]csapi.RTCTransport, len(a.Calls.LiveKit))
	for i, url := range a.Calls.LiveKit {
		all[i] = csapi.RTCTransport{Type: "livekit", LiveKitURL: url}
	}
	return all
}
