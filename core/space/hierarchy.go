package space

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

const (
	defaultPage = 50
	maxPage     = 100
	maxDepth    = 20      // also the depth when none is asked for
	maxWalk     = 5000    // rooms of a tree that are looked at, shown or not; those that come later are not found
	maxLinks    = 20_000  // and links that are followed to them, as not every one leads to a room
	maxBytes    = 2 << 20 // of the links in one page, past which it ends
)

// Query asks for a page of the tree below a room.
type Query struct {
	Room      id.Room
	Suggested *bool // only children that their space suggests; false when nil
	Depth     *int  // levels below the root; maxDepth when nil
	Limit     *int  // rooms in a page; 50 when nil
	From      string
}

var errNotShown = fault.New(fault.Forbidden, "You are not allowed to view this room")

// Hierarchy walks the tree below a room, depth first, and gives the rooms that show themselves to the user, each once
// (https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1roomsroomidhierarchy). Errors: M_FORBIDDEN for a root
// that does not, M_INVALID_PARAM.
func (s *Spaces) Hierarchy(ctx context.Context, user id.User, q Query) (*csapi.HierarchyResponse, error) {
	at, limit, err := begin(&q)
	if err != nil {
		return nil, err
	}
	var w *walk
	err = s.again(ctx, func() ([]lack, error) {
		err := s.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
			w, err = s.walk(tx, user, &q, at, limit)
			return err
		})
		if err != nil {
			return nil, err
		}
		return w.lacks, nil
	})
	if err != nil {
		return nil, err
	}
	out := &csapi.HierarchyResponse{Rooms: w.rooms}
	if out.Rooms == nil {
		out.Rooms = []csapi.SpaceRoom{} // [], not null
	}
	if w.more {
		at.given, at.last = w.walked, w.rooms[len(w.rooms)-1].Room
		out.NextBatch = at.String()
	}
	return out, nil
}

// walk makes one walk.
func (s *Spaces) walk(tx *sqldb.Tx, user id.User, q *Query, at cursor, limit int) (w *walk, err error) {
	root, err := s.Rooms.Current(tx, q.Room)
	if err != nil {
		return nil, err
	}
	if len(root) == 0 {
		return nil, errNotShown
	}
	membership, err := s.Rooms.Memberships(tx, user, q.Room)
	if err != nil {
		return nil, err
	}
	for _, after := range []id.Room{at.last, ""} {
		w = &walk{
			s: s, tx: tx, now: s.Now(), user: user, suggested: at.suggested, depth: at.depth, limit: limit, seen: map[id.Room]bool{},
			after: after, skip: at.given,
		}
		_, elsewhere, err := w.visit(root[0], membership[q.Room], 0)
		if err != nil {
			return nil, err
		}
		if elsewhere || len(w.seen) > 0 && w.walked == 0 {
			return nil, errNotShown
		}
		if after == "" || w.passed {
			break // else the room that the page before ended with is gone: the number of those given has to do
		}
	}
	return w, nil
}

// begin checks a query, and finds where it goes on.
func begin(q *Query) (at cursor, limit int, err error) {
	at.depth = maxDepth
	if q.From != "" {
		if at, err = parseCursor(q.From); err != nil {
			return at, 0, err
		}
	}
	if q.Depth != nil {
		if *q.Depth < 0 {
			return at, 0, fault.New(fault.InvalidParam, "max_depth must not be negative")
		}
		if depth := min(*q.Depth, maxDepth); q.From != "" && depth != at.depth {
			return at, 0, errChanged
		}
		at.depth = min(*q.Depth, maxDepth)
	}
	if q.Suggested != nil {
		if q.From != "" && *q.Suggested != at.suggested {
			return at, 0, errChanged
		}
		at.suggested = *q.Suggested
	}
	limit = defaultPage
	if q.Limit != nil {
		if *q.Limit <= 0 {
			return at, 0, fault.New(fault.InvalidParam, "limit must be greater than zero")
		}
		limit = min(*q.Limit, maxPage)
	}
	return at, limit, nil
}

// walk is one walk through a tree for one page. Nothing of a walk is kept between pages: the next one walks again up to
// where this one ended, so that a page costs what comes before it, and nobody can fill the memory with walks.
type walk struct {
	s         *Spaces
	tx        *sqldb.Tx
	now       time.Time
	user      id.User
	suggested bool
	depth     int
	limit     int

	after  id.Room // the page begins after this room; "" to skip that many
	skip   int
	passed bool // the page has begun

	seen   map[id.Room]bool
	links  int
	walked int // rooms that showed themselves, those of the pages before included
	rooms  []csapi.SpaceRoom
	bytes  int
	more   bool // the page is full and there is a room after it

	lacks []lack // children that other servers are to be asked for
}

