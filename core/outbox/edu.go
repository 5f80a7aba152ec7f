package outbox

import (
	"fmt"
	"slices"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// edu is what a transaction tells besides events.
type edu struct {
	kind    string
	content []byte // canonical
}

// mark is a place in a server's queue on disk.
type mark struct {
	pos sqldb.Pos
	n   int64
}

const (
	// An EDU with the same key makes room for the new one.
	sqlQueue = `WITH s (server) AS ({list $1})
		INSERT INTO outbox_edu (server, pos, n, kind, key, content)
		SELECT server, CAST($2 AS BIGINT), CAST($3 AS BIGINT), CAST($4 AS TEXT), CAST($5 AS TEXT), CAST($6 AS TEXT) FROM s WHERE true
		ON CONFLICT (server, kind, key) WHERE key <> '' DO UPDATE SET pos = excluded.pos, n = excluded.n, content = excluded.content`
	sqlWaiting = `SELECT pos, n, kind, content FROM outbox_edu WHERE server = $1 AND (pos > $2 OR pos = $2 AND n > $3)
		ORDER BY pos, n LIMIT $4`
	sqlTaken   = `DELETE FROM outbox_edu WHERE server = $1 AND (pos < $2 OR pos = $2 AND n <= $3)`
	sqlQueued  = `SELECT server, count(*) FROM outbox_edu GROUP BY server`
	sqlCount   = `SELECT server, count(*) FROM outbox_edu WHERE server IN ({list $1}) GROUP BY server`
	sqlTrimOld = `DELETE FROM outbox_edu WHERE server = $1 AND key <> '' AND pos <= (SELECT pos FROM outbox_edu
		WHERE server = $1 AND key <> '' ORDER BY pos DESC, n DESC LIMIT 1 OFFSET $2)`
)

const (
	// limit: messages on disk that one server is to be told and that can be made again (with a key) | %d | the oldest go
	maxKeyed = 20_000
	// limit: messages on disk that one server is to be told, of those that cannot | %d | refused, with 503 for who would send one
	maxQueued = 1_000_000
	countEach = 1000 // after so many the queues are counted
)

// Queue has servers told of something that must not be lost: an EDU of that kind ("m.direct_to_device"), within a write that
// has a position. What is queued for one server arrives in that order, once the write is on disk; more than once at times
// (a transaction whose answer was lost). With a key it takes the place of an EDU of the same kind and key that has not been
// sent yet; "" is none, and such EDUs are all sent. This server itself is left out. content is a JSON object.
func (o *Outbox) Queue(tx *sqldb.Tx, servers []id.Server, kind, key string, content []byte) error {
	if tx.Pos() == 0 {
		return errNoPosition
	}
	others := o.others(servers)
	if len(others) == 0 {
		return nil
	}
	content, err := canon.Canonical(content, canon.Unique)
	if err != nil {
		return fmt.Errorf("the content of %s: %w", kind, err)
	}
	n := o.serial.Add(1)
	if n%countEach == 0 {
		if err := o.trim(tx, others); err != nil {
			return err
		}
	}
	if key == "" {
		if err := o.spare(others); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(sqlQueue, sqldb.List(others), tx.Pos(), n, kind, key, string(content)); err != nil {
		return err
	}
	tx.Then(func() { o.queued(others) })
	return nil
}

// trim has the queues of servers that are silent for long grow no further.
func (o *Outbox) trim(tx *sqldb.Tx, servers []id.Server) error {
	counts, err := sqldb.All(tx, scanCount, sqlCount, sqldb.List(servers))
	if err != nil {
		return err
	}
	for _, c := range counts {
		if c.n > maxKeyed {
			if _, err := tx.Exec(sqlTrimOld, c.server, maxKeyed); err != nil {
				return err
			}
		}
		o.mu.Lock()
		if d := o.destinations[c.server]; d != nil {
			d.full = c.n >= maxQueued
		}
		o.mu.Unlock()
	}
	return nil
}

// spare refuses what would be queued for a server for which too much is.
func (o *Outbox) spare(servers []id.Server) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, s := range servers {
		if d := o.destinations[s]; d != nil && d.full {
			return fault.Newf(fault.LimitExceeded, "Too many messages wait for the server %s, which is not reached", s).WithStatus(503)
		}
	}
	return nil
}

type count struct {
	server id.Server
	n      int64
}

func scanCount(row sqldb.Scanner) (c count, err error) {
	err = row.Scan(&c.server, &c.n)
	return c, err
}

// queued is called once something is on disk for servers.
func (o *Outbox) queued(servers []id.Server) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, s := range servers {
		if d := o.to(s); d != nil { // otherwise it is found on disk when there is room
			d.waiting = true
			o.startLocked(d)
		}
	}
}

// others are the servers that are to be told anything, each once.
func (o *Outbox) others(servers []id.Server) []id.Server {
	others := make([]id.Server, 0, len(servers))
	for _, s := range servers {
		if o.allowed(s) {
			others = append(others, s)
		}
	}
	slices.Sort(others)
	return slices.Compact(others)
}

// waitingEDUs reads what waits on disk into the draft. upto is the last of them, or zero; more says that there are others.
func (o *Outbox) waitingEDUs(tx *sqldb.Tx, d *destination, p plan, f *draft) (upto mark, more bool, err error) {
	limit := p.edusLeft(f)
	rows, err := tx.Query(sqlWaiting, d.server, p.sent.pos, p.sent.n, limit+1)
	if err != nil {
		return mark{}, false, err
	}
	defer rows.Close()
	for rows.Next() {
		var m mark
		var e edu
		if err := rows.Scan(&m.pos, &m.n, &e.kind, &e.content); err != nil {
			return mark{}, false, err
		}
		if len(f.edus) == limit || f.bytes > maxBytes {
			return upto, true, nil
		}
		f.edus = append(f.edus, e)
		f.bytes += len(e.content)
		upto = m
	}
	return upto, false, rows.Err()
}

// passing is an EDU that is out of date soon.
type passing struct {
	kind, key string
	content   []byte // canonical
	at        time.Time
}

// passes is after how long it is.
const passes = time.Minute

// limit: what soon passes and is to be told to a server (who types, who is there), in memory | %d for each | the oldest go
const maxPassing = 200

// Tell has servers told of something that is soon out of date, such as who is typing: an EDU of that kind. One with the same
// key takes the place of the one before; "" is none. What cannot be sent within a minute is dropped. This server itself is left
// out. content is a JSON object.
func (o *Outbox) Tell(servers []id.Server, kind, key string, content []byte) {
	content, err := canon.Canonical(content, canon.Unique)
	if err != nil {
		o.Log.Error("bug: what other servers were to be told is no JSON", "kind", kind, "cause", err)
		return
	}
	p := &passing{kind, key, content, o.Now()}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ctx == nil {
		return
	}
	for _, s := range servers {
		if !o.allowed(s) {
			continue
		}
		d := o.to(s)
		if d == nil {
			continue
		}
		d.passing = slices.DeleteFunc(d.passing, func(other *passing) bool { return key != "" && other.key == key && other.kind == kind })
		if len(d.passing) >= maxPassing {
			d.passing = slices.Delete(d.passing, 0, 1)
		}
		d.passing = append(d.passing, p)
		o.startLocked(d)
	}
}
