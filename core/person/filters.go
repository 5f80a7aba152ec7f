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
const maxFilters = 200

const (
	sqlFilter       = `SELECT body FROM filter WHERE user_id = $1 AND filter_id = $2`
	sqlFilterByHash = `SELECT filter_id FROM filter WHERE user_id = $1 AND hash = $2`
	sqlNextFilter   = `SELECT coalesce(max(filter_id), 0) + 1 FROM filter WHERE user_id = $1`
	sqlAddFilter    = `INSERT INTO filter (user_id, filter_id, hash, body) VALUES ($1, $2, $3, $4)`
	sqlTrimFilters  = `DELETE FROM filter WHERE user_id = $1 AND filter_id <= $2`
)

// AddFilter keeps a filter and returns its id. The same filter given again has the same id.
func (p *People) AddFilter(ctx context.Context, user id.User, body json.RawMessage) (string, error) {
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
		if _, err := tx.Exec(sqlTrimFilters, string(user), n-maxFilters); err != nil {
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
// remembers: a filter never changes.
func (p *People) Filter(ctx context.Context, user id.User, filterID string) (*filter.Filter, error) {
	key := filterKey{user, filterID}
	if f := p.filters.find(key); f != nil {
		return f, nil
	}
	body, err := p.FilterBody(ctx, user, filterID)
	if err != nil {
		return nil, err
	}
	f, err := filter.Parse(body)
	if err != nil {
		return nil, fmt.Errorf("bug: a filter that was kept does not parse: %w", err)
	}
	p.filters.keep(key, f)
	return f, nil
}

type filterKey struct {
	user id.User
	id   string
}

// filterCache remembers up to maxCached parsed filters and starts afresh when it is full.
type filterCache struct {
	mu     sync.RWMutex // guards parsed
	parsed map[filterKey]*filter.Filter
}

const maxCached = 4096

func (c *filterCache) find(k filterKey) *filter.Filter {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.parsed[k]
}

func (c *filterCache) keep(k filterKey, f *filter.Filter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.parsed == nil || len(c.parsed) >= maxCached {
		c.parsed = map[filterKey]*filter.Filter{}
	}
	c.parsed[k] = f
}
