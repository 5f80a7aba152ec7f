package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// https://element-hq.github.io/synapse/latest/admin_api/rooms.html
func roomRows[C any](t *table[C]) {
	const path = "/_synapse/admin/v1/rooms"
	a := t.api
	looks(t, path, a.rooms)
	looks(t, path+"/{roomID}", a.room)
	looks(t, path+"/{roomID}/members", a.members)
	does(t, http.MethodGet, path+"/{roomID}/state", a.state)
	does(t, http.MethodGet, path+"/{roomID}/messages", a.messages)
	does(t, http.MethodGet, path+"/{roomID}/context/{eventID}", a.context)
	does(t, http.MethodGet, path+"/{roomID}/timestamp_to_event", a.nearest)
	does(t, http.MethodGet, "/_synapse/admin/v1/fetch_event/{eventID}", a.fetch)
	looks(t, path+"/{roomID}/forward_extremities", a.extremities)
	does(t, http.MethodDelete, path+"/{roomID}/forward_extremities", a.dropExtremities)
}

// Room is a room as it is listed.
type Room struct {
	Room        id.Room  `json:"room_id"`
	Name        *string  `json:"name"`
	Alias       *string  `json:"canonical_alias"`
	Joined      int64    `json:"joined_members"`
	JoinedHere  int64    `json:"joined_local_members"`
	Version     string   `json:"version"`
	Creator     id.User  `json:"creator"`
	Encryption  *string  `json:"encryption"`
	Federatable bool     `json:"federatable"`
	Public      bool     `json:"public"` // it is in the directory
	JoinRules   *string  `json:"join_rules"`
	GuestAccess *string  `json:"guest_access"`
	Visibility  *string  `json:"history_visibility"`
	StateEvents int      `json:"state_events"`
	Type        *string  `json:"room_type"`
	Avatar      *string  `json:"avatar"`
	Topic       *string  `json:"topic"`
	Tombstoned  bool     `json:"tombstoned"`
	Replacement *id.Room `json:"replacement_room"`
}

func shownRoom(o *room.Overview, public bool) Room {
	r := Room{
		Room: o.RoomID, Name: some(o.Name), Alias: some(string(o.Alias)), Joined: o.Joined, JoinedHere: o.JoinedHere, Version: o.Version,
		Creator: o.Creator, Encryption: some(o.Encryption), Federatable: o.Federates, Public: public, JoinRules: some(o.JoinRule),
		GuestAccess: some(o.GuestAccess), Visibility: some(o.Visibility), StateEvents: o.StateEvents, Type: some(o.Type),
		Avatar: some(o.Avatar), Topic: some(o.Topic), Tombstoned: o.Tombstoned,
	}
	if o.Replacement != "" {
		r.Replacement = &o.Replacement
	}
	return r
}

// RoomsRequest is GET /_synapse/admin/v1/rooms.
type RoomsRequest struct {
	Pages
	Term   string `query:"search_term" json:"-"` // part of the name, of the canonical alias or of the id
	Public *bool  `query:"public_rooms" json:"-"`
	Empty  *bool  `query:"empty_rooms" json:"-"` // without members
}

// RoomsResponse is a page of rooms.
type RoomsResponse struct {
	Rooms  []Room `json:"rooms"`
	Offset int    `json:"offset"`
	Total  int    `json:"total_rooms"`
	Next   *int   `json:"next_batch,omitempty"`
	Prev   *int   `json:"prev_batch,omitempty"`
}

// ordering compares rooms by one of the orders; largest says that the greatest comes first unless dir turns it round.
type ordering struct {
	compare func(a, b *Room) int
	largest bool
}

func byText(of func(*Room) *string) ordering {
	return ordering{compare: func(a, b *Room) int {
		x, y := of(a), of(b)
		switch {
		case x == nil && y == nil:
			return 0
		case x == nil: // those without come last
			return 1
		case y == nil:
			return -1
		}
		return strings.Compare(strings.ToLower(*x), strings.ToLower(*y))
	}}
}

func byNumber(of func(*Room) int64) ordering {
	return ordering{compare: func(a, b *Room) int { return cmp.Compare(of(a), of(b)) }, largest: true}
}

func byFlag(of func(*Room) bool) ordering {
	return byNumber(func(r *Room) int64 {
		if of(r) {
			return 1
		}
		return 0
	})
}

