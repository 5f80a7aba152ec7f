package space

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/core/peer"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// A space may have children that this server is not in. Others are asked for them, and what they say is kept for a while
// (https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1hierarchyroomid). Nothing is asked while the
// database is read: a walk notes which rooms it lacks, they are fetched, and the walk is made again.

// far is a room that this server is not in, as another one says.
type far struct {
	shown    csapi.RoomSummaryResponse
	children []child
	whole    bool // its children are known, too
	until    time.Time
}

const (
	farLife = 5 * time.Minute // of what was told; that nothing was told is not remembered
	// limit: rooms of other servers as spaces show them, in memory | %d of at most 256 KiB, of some 1 KiB | all are forgotten
	maxFar      = 2000
	maxVia      = 3                // servers that are asked for one room
	maxAsked    = 100              // rooms that are asked for to make one page
	askedAtOnce = 8                // of them
	askPatience = 15 * time.Second // for all of them
	maxFarLinks = 256 << 10        // bytes of the links of one space
)

// farRooms are those that were asked for of late.
type farRooms struct {
	mu sync.Mutex      // guards m
	m  map[id.Room]far // bounded by maxFar
}

func (f *farRooms) get(in id.Room, now time.Time) (far, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	x, ok := f.m[in]
	return x, ok && now.Before(x.until)
}

// put remembers a room, unless more is known of it.
func (f *farRooms) put(in id.Room, x far, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if old, ok := f.m[in]; ok && old.whole && !x.whole && now.Before(old.until) {
		return
	}
	if f.m == nil || len(f.m) >= maxFar {
		f.m = map[id.Room]far{}
	}
	f.m[in] = x
}

// lack is a child that is to be asked for.
type lack struct {
	room id.Room
	via  []id.Server
}

// farChild gives a child that this server is not in, as it is known, with its children where they are wanted. What is not
// known is noted.
func (w *walk) farChild(c child, children bool) (x far, ok bool) {
	if w.s.Peers == nil {
		return far{}, false
	}
	x, ok = w.s.far.get(c.room, w.now)
	if !ok || children && !x.whole {
		w.lacks = append(w.lacks, lack{c.room, viaOf(c)})
	}
	return x, ok
}

// viaOf is through which servers a child is reached.
func viaOf(c child) (via []id.Server) {
	for a := canon.OpenArray(canon.Get(c.link.Content, "via")); len(via) < maxVia; {
		value, ok := a.Next()
		if !ok {
			break
		}
		s, _ := canon.String(value)
		if server, err := id.ParseServer(s); err == nil && !slices.Contains(via, server) {
			via = append(via, server)
		}
	}
	return via
}

// visitFar is visit for a room that this server is not in.
func (w *walk) visitFar(c child, depth int) (end bool, err error) {
	if len(w.seen) == maxWalk {
		return true, nil
	}
	x, ok := w.farChild(c, depth < w.depth)
	if !ok {
		return false, nil
	}
	w.seen[c.room] = true
	shows, err := w.s.farShows(w.tx, &x.shown, w.user)
	if err != nil || !shows {
		return false, err
	}
	shown := csapi.SpaceRoom{RoomSummaryResponse: x.shown, Children: []csapi.ChildLink{}}
	var below []child
	for _, c := range x.children {
		if !w.suggested || c.suggested {
			below = append(below, c)
			shown.Children = append(shown.Children, c.link)
		}
	}
	if w.give(&shown) {
		return true, nil
	}
	if depth == w.depth || len(below) == 0 {
		return false, nil
	}
	return w.descend(below, depth+1)
}

// farShows is shows for a room that this server is not in, and that showed itself to this server.
func (s *Spaces) farShows(tx *sqldb.Tx, shown *csapi.RoomSummaryResponse, user id.User) (bool, error) {
	switch shown.JoinRule {
	case authrule.RulePublic, authrule.RuleKnock, authrule.RuleKnockRestricted:
		return true, nil
	}
	if shown.WorldReadable {
		return true, nil
	}
	memberships, err := s.Rooms.Memberships(tx, user, append(slices.Clip(shown.AllowedRooms), shown.Room)...)
	if err != nil {
		return false, err
	}
	if m := memberships[shown.Room]; m == "invite" || m == "join" {
		return true, nil
	}
	return slices.ContainsFunc(shown.AllowedRooms, func(in id.Room) bool { return memberships[in] == "join" }), nil
}

// fetch asks for rooms, several at a time.
func (s *Spaces) fetch(ctx context.Context, lacks []lack) {
	var wg sync.WaitGroup
	turns := make(chan struct{}, askedAtOnce)
	for _, l := range lacks {
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			s.ask(ctx, l)
		})
	}
	wg.Wait()
}

