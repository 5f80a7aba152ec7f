package client

import (
	"context"
	"encoding/json"
	"net/http"

	"freehold.example/base/limit"
	"freehold.example/base/pmap"
	"freehold.example/base/route"
	"freehold.example/base/sqldb"
	"freehold.example/core/delayed"
	"freehold.example/core/room"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/filter"
	"freehold.example/matrix/id"
)

// "Sending events to a room", "Getting events for a room", "Syncing" (pagination), "Event Context"
// https://spec.matrix.org/v1.19/client-server-api/#events-1
func (a *API) eventRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodPut, Path: "/_matrix/client/v3/rooms/{roomID}/send/{type}/{txnID}", Auth: route.User, Limit: limit.Send, Serve: route.JSON(a.sendEvent)},
		{Method: http.MethodPost, Path: "/_matrix/client/v3/rooms/{roomID}/send/{type}", Auth: route.User, Limit: limit.Send, Serve: route.JSON(a.sendOnce)},
		{Method: http.MethodPut, Path: "/_matrix/client/v3/rooms/{roomID}/state/{type}/{stateKey?}", Auth: route.User, Limit: limit.Send, Serve: route.JSON(a.setState)},
		{Method: http.MethodPut, Path: "/_matrix/client/v3/rooms/{roomID}/redact/{eventID}/{txnID}", Auth: route.User, Limit: limit.Send, Serve: route.JSON(a.redact)},
		{Method: http.MethodGet, Path: "/_matrix/client/v3/rooms/{roomID}/state", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.state)},
		{Method: http.MethodGet, Path: "/_matrix/client/v3/rooms/{roomID}/state/{type}/{stateKey?}", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.stateEvent)},
		{Method: http.MethodGet, Path: "/_matrix/client/v3/rooms/{roomID}/members", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.members)},
		{Method: http.MethodGet, Path: "/_matrix/client/v3/rooms/{roomID}/joined_members", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.joinedMembers)},
		{Method: http.MethodGet, Path: "/_matrix/client/v3/rooms/{roomID}/event/{eventID}", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.event)},
		{Method: http.MethodGet, Path: "/_matrix/client/v3/rooms/{roomID}/context/{eventID}", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.context)},
		{Method: http.MethodGet, Path: "/_matrix/client/v3/rooms/{roomID}/messages", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.messages)},
		{Method: http.MethodGet, Path: "/_matrix/client/v1/rooms/{roomID}/timestamp_to_event", Auth: route.User, Limit: limit.Read, Serve: route.JSON(a.nearest)},
	}
}

// errNoTxn is for a path whose last segment is empty: without the id a retry would send once more.
var errNoTxn = fault.New(fault.MissingParam, "The transaction id is missing")

func (a *API) sendEvent(ctx context.Context, c *Call, r *csapi.SendRequest) (*csapi.SentResponse, error) {
	switch {
	case r.TxnID == "":
		return nil, errNoTxn
	case r.Delay != nil:
		return a.sendLater(ctx, *r.Delay, delayed.Request{Caller: c.caller(), Room: r.Room, Type: r.Type, Content: r.Content, Txn: r.TxnID})
	case len(r.Content) == 0:
		return nil, fault.New(fault.NotJSON, "The request needs a body")
	}
	return a.send(ctx, c, r.Room, r.Type, r.Content, r.Time, r.TxnID)
}

// sendOnce is not in the specification; scripts and tests made for other servers send so. A request that is repeated sends
// once more.
func (a *API) sendOnce(ctx context.Context, c *Call, r *csapi.SendOnceRequest) (*csapi.SentResponse, error) {
	return a.send(ctx, c, r.Room, r.Type, r.Content, r.Time, "")
}

func (a *API) send(ctx context.Context, c *Call, in id.Room, typ string, content json.RawMessage, ts *int64, txnID string) (*csapi.SentResponse, error) {
	at, err := c.timestamp(ts)
	if err != nil {
		return nil, err
	}
	sent, err := a.Rooms.Send(ctx, c.caller(), in, room.Draft{Type: typ, Content: content, Timestamp: at}, txnID)
	if err != nil {
		return nil, err
	}
	a.Ephemeral.Active(ctx, c.Session.User)
	return &csapi.SentResponse{Event: sent}, nil
}

