package client

import (
	"context"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/core/report"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/id"
)

// "Reporting Content": 200 in every case, so that nobody finds out by it what there is.
// https://spec.matrix.org/v1.19/client-server-api/#reporting-content
func (a *API) reportRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodPost, Path: "/_matrix/client/v3/rooms/{roomID}/report", Auth: route.User, Limit: limit.Report, Serve: route.JSON(a.reportRoom)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/rooms/{roomID}/report/{eventID}", Auth: route.User, Limit: limit.Report, Serve: route.JSON(a.reportEvent)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/users/{userID}/report", Auth: route.User, Limit: limit.Report, Serve: route.JSON(a.reportUser)},
	}
}

func (a *API) reportRoom(ctx context.Context, c *Call, r *csapi.ReportRoomRequest) (*csapi.Empty, error) {
	room, err := id.ParseRoom(r.Room)
	if err != nil {
		return nil, nil //nolint:nilerr // what is no room is answered like one that is not here
	}
	return nil, a.Reports.Add(ctx, report.Report{Reporter: c.Session.User, Room: room, Reason: r.Reason})
}

func (a *API) reportEvent(ctx context.Context, c *Call, r *csapi.ReportEventRequest) (*csapi.Empty, error) {
	room, err := id.ParseRoom(r.Room)
	if err != nil || r.Event == "" || len(r.Event) > id.MaxLength {
		return nil, nil //nolint:nilerr // as above
	}
	return nil, a.Reports.Add(ctx, report.Report{Reporter: c.Session.User, Room: room, Event: id.Event(r.Event), Reason: r.Reason})
}

func (a *API) reportUser(ctx context.Context, c *Call, r *csapi.ReportUserRequest) (*csapi.Empty, error) {
	user, err := id.ParseUser(r.User)
	if err != nil {
		return nil, nil //nolint:nilerr // as above
	}
	return nil, a.Reports.Add(ctx, report.Report{Reporter: c.Session.User, About: user, Reason: r.Reason})
}
