package peer

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

const (
	sqlAway  = `SELECT count(*) FROM peer WHERE server = $1 AND last_ok > 0 AND last_error <> ''`
	sqlRoute = `SELECT route, until, last_ok FROM peer WHERE server = $1`
	sqlEnter = `INSERT INTO peer (server, route, found, until) VALUES ($1, $2, $3, $4)
		ON CONFLICT (server) DO UPDATE SET route = excluded.route, found = excluded.found, until = excluded.until`
	sqlWell = `UPDATE peer SET last_ok = $2, last_error = '' WHERE server = $1`
	sqlIll  = `UPDATE peer SET last_failed = $2, last_error = $3 WHERE server = $1`
	sqlBook = `SELECT server, route, found, last_ok, last_failed, last_error FROM peer WHERE server > $1 ORDER BY server LIMIT $2`
)

// look finds a server in the address book; a Route without a host when it is not there. answered is that it did at some time.
func (p *Peers) look(ctx context.Context, server id.Server) (r Route, until time.Time, answered bool, err error) {
	err = p.DB.Read(ctx, func(tx *sqldb.Tx) error {
		var text string
		var ms, ok int64
		err := tx.Row(sqlRoute, server).Scan(&text, &ms, &ok)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		until, answered = time.UnixMilli(ms), ok > 0
		return json.Unmarshal([]byte(text), &r)
	})
	if err != nil {
		return Route{}, until, false, fmt.Errorf("read the address book: %w", err)
	}
	return r, until, answered, nil
}

// away says whether a server that has answered at some time did not when it was last asked.
func (p *Peers) away(ctx context.Context, server id.Server) (is bool, err error) {
	err = p.DB.Read(ctx, func(tx *sqldb.Tx) error {
		var n int
		err := tx.Row(sqlAway, server).Scan(&n)
		is = n > 0
		return err
	})
	return is, err
}

// enter writes where a server was found.
func (p *Peers) enter(ctx context.Context, server id.Server, r Route, found, until time.Time) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return p.DB.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(sqlEnter, server, string(text), found.UnixMilli(), until.UnixMilli())
		return err
	})
}

// note writes that a server answers again, or fails from now on. Of one that was never found there is no entry to write to:
// names that lead nowhere do not fill the book.
func (p *Peers) note(ctx context.Context, server id.Server, at time.Time, failure error) error {
	return p.DB.Write(context.WithoutCancel(ctx), func(tx *sqldb.Tx) error {
		var err error
		if failure == nil {
			_, err = tx.Exec(sqlWell, server, at.UnixMilli())
		} else {
			text, _ := Plain(failure)
			_, err = tx.Exec(sqlIll, server, at.UnixMilli(), cut(text, 1000))
		}
		return err
	})
}

// Entry is a page of the address book.
type Entry struct {
	Server     id.Server
	Route      Route
	Found      time.Time // when the route was learnt
	LastOK     time.Time // zero for never
	LastFailed time.Time // zero for never
	LastError  string    // why it fails, in plain words; "" while it answers
	Next       time.Time // when it is asked again by itself; zero for whenever there is something to ask
	Silent     time.Time // since when it is not reached, though it was before; zero while it is, or was never
	Failures   int       // in a row, since the last start
	Trust      string    // who stood for its certificate, when that was no authority; "" since the last start
}

// Book lists at most limit entries of the address book, in the order of the names, after one.
func (p *Peers) Book(ctx context.Context, after id.Server, limit int) (all []Entry, err error) {
	err = p.DB.Read(ctx, func(tx *sqldb.Tx) error {
		all, err = sqldb.All(tx, scanEntry, sqlBook, after, limit)
		return err
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range all {
		if x := p.known[all[i].Server]; x != nil {
			x.enterInto(&all[i])
		}
	}
	return all, err
}

func scanEntry(row sqldb.Scanner) (e Entry, err error) {
	var route string
	var found, ok, failed int64
	if err := row.Scan(&e.Server, &route, &found, &ok, &failed, &e.LastError); err != nil {
		return e, err
	}
	at := func(ms int64) time.Time {
		if ms == 0 {
			return time.Time{}
		}
		return time.UnixMilli(ms)
	}
	e.Found, e.LastOK, e.LastFailed = at(found), at(ok), at(failed)
	return e, json.Unmarshal([]byte(route), &e.Route)
}

// enterInto adds what is known in memory.
func (x *peer) enterInto(e *Entry) {
	e.Next, e.Silent, e.Failures, e.Trust = x.next, x.since, x.silence.Failures(), x.trust
	if x.heard.After(e.LastOK) {
		e.LastOK = x.heard
	}
}