func roomOrder(name string) (ordering, bool) {
	switch name {
	case "", "name", "alphabetical":
		return byText(func(r *Room) *string {
			if r.Name == nil && r.Alias != nil {
				return some(strings.TrimPrefix(*r.Alias, "#"))
			}
			return r.Name
		}), true
	case "canonical_alias":
		return byText(func(r *Room) *string { return r.Alias }), true
	case "joined_members", "size":
		return byNumber(func(r *Room) int64 { return r.Joined }), true
	case "joined_local_members":
		return byNumber(func(r *Room) int64 { return r.JoinedHere }), true
	case "version":
		return byText(func(r *Room) *string { return &r.Version }), true
	case "creator":
		return byText(func(r *Room) *string { s := string(r.Creator); return &s }), true
	case "encryption":
		return byText(func(r *Room) *string { return r.Encryption }), true
	case "federatable":
		return byFlag(func(r *Room) bool { return r.Federatable }), true
	case "public":
		return byFlag(func(r *Room) bool { return r.Public }), true
	case "join_rules":
		return byText(func(r *Room) *string { return r.JoinRules }), true
	case "guest_access":
		return byText(func(r *Room) *string { return r.GuestAccess }), true
	case "history_visibility":
		return byText(func(r *Room) *string { return r.Visibility }), true
	case "state_events":
		return byNumber(func(r *Room) int64 { return int64(r.StateEvents) }), true
	}
	return ordering{}, false
}

func (a *API) rooms(ctx context.Context, r *RoomsRequest) (*RoomsResponse, error) {
	order, ok := roomOrder(r.Order)
	if !ok {
		return nil, fault.New(fault.InvalidParam, "That is no order of rooms")
	}
	p := r.Pages
	p.Order = ""
	limit, err := p.check()
	if err != nil {
		return nil, err
	}
	all, err := a.Rooms.Overviews(ctx)
	if err != nil {
		return nil, err
	}
	published, err := a.Directory.AllPublished(ctx)
	if err != nil {
		return nil, err
	}
	var list []Room
	for i := range all {
		shown := shownRoom(&all[i], published[all[i].RoomID])
		if r.wants(&shown) {
			list = append(list, shown)
		}
	}
	slices.SortStableFunc(list, func(x, y Room) int {
		if (r.Dir == "b") != order.largest {
			return order.compare(&y, &x)
		}
		return order.compare(&x, &y)
	})
	page := part(list, r.From, limit)
	out := &RoomsResponse{Rooms: append([]Room{}, page...), Offset: r.From, Total: len(list), Next: next(r.From, len(page), len(list))}
	if r.From > 0 {
		before := max(r.From-limit, 0)
		out.Prev = &before
	}
	return out, nil
}

func (r *RoomsRequest) wants(shown *Room) bool {
	if r.Public != nil && *r.Public != shown.Public || r.Empty != nil && *r.Empty != (shown.Joined == 0) {
		return false
	}
	if r.Term == "" {
		return true
	}
	term := strings.ToLower(r.Term)
	has := func(s *string) bool { return s != nil && strings.Contains(strings.ToLower(*s), term) }
	return has(shown.Name) || has(shown.Alias) || strings.Contains(strings.ToLower(string(shown.Room)), term)
}

// RoomRequest names a room.
type RoomRequest struct {
	Room id.Room `path:"roomID" json:"-"`
}

func (r *RoomRequest) deed() (string, any) { return string(r.Room), nil }

// RoomResponse is one room.
type RoomResponse struct {
	Room
	Devices   int  `json:"joined_local_devices"`
	Forgotten bool `json:"forgotten"` // by all who were of this server

	// Partial says how far a room is that was joined through another server a moment ago, and whose members are being
	// fetched. Freehold's own.
	Partial *Partial `json:"partial,omitempty"`
}

// Partial is how far a room is of which not all members are known.
type Partial struct {
	Since int64  `json:"since_ts"`
	Have  int    `json:"events_here"`
	Of    int    `json:"events"` // 0 until that is known
	Tries int    `json:"failed_tries"`
	Cause string `json:"last_error,omitempty"`
}