// ask asks the servers through which a room is reached, one after the other, until one tells of it.
func (s *Spaces) ask(ctx context.Context, l lack) {
	for _, server := range l.via {
		if _, err := id.ParseServer(string(server)); err != nil || server == s.Rooms.Server {
			continue
		}
		var said struct {
			Room     json.RawMessage   `json:"room"`
			Children []json.RawMessage `json:"children"`
		}
		err := s.Peers.Ask(ctx, peer.Question{
			Server: server, Method: http.MethodGet, Path: "/_matrix/federation/v1/hierarchy/" + url.PathEscape(string(l.room)) + "?suggested_only=false", Brief: true,
		}, &said)
		if err != nil {
			continue
		}
		root, ok := readFar(said.Room)
		if !ok || root.shown.Room != l.room {
			continue
		}
		now := s.Now()
		root.whole, root.until = true, now.Add(farLife)
		s.far.put(l.room, root, now)
		isChild := func(in id.Room) bool {
			return slices.ContainsFunc(root.children, func(c child) bool { return c.room == in })
		}
		for _, raw := range said.Children[:min(len(said.Children), maxChildren)] {
			x, ok := readFar(raw)
			if !ok || !isChild(x.shown.Room) {
				continue
			}
			x.children, x.whole, x.until = nil, x.shown.RoomType != "m.space", now.Add(farLife)
			s.far.put(x.shown.Room, x, now)
		}
		return
	}
}

// readFar reads what another server says of a room.
func readFar(raw []byte) (x far, ok bool) {
	var said struct {
		csapi.RoomSummaryResponse
		Children []json.RawMessage `json:"children_state"`
	}
	if json.Unmarshal(raw, &said) != nil || said.Room == "" {
		return x, false
	}
	x.shown = said.RoomSummaryResponse
	x.shown.Membership = ""
	x.shown.AllowedRooms = x.shown.AllowedRooms[:min(len(x.shown.AllowedRooms), maxChildren)]
	size := 0
	for _, raw := range said.Children[:min(len(said.Children), maxChildren)] {
		var link struct {
			csapi.ChildLink
			Content json.RawMessage `json:"content"`
		}
		if json.Unmarshal(raw, &link) != nil || link.Type != "m.space.child" || link.Sender == "" {
			continue
		}
		content, err := canon.Canonical(link.Content, canon.Unique)
		if err != nil || len(content) == 0 || content[0] != '{' {
			continue
		}
		if size += len(content) + 200; size > maxFarLinks {
			break
		}
		link.ChildLink.Content = content
		if c, ok := childIn(link.ChildLink); ok {
			x.children = append(x.children, c)
		}
	}
	slices.SortFunc(x.children, compare)
	return x, true
}

// SummaryVia is Summary for a room that this server is perhaps not in: then the servers in via are asked, of which a user has
// told this one (https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1room_summaryroomidoralias).
func (s *Spaces) SummaryVia(ctx context.Context, user id.User, in id.Room, via []id.Server) (*csapi.RoomSummaryResponse, error) {
	out, err := s.Summary(ctx, user, in)
	if !fault.Is(err, fault.NotFound) || user == "" || s.Peers == nil {
		return out, err
	}
	if x, ok := s.far.get(in, s.Now()); !ok || x.shown.Room == "" {
		if origin := in.Server(); origin != "" && len(via) == 0 {
			via = []id.Server{origin}
		}
		ctx, cancel := context.WithTimeout(ctx, askPatience)
		defer cancel()
		s.ask(ctx, lack{in, via[:min(len(via), maxVia)]})
	}
	x, ok := s.far.get(in, s.Now())
	if !ok {
		return nil, err
	}
	shows := false
	gone := s.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		memberships, err := s.Rooms.Memberships(tx, user, in)
		if err != nil {
			return err
		}
		x.shown.Membership = cmp.Or(memberships[in], "leave")
		shows, err = s.farShows(tx, &x.shown, user)
		return err
	})
	switch {
	case gone != nil:
		return nil, gone
	case !shows:
		return nil, err
	}
	return &x.shown, nil
}

// again walks until nothing is lacking that could be fetched, or there has been enough asking.
func (s *Spaces) again(ctx context.Context, walk func() (lacks []lack, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	asked := map[id.Room]bool{}
	for {
		lacks, err := walk()
		if err != nil {
			return err
		}
		lacks = slices.DeleteFunc(lacks, func(l lack) bool { return asked[l.room] || len(asked) >= maxAsked })
		lacks = lacks[:min(len(lacks), maxAsked-len(asked))]
		if len(lacks) == 0 || ctx.Err() != nil {
			return nil
		}
		for _, l := range lacks {
			asked[l.room] = true
		}
		s.fetch(ctx, lacks)
	}
}