func (a *API) setState(ctx context.Context, c *Call, r *csapi.SetStateRequest) (*csapi.SentResponse, error) {
	if r.Type == "m.room.canonical_alias" {
		if err := a.Directory.CheckCanonical(ctx, r.Room, r.Content); err != nil {
			return nil, err
		}
	}
	if r.Type == "m.room.member" {
		var content struct{ Membership string }
		if json.Unmarshal(r.Content, &content) == nil && content.Membership == "invite" { // counted as by POST /invite
			if err := a.Limits.Spend(limit.Invite, string(c.Session.User), 1); err != nil {
				return nil, err
			}
		}
	}
	if r.Delay != nil {
		return a.sendLater(ctx, *r.Delay, delayed.Request{Caller: c.caller(), Room: r.Room, Type: r.Type, StateKey: &r.StateKey, Content: r.Content})
	}
	at, err := c.timestamp(r.Time)
	if err != nil {
		return nil, err
	}
	d := room.Draft{Type: r.Type, StateKey: &r.StateKey, Content: r.Content, Timestamp: at}
	sent, err := a.Rooms.PutState(ctx, c.caller(), r.Room, d)
	if err != nil {
		return nil, err
	}
	return &csapi.SentResponse{Event: sent}, nil
}

func (a *API) redact(ctx context.Context, c *Call, r *csapi.RedactRequest) (*csapi.EventIDResponse, error) {
	if r.TxnID == "" {
		return nil, errNoTxn
	}
	if c.Session.Suspended {
		if err := a.ownEvent(ctx, c, r); err != nil {
			return nil, err
		}
	}
	content := r.Content
	if len(content) == 0 {
		content = json.RawMessage("{}")
	}
	sent, err := a.Rooms.Redact(ctx, c.caller(), r.Room, id.Event(r.Event), content, r.TxnID)
	if err != nil {
		return nil, err
	}
	return &csapi.EventIDResponse{Event: sent}, nil
}

// ownEvent says whether what a suspended user redacts is her own.
func (a *API) ownEvent(ctx context.Context, c *Call, r *csapi.RedactRequest) error {
	return a.Rooms.View(ctx, r.Room, c.Session.User, func(_ *sqldb.Tx, v *room.Viewer) error {
		e, err := v.Event(id.Event(r.Event))
		if err == nil && e.Event.Sender() != c.Session.User {
			err = errSuspended
		}
		return err
	})
}

func (a *API) state(ctx context.Context, c *Call, r *csapi.RoomRequest) (*route.Bytes, error) {
	if err := a.Handshakes.Whole(ctx, r.Room); err != nil {
		return nil, err
	}
	var shown []json.RawMessage
	err := a.Rooms.View(ctx, r.Room, c.Session.User, func(tx *sqldb.Tx, v *room.Viewer) error {
		root, err := v.State()
		if err != nil {
			return err
		}
		events, err := a.Rooms.StateEvents(tx, root)
		if err != nil {
			return err
		}
		shown, err = a.Rooms.Render(tx, events, room.Form{Caller: c.caller(), Viewer: v, State: true})
		return err
	})
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(shown)
	if err != nil {
		return nil, err
	}
	answer := route.Bytes(raw)
	return &answer, nil
}

func (a *API) stateEvent(ctx context.Context, c *Call, r *csapi.StateEventRequest) (*route.Bytes, error) {
	answer, err := a.stateOne(ctx, c, r)
	if r.Type == "m.room.member" && fault.Is(err, fault.NotFound) { // perhaps he is, and is not known yet
		if err := a.Handshakes.Whole(ctx, r.Room); err != nil {
			return nil, err
		}
		return a.stateOne(ctx, c, r)
	}
	return answer, err
}

func (a *API) stateOne(ctx context.Context, c *Call, r *csapi.StateEventRequest) (*route.Bytes, error) {
	var answer route.Bytes
	err := a.Rooms.View(ctx, r.Room, c.Session.User, func(tx *sqldb.Tx, v *room.Viewer) error {
		root, err := v.State()
		if err != nil {
			return err
		}
		e, err := a.Rooms.StateEvent(tx, root, r.Type, r.StateKey)
		if err != nil {
			return err
		}
		if e == nil {
			return fault.New(fault.NotFound, "The room has no such state")
		}
		if r.Format != "event" {
			answer = e.Event.Content()
			return nil
		}
		answer, err = a.shown(tx, e, room.Form{Caller: c.caller(), Viewer: v})
		return err
	})
	if err != nil {
		return nil, err
	}
	return &answer, nil
}

