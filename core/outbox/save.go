package outbox

import (
	"context"
	"errors"
	"maps"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/id"
)

// What is on disk of all this is the cursor, the gaps, and the EDUs. They are written late and together: what is sent twice
// after a crash does no harm, as events have ids and so have messages to devices. What must hold is that of all events up to
// the cursor each server has what concerns it, or there is a gap.

const (
	sqlCursor   = `SELECT pos FROM outbox_cursor WHERE id = 1`
	sqlAdvance  = `UPDATE outbox_cursor SET pos = $1 WHERE id = 1`
	sqlGaps     = `SELECT server, room, after_pos FROM outbox_gap`
	sqlSetGap   = `INSERT INTO outbox_gap (server, room, after_pos) VALUES ($1, $2, $3) ON CONFLICT (server, room) DO UPDATE SET after_pos = excluded.after_pos`
	sqlAddGap   = `INSERT INTO outbox_gap (server, room, after_pos) VALUES ($1, $2, $3) ON CONFLICT (server, room) DO NOTHING`
	sqlCloseGap = `DELETE FROM outbox_gap WHERE server = $1 AND room = $2`
)

const (
	saveEvery  = time.Second     // at most so often
	saveCursor = time.Minute     // ... the cursor alone
	saveLag    = 5000            // ... or when it lies so many positions behind
	lookEvery  = 5 * time.Minute // how often the disk is searched for what no destination in memory stands for
)

// unsaved is what is in memory and not on disk. It is guarded by Outbox.mu.
type unsaved struct {
	gaps   map[gapKey]struct{}  // that were made, moved or closed; bounded by what changes within saveEvery
	strays map[gapKey]sqldb.Pos // of servers that there was no room for in memory; bounded likewise
	sent   map[id.Server]mark   // EDUs that have arrived; bounded by the servers
	cursor sqldb.Pos            // as it is on disk
	at     time.Time            // when it was written
}

func (u *unsaved) gap(server id.Server, in room.NID) {
	if u.gaps == nil {
		u.gaps = map[gapKey]struct{}{}
	}
	u.gaps[gapKey{server, in}] = struct{}{}
}

func (u *unsaved) stray(server id.Server, in room.NID, after sqldb.Pos) {
	if u.strays == nil {
		u.strays = map[gapKey]sqldb.Pos{}
	}
	if _, is := u.strays[gapKey{server, in}]; !is {
		u.strays[gapKey{server, in}] = after
	}
}

func (u *unsaved) taken(server id.Server, upto mark) {
	if u.sent == nil {
		u.sent = map[id.Server]mark{}
	}
	u.sent[server] = upto
}

// gapRow is a gap on disk.
type gapRow struct {
	gapKey
	after sqldb.Pos
}

func scanGap(row sqldb.Scanner) (g gapRow, err error) {
	err = row.Scan(&g.server, &g.room, &g.after)
	return g, err
}

// load reads where things were left. Nothing is told of what was there before this server first had an outbox.
func (o *Outbox) load(ctx context.Context) error {
	var cursor sqldb.Pos
	err := o.DB.Write(ctx, func(tx *sqldb.Tx) error {
		if err := tx.Row(sqlCursor).Scan(&cursor); err != nil || cursor > 0 {
			return err
		}
		cursor = tx.Pos()
		return tx.Put(sqlAdvance, cursor)
	})
	if err != nil {
		return err
	}
	o.mu.Lock()
	if o.upto == 0 { // otherwise Run was called before, and all is in memory
		o.upto, o.unsaved.cursor = cursor, cursor
	}
	o.unsaved.at = o.Now()
	o.mu.Unlock()
	return o.look(ctx)
}

// look finds servers on disk that something is to be sent to, and that are not in memory.
func (o *Outbox) look(ctx context.Context) error {
	var gaps []gapRow
	var queued []count
	var high sqldb.Pos
	err := o.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		if gaps, err = sqldb.All(tx, scanGap, sqlGaps); err != nil {
			return err
		}
		if queued, err = sqldb.All(tx, scanCount, sqlQueued); err != nil {
			return err
		}
		high, err = tx.High()
		return err
	})
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	fresh := map[id.Server]bool{}
	for _, g := range gaps {
		if !o.allowed(g.server) {
			continue
		}
		if _, known := o.destinations[g.server]; !known {
			fresh[g.server] = true
		}
		if !fresh[g.server] {
			continue // what memory says of it is newer
		}
		if d := o.to(g.server); d != nil {
			o.widen(d, g.room, g.after, max(high, g.after), missed)
		}
	}
	for _, q := range queued {
		if d := o.to(q.server); d != nil && o.allowed(q.server) {
			d.waiting, d.full = true, q.n >= maxQueued
			o.startLocked(d)
		}
	}
	for server := range fresh {
		if d := o.destinations[server]; d != nil {
			o.startLocked(d)
		}
	}
	return nil
}

