package client

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/base/sqldb"
	"freehold.example/core/feed"
	"freehold.example/core/room"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// "Room previews", and the API before /sync, which is deprecated: GET /initialSync, /events and /events/{eventId}.
// https://spec.matrix.org/v1.19/client-server-api/#room-previews
func (a *API) peekRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodGet, Path: "/_matrix/client/v3/initialSync", Auth: route.User, Limit: limit.Search, Serve: route.Streamed(a.initialSync)},
		{Method: http.MethodGet, Path: "/_matrix/client/v3/rooms/{roomID}/initialSync", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.roomInitialSync)},
		{Method: http.MethodGet, Path: "/_matrix/client/v3/events", Auth: route.User, Limit: limit.Sync, Serve: route.JSON(a.peek)},
		{Method: http.MethodGet, Path: "/_matrix/client/v3/events/{eventID}", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.oneEvent)},
	}
}

// initialMessages is how many of a room's newest events are told where the client does not say.
const initialMessages = 20

func (a *API) initialSync(ctx context.Context, c *Call, r *csapi.InitialSyncRequest, to *route.Parts) error {
	q := feed.InitialRequest{Caller: c.caller(), Limit: initialMessages, Archived: r.Archived, Published: a.Directory.Published}
	if r.Limit != nil {
		q.Limit = *r.Limit
	}
	return a.Feed.Initial(ctx, q, to)
}

func (a *API) roomInitialSync(ctx context.Context, c *Call, r *csapi.RoomRequest) (*csapi.RoomInitialSyncResponse, error) {
	q := feed.InitialRequest{Caller: c.caller(), Limit: initialMessages, Published: a.Directory.Published}
	return a.Feed.InitialRoom(ctx, q, r.Room, nil)
}

func (a *API) peek(ctx context.Context, c *Call, r *csapi.PeekRequest) (*csapi.PeekResponse, error) {
	from, err := room.ParseOptionalToken(r.From)
	if err != nil {
		return nil, err
	}
	wait := time.Duration(min(max(r.Timeout, 0), feed.MaxWait.Milliseconds())) * time.Millisecond
	if r.Room == "" {
		return a.listen(ctx, c, from, wait)
	}
	in, err := id.ParseRoom(r.Room)
	if err != nil {
		return nil, fault.New(fault.InvalidParam, "room_id is not a room id").Because(err)
	}
	out := &csapi.PeekResponse{}
	err = a.Rooms.Peek(ctx, c.Session.User, in, from, wait, func(tx *sqldb.Tx, v *room.Viewer, events []*room.Stored, start, end room.Token) (err error) {
		out.Start, out.End = start.String(), end.String()
		out.Chunk, err = a.Rooms.Render(tx, events, room.Form{Caller: c.caller(), Viewer: v})
		return err
	})
	return out, err
}

// listen is GET /events of all the caller's rooms.
func (a *API) listen(ctx context.Context, c *Call, from *room.Token, wait time.Duration) (*csapi.PeekResponse, error) {
	out := &csapi.PeekResponse{Chunk: []json.RawMessage{}}
	err := a.Rooms.Listen(ctx, c.Session.User, from, wait, func(tx *sqldb.Tx, heard []room.Heard, start, end room.Token) error {
		out.Start, out.End = start.String(), end.String()
		ignored, err := a.People.Ignored(tx, c.Session.User)
		if err != nil {
			return err
		}
		for _, h := range heard {
			if _, isState := h.Event.Event.StateKey(); !isState && ignored[h.Event.Event.Sender()] {
				continue
			}
			shown, err := a.Rooms.Render(tx, []*room.Stored{h.Event}, room.Form{Caller: c.caller(), Viewer: h.Viewer})
			if err != nil {
				return err
			}
			out.Chunk = append(out.Chunk, shown...)
		}
		return nil
	})
	if err == nil {
		err = a.Accounts.Still(ctx, c.Session)
	}
	return out, err
}

func (a *API) oneEvent(ctx context.Context, c *Call, r *csapi.OneEventRequest) (*route.Bytes, error) {
	in, err := a.Rooms.RoomOf(ctx, id.Event(r.Event))
	if err != nil {
		return nil, err
	}
	return a.event(ctx, c, &csapi.EventRequest{Room: in, Event: r.Event})
}
