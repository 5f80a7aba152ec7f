package media

import (
	"bytes"
	"fmt"
	"slices"

	"freehold.example/base/blob"
	"freehold.example/base/sqldb"
)

const sqlReferenced = `SELECT blob, size FROM media WHERE blob <> '' UNION SELECT result, size FROM thumbnail`

// Referenced lists the blobs that the rows of a snapshot name, each once, in the order of their hashes, and sums their
// bytes up.
func Referenced(tx *sqldb.Tx) (hashes []blob.Hash, total int64, err error) {
	rows, err := tx.Query(sqlReferenced)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var size int64
		if err := rows.Scan(&name, &size); err != nil {
			return nil, 0, err
		}
		h, err := blob.ParseHash(name)
		if err != nil {
			return nil, 0, fmt.Errorf("bug: media row: %w", err)
		}
		hashes = append(hashes, h)
		total += size
	}
	if err := rows.Err(); err != nil {
		return nil, 0, err
	}
	slices.SortFunc(hashes, func(a, b blob.Hash) int { return bytes.Compare(a[:], b[:]) })
	return slices.Compact(hashes), total, nil
}
