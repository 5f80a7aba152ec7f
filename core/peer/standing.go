package peer

import (
	"context"
	"encoding/json"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// Standing is what this server has of another one that lasts while neither it nor a name server nor an authority can be
// reached.
type Standing struct {
	Met         time.Time // when it first answered after its last failure; zero for never
	Address     bool      // there is an address at which it answered
	Keys        bool      // it has told its keys itself
	KeysUntil   time.Time // when they are to be fetched again; they are used on past it
	Pinned      bool      // its keys stand for its certificate too: no authority is needed
	Silent      time.Time // since when it is not reached, though it was before; zero while it is
	Certificate time.Time // when the certificate ends that it showed last; zero where no authority stood for it, or it is not known
}

const (
	sqlStandings = `SELECT server, route, found, last_ok, last_failed, last_error FROM peer`
	sqlKeysUntil = `SELECT server, max(valid_until) FROM peer_key WHERE via = '' AND expired = 0 GROUP BY server`
	sqlDocuments = `SELECT server, document FROM peer_key_document`
)

// Standings is the standing of every server in the address book.
func (p *Peers) Standings(ctx context.Context) (map[id.Server]Standing, error) {
	all := map[id.Server]Standing{}
	err := p.DB.Read(ctx, func(tx *sqldb.Tx) error {
		clear(all)
		entries, err := sqldb.All(tx, scanEntry, sqlStandings)
		if err != nil {
			return err
		}
		for _, e := range entries {
			s := Standing{Met: e.LastOK, Address: e.Route.Last != ""}
			if e.Route.Until != 0 {
				s.Certificate = time.UnixMilli(e.Route.Until)
			}
			all[e.Server] = s
		}
		if err := each(tx, sqlKeysUntil, func(server id.Server, until int64) {
			s := all[server]
			s.Keys, s.KeysUntil = true, time.UnixMilli(until)
			all[server] = s
		}); err != nil {
			return err
		}
		return each(tx, sqlDocuments, func(server id.Server, document []byte) {
			var said struct {
				TLS json.RawMessage `json:"org.freehold.tls"` // PinField
			}
			if s := all[server]; json.Unmarshal(document, &said) == nil && len(readPins(said.TLS)) > 0 {
				s.Pinned = s.Keys
				all[server] = s
			}
		})
	})
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for server, s := range all {
		x := p.known[server]
		if x == nil {
			continue
		}
		s.Silent = x.since
		if x.heard.After(s.Met) {
			s.Met = x.heard
		}
		if x.route.Host != "" { // newer than the book
			s.Address = x.route.Last != "" || s.Address
			if x.route.Until != 0 {
				s.Certificate = time.UnixMilli(x.route.Until)
			}
		}
		all[server] = s
	}
	return all, nil
}

// each reads rows of two columns.
func each[A, B any](tx *sqldb.Tx, q string, fn func(A, B), args ...any) error {
	rows, err := tx.Query(q, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var a A
		var b B
		if err := rows.Scan(&a, &b); err != nil {
			return err
		}
		fn(a, b)
	}
	return rows.Err()
}