// keepSaving writes down how far things are, until ctx ends.
func (o *Outbox) keepSaving(ctx context.Context) error {
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	looked := o.Now()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		if o.due() {
			if err := o.save(ctx); err != nil && ctx.Err() == nil {
				o.Log.WarnContext(ctx, "how far other servers have been told was not written; it is tried again", "cause", err)
			}
		}
		if now := o.Now(); now.Sub(looked) >= lookEvery {
			looked = now
			o.forget()
			if err := o.look(ctx); err != nil && ctx.Err() == nil {
				o.Log.WarnContext(ctx, "what waits for other servers was not read; it is tried again", "cause", err)
			}
		}
	}
}

// forget lets go of servers that there has been nothing to tell for long.
func (o *Outbox) forget() {
	now := o.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	maps.DeleteFunc(o.destinations, func(_ id.Server, d *destination) bool {
		return d.idle() && !d.busy && d.timer == nil && now.Sub(d.lastOK) > time.Hour && now.Sub(d.lastFailed) > time.Hour
	})
}

// due says whether there is anything worth writing.
func (o *Outbox) due() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	u := &o.unsaved
	return len(u.gaps) > 0 || len(u.strays) > 0 || len(u.sent) > 0 || o.upto >= u.cursor+saveLag ||
		o.upto > u.cursor && o.Now().Sub(u.at) >= saveCursor
}

// told is the position up to which every destination has everything, but for gaps. o.mu is held.
func (o *Outbox) told() sqldb.Pos {
	pos := o.upto
	now := o.Now()
	for _, d := range o.destinations {
		if d.flight != nil && !d.busy && now.Sub(d.flight.first) >= keepFlight {
			o.ground(d)
		}
		if len(d.live) > 0 {
			pos = min(pos, d.live[0].pos-1)
		}
	}
	return pos
}

// perSave is how many gaps are written at once, so that no sender waits for thousands.
const perSave = 500

// save writes down how far things are.
func (o *Outbox) save(ctx context.Context) error {
	o.mu.Lock()
	cursor := o.told() // first, as it may make gaps
	was := o.unsaved
	o.unsaved = unsaved{cursor: was.cursor, at: o.Now()}
	var set, add []gapRow
	var closed []gapKey
	for key := range was.gaps {
		if d := o.destinations[key.server]; d != nil && d.gaps[key.room] != nil {
			set = append(set, gapRow{key, d.gaps[key.room].after})
		} else {
			closed = append(closed, key)
		}
	}
	for key, after := range was.strays {
		add = append(add, gapRow{key, after})
	}
	o.mu.Unlock()

	err := errors.Join(
		perWrite(ctx, o.DB, set, func(tx *sqldb.Tx, g gapRow) error {
			return tx.Put(sqlSetGap, g.server, g.room, g.after)
		}),
		perWrite(ctx, o.DB, add, func(tx *sqldb.Tx, g gapRow) error {
			return tx.Put(sqlAddGap, g.server, g.room, g.after)
		}),
		perWrite(ctx, o.DB, closed, func(tx *sqldb.Tx, g gapKey) error { return tx.Put(sqlCloseGap, g.server, g.room) }),
	)
	if err == nil {
		err = o.DB.Write(ctx, func(tx *sqldb.Tx) error {
			for server, m := range was.sent {
				if err := tx.Put(sqlTaken, server, m.pos, m.n); err != nil {
					return err
				}
			}
			return tx.Put(sqlAdvance, cursor)
		})
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if err == nil {
		o.unsaved.cursor = cursor
		return nil
	}
	// Another time, with what has come since.
	for key := range was.gaps {
		o.unsaved.gap(key.server, key.room)
	}
	for key, after := range was.strays {
		o.unsaved.stray(key.server, key.room, after)
	}
	for server, m := range was.sent {
		if _, later := o.unsaved.sent[server]; !later {
			o.unsaved.taken(server, m)
		}
	}
	return err
}

// perWrite writes rows, some at a time.
func perWrite[T any](ctx context.Context, db *sqldb.DB, rows []T, one func(*sqldb.Tx, T) error) error {
	for len(rows) > 0 {
		now := rows[:min(len(rows), perSave)]
		rows = rows[len(now):]
		err := db.Write(ctx, func(tx *sqldb.Tx) error {
			for _, row := range now {
				if err := one(tx, row); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
