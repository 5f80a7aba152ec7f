package media

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"freehold.example/base/blob"
	"freehold.example/base/sqldb"
)

// The index media_by_blob is of rows whose blob is not empty: each query has to say so.
const (
	sqlDropExpired    = `DELETE FROM media WHERE expires <> 0 AND (expires <= $1 OR expires > $2) AND blob = ''`
	sqlPastUntil      = `SELECT media_id, blob, size FROM media WHERE until <> 0 AND (until <= $1 OR created > $2) AND quarantined_by = '' LIMIT 200`
	sqlDropMedia      = `DELETE FROM media WHERE media_id = $1`
	sqlBlobNamed      = `SELECT count(*) FROM media WHERE blob = $1 AND blob <> ''`
	sqlBlobThumbs     = `DELETE FROM thumbnail WHERE blob = $1 RETURNING size`
	sqlThumbsBetween  = `DELETE FROM thumbnail WHERE blob >= $1 AND blob < $2 RETURNING size`
	sqlUncount        = `UPDATE media_usage SET bytes = CASE WHEN bytes > $2 THEN bytes - $2 ELSE 0 END, files = CASE WHEN files > $3 THEN files - $3 ELSE 0 END WHERE user_id = $1`
	sqlUsedBlobs      = `SELECT blob FROM media WHERE blob IN ({list $1}) AND blob <> ''`
	sqlUsedThumbnails = `SELECT result FROM thumbnail WHERE result IN ({list $1})`
)

const (
	// cleanAge is how long a blob is left alone whatever refers to it: longer than any upload lasts between its bytes
	// and its row.
	cleanAge = 24 * time.Hour
	// maxSuspects is how many blobs one cleaning may find without a reference; those beyond wait for the next.
	maxSuspects = 100_000
	usedAtOnce  = 200 // blobs asked for in one query
)

// Clean removes what nobody can ask for: ids reserved and never used, files whose time is over, half of the thumbnails when
// there are nearly as many as may be, and bytes that nothing refers to, which uploads leave that fail after their bytes
// have been kept. It says how many blobs it removed. Every few hours is often enough.
//
// Bytes go in two steps, and what a row names never does: nothing may refer to them in one cleaning nor in the next, and
// they must not have been put in between, nor in the last day by the clock. An upload that is under way puts them first.
func (m *Media) Clean(ctx context.Context) (removed int, err error) {
	m.cleaning.Lock()
	defer m.cleaning.Unlock()
	now := m.Now()
	err = m.DB.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(sqlDropExpired, now.UnixMilli(), tooFar(now))
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("clean media: %w", err)
	}
	if err := m.dropBorrowed(ctx, now); err != nil {
		return 0, fmt.Errorf("clean media: %w", err)
	}
	if err := m.thinThumbnails(ctx); err != nil {
		return 0, fmt.Errorf("clean thumbnails: %w", err)
	}
	return m.sweep(ctx, now)
}

