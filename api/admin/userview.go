package admin

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"freehold.example/core/account"
	"freehold.example/core/push"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

func (r *UserRequest) deed() (string, any) { return string(r.User), nil }

// shadowBan is refused: the server would have to show a user her messages as sent when nobody gets them.
func (a *API) shadowBan(context.Context, By, *UserRequest) (*csapi.Empty, error) {
	return nil, fault.New(fault.Forbidden, "This server does not pretend to users that they are heard: lock or suspend the account instead")
}

// SendRateResponse is how fast a user may send; empty where nothing is set for her.
type SendRateResponse struct {
	PerSecond *int64 `json:"messages_per_second,omitempty"`
	Burst     *int64 `json:"burst_count,omitempty"`
}

func shownRate(s *account.SendRate) *SendRateResponse {
	if s == nil {
		return &SendRateResponse{}
	}
	return &SendRateResponse{&s.PerSecond, &s.Burst}
}

func (a *API) sendRate(ctx context.Context, r *UserRequest) (*SendRateResponse, error) {
	if _, err := a.known(ctx, r.User); err != nil {
		return nil, err
	}
	s, err := a.Accounts.SendRateOf(ctx, r.User)
	return shownRate(s), err
}

// SetSendRateRequest is POST /_synapse/admin/v1/users/{userID}/override_ratelimit.
type SetSendRateRequest struct {
	User      id.User `path:"userID" json:"-"`
	PerSecond int64   `json:"messages_per_second"`
	Burst     int64   `json:"burst_count"`
}

func (r *SetSendRateRequest) deed() (string, any) {
	return string(r.User), map[string]any{"messages_per_second": r.PerSecond, "burst_count": r.Burst}
}

func (a *API) setSendRate(ctx context.Context, _ By, r *SetSendRateRequest) (*SendRateResponse, error) {
	if _, err := a.known(ctx, r.User); err != nil {
		return nil, err
	}
	s := &account.SendRate{PerSecond: r.PerSecond, Burst: r.Burst}
	if err := a.Accounts.SetSendRate(ctx, r.User, s); err != nil {
		return nil, err
	}
	return shownRate(s), nil
}

func (a *API) dropSendRate(ctx context.Context, _ By, r *UserRequest) (*csapi.Empty, error) {
	if _, err := a.known(ctx, r.User); err != nil {
		return nil, err
	}
	return nil, a.Accounts.SetSendRate(ctx, r.User, nil)
}

// KeyResetResponse says until when a user may replace her cross-signing keys without her password.
type KeyResetResponse struct {
	Until int64 `json:"updatable_without_uia_before_ms"`
}

func (a *API) allowKeyReset(ctx context.Context, _ By, r *UserRequest) (*KeyResetResponse, error) {
	if _, err := a.known(ctx, r.User); err != nil {
		return nil, err
	}
	until, err := a.Accounts.AllowKeyReset(ctx, r.User)
	if err != nil {
		return nil, err
	}
	return &KeyResetResponse{until.UnixMilli()}, nil
}

// AvailableRequest is GET /_synapse/admin/v1/username_available.
type AvailableRequest struct {
	Name string `query:"username,required" json:"-"`
}

// AvailableResponse says that a name is free.
type AvailableResponse struct {
	Available bool `json:"available"`
}

func (a *API) available(ctx context.Context, r *AvailableRequest) (*AvailableResponse, error) {
	if _, err := a.Accounts.CheckName(ctx, r.Name); err != nil {
		return nil, err
	}
	return &AvailableResponse{true}, nil
}

// ExternalRequest is a search for a user by how another provider knows her.
type ExternalRequest struct {
	Provider string `path:"provider" json:"-"`
	ID       string `path:"externalID" json:"-"`
}

var errNoUser = fault.New(fault.NotFound, "There is no such user")

func (a *API) byExternalID(context.Context, *ExternalRequest) (*csapi.Empty, error) {
	return nil, errNoUser
}

// AddressRequest is a search for a user by an address.
type AddressRequest struct {
	Medium  string `path:"medium" json:"-"`
	Address string `path:"address" json:"-"`
}

func (a *API) byAddress(context.Context, *AddressRequest) (*csapi.Empty, error) {
	return nil, errNoUser
}

// JoinedRoomsResponse lists the rooms that a user is in.
type JoinedRoomsResponse struct {
	Rooms []id.Room `json:"joined_rooms"`
	Total int       `json:"total"`
}

