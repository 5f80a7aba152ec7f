package client

import (
	"context"
	"slices"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Past fetches from other servers what happened in rooms before this one knew them; core/arrival does.
type Past interface {
	// Backfill fetches events that are missing, and what was before them. It takes some seconds at most.
	Backfill(ctx context.Context, room id.Room, missing []id.Event) error
	// Nearest finds the event nearest to a time in milliseconds, and gives it its place in the history.
	Nearest(ctx context.Context, room id.Room, ts int64, forward bool) (id.Event, error)
	// Referred fetches an event to which others refer, and with up what it refers to itself. An error says that none was had.
	Referred(ctx context.Context, room id.Room, e id.Event, up bool) error
}

// How often other servers are asked for what one page lacks, as they give twenty or a hundred events at once, and how long
// the page waits for them.
const (
	recalls    = 6
	recallTime = 10 * time.Second
)

// page reads a page of history, and sees to it that all of it is here, as far as other servers have it.
func (a *API) page(ctx context.Context, q room.PageRequest, render func(*sqldb.Tx, *room.Viewer, *room.Page) error) error {
	var holes []id.Event
	past, cancel := context.WithTimeout(ctx, recallTime)
	defer cancel()
	for asked := 0; ; asked++ {
		again := false
		err := a.Rooms.Messages(ctx, q, func(tx *sqldb.Tx, v *room.Viewer, page *room.Page) error {
			if a.Past != nil && !q.Forward && asked < recalls {
				found, err := v.HolesOf(page)
				if err != nil {
					return err
				}
				again = len(found) > 0 && !slices.Equal(found, holes) // asking has helped, if anybody was asked
				holes = found
			}
			if again {
				return nil
			}
			return render(tx, v, page)
		})
		if err != nil || !again {
			return err
		}
		if err := a.Past.Backfill(past, q.Room, holes); err != nil && past.Err() == nil {
			return err
		}
	}
}

// nearestOf is Rooms.Nearest, which asks other servers where something is missing around that time.
func (a *API) nearestOf(ctx context.Context, user id.User, in id.Room, ts int64, forward bool) (*room.Stored, error) {
	s, err := a.Rooms.Nearest(ctx, user, in, ts, forward)
	if err != nil && !fault.Is(err, fault.NotFound) || a.Past == nil {
		return s, err
	}
	holes, holesErr := a.Rooms.HolesAt(ctx, user, in, ts)
	if holesErr != nil || len(holes) == 0 {
		return s, err
	}
	if _, far := a.Past.Nearest(ctx, in, ts, forward); far != nil {
		return s, err // nobody knows better
	}
	return a.Rooms.Nearest(ctx, user, in, ts, forward)
}
