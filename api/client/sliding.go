package client

import (
	"context"
	"net/http"
	"slices"
	"time"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/core/ephemeral"
	"freehold.example/core/feed"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Sliding sync (MSC4186), as clients send it today and as it was merged
// https://github.com/matrix-org/matrix-spec-proposals/blob/main/proposals/4186-simplified-sliding-sync.md
func (a *API) slidingRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodPost, Path: "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync", Auth: route.User, Limit: limit.Sync, Body: slidingBody, Waits: true, Serve: route.Streamed(a.slidingSync)},
		{Method: http.MethodPost, Path: "/_matrix/client/v4/sync", Auth: route.User, Limit: limit.Sync, Body: slidingBody, Waits: true, Serve: route.Streamed(a.syncV4)},
	}
}

const slidingBody = 256 << 10 // with a thousand rooms that are named one by one

// The bounds of a request, besides those of core/feed.
const (
	maxConnName   = 255
	maxListName   = 255 // bytes
	maxListRanges = 100 // of one list
	maxPatterns   = 500 // of the state that is wanted of a room
)

func (a *API) slidingSync(ctx context.Context, c *Call, r *csapi.SlidingRequest, to *route.Parts) error {
	q := feed.Slide{Pos: r.Pos, Connection: r.Connection, SetPresence: r.SetPresence, Timeout: waiting(max(r.Timeout, r.BodyTimeout))}
	if q.Pos == "" {
		q.Pos = r.BodyPos
	}
	q.Lists = make(map[string]*feed.List, len(r.Lists))
	for name, l := range r.Lists {
		if l == nil {
			l = new(csapi.SlidingList)
		}
		ranges := l.Ranges
		if ranges == nil && l.Range != nil {
			ranges = [][2]int{*l.Range}
		}
		w, err := wantedBefore(&l.SlidingWanted, c.Session.User)
		if err != nil {
			return err
		}
		q.Lists[name] = &feed.List{Wanted: *w, Ranges: ranges, Filter: listFilter(&l.Filters)}
	}
	q.Rooms = make(map[id.Room]*feed.Wanted, len(r.Subscriptions))
	for room, s := range r.Subscriptions {
		if s == nil {
			s = new(csapi.SlidingWanted)
		}
		w, err := wantedBefore(s, c.Session.User)
		if err != nil {
			return err
		}
		q.Rooms[id.Room(room)] = w
	}
	return a.slide(ctx, c, q, &r.Extensions, to)
}

func (a *API) syncV4(ctx context.Context, c *Call, r *csapi.SyncV4Request, to *route.Parts) error {
	q := feed.Slide{Stable: true, Pos: r.Pos, Connection: r.Connection, SetPresence: r.SetPresence, Timeout: waiting(r.Timeout)}
	switch r.SetPresence {
	case "", ephemeral.Online, ephemeral.Unavailable, ephemeral.Offline:
	default:
		return fault.New(fault.InvalidParam, "set_presence is online, unavailable or offline")
	}
	q.Lists = make(map[string]*feed.List, len(r.Lists))
	for name, l := range r.Lists {
		if l == nil {
			l = new(csapi.SyncV4List)
		}
		w, err := wanted(&l.SyncV4Room)
		if err != nil {
			return err
		}
		list := &feed.List{Wanted: *w, Filter: listFilter(&l.Filters)}
		if l.Range != nil {
			list.Ranges = [][2]int{*l.Range}
		}
		q.Lists[name] = list
	}
	q.Rooms = make(map[id.Room]*feed.Wanted, len(r.Subscriptions))
	for room, s := range r.Subscriptions {
		if s == nil {
			s = new(csapi.SyncV4Room)
		}
		w, err := wanted(s)
		if err != nil {
			return err
		}
		q.Rooms[id.Room(room)] = w
	}
	return a.slide(ctx, c, q, &r.Extensions, to)
}

// waiting bounds a time to wait that is given in milliseconds.
func waiting(ms int64) time.Duration {
	return time.Duration(min(max(ms, 0), feed.MaxWait.Milliseconds())) * time.Millisecond
}

