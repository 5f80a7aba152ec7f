package person

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/filter"
	"freehold.example/matrix/id"
)

// maxFilters is how many filters one user may keep; one more forgets the oldest.
//
// limit: filters of one user | %d of at most 64 KiB | the oldest is forgotten
const maxFilters = 200

const maxFilter = 64 << 10 // bytes of one

const (
	sqlFilter       = `SELECT body FROM filter WHERE user_id = $1 AND filter_id = $2`
	sqlFilterByHash = `SELECT filter_id FROM filter WHERE user_id = $1 AND hash = $2`
	sqlNextFilter   = `SELECT coalesce(max(filter_id), 0) + 1 FROM filter WHERE user_id = $1`
	sqlAddFilter    = `INSERT INTO filter (user_id, filter_id, hash, body) VALUES ($1, $2, $3, $4)`
	sqlTrimFilters  = `DELETE FROM filter WHERE user_id = $1 AND filter_id <=
		(SELECT filter_id FROM filter WHERE user_id = $1 ORDER BY filter_id DESC LIMIT 1 OFFSET $2)`
)

// AddFilter keeps a filter and returns its id. The same filter given again has the same id.
func (p *People) AddFilter(ctx context.Context, user id.User, body json.RawMessage) (string, error) {
	if len(body) > maxFilter {
		return "", fault.Newf(fault.TooLarge, "A filter has at most %d bytes", maxFilter)
	}
	if _, err := filter.Parse(body); err != nil {
		return "", err
	}
	hash := sha256.Sum256(body)
	n, err := p.filterByHash(ctx, user, hash[:])
	if err != nil || n != 0 {
		return strconv.FormatInt(n, 10), err
	}
	err = p.DB.Write(ctx, func(tx *sqldb.Tx) error {
		err := tx.Row(sqlFilterByHash, string(user), hash[:]).Scan(&n)
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if err := tx.Row(sqlNextFilter, string(user)).Scan(&n); err != nil {
			return err
		}
		n = max(n, p.DB.Epoch().Floor()) // never one that meant another filter in a life that a restore has ended
		if _, err := tx.Exec(sqlTrimFilters, string(user), maxFilters-1); err != nil {
			return err
		}
		_, err = tx.Exec(sqlAddFilter, string(user), n, hash[:], []byte(body))
		return err
	})
	if err != nil {
		return "", fmt.Errorf("keep a filter: %w", err)
	}
	return strconv.FormatInt(n, 10), nil
}

// filterByHash gives 0 when the user keeps no such filter. Most clients give the same filter at every start, so this
// spares a write.
func (p *People) filterByHash(ctx context.Context, user id.User, hash []byte) (n int64, err error) {
	err = p.DB.Read(ctx, func(tx *sqldb.Tx) error {
		return tx.Row(sqlFilterByHash, string(user), hash).Scan(&n)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return n, err
}

// FilterBody reads a filter as it was given; M_NOT_FOUND when the user has none of this id.
func (p *People) FilterBody(ctx context.Context, user id.User, filterID string) (json.RawMessage, error) {
	unknown := fault.New(fault.NotFound, "There is no such filter")
	n, err := strconv.ParseInt(filterID, 10, 64)
	if err != nil {
		return nil, unknown
	}
	var body []byte
	err = p.DB.Read(ctx, func(tx *sqldb.Tx) error { return tx.Row(sqlFilter, string(user), n).Scan(&body) })
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, unknown
	case err != nil:
		return nil, fmt.Errorf("read filter: %w", err)
	}
	return body, nil
}

// Filter is FilterBody, parsed; the result is shared and must not be changed. It is what every sync asks, so it
// remembers: a filter never changes. After a restore a filter that is not there may be one of the life that is lost; its
// client makes it anew when it starts, and until then is given everything rather than nothing.
func (p *People) Filter(ctx context.Context, user id.User, filterID string) (*filter.Filter, error) {
	key := filterKey{user, filterID}
	if f := p.filters.find(key); f != nil {
		return f, nil
	}
	body, err := p.FilterBody(ctx, user, filterID)
	if n, _ := strconv.ParseInt(filterID, 10, 64); n > 0 && n < p.DB.Epoch().Floor() && fault.Is(err, fault.NotFound) {
		return new(filter.Filter), nil
	}
	if err != nil {
		return nil, err
	}
	f, err := filter.Parse(body)
	if err != nil {
		return nil, fmt.Errorf("bug: a filter that was kept does not parse: %w", err)
	}
	p.filters.keep(key, f, len(body))
	return f, nil
}

type filterKey struct {
	user id.User
	id   string
}

// filterCache remembers parsed filters, bounded by maxCached, and starts afresh when it is full.
type filterCache struct {
	mu     sync.RWMutex // guards all below
	parsed map[filterKey]*filter.Filter
	bytes  int
}

// limit: parsed filters in memory | %b | all are forgotten
const maxCached = 16 << 20

// filterCost is about what a filter takes of which the JSON has so many bytes.
func filterCost(body int) int { return 1024 + 4*body }

func (c *filterCache) find(k filterKey) *filter.Filter {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.parsed[k]
}

func (c *filterCache) keep(k filterKey, f *filter.Filter, body int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.parsed == nil || c.bytes+filterCost(body) > maxCached {
		c.parsed, c.bytes = map[filterKey]*filter.Filter{}, 0
	}
	if _, known := c.parsed[k]; !known {
		c.bytes += filterCost(body)
	}
	c.parsed[k] = f
}