func (a *API) joinedRooms(ctx context.Context, r *UserRequest) (*JoinedRoomsResponse, error) {
	rooms, err := a.Rooms.Joined(ctx, r.User)
	if err != nil {
		return nil, err
	}
	slices.Sort(rooms)
	return &JoinedRoomsResponse{Rooms: append([]id.Room{}, rooms...), Total: len(rooms)}, nil
}

// MembershipsResponse says what a user is in each room she has to do with.
type MembershipsResponse struct {
	Memberships map[id.Room]string `json:"memberships"`
	Total       int                `json:"total"`
}

func (a *API) memberships(ctx context.Context, r *UserRequest) (*MembershipsResponse, error) {
	all, err := a.Rooms.MembershipsOf(ctx, r.User)
	if err != nil {
		return nil, err
	}
	return &MembershipsResponse{Memberships: all, Total: len(all)}, nil
}

// Pusher is where a user's notifications go.
type Pusher struct {
	App     string          `json:"app_display_name"`
	AppID   string          `json:"app_id"`
	Data    json.RawMessage `json:"data"`
	Device  string          `json:"device_display_name"`
	Kind    string          `json:"kind"`
	Lang    string          `json:"lang"`
	Profile string          `json:"profile_tag"`
	Key     string          `json:"pushkey"`

	Delivery Delivery `json:"delivery"` // which the tools of the field do not ask for
}

// Delivery is how it goes with a pusher.
type Delivery struct {
	Waiting  int               `json:"waiting"`            // notifications
	Failures int               `json:"failures"`           // in a row
	Retry    int64             `json:"retry_ts,omitempty"` // when it is tried again, if it failed
	Log      []DeliveryFailure `json:"log"`                // the newest first
}

// DeliveryFailure is an attempt that failed.
type DeliveryFailure struct {
	At      int64  `json:"ts"`
	Times   int    `json:"times"` // how many in a row it was the last of
	Trouble string `json:"error"`
}

func delivery(h *push.Health) Delivery {
	d := Delivery{Waiting: h.Waiting, Failures: h.Failures, Log: make([]DeliveryFailure, len(h.Log))}
	if !h.Retry.IsZero() {
		d.Retry = h.Retry.UnixMilli()
	}
	for i, f := range h.Log {
		d.Log[i] = DeliveryFailure{At: f.At.UnixMilli(), Times: f.Times, Trouble: f.Trouble}
	}
	return d
}

// PushersResponse lists a user's pushers.
type PushersResponse struct {
	Pushers []Pusher `json:"pushers"`
	Total   int      `json:"total"`
}

func (a *API) pushers(ctx context.Context, r *UserRequest) (*PushersResponse, error) {
	if _, err := a.known(ctx, r.User); err != nil {
		return nil, err
	}
	list, err := a.Push.Health(ctx, r.User)
	if err != nil {
		return nil, err
	}
	out := &PushersResponse{Pushers: []Pusher{}, Total: len(list)}
	for i := range list {
		p := &list[i]
		data := map[string]json.RawMessage{}
		address, err := json.Marshal(p.URL)
		if err := errors.Join(err, json.Unmarshal(p.Data, &data)); err != nil {
			return nil, err
		}
		data["url"] = address
		raw, err := json.Marshal(data)
		if err != nil {
			return nil, err
		}
		out.Pushers = append(out.Pushers, Pusher{
			App: p.App, AppID: p.AppID, Data: raw, Device: p.Device, Kind: p.Kind, Lang: p.Lang, Profile: p.Profile, Key: p.Key, Delivery: delivery(p),
		})
	}
	return out, nil
}

// AccountDataResponse is what a user's clients keep for her on the server, of the account and of rooms.
type AccountDataResponse struct {
	Data struct {
		Global map[string]json.RawMessage             `json:"global"`
		Rooms  map[id.Room]map[string]json.RawMessage `json:"rooms"`
	} `json:"account_data"`
}

func (a *API) accountData(ctx context.Context, _ By, r *UserRequest) (*AccountDataResponse, error) {
	if _, err := a.known(ctx, r.User); err != nil {
		return nil, err
	}
	all, err := a.People.AllData(ctx, r.User)
	if err != nil {
		return nil, err
	}
	out := new(AccountDataResponse)
	out.Data.Global, out.Data.Rooms = map[string]json.RawMessage{}, map[id.Room]map[string]json.RawMessage{}
	for _, d := range all {
		in := out.Data.Global
		if d.Room != "" {
			if in = out.Data.Rooms[d.Room]; in == nil {
				in = map[string]json.RawMessage{}
				out.Data.Rooms[d.Room] = in
			}
		}
		in[d.Type] = d.Content
	}
	return out, nil
}
