package client

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"strconv"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/base/sqldb"
	"freehold.example/core/notify"
	"freehold.example/core/push"
	"freehold.example/core/room"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
)

// "Push Notifications"
// https://spec.matrix.org/v1.19/client-server-api/#push-notifications
func (a *API) pusherRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodGet, Path: "/_matrix/client/v3/pushers", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.pushers)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/pushers/set", Auth: route.User, Limit: limit.Write, Serve: route.JSON(a.setPusher)},
		{Method: http.MethodGet, Path: "/_matrix/client/v3/notifications", Auth: route.User, Limit: limit.Search, Serve: route.JSON(a.notifications)},
	}
}

func (a *API) pushers(ctx context.Context, c *Call, _ *csapi.PushersRequest) (*csapi.PushersResponse, error) {
	list, err := a.Push.Pushers(ctx, c.Session.User)
	if err != nil {
		return nil, err
	}
	out := &csapi.PushersResponse{Pushers: make([]csapi.Pusher, len(list))}
	for i, p := range list {
		data := map[string]json.RawMessage{}
		if err := json.Unmarshal(p.Data, &data); err != nil {
			return nil, err
		}
		if data["url"], err = json.Marshal(p.URL); err != nil {
			return nil, err
		}
		out.Pushers[i] = csapi.Pusher{
			AppID: p.AppID, PushKey: p.Key, Kind: p.Kind, App: p.App, Device: p.Device, Profile: p.Profile, Lang: p.Lang, Data: data,
		}
	}
	return out, nil
}

func (a *API) setPusher(ctx context.Context, c *Call, r *csapi.SetPusherRequest) (*csapi.Empty, error) {
	if len(r.Kind) == 0 {
		return nil, fault.New(fault.MissingParam, "kind is missing")
	}
	var kind *string
	if err := json.Unmarshal(r.Kind, &kind); err != nil {
		return nil, fault.New(fault.BadJSON, "kind must be a string or null").Because(err)
	}
	if kind == nil {
		return nil, a.Push.Delete(ctx, c.Session.User, r.AppID, r.PushKey)
	}
	if len(r.Data) == 0 {
		return nil, fault.New(fault.MissingParam, "data is missing")
	}
	var data map[string]json.RawMessage
	if err := json.Unmarshal(r.Data, &data); err != nil || data == nil {
		return nil, fault.New(fault.BadJSON, "data must be an object").Because(err)
	}
	p := push.Pusher{
		AppID: r.AppID, Key: r.PushKey, Kind: *kind, App: r.App, Device: r.Device, Profile: r.Profile, Lang: r.Lang,
	}
	if raw, ok := data["url"]; ok {
		if err := json.Unmarshal(raw, &p.URL); err != nil {
			return nil, fault.New(fault.BadJSON, "data.url must be a string").Because(err)
		}
	}
	delete(data, "url")
	var err error
	if p.Data, err = json.Marshal(data); err != nil {
		return nil, err
	}
	return nil, a.Push.Set(ctx, c.Session.User, c.Session.Device, p, r.Append)
}

func (a *API) notifications(ctx context.Context, c *Call, r *csapi.NotificationsRequest) (*csapi.NotificationsResponse, error) {
	if r.Only != "" && r.Only != "highlight" {
		return nil, fault.New(fault.InvalidParam, "only may be highlight")
	}
	limit := 20
	if r.Limit != nil {
		limit = min(max(*r.Limit, 1), 100)
	}
	from := int64(math.MaxInt64)
	if r.From != "" {
		var err error
		if from, err = strconv.ParseInt(r.From, 10, 64); err != nil || from <= 0 {
			return nil, fault.New(fault.InvalidParam, "from is not a token this server gives out")
		}
	}
	out := &csapi.NotificationsResponse{}
	err := a.Push.Recent(ctx, c.Session.User, sqldb.Pos(from), limit, r.Only != "", func(tx *sqldb.Tx, all []notify.Notification, next sqldb.Pos) error {
		out.Notifications, out.NextToken = make([]csapi.Notification, len(all)), ""
		if next > 0 {
			out.NextToken = strconv.FormatInt(int64(next), 10)
		}
		for i, n := range all {
			v, err := a.Rooms.ViewerOf(tx, n.Standing, c.Session.User)
			if err != nil {
				return err
			}
			shown, err := a.shown(tx, n.Event, room.Form{Caller: c.caller(), WithoutRoom: true, Viewer: v})
			if err != nil {
				return err
			}
			out.Notifications[i] = csapi.Notification{
				Actions: n.Actions, Event: json.RawMessage(shown), Read: n.Read, Room: n.Event.Event.Room(), Timestamp: n.Event.Event.Timestamp(),
			}
		}
		return nil
	})
	return out, err
}