// slide does what both forms have in common.
func (a *API) slide(ctx context.Context, c *Call, q feed.Slide, x *csapi.SlidingExtensions, to *route.Parts) error {
	switch {
	case len(q.Connection) > maxConnName:
		return fault.New(fault.InvalidParam, "conn_id is too long")
	case len(q.Lists) > feed.MaxLists:
		return fault.Newf(fault.InvalidParam, "There are at most %d lists", feed.MaxLists)
	case len(q.Rooms) > feed.MaxNamedRooms:
		return fault.Newf(fault.InvalidParam, "There are at most %d rooms in room_subscriptions", feed.MaxNamedRooms)
	}
	for name, l := range q.Lists {
		if len(name) > maxListName || len(l.Ranges) > maxListRanges {
			return fault.New(fault.InvalidParam, "A list has a name that is too long, or too many ranges")
		}
		if slices.ContainsFunc(l.Ranges, func(r [2]int) bool { return r[0] < 0 || r[1] < r[0] }) {
			return fault.New(fault.InvalidParam, "A range is the first and the last index")
		}
	}
	if a.Looked != nil {
		for in := range q.Rooms {
			a.Looked(in)
		}
	}
	q.Caller = c.caller()
	q.Allowed = func(ctx context.Context) error { return a.Accounts.Still(ctx, c.Session) }
	if t := x.ToDevice; t.Enabled {
		q.Extensions.ToDevice = &feed.ToDevice{Since: t.Since, Limit: t.Limit}
	}
	q.Extensions.E2EE = x.E2EE.Enabled
	q.Extensions.AccountData = scope(&x.AccountData)
	q.Extensions.Receipts = scope(&x.Receipts)
	q.Extensions.Typing = scope(&x.Typing)
	if x.UnstableTyping != nil && q.Extensions.Typing == nil {
		q.Extensions.Typing, q.Extensions.TypingName = scope(x.UnstableTyping), "org.matrix.msc4508.typing"
	}
	switch {
	case x.UnstableThreads.Enabled:
		q.Extensions.Threads = &feed.Threads{Name: "io.element.msc4308.thread_subscriptions", Limit: x.UnstableThreads.Limit}
	case x.Threads.Enabled:
		q.Extensions.Threads = &feed.Threads{Name: "thread_subscriptions", Limit: x.Threads.Limit}
	}
	return a.Feed.Slide(ctx, q, to)
}

func scope(s *csapi.SlidingScope) *feed.Scope {
	if !s.Enabled {
		return nil
	}
	out := new(feed.Scope)
	if !slices.Contains(s.Lists, "*") {
		out.Lists = s.Lists
	}
	if !slices.Contains(s.Rooms, "*") {
		out.Rooms = rooms(s.Rooms)
	}
	return out
}

// rooms takes ids as they are: one that is none is of no room that anybody has.
func rooms(ids []string) []id.Room {
	if ids == nil {
		return nil
	}
	out := make([]id.Room, len(ids))
	for i, s := range ids {
		out[i] = id.Room(s)
	}
	return out
}

var errPatterns = fault.Newf(fault.InvalidParam, "required_state has at most %d elements", maxPatterns)

// wantedBefore reads required_state as it was before the merge: pairs of type and state key, with "*" for all, "$ME" for the
// user's own id and "$LAZY" for the members who are needed.
func wantedBefore(s *csapi.SlidingWanted, user id.User) (*feed.Wanted, error) {
	if len(s.RequiredState) > maxPatterns {
		return nil, errPatterns
	}
	w := &feed.Wanted{Timeline: max(s.TimelineLimit, 0), Heroes: s.IncludeHeroes == nil || *s.IncludeHeroes}
	for _, pair := range s.RequiredState {
		p := feed.Pattern{Type: pair[0], Key: pair[1]}
		switch {
		case p.Key == "$LAZY" && (p.Type == "m.room.member" || p.Type == "*"):
			w.LazyMembers = true
			continue
		case p.Key == "$ME":
			p.Key = string(user)
		case p.Key == "*":
			p.Key, p.AnyKey = "", true
		}
		if p.Type == "*" {
			p.Type, p.AnyType = "", true
		}
		w.State = append(w.State, p)
	}
	return w, nil
}

func wanted(s *csapi.SyncV4Room) (*feed.Wanted, error) {
	r := &s.RequiredState
	if len(r.Include)+len(r.Exclude) > maxPatterns {
		return nil, errPatterns
	}
	return &feed.Wanted{
		Timeline: max(s.TimelineLimit, 0), Heroes: true,
		State: patterns(r.Include), Except: patterns(r.Exclude), LazyMembers: r.LazyMembers,
	}, nil
}

func patterns(elements []csapi.SyncV4State) []feed.Pattern {
	var out []feed.Pattern
	for _, e := range elements {
		p := feed.Pattern{AnyType: e.Type == nil, AnyKey: e.StateKey == nil}
		if e.Type != nil {
			p.Type = *e.Type
		}
		if e.StateKey != nil {
			p.Key = *e.StateKey
		}
		out = append(out, p)
	}
	return out
}

func listFilter(f *csapi.SlidingFilters) feed.ListFilter {
	invited := f.Invite
	if invited == nil {
		invited = f.Invited
	}
	return feed.ListFilter{
		Direct: f.Direct, Encrypted: f.Encrypted, Invited: invited, Spaces: rooms(f.Spaces), Types: roomTypes(f.Types), NotTypes: roomTypes(f.NotTypes),
		Tags: f.Tags, NotTags: f.NotTags, Name: f.Name,
	}
}

// roomTypes puts "" for null.
func roomTypes(types []*string) []string {
	if types == nil {
		return nil
	}
	out := make([]string, len(types))
	for i, t := range types {
		if t != nil {
			out[i] = *t
		}
	}
	return out
}
