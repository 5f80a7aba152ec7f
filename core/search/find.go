package search

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/filter"
	"freehold.example/matrix/id"
)

// Query is one search.
type Query struct {
	User    id.User
	Term    string
	Keys    []string // nil for all
	Filter  *filter.Part
	Recent  bool // newest first; else the closest match
	From    string
	Ignored func(*sqldb.Tx) (map[id.User]bool, error) // whose messages the user does not want to see
}

// Hit is an event that was found.
type Hit struct {
	Event  *room.Stored
	Viewer *room.Viewer // of its room, for the user
	Rank   float64      // between 0 and 1
}

// Result is a page of what was found.
type Result struct {
	Hits    []Hit
	Count   int      // of all pages, up to maxHits
	Words   []string // that were searched for, as they were taken
	Next    string   // the From of the next page; "" when this one was not full
	Ignored map[id.User]bool
}

// The bounds of one search.
const (
	maxTerm    = 1000 // bytes
	maxTerms   = 20   // words
	maxHits    = 500  // events that are looked at: the newest with these words
	usualLimit = 10
	maxLimit   = 100
)

// indexed is what search_entry has of a text.
func indexed(text string) string { return strings.Join(words(text, maxWords), " ") }

// Find runs render with a page of the events that have all of the words in one of the keys, in the rooms that the user is
// or was in, as far as she may see them. Errors: M_INVALID_PARAM.
func (s *Search) Find(ctx context.Context, q Query, render func(*sqldb.Tx, *Result) error) error {
	if len(q.Term) > maxTerm {
		return fault.Newf(fault.InvalidParam, "search_term may have at most %d bytes", maxTerm)
	}
	for _, key := range q.Keys {
		if key != Body && key != Name && key != Topic {
			return fault.New(fault.InvalidParam, "keys may have content.body, content.name and content.topic only")
		}
	}
	at, err := parseCursor(q.From)
	if err != nil {
		return err
	}
	if q.Filter == nil {
		q.Filter = new(filter.Part)
	}
	if err := s.catchUp(ctx); err != nil {
		return err
	}
	return s.DB.Read(ctx, func(tx *sqldb.Tx) error {
		r, err := s.find(tx, &q, at)
		if err != nil {
			return err
		}
		return render(tx, r)
	})
}

func (s *Search) find(tx *sqldb.Tx, q *Query, at cursor) (*Result, error) {
	r := &Result{Words: words(q.Term, maxTerms)}
	var err error
	if r.Ignored, err = q.Ignored(tx); err != nil || len(r.Words) == 0 || q.Filter.Nothing() {
		return r, err
	}
	if at.upto == 0 {
		if at.upto, err = tx.High(); err != nil {
			return nil, err
		}
	}
	all, err := s.hits(tx, q, r, at.upto)
	if err != nil {
		return nil, err
	}
	if !q.Recent {
		for i := range all {
			_, text := text(all[i].Event)
			all[i].Rank = rank(text, r.Words)
		}
		slices.SortStableFunc(all, func(a, b Hit) int { return cmp.Compare(b.Rank, a.Rank) })
	}
	r.Count = len(all)
	limit := max(q.Filter.Limit(usualLimit, maxLimit), 1)
	begin := min(at.skip, len(all))
	end := min(begin+limit, len(all))
	if r.Hits = all[begin:end]; len(r.Hits) == limit {
		r.Next = cursor{upto: at.upto, skip: end}.String()
	}
	return r, nil
}

// hits reads everything that was found, newest first, without what the user may not see or does not want to.
func (s *Search) hits(tx *sqldb.Tx, q *Query, r *Result, upto sqldb.Pos) ([]Hit, error) {
	standings, err := s.Rooms.Standings(tx, q.User)
	if err != nil {
		return nil, err
	}
	byRoom := map[room.NID]*room.Standing{}
	var rooms []room.NID
	for _, st := range standings {
		in := st.Membership == "join" || st.Membership == "leave" || st.Membership == "ban"
		if in && !st.Forgotten && q.Filter.Room(st.RoomID) {
			byRoom[st.Room] = st
			rooms = append(rooms, st.Room)
		}
	}
	if len(rooms) == 0 {
		return nil, nil
	}
	keys := q.Keys
	if len(keys) == 0 {
		keys = []string{Body, Name, Topic}
	}
	nids, err := s.candidates(tx, r.Words, rooms, keys, upto)
	if err != nil {
		return nil, err
	}
	events, err := s.Rooms.LoadAll(tx, nids)
	if err != nil {
		return nil, err
	}
	viewers := map[room.NID]*room.Viewer{}
	var hits []Hit
	for _, e := range events {
		if e.RedactedBy != 0 || r.Ignored[e.Event.Sender()] ||
			!q.Filter.Event(e.Event.Type(), e.Event.Sender(), e.Event.Room(), e.Event.Content()) {
			continue
		}
		v := viewers[e.Room]
		if v == nil {
			if v, err = s.Rooms.ViewerOf(tx, byRoom[e.Room], q.User); err != nil {
				return nil, err
			}
			viewers[e.Room] = v
		}
		sees, err := v.SeesWhole(e)
		if err != nil {
			return nil, err
		}
		if sees {
			hits = append(hits, Hit{Event: e, Viewer: v})
		}
	}
	return hits, nil
}

// cursor is where a page begins: in what had been written by a moment of the stream, after so many hits.
type cursor struct {
	upto sqldb.Pos
	skip int
}

func (c cursor) String() string {
	return "n" + strconv.FormatInt(int64(c.upto), 10) + "_" + strconv.Itoa(c.skip)
}

func parseCursor(s string) (c cursor, err error) {
	if s == "" {
		return c, nil
	}
	bad := fault.New(fault.InvalidParam, "next_batch is not a token this server gives out")
	upto, skip, ok := strings.Cut(strings.TrimPrefix(s, "n"), "_")
	if !ok || s[0] != 'n' {
		return c, bad
	}
	pos, err := strconv.ParseInt(upto, 10, 64)
	if err != nil || pos <= 0 {
		return c, bad
	}
	c.upto = sqldb.Pos(pos)
	if c.skip, err = strconv.Atoi(skip); err != nil || c.skip < 0 {
		return c, bad
	}
	return c, nil
}