// visit gives a room and what is below it. end says that the page is full, elsewhere that this server is not in the room.
func (w *walk) visit(now room.Current, membership string, depth int) (end, elsewhere bool, err error) {
	if len(w.seen) == maxWalk {
		return true, false, nil
	}
	front, err := w.s.Rooms.Front(w.tx, now)
	if err != nil || front == nil {
		return false, true, err
	}
	w.seen[now.RoomID] = true
	end, err = w.show(now, front, membership, depth)
	return end, false, err
}

func (w *walk) show(now room.Current, front *room.Front, membership string, depth int) (end bool, err error) {
	shows, err := w.s.shows(w.tx, front, w.user, membership)
	if err != nil || !shows {
		return false, err
	}
	summary, err := w.s.summary(w.tx, now, front)
	if err != nil {
		return false, err
	}
	shown := csapi.SpaceRoom{RoomSummaryResponse: *summary, Children: []csapi.ChildLink{}}
	var below []child
	if summary.RoomType == "m.space" {
		children, err := w.s.childrenOf(w.tx, now)
		if err != nil {
			return false, err
		}
		for _, c := range children {
			if w.suggested && !c.suggested {
				continue
			}
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

// give puts a room into the page, unless it was in one before. full says that it would have been one too many.
func (w *walk) give(shown *csapi.SpaceRoom) (full bool) {
	if w.after == "" && w.walked >= w.skip {
		w.passed = true
	}
	if w.passed {
		if len(w.rooms) == w.limit || len(w.rooms) > 0 && w.bytes > maxBytes {
			w.more = true
			return true
		}
		w.rooms = append(w.rooms, *shown)
		for _, link := range shown.Children {
			w.bytes += len(link.Content) + 200
		}
	}
	w.walked++
	if shown.Room == w.after {
		w.passed = true
	}
	return false
}

func (w *walk) descend(below []child, depth int) (end bool, err error) {
	if w.links += len(below); w.links > w.s.maxLinks {
		return true, nil
	}
	names := make([]id.Room, len(below))
	for i, c := range below {
		names[i] = c.room
	}
	found, err := w.s.Rooms.Current(w.tx, names...)
	if err != nil {
		return false, err
	}
	current := make(map[id.Room]room.Current, len(found))
	for _, now := range found {
		current[now.RoomID] = now
	}
	memberships, err := w.s.Rooms.Memberships(w.tx, w.user, names...)
	if err != nil {
		return false, err
	}
	for _, c := range below {
		now, here := current[c.room]
		switch {
		case w.seen[c.room]:
			continue
		case !here:
			end, err = w.visitFar(c, depth)
		default:
			var elsewhere bool
			if end, elsewhere, err = w.visit(now, memberships[c.room], depth); elsewhere {
				end, err = w.visitFar(c, depth)
			}
		}
		if end || err != nil {
			return end, err
		}
	}
	return false, nil
}

// cursor is where a page ended: after which room, and after how many. It holds what must not change between pages.
type cursor struct {
	suggested bool
	depth     int
	given     int
	last      id.Room
}

var (
	errChanged = fault.New(fault.InvalidParam, "suggested_only and max_depth cannot change between pages")
	errFrom    = fault.New(fault.InvalidParam, "from is not a token of this tree")
)

func (c cursor) String() string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%t %d %d %s", c.suggested, c.depth, c.given, c.last))
}

func parseCursor(s string) (c cursor, err error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) > 1000 {
		return c, errFrom
	}
	parts := strings.SplitN(string(b), " ", 4)
	if len(parts) != 4 {
		return c, errFrom
	}
	var bad [4]error
	c.suggested, bad[0] = strconv.ParseBool(parts[0])
	c.depth, bad[1] = strconv.Atoi(parts[1])
	c.given, bad[2] = strconv.Atoi(parts[2])
	c.last, bad[3] = id.ParseRoom(parts[3])
	for _, err := range bad {
		if err != nil {
			return c, errFrom
		}
	}
	if c.depth < 0 || c.depth > maxDepth || c.given <= 0 || c.given > maxWalk {
		return c, errFrom
	}
	return c, nil
}
