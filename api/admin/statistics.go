package admin

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"freehold.example/core/media"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// https://element-hq.github.io/synapse/latest/admin_api/statistics.html
func statisticsRows[C any](t *table[C]) {
	const path = "/_synapse/admin/v1/statistics"
	looks(t, path+"/users/media", t.api.usages)
	looks(t, path+"/database/rooms", t.api.largest)
}

// UsagesRequest is GET /_synapse/admin/v1/statistics/users/media. What was uploaded when is not summed up.
type UsagesRequest struct {
	Pages
	Term  string `query:"search_term" json:"-"` // part of the user id or of the display name
	Since *int64 `query:"from_ts" json:"-"`
	Until *int64 `query:"until_ts" json:"-"`
}

// Usage is what a user has uploaded.
type Usage struct {
	User        id.User `json:"user_id"`
	DisplayName *string `json:"displayname"`
	Count       int64   `json:"media_count"`
	Length      int64   `json:"media_length"` // bytes
}

// UsagesResponse is a page of them.
type UsagesResponse struct {
	Users []Usage `json:"users"`
	Next  *int    `json:"next_token,omitempty"`
	Total int     `json:"total"`
}

func (a *API) usages(ctx context.Context, r *UsagesRequest) (*UsagesResponse, error) {
	limit, err := r.check("user_id", "displayname", "media_length", "media_count")
	if err != nil {
		return nil, err
	}
	if r.Since != nil && *r.Since > 0 || r.Until != nil {
		return nil, fault.New(fault.InvalidParam, "from_ts and until_ts are not offered: what was uploaded when is not summed up")
	}
	list, err := a.namedUsages(ctx)
	if err != nil {
		return nil, err
	}
	if term := strings.ToLower(r.Term); term != "" {
		list = slices.DeleteFunc(list, func(u Usage) bool {
			return !strings.Contains(string(u.User), term) && (u.DisplayName == nil || !strings.Contains(strings.ToLower(*u.DisplayName), term))
		})
	}
	slices.SortFunc(list, func(x, y Usage) int {
		n := 0
		switch r.Order {
		case "displayname":
			n = strings.Compare(strings.ToLower(*cmp.Or(x.DisplayName, new(string))), strings.ToLower(*cmp.Or(y.DisplayName, new(string))))
		case "media_length":
			n = cmp.Compare(x.Length, y.Length)
		case "media_count":
			n = cmp.Compare(x.Count, y.Count)
		}
		n = cmp.Or(n, strings.Compare(string(x.User), string(y.User)))
		if r.Dir == "b" {
			n = -n
		}
		return n
	})
	page := part(list, r.From, limit)
	return &UsagesResponse{Users: append([]Usage{}, page...), Total: len(list), Next: next(r.From, len(page), len(list))}, nil
}

func (a *API) namedUsages(ctx context.Context) ([]Usage, error) {
	all, err := a.Media.Usages(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]Usage, 0, len(all))
	for chunk := range slices.Chunk(all, 500) {
		faces, err := a.People.Faces(ctx, usersOf(chunk))
		if err != nil {
			return nil, err
		}
		for i, u := range chunk {
			list = append(list, Usage{User: u.User, DisplayName: some(faces[i].DisplayName), Count: u.Files, Length: u.Bytes})
		}
	}
	return list, nil
}

func usersOf(all []media.Used) []id.User {
	users := make([]id.User, len(all))
	for i, u := range all {
		users[i] = u.User
	}
	return users
}

// LargestResponse lists the largest rooms.
type LargestResponse struct {
	Rooms []LargeRoom `json:"rooms"`
}

// LargeRoom is a room with the bytes of its events.
type LargeRoom struct {
	Room id.Room `json:"room_id"`
	Size int64   `json:"estimated_size"`
}

func (a *API) largest(ctx context.Context, _ *NothingRequest) (*LargestResponse, error) {
	all, err := a.Rooms.Largest(ctx, 10)
	if err != nil {
		return nil, err
	}
	out := &LargestResponse{Rooms: []LargeRoom{}}
	for _, s := range all {
		out.Rooms = append(out.Rooms, LargeRoom{Room: s.Room, Size: s.Bytes})
	}
	return out, nil
}
