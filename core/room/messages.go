package room

import (
	"context"
	"math"

	"freehold.example/base/pmap"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
	"freehold.example/matrix/visible"
)

// PageRequest asks for a stretch of a room's history.
type PageRequest struct {
	Room    id.Room
	User    id.User
	From    *Token // nil: from the newest event backwards, or the oldest forwards
	To      *Token // nil: as far as it goes
	Forward bool
	Limit   int
	Keep    func(*Stored) bool // the caller's filter; nil keeps all

	// What Keep cannot know: events are kept that have a child by one of these senders and of one of these types, where
	// either list is given.
	RelatedBySenders  []id.User
	RelatedByRelTypes []string

	Overseer bool // User administers this server: see Rooms.Overseer

	// read gives up to n events from a place on; nil for those of the room.
	read func(t Token, forward bool, bound sqldb.Pos, n int) ([]*Stored, error)
}

// Page is a stretch of history in the order asked for. End is nil when there is nothing beyond it.
type Page struct {
	Events     []*Stored
	Start, End *Token
	last       bool // nothing comes after it now; End is where what comes later will be

	walked []*Stored // what was looked at, as far as it bears on what the user may see; bounded by maxScan
}

// maxPage bounds the events of a page, maxScan those that are looked at for one.
const (
	maxPage = 1000
	maxScan = 5000
)

const (
	sqlBackward = `SELECT ` + storedColumns + ` FROM event e JOIN room r ON r.nid = e.room
		WHERE e.room = $1 AND (e.depth < $2 OR (e.depth = $2 AND e.pos <= $3)) AND e.depth <= $2 AND e.pos <= $4
		ORDER BY e.depth DESC, e.pos DESC LIMIT $5`
	sqlForward = `SELECT ` + storedColumns + ` FROM event e JOIN room r ON r.nid = e.room
		WHERE e.room = $1 AND (e.depth > $2 OR (e.depth = $2 AND e.pos > $3)) AND e.depth >= $2 AND e.pos > $4 AND e.pos <= $5
		ORDER BY e.depth, e.pos LIMIT $6`
)

// Messages pages through what the user may see of a room, in topological order. Errors: M_FORBIDDEN.
func (r *Rooms) Messages(ctx context.Context, q PageRequest, render func(*sqldb.Tx, *Viewer, *Page) error) error {
	committed := r.DB.Committed()
	return r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		open := r.Viewer
		if q.Overseer {
			open = r.Overseer
		}
		v, err := open(tx, q.Room, q.User)
		if err != nil {
			return err
		}
		bound, err := v.Bound(committed)
		if err != nil {
			return err
		}
		page, err := v.page(q, bound)
		if err != nil {
			return err
		}
		return render(tx, v, page)
	})
}

// page reads one page. The walk is held by a token that moves along; events that the user may not see or the filter
// refuses are stepped over, up to maxScan of them, so that every page gets further.
func (v *Viewer) page(q PageRequest, bound sqldb.Pos) (*Page, error) {
	at := start(q, bound)
	page := &Page{Start: &at}
	limit := min(max(q.Limit, 1), maxPage)
	here, scanned, exhausted := at, 0, false
	unseen := 0 // of those looked at last, how many she may not see
	read := q.read
	if read == nil {
		read = v.stretch
	}
	for len(page.Events) < limit && scanned < maxScan && !exhausted {
		ask := min(max(limit-len(page.Events)+1, 20, scanned), 500) // one more shows whether there is an end
		events, err := read(here, q.Forward, bound, ask)
		if err != nil {
			return nil, err
		}
		exhausted = len(events) < ask
		scanned += len(events)
		for i, s := range events {
			if q.To != nil && beyond(s, *q.To, q.Forward) {
				exhausted = true
				break
			}
			here = pass(here, s, q.Forward)
			ok, err := v.Sees(s)
			if unseen++; ok {
				unseen = 0
			}
			if unseen < maxUnseen {
				page.walked = append(page.walked, s)
			}
			if ok && err == nil && q.Keep != nil {
				ok = q.Keep(s)
			}
			if ok && err == nil {
				ok, err = v.HasChild(s, q.RelatedBySenders, q.RelatedByRelTypes)
			}
			if err != nil {
				return nil, err
			}
			if !ok {
				continue
			}
			page.Events = append(page.Events, s)
			if len(page.Events) == limit {
				exhausted = exhausted && i == len(events)-1
				break
			}
		}
	}
	page.last = exhausted
	if len(page.Events) > 0 || !exhausted {
		page.End = &here
	}
	return page, nil
}

// start is where a walk begins: always in the topological form, so that it can carry on.
func start(q PageRequest, bound sqldb.Pos) Token {
	walk := byte('b')
	if q.Forward {
		walk = 'f'
	}
	switch {
	case q.From == nil && q.Forward:
		return Token{walk: walk, moment: 0}
	case q.From == nil:
		return Token{walk: walk, moment: bound, depth: math.MaxInt64, pos: math.MaxInt64}
	case q.From.stream && q.Forward:
		return Token{walk: walk, moment: q.From.moment}
	case q.From.stream:
		return Token{walk: walk, moment: q.From.moment, depth: math.MaxInt64, pos: math.MaxInt64}
	}
	t := *q.From
	if t.walk != walk { // turned round: the bound was for the other direction
		t.walk, t.moment = 0, 0
	}
	return t
}