func (a *API) members(ctx context.Context, c *Call, r *csapi.MembersRequest) (*csapi.MembersResponse, error) {
	out := &csapi.MembersResponse{}
	at, err := room.ParseOptionalToken(r.At)
	if err != nil {
		return nil, err
	}
	if err := a.Handshakes.Whole(ctx, r.Room); err != nil {
		return nil, err
	}
	err = a.Rooms.View(ctx, r.Room, c.Session.User, func(tx *sqldb.Tx, v *room.Viewer) error {
		root, err := v.State()
		if at != nil && err == nil {
			root, err = v.RootAt(*at)
		}
		if err != nil {
			return err
		}
		members, err := a.Rooms.MemberEvents(tx, root, func(membership string) bool {
			return (r.Membership == "" || membership == r.Membership) && (r.NotMembership == "" || membership != r.NotMembership)
		})
		if err != nil {
			return err
		}
		out.Chunk, err = a.Rooms.Render(tx, members, room.Form{Caller: c.caller(), Viewer: v, State: true})
		return err
	})
	return out, err
}

func (a *API) joinedMembers(ctx context.Context, c *Call, r *csapi.RoomRequest) (*csapi.JoinedMembersResponse, error) {
	out := &csapi.JoinedMembersResponse{Joined: map[id.User]csapi.JoinedMember{}}
	if err := a.Handshakes.Whole(ctx, r.Room); err != nil {
		return nil, err
	}
	err := a.Rooms.View(ctx, r.Room, c.Session.User, func(tx *sqldb.Tx, v *room.Viewer) error {
		if !v.Joined() {
			return fault.New(fault.Forbidden, "You are not in this room")
		}
		root, err := v.State()
		if err != nil {
			return err
		}
		members, err := a.Rooms.MemberEvents(tx, root, func(membership string) bool { return membership == "join" })
		if err != nil {
			return err
		}
		for _, m := range members {
			user, _ := m.Event.StateKey()
			var content struct {
				DisplayName *string `json:"displayname"`
				AvatarURL   *string `json:"avatar_url"`
			}
			// A member's own server lets her put anything there; what is no string is shown as nothing.
			_ = json.Unmarshal(m.Event.Content(), &content)
			out.Joined[id.User(user)] = csapi.JoinedMember{DisplayName: content.DisplayName, AvatarURL: content.AvatarURL}
		}
		return nil
	})
	return out, err
}

