package client

import (
	"context"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// "Mutual Rooms"
// https://spec.matrix.org/v1.19/client-server-api/#mutual-rooms
func (a *API) mutualRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodGet, Path: "/_matrix/client/v1/mutual_rooms", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.mutualRooms)},
	}
}

// mutualPage is how many rooms are listed at once.
const mutualPage = 500

func (a *API) mutualRooms(ctx context.Context, c *Call, r *csapi.MutualRoomsRequest) (*csapi.MutualRoomsResponse, error) {
	other, err := id.ParseUser(r.User)
	if err != nil {
		return nil, fault.New(fault.InvalidParam, "user_id is not a user id").Because(err)
	}
	if other == c.Session.User {
		return nil, fault.New(fault.InvalidParam, "user_id is your own")
	}
	var after id.Room
	if r.From != "" {
		if after, err = id.ParseRoom(r.From); err != nil {
			return nil, fault.New(fault.InvalidParam, "from is not a token this server gives out").Because(err)
		}
	}
	rooms, all, err := a.Rooms.Mutual(ctx, c.Session.User, other, after, mutualPage+1)
	if err != nil {
		return nil, err
	}
	out := &csapi.MutualRoomsResponse{Joined: rooms, Count: all}
	if len(rooms) > mutualPage {
		out.Joined = rooms[:mutualPage]
		out.NextBatch = string(out.Joined[mutualPage-1])
	}
	return out, nil
}
