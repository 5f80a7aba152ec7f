package room

import (
	"context"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// RelationsRequest asks for a page of the children of an event (Client-Server API, "Relationships API").
type RelationsRequest struct {
	Room    id.Room
	User    id.User
	Parent  id.Event
	Rel     string // "" for any
	Type    string // "" for any
	Recurse bool   // also children of children, down to Depth generations
	From    *Token // nil: from the newest event backwards, or the oldest forwards
	To      *Token // nil: as far as it goes
	Forward bool
	Limit   int
}

// Depth is how many generations a request with Recurse goes down.
const Depth = 3

// maxFamily bounds the events whose children are looked for in one request.
const maxFamily = 5000

const (
	childColumns = `SELECT event FROM relation WHERE room = $2 AND ($3 = '' OR rel = $3) AND ($4 = '' OR type = $4)
		AND pos > $7 AND pos <= $8`
	childBefore = ` AND (depth < $5 OR (depth = $5 AND pos <= $6)) ORDER BY depth DESC, pos DESC LIMIT $9`
	childAfter  = ` AND (depth > $5 OR (depth = $5 AND pos > $6)) ORDER BY depth, pos LIMIT $9`

	sqlChildrenBack     = childColumns + ` AND parent = $1` + childBefore
	sqlChildrenForward  = childColumns + ` AND parent = $1` + childAfter
	sqlOffspringBack    = childColumns + ` AND parent IN ({list $1})` + childBefore
	sqlOffspringForward = childColumns + ` AND parent IN ({list $1})` + childAfter

	sqlFamily = `WITH RECURSIVE family (id, generation) AS (
			SELECT CAST($1 AS TEXT), 1
			UNION SELECT e.event_id, f.generation + 1 FROM family f JOIN relation c ON c.parent = f.id AND c.room = $2
				JOIN event e ON e.nid = c.event WHERE f.generation < $3
		) SELECT DISTINCT id FROM family LIMIT $4`
)

// Relations pages through the children of an event that the user may see, in topological order; the page's End is nil when
// there are no more. Errors: M_NOT_FOUND for an event that is not there or that she may not see.
func (r *Rooms) Relations(ctx context.Context, q RelationsRequest, render func(*sqldb.Tx, *Viewer, *Page) error) error {
	committed := r.DB.Committed()
	return r.ReadEvent(ctx, q.User, q.Room, q.Parent, func(tx *sqldb.Tx, v *Viewer, _ *Stored) error {
		bound, err := v.Bound(committed)
		if err != nil {
			return err
		}
		back, forward, of := sqlChildrenBack, sqlChildrenForward, any(q.Parent)
		if q.Recurse {
			family, err := sqldb.Column[id.Event](tx, sqlFamily, q.Parent, v.Room, Depth, maxFamily)
			if err != nil {
				return err
			}
			back, forward, of = sqlOffspringBack, sqlOffspringForward, any(sqldb.List(family))
		}
		page, err := v.page(PageRequest{
			From: q.From, To: q.To, Forward: q.Forward, Limit: q.Limit,
			read: func(t Token, ahead bool, bound sqldb.Pos, n int) ([]*Stored, error) {
				query, after := back, sqldb.Pos(0)
				switch {
				case ahead:
					query = forward
					if t.walk == 'f' {
						after = t.moment
					}
				case t.walk == 'b':
					bound = min(bound, t.moment)
				}
				nids, err := sqldb.Column[NID](tx, query, of, v.Room, q.Rel, q.Type, t.depth, t.pos, after, bound, n)
				if err != nil || len(nids) == 0 {
					return nil, err
				}
				return r.LoadAll(tx, nids)
			},
		}, bound)
		if err != nil {
			return err
		}
		if page.last {
			page.End = nil
		}
		return render(tx, v, page)
	})
}

const sqlHasChild = `SELECT count(*) FROM relation WHERE parent = $1 AND room = $2 AND ($3 OR sender IN ({list $4}))
	AND ($5 OR rel IN ({list $6}))`

// HasChild says whether an event has a child by one of the senders and of one of the types; nil stands for all of them, and
// both nil for events with children or without.
func (v *Viewer) HasChild(s *Stored, senders []id.User, rels []string) (bool, error) {
	if senders == nil && rels == nil {
		return true, nil
	}
	var n int
	err := v.tx.Row(sqlHasChild, s.Event.ID(), v.Room, senders == nil, sqldb.List(senders), rels == nil, sqldb.List(rels)).Scan(&n)
	return n > 0, err
}

// ThreadsRequest asks for a page of a room's threads.
type ThreadsRequest struct {
	Room         id.Room
	User         id.User
	Ignored      func(*sqldb.Tx) (map[id.User]bool, error) // whom the user ignores
	Participated bool                                      // only those that the user began or replied in
	From         *Token                                    // the End of another page
	Limit        int
}

// maxThreads is how many threads are looked at for one page.
const maxThreads = 1000

const sqlThreads = `SELECT event_id, depth, pos FROM parent WHERE room = $1 AND rel = 'm.thread'
	AND (depth < $2 OR (depth = $2 AND pos <= $3)) ORDER BY depth DESC, pos DESC LIMIT $4`

// Threads lists the roots of a room's threads, the one with the newest reply first (Client-Server API, "Querying threads in
// a room"). A root by someone whom the user ignores is emptied. Errors: M_FORBIDDEN, M_INVALID_PARAM.
func (r *Rooms) Threads(ctx context.Context, q ThreadsRequest, render func(*sqldb.Tx, *Viewer, map[id.User]bool, *Page) error) error {
	return r.View(ctx, q.Room, q.User, func(tx *sqldb.Tx, v *Viewer) error {
		ignored, err := q.Ignored(tx)
		if err != nil {
			return err
		}
		b, err := r.bundler(tx, Form{Viewer: v, Ignored: ignored})
		if err != nil {
			return err
		}
		here := start(PageRequest{From: q.From}, 0)
		page := &Page{}
		limit := min(max(q.Limit, 1), maxPage)
		for scanned := 0; scanned < maxThreads && len(page.Events) < limit && !page.last; {
			ask := min(limit-len(page.Events)+1, 100)
			found, err := sqldb.All(tx, scanThread, sqlThreads, v.Room, here.depth, here.pos, ask)
			if err != nil {
				return err
			}
			page.last = len(found) < ask
			scanned += len(found)
			for _, t := range found {
				if len(page.Events) == limit {
					page.last = false
					break
				}
				here = Token{depth: t.depth, pos: t.pos - 1}
				root, err := b.root(t.root, q.Participated)
				if err != nil {
					return err
				}
				if root != nil {
					page.Events = append(page.Events, root)
				}
			}
		}
		if !page.last {
			page.End = &here
		}
		return render(tx, v, ignored, page)
	})
}

// thread is a row of the list of threads: its root, and the place of its newest reply.
type thread struct {
	root  id.Event
	depth int64
	pos   sqldb.Pos
}

func scanThread(row sqldb.Scanner) (t thread, err error) {
	err = row.Scan(&t.root, &t.depth, &t.pos)
	return t, err
}

// root reads the root of a thread as the viewer is to see it: nil when she is not, or sees no reply in it.
func (b *bundler) root(eventID id.Event, participated bool) (*Stored, error) {
	s, err := b.v.Event(eventID)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if participated && s.Event.Sender() != b.v.user {
		if spoke, err := b.v.spokeIn(eventID); err != nil || !spoke {
			return nil, err
		}
	}
	newest, err := b.newestReply(eventID)
	if err != nil || newest == nil {
		return nil, err
	}
	if b.form.Ignored[s.Event.Sender()] {
		return emptied(s)
	}
	return s, nil
}