func (a *API) event(ctx context.Context, c *Call, r *csapi.EventRequest) (*route.Bytes, error) {
	var answer route.Bytes
	err := a.Rooms.ReadEvent(ctx, c.Session.User, r.Room, id.Event(r.Event), func(tx *sqldb.Tx, v *room.Viewer, s *room.Stored) error {
		form, err := a.bundled(tx, c, v)
		if err != nil {
			return err
		}
		answer, err = a.shown(tx, s, form)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &answer, nil
}

// shown is one event in the form that clients see.
func (a *API) shown(tx *sqldb.Tx, s *room.Stored, f room.Form) (route.Bytes, error) {
	all, err := a.Rooms.Render(tx, []*room.Stored{s}, f)
	if err != nil {
		return nil, err
	}
	return route.Bytes(all[0]), nil
}

func (a *API) context(ctx context.Context, c *Call, r *csapi.ContextRequest) (*csapi.ContextResponse, error) {
	part, err := filterPart(r.Filter)
	if err != nil {
		return nil, err
	}
	limit := 10
	if r.Limit != nil {
		limit = max(*r.Limit, 0)
	}
	var out *csapi.ContextResponse
	err = a.Rooms.Context(ctx, c.Session.User, r.Room, id.Event(r.Event), limit, keep(part), func(tx *sqldb.Tx, v *room.Viewer, at *room.Around) error {
		form, err := a.bundled(tx, c, v)
		if err != nil {
			return err
		}
		events, err := a.Rooms.Render(tx, append(append([]*room.Stored{at.Event}, at.Before...), at.After...), form)
		if err != nil {
			return err
		}
		last := at.Event
		if n := len(at.After); n > 0 {
			last = at.After[n-1]
		}
		shown := append(append([]*room.Stored{at.Event}, at.Before...), at.After...)
		var state []*room.Stored
		root, err := v.RootAt(room.StreamToken(last.Pos))
		switch {
		case fault.Is(err, fault.Forbidden): // who is only invited sees events, and the state has its own rule
		case err != nil:
			return err
		default:
			if state, err = a.stateFor(tx, root, shown, part, true); err != nil {
				return err
			}
		}
		rendered, err := a.Rooms.Render(tx, state, room.Form{Caller: c.caller(), Viewer: v, State: true})
		if err != nil {
			return err
		}
		out = &csapi.ContextResponse{
			Event: events[0], Before: events[1 : 1+len(at.Before)], After: events[1+len(at.Before):], State: rendered,
			Start: at.Start.String(), End: at.End.String(),
		}
		return nil
	})
	return out, err
}

// messages says who may not read the room before it says what is wrong with the request, as other servers do.
func (a *API) messages(ctx context.Context, c *Call, r *csapi.MessagesRequest) (*csapi.MessagesResponse, error) {
	if r.Dir != "b" && r.Dir != "f" {
		return nil, a.Rooms.View(ctx, r.Room, c.Session.User, func(*sqldb.Tx, *room.Viewer) error {
			if r.Dir == "" {
				return fault.New(fault.MissingParam, "The query parameter dir is missing")
			}
			return fault.New(fault.InvalidParam, "dir must be b or f")
		})
	}
	part, err := filterPart(r.Filter)
	if err != nil {
		return nil, err
	}
	q := room.PageRequest{Room: r.Room, User: c.Session.User, Forward: r.Dir == "f", Limit: 10, Keep: keep(part)}
	if part != nil {
		q.RelatedBySenders, q.RelatedByRelTypes = part.RelatedBySenders, part.RelatedByRelTypes
	}
	if r.Limit != nil {
		q.Limit = *r.Limit
	} else if part != nil {
		q.Limit = part.Limit(10, 1000)
	}
	if q.From, err = room.ParseOptionalToken(r.From); err != nil {
		return nil, err
	}
	if q.To, err = room.ParseOptionalToken(r.To); err != nil {
		return nil, err
	}
	out := &csapi.MessagesResponse{}
	err = a.page(ctx, q, func(tx *sqldb.Tx, v *room.Viewer, page *room.Page) error {
		out.Start = page.Start.String()
		if page.End != nil {
			out.End = page.End.String()
		}
		form, err := a.bundled(tx, c, v)
		if err != nil {
			return err
		}
		if out.Chunk, err = a.Rooms.Render(tx, page.Events, form); err != nil {
			return err
		}
		if len(page.Events) == 0 || part == nil || !part.LazyLoadMembers {
			return nil
		}
		state, err := a.stateFor(tx, page.Events[0].State, page.Events, part, false)
		if err != nil {
			return err
		}
		out.State, err = a.Rooms.Render(tx, state, room.Form{Caller: c.caller(), Viewer: v, State: true})
		return err
	})
	return out, err
}

func (a *API) nearest(ctx context.Context, c *Call, r *csapi.NearestRequest) (*csapi.NearestResponse, error) {
	if r.Dir != "b" && r.Dir != "f" {
		return nil, fault.New(fault.InvalidParam, "dir must be b or f")
	}
	s, err := a.nearestOf(ctx, c.Session.User, r.Room, r.Timestamp, r.Dir == "f")
	if err != nil {
		return nil, err
	}
	return &csapi.NearestResponse{Event: s.Event.ID(), Timestamp: s.Event.Timestamp()}, nil
}

// stateFor is the part of a state that goes with a stretch of history: all of it, or the members who sent
// what is shown when the client loads members lazily.
func (a *API) stateFor(tx *sqldb.Tx, root pmap.Root, shown []*room.Stored, part *filter.Part, all bool) ([]*room.Stored, error) {
	if part == nil || !part.LazyLoadMembers {
		if !all {
			return nil, nil
		}
		return a.Rooms.StateEvents(tx, root)
	}
	senders := map[id.User]bool{}
	for _, s := range shown {
		senders[s.Event.Sender()] = true
	}
	var out []*room.Stored
	if all {
		events, err := a.Rooms.StateEvents(tx, root)
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			if e.Event.Type() != "m.room.member" {
				out = append(out, e)
			}
		}
	}
	for sender := range senders {
		e, err := a.Rooms.Speaker(tx, root, sender, shown)
		if err != nil {
			return nil, err
		}
		if e != nil {
			out = append(out, e)
		}
	}
	return out, nil
}

// filterPart parses the filter of /messages and /context: nil when there is none.
func filterPart(s string) (*filter.Part, error) {
	if s == "" {
		return nil, nil
	}
	return filter.ParsePart([]byte(s))
}

func keep(part *filter.Part) func(*room.Stored) bool {
	if part == nil {
		return nil
	}
	return func(s *room.Stored) bool {
		return part.Event(s.Event.Type(), s.Event.Sender(), s.Event.Room(), s.Event.Content())
	}
}
