package media

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"freehold.example/base/blob"
	"freehold.example/base/sqldb"
)

const (
	sqlNamedBlobs = `SELECT blob, size FROM media WHERE blob <> '' UNION SELECT result, size FROM thumbnail`
	sqlSums       = `SELECT user_id, sum(size), count(*) FROM media WHERE blob <> '' AND until = 0 GROUP BY user_id
		UNION ALL SELECT '', sum(size), count(*) FROM media WHERE blob <> '' AND until = 0 HAVING count(*) > 0
		UNION ALL SELECT 'borrowed', sum(size), count(*) FROM media WHERE until <> 0 HAVING count(*) > 0`
	sqlUsages = `SELECT user_id, bytes, files FROM media_usage WHERE user_id <> 'thumbnails' AND files <> 0`
)

// Audit says in words what does not belong together: rows whose bytes are missing or are others, usage that is not the sum
// of the files. It reads every byte.
func (m *Media) Audit(ctx context.Context) (problems []string, err error) {
	type named struct {
		hash string
		size int64
	}
	var all []named
	err = m.DB.Read(ctx, func(tx *sqldb.Tx) error {
		all, problems = nil, nil
		rows, err := tx.Query(sqlNamedBlobs)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var n named
			if err := rows.Scan(&n.hash, &n.size); err != nil {
				return err
			}
			all = append(all, n)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		problems, err = auditUsage(tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("audit media: %w", err)
	}
	for _, n := range all {
		problem, err := m.auditBlob(ctx, n.hash, n.size)
		if err != nil {
			return nil, fmt.Errorf("audit media: %w", err)
		}
		if problem != "" {
			problems = append(problems, problem)
		}
	}
	return problems, nil
}

func (m *Media) auditBlob(ctx context.Context, name string, size int64) (problem string, err error) {
	h, err := blob.ParseHash(name)
	if err != nil {
		return fmt.Sprintf("a row names %q, which is no hash", name), nil
	}
	f, info, err := m.Blobs.Open(ctx, h)
	if errors.Is(err, blob.ErrNotFound) {
		return fmt.Sprintf("the file %s is missing", h), nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	if info.Size != size {
		return fmt.Sprintf("the file %s has %d bytes, its row says %d", h, info.Size, size), nil
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	if blob.Hash(sum.Sum(nil)) != h {
		return fmt.Sprintf("the file %s holds other bytes", h), nil
	}
	return "", nil
}

// auditUsage compares what is counted with what is there.
func auditUsage(tx *sqldb.Tx) (problems []string, err error) {
	type usage struct{ bytes, files int64 }
	read := func(q string) (map[string]usage, error) {
		rows, err := tx.Query(q)
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		all := map[string]usage{}
		for rows.Next() {
			var who string
			var u usage
			if err := rows.Scan(&who, &u.bytes, &u.files); err != nil {
				return nil, err
			}
			all[who] = u
		}
		return all, rows.Err()
	}
	counted, err := read(sqlUsages)
	if err != nil {
		return nil, err
	}
	there, err := read(sqlSums)
	if err != nil {
		return nil, err
	}
	for who, u := range there {
		if counted[who] != u {
			problems = append(problems, fmt.Sprintf("media of %q: %d bytes in %d files are counted, %d in %d are there",
				who, counted[who].bytes, counted[who].files, u.bytes, u.files))
		}
		delete(counted, who)
	}
	for who, u := range counted {
		problems = append(problems, fmt.Sprintf("media of %q: %d bytes in %d files are counted, nothing is there", who, u.bytes, u.files))
	}
	return problems, nil
}