// stretch reads up to n events from the token on.
func (v *Viewer) stretch(t Token, forward bool, bound sqldb.Pos, n int) ([]*Stored, error) {
	if forward {
		after := sqldb.Pos(math.MinInt64) // what other servers told of the past comes before all moments
		if t.walk == 'f' && t.moment > 0 {
			after = t.moment
		}
		return sqldb.All(v.tx, new(storedReader).scan, sqlForward, v.Room, t.depth, t.pos, after, bound, n)
	}
	if t.walk == 'b' {
		bound = min(bound, t.moment)
	}
	return sqldb.All(v.tx, new(storedReader).scan, sqlBackward, v.Room, t.depth, t.pos, bound, n)
}

// pass is the token once s lies behind.
func pass(t Token, s *Stored, forward bool) Token {
	t.depth, t.pos = s.Depth, s.Pos
	if !forward {
		t.pos-- // the gap before s
	}
	return t
}

// beyond says whether s lies past the token at which a walk is to end.
func beyond(s *Stored, to Token, forward bool) bool {
	if to.stream {
		return forward == (s.Pos > to.moment)
	}
	after := s.Depth > to.depth || s.Depth == to.depth && s.Pos > to.pos
	return forward == after
}

// Around is an event and what was said before and after it.
type Around struct {
	Event      *Stored
	Before     []*Stored // nearest first
	After      []*Stored
	Start, End Token // where paging backwards and forwards carries on
}

// Context finds an event with up to limit others around it. Errors: M_FORBIDDEN, M_NOT_FOUND.
func (r *Rooms) Context(ctx context.Context, user id.User, room id.Room, eventID id.Event, limit int, keep func(*Stored) bool,
	render func(*sqldb.Tx, *Viewer, *Around) error,
) error {
	return r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		v, err := r.Viewer(tx, room, user)
		if err != nil {
			return err
		}
		s, err := v.Event(eventID)
		if err != nil {
			return err
		}
		limit = min(limit, maxPage)
		a, err := v.Around(s, (limit+1)/2, limit/2, keep)
		if err != nil {
			return err
		}
		return render(tx, v, a)
	})
}

// Around reads up to so many events before and after one that the viewer sees; keep may be nil.
func (v *Viewer) Around(s *Stored, before, after int, keep func(*Stored) bool) (*Around, error) {
	high, err := v.tx.High()
	if err != nil {
		return nil, err
	}
	bound, err := v.Bound(high)
	if err != nil {
		return nil, err
	}
	a := &Around{Event: s, Start: pass(Token{}, s, false), End: pass(Token{}, s, true)}
	if before > 0 {
		page, err := v.page(PageRequest{From: &a.Start, Limit: before, Keep: keep}, bound)
		if err != nil {
			return nil, err
		}
		a.Before = page.Events
		if page.End != nil {
			a.Start = *page.End
		}
	}
	if after > 0 {
		page, err := v.page(PageRequest{From: &a.End, Forward: true, Limit: after, Keep: keep}, bound)
		if err != nil {
			return nil, err
		}
		a.After = page.Events
		if page.End != nil {
			a.End = *page.End
		}
	}
	return a, nil
}

// RootAt is the root of the room's state as it was at that place in its history, for whoever may see what stands there. A
// place before the room's first event, or before the first that the user may see, stands for the moment she became a
// member, and one after she left for the moment she did. Errors: M_FORBIDDEN for who never was in.
func (v *Viewer) RootAt(t Token) (root pmap.Root, err error) {
	at := t.pos
	if t.stream {
		at = t.moment
	}
	newest, err := sqldb.All(v.tx, new(storedReader).scan, sqlNewest, v.Room, 0, at, 1)
	if err != nil {
		return root, err
	}
	if len(newest) > 0 {
		ok, err := v.seesState(newest[0])
		if err != nil || ok {
			return newest[0].State, err
		}
	}
	switch {
	case v.Parted != nil:
		return v.Parted.State, nil
	case !v.Joined():
		return root, errNotIn
	}
	own, err := v.r.Load(v.tx, v.Standing.Event)
	if err != nil {
		return root, err
	}
	return own.State, nil
}

// seesState says whether the user may see the room's state once the event was in. That an event is about her is not enough:
// it does not show her what had happened since she left.
func (v *Viewer) seesState(s *Stored) (bool, error) {
	m, err := v.at(s.State)
	switch {
	case err != nil || m.visibility == visible.WorldReadable:
		return err == nil, err
	case v.Joined(), v.Parted != nil && s.Pos <= v.Parted.Pos:
		return v.Sees(s)
	}
	return false, nil
}

// ReadEvent finds one event for a user, by its own place in the room's history: who was never in may see one of a time when
// all the world could. Errors: M_NOT_FOUND, whatever the reason.
func (r *Rooms) ReadEvent(ctx context.Context, user id.User, room id.Room, eventID id.Event, render func(*sqldb.Tx, *Viewer, *Stored) error) error {
	return r.DB.Read(ctx, func(tx *sqldb.Tx) error {
		v, err := r.Onlooker(tx, room, user)
		if fault.Is(err, fault.Forbidden) || err == nil && v.Standing != nil && v.Standing.Forgotten {
			return errNoEvent
		}
		if err != nil {
			return err
		}
		s, err := v.Event(eventID)
		if err != nil {
			return err
		}
		return render(tx, v, s)
	})
}