func (a *API) room(ctx context.Context, r *RoomRequest) (*RoomResponse, error) {
	o, err := a.Rooms.Overview(ctx, r.Room)
	if err != nil {
		return nil, err
	}
	public, err := a.Directory.Published(ctx, r.Room)
	if err != nil {
		return nil, err
	}
	out := &RoomResponse{Room: shownRoom(&o, public)}
	members, err := a.Rooms.LocalMembers(ctx, r.Room)
	if err != nil {
		return nil, err
	}
	if out.Devices, err = a.Accounts.CountDevices(ctx, members); err != nil {
		return nil, err
	}
	if f, partial := a.Handshakes.Filling(r.Room); partial {
		out.Partial = &Partial{Since: f.Began.UnixMilli(), Have: f.Have, Of: f.Events, Tries: f.Tries, Cause: f.Cause}
	}
	out.Forgotten, err = a.Rooms.ForgottenByAll(ctx, r.Room)
	return out, err
}

// MembersResponse lists who is in a room.
type MembersResponse struct {
	Members []id.User `json:"members"`
	Total   int       `json:"total"`
}

func (a *API) members(ctx context.Context, r *RoomRequest) (*MembersResponse, error) {
	var list []id.User
	err := a.Rooms.Oversee(ctx, r.Room, "", func(tx *sqldb.Tx, v *room.Viewer) (err error) {
		list, err = a.Rooms.Members(tx, v.Room)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(list)
	return &MembersResponse{Members: list, Total: len(list)}, nil
}

// StateResponse is the state of a room.
type StateResponse struct {
	State []json.RawMessage `json:"state"`
}

func (a *API) state(ctx context.Context, by By, r *RoomRequest) (*StateResponse, error) {
	out := &StateResponse{State: []json.RawMessage{}}
	err := a.Rooms.Oversee(ctx, r.Room, by.User, func(tx *sqldb.Tx, v *room.Viewer) error {
		root, err := v.State()
		if err != nil {
			return err
		}
		events, err := a.Rooms.StateEvents(tx, root)
		if err != nil {
			return err
		}
		out.State, err = a.Rooms.Render(tx, events, room.Form{State: true})
		return err
	})
	return out, err
}

// MessagesRequest is GET /_synapse/admin/v1/rooms/{roomID}/messages.
type MessagesRequest struct {
	Room  id.Room `path:"roomID" json:"-"`
	From  string  `query:"from" json:"-"`
	To    string  `query:"to" json:"-"`
	Dir   string  `query:"dir" json:"-"` // f unless told otherwise
	Limit *int    `query:"limit" json:"-"`
}

func (r *MessagesRequest) deed() (string, any) {
	return string(r.Room), map[string]any{"from": r.From, "to": r.To, "dir": r.Dir}
}

// MessagesResponse is a stretch of a room's history.
type MessagesResponse struct {
	Chunk []json.RawMessage `json:"chunk"`
	Start string            `json:"start"`
	End   string            `json:"end,omitempty"`
}

func (a *API) messages(ctx context.Context, by By, r *MessagesRequest) (*MessagesResponse, error) {
	if r.Dir != "" && r.Dir != "b" && r.Dir != "f" {
		return nil, fault.New(fault.InvalidParam, "dir is b or f")
	}
	q := room.PageRequest{Room: r.Room, User: by.User, Forward: r.Dir != "b", Limit: 10, Overseer: true}
	if r.Limit != nil {
		q.Limit = *r.Limit
	}
	var errs [2]error
	q.From, errs[0] = room.ParseOptionalToken(r.From)
	q.To, errs[1] = room.ParseOptionalToken(r.To)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	out := &MessagesResponse{Chunk: []json.RawMessage{}}
	err := a.Rooms.Messages(ctx, q, func(tx *sqldb.Tx, _ *room.Viewer, page *room.Page) (err error) {
		out.Start = page.Start.String()
		if page.End != nil {
			out.End = page.End.String()
		}
		out.Chunk, err = a.Rooms.Render(tx, page.Events, room.Form{})
		return err
	})
	return out, err
}

// EventRequest names an event of a room.
type EventRequest struct {
	Room  id.Room  `path:"roomID" json:"-"`
	Event id.Event `path:"eventID" json:"-"`
	Limit *int     `query:"limit" json:"-"`
}

func (r *EventRequest) deed() (string, any) {
	return string(r.Room), map[string]any{"event_id": r.Event}
}

// ContextResponse is an event with what was said around it.
type ContextResponse struct {
	Event  json.RawMessage   `json:"event"`
	Before []json.RawMessage `json:"events_before"`
	After  []json.RawMessage `json:"events_after"`
	State  []json.RawMessage `json:"state"`
	Start  string            `json:"start"`
	End    string            `json:"end"`
}

func (a *API) context(ctx context.Context, by By, r *EventRequest) (*ContextResponse, error) {
	limit := 10
	if r.Limit != nil {
		limit = min(max(*r.Limit, 0), maxPage)
	}
	out := new(ContextResponse)
	err := a.Rooms.Oversee(ctx, r.Room, by.User, func(tx *sqldb.Tx, v *room.Viewer) error {
		s, err := v.Event(r.Event)
		if err != nil {
			return err
		}
		at, err := v.Around(s, (limit+1)/2, limit/2, nil)
		if err != nil {
			return err
		}
		state, err := a.Rooms.StateEvents(tx, s.State)
		if err != nil {
			return err
		}
		events, err := a.Rooms.Render(tx, slices.Concat([]*room.Stored{s}, at.Before, at.After), room.Form{})
		if err != nil {
			return err
		}
		shown, err := a.Rooms.Render(tx, state, room.Form{State: true})
		n := 1 + len(at.Before)
		*out = ContextResponse{
			Event: events[0], Before: events[1:n], After: events[n:], State: shown, Start: at.Start.String(), End: at.End.String(),
		}
		return err
	})
	return out, err
}

// NearestRequest is GET /_synapse/admin/v1/rooms/{roomID}/timestamp_to_event.
type NearestRequest struct {
	Room id.Room `path:"roomID" json:"-"`
	TS   int64   `query:"ts,required" json:"-"` // milliseconds since 1970
	Dir  string  `query:"dir" json:"-"`         // f unless told otherwise
}

func (r *NearestRequest) deed() (string, any) {
	return string(r.Room), map[string]any{"ts": r.TS, "dir": r.Dir}
}

// NearestResponse is the event nearest to a time.
type NearestResponse struct {
	Event id.Event `json:"event_id"`
	TS    int64    `json:"origin_server_ts"`
}

func (a *API) nearest(ctx context.Context, _ By, r *NearestRequest) (*NearestResponse, error) {
	if r.Dir != "" && r.Dir != "b" && r.Dir != "f" {
		return nil, fault.New(fault.InvalidParam, "dir is b or f")
	}
	s, err := a.Rooms.NearestOf(ctx, r.Room, r.TS, r.Dir != "b")
	if err != nil {
		return nil, err
	}
	return &NearestResponse{Event: s.Event.ID(), TS: s.Event.Timestamp()}, nil
}

// FetchRequest names an event of any room.
type FetchRequest struct {
	Event id.Event `path:"eventID" json:"-"`
}

func (r *FetchRequest) deed() (string, any) { return string(r.Event), nil }

// FetchResponse is an event.
type FetchResponse struct {
	Event json.RawMessage `json:"event"`
}

func (a *API) fetch(ctx context.Context, _ By, r *FetchRequest) (*FetchResponse, error) {
	e, err := a.Rooms.Fetch(ctx, r.Event)
	if err != nil {
		return nil, err
	}
	return &FetchResponse{e}, nil
}

// Extremity is an event that no other follows yet.
type Extremity struct {
	Event    id.Event `json:"event_id"`
	Group    int      `json:"state_group"` // there are none here
	Depth    int64    `json:"depth"`
	Received int64    `json:"received_ts"`
}

// ExtremitiesResponse lists a room's forward extremities.
type ExtremitiesResponse struct {
	Count   int         `json:"count"`
	Results []Extremity `json:"results"`
}

func (a *API) extremities(ctx context.Context, r *RoomRequest) (*ExtremitiesResponse, error) {
	list, err := a.Rooms.Extremities(ctx, r.Room)
	if err != nil {
		return nil, err
	}
	out := &ExtremitiesResponse{Count: len(list), Results: []Extremity{}}
	for _, e := range list {
		out.Results = append(out.Results, Extremity{Event: e.Event, Depth: e.Depth, Received: e.Received})
	}
	return out, nil
}

// DroppedResponse says how many were deleted.
type DroppedResponse struct {
	Deleted int `json:"deleted"`
}

// dropExtremities deletes none: the next event of the room follows all there are, so that they do not heap up.
func (a *API) dropExtremities(ctx context.Context, _ By, r *RoomRequest) (*DroppedResponse, error) {
	if _, err := a.Rooms.Extremities(ctx, r.Room); err != nil {
		return nil, err
	}
	return &DroppedResponse{0}, nil
}