// dropBorrowed removes the rows of files whose time is over, and their thumbnails. One that was made in the future is from
// before the clock went back.
func (m *Media) dropBorrowed(ctx context.Context, now time.Time) error {
	for {
		found := 0
		err := m.DB.Write(ctx, func(tx *sqldb.Tx) error {
			rows, err := tx.Query(sqlPastUntil, now.UnixMilli(), now.Add(cleanAge).UnixMilli())
			if err != nil {
				return err
			}
			defer rows.Close()
			type item struct {
				id, blob string
				size     int64
			}
			var over []item
			for rows.Next() {
				var i item
				if err := rows.Scan(&i.id, &i.blob, &i.size); err != nil {
					return err
				}
				over = append(over, i)
			}
			if err := rows.Err(); err != nil {
				return err
			}
			found = len(over)
			for _, i := range over {
				if err := m.dropOne(tx, i.id, i.blob, i.size); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || found == 0 {
			return err
		}
	}
}

func (m *Media) dropOne(tx *sqldb.Tx, mediaID, hash string, size int64) error {
	if _, err := tx.Exec(sqlDropMedia, mediaID); err != nil {
		return err
	}
	if _, err := tx.Exec(sqlUncount, string(purseOf(mediaID)), size, 1); err != nil {
		return err
	}
	var named int64
	if err := tx.Row(sqlBlobNamed, hash).Scan(&named); err != nil || named > 0 {
		return err
	}
	return dropThumbnails(tx, sqlBlobThumbs, hash)
}

// dropThumbnails runs a statement that removes rows of thumbnails and returns their sizes.
func dropThumbnails(tx *sqldb.Tx, statement string, args ...any) error {
	rows, err := tx.Query(statement, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	var bytes, n int64
	for rows.Next() {
		var size int64
		if err := rows.Scan(&size); err != nil {
			return err
		}
		bytes, n = bytes+size, n+1
	}
	if err := rows.Err(); err != nil {
		return err
	}
	_, err = tx.Exec(sqlUncount, string(thumbnails), bytes, n)
	return err
}

// thinThumbnails makes room when seven eighths are used: it drops sixteenths, whichever the hashes of the pictures fall
// into, until half is free. They are made again when they are asked for.
func (m *Media) thinThumbnails(ctx context.Context) error {
	const digits = "0123456789abcdef"
	limit := m.MaxThumbnails - m.MaxThumbnails/8
	first := rand.IntN(len(digits)) //nolint:gosec // which ones go is nobody's secret
	for i := range digits {
		d := (first + i) % len(digits)
		end := "g"
		if d+1 < len(digits) {
			end = digits[d+1 : d+2]
		}
		var used int64
		err := m.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
			used, _, err = usage(tx, thumbnails)
			return err
		})
		if err != nil || used <= limit {
			return err
		}
		limit = m.MaxThumbnails / 2
		err = m.DB.Write(ctx, func(tx *sqldb.Tx) error { return dropThumbnails(tx, sqlThumbsBetween, digits[d:d+1], end) })
		if err != nil {
			return err
		}
	}
	return nil
}

// sweep removes blobs that were without a reference last time and are so still, and remembers those that are now.
func (m *Media) sweep(ctx context.Context, now time.Time) (removed int, err error) {
	suspects := map[blob.Hash]time.Time{}
	var batch []blob.Info
	look := func() error {
		unused, err := m.unused(ctx, batch)
		batch = batch[:0]
		for _, info := range unused {
			if seen, ok := m.suspects[info.Hash]; !ok || !seen.Equal(info.Put) {
				if len(suspects) < maxSuspects {
					suspects[info.Hash] = info.Put
				}
				continue
			}
			gone, err := m.Blobs.Delete(ctx, info.Hash, info.Put.Add(1))
			if err != nil {
				return err
			}
			if gone {
				removed++
			}
		}
		return err
	}
	err = m.Blobs.Walk(ctx, func(info blob.Info) error {
		if age := now.Sub(info.Put); age <= cleanAge && age >= -cleanAge {
			return nil
		}
		if batch = append(batch, info); len(batch) < usedAtOnce {
			return nil
		}
		return look()
	})
	if err == nil {
		err = look()
	}
	if err != nil {
		return removed, fmt.Errorf("clean blobs: %w", err)
	}
	m.suspects = suspects
	return removed, nil
}

// unused are those of the blobs that no row names.
func (m *Media) unused(ctx context.Context, of []blob.Info) (unused []blob.Info, err error) {
	if len(of) == 0 {
		return nil, nil
	}
	names := make([]string, len(of))
	for i, info := range of {
		names[i] = info.Hash.String()
	}
	used := map[string]bool{}
	err = m.DB.Read(ctx, func(tx *sqldb.Tx) error {
		clear(used)
		for _, q := range []string{sqlUsedBlobs, sqlUsedThumbnails} {
			if err := collect(tx, used, q, names); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i, info := range of {
		if !used[names[i]] {
			unused = append(unused, info)
		}
	}
	return unused, nil
}

func collect(tx *sqldb.Tx, into map[string]bool, q string, names []string) error {
	rows, err := tx.Query(q, sqldb.List(names))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		into[name] = true
	}
	return rows.Err()
}
