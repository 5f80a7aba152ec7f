package media

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// What administrators see of files, and how they take them out of circulation. A file that is quarantined is not there for
// anybody, whoever uploaded it, nor is any other with the same bytes, now or later.

// Item is a file as an administrator sees it. When it was last looked at is not known: that would be a log of who reads what.
type Item struct {
	ID            ID
	User          id.User // "" for what the server keeps for itself
	Size          int64   // bytes
	ContentType   string
	Name          string
	Created       time.Time
	QuarantinedBy id.User // "" when it is not
	Protected     bool
}

const itemColumns = `media_id, user_id, size, content_type, name, created, quarantined_by, protected`

const (
	sqlItem        = `SELECT ` + itemColumns + ` FROM media WHERE media_id = $1 AND blob <> ''`
	sqlCountItems  = `SELECT count(*) FROM media WHERE user_id = $1 AND blob <> ''`
	sqlItemsOf     = `SELECT ` + itemColumns + ` FROM media WHERE user_id = $1 AND blob <> '' ORDER BY `
	sqlBlobsOf     = `SELECT DISTINCT blob FROM media WHERE user_id = $1 AND blob <> '' AND blob > $2 ORDER BY blob LIMIT 200`
	sqlBlobsNamed  = `SELECT DISTINCT blob FROM media WHERE media_id IN ({list $1}) AND blob <> ''`
	sqlQuarantine  = `UPDATE media SET quarantined_by = $2 WHERE blob IN ({list $1}) AND blob <> '' AND NOT protected AND quarantined_by = ''`
	sqlInherit     = `UPDATE media SET quarantined_by = coalesce((SELECT max(quarantined_by) FROM media WHERE blob = $2 AND blob <> ''), '') WHERE media_id = $1`
	sqlRelease     = `UPDATE media SET quarantined_by = '' WHERE blob <> '' AND blob = (SELECT blob FROM media WHERE media_id = $1)`
	sqlProtect     = `UPDATE media SET protected = $2 WHERE media_id = $1 AND blob <> ''`
	sqlUsagesOf    = `SELECT user_id, files, bytes FROM media_usage WHERE user_id LIKE '@%' AND files > 0`
	sqlOldItems    = `SELECT media_id FROM media WHERE blob <> '' AND until = 0 AND created < $1 AND size > $2 AND quarantined_by = '' AND NOT protected ORDER BY created, media_id LIMIT $3 OFFSET $4`
	sqlToDelete    = `SELECT media_id, user_id, blob, size FROM media WHERE media_id IN ({list $1}) AND blob <> '' AND until = 0`
	sqlNobodyNames = `SELECT count(*) FROM media WHERE blob = $1 AND blob <> ''`
)

func scanItem(row sqldb.Scanner) (*Item, error) {
	var i Item
	var created int64
	err := row.Scan(&i.ID, &i.User, &i.Size, &i.ContentType, &i.Name, &created, &i.QuarantinedBy, &i.Protected)
	i.Created = time.UnixMilli(created)
	return &i, err
}

// Item gives one file, quarantined or not. Errors: M_NOT_FOUND.
func (m *Media) Item(ctx context.Context, i ID) (*Item, error) {
	var item *Item
	err := m.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		item, err = scanItem(tx.Row(sqlItem, string(i)))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNoMedia
	}
	return item, err
}

// ItemOrder is what the files of a user are ordered by.
type ItemOrder string

// itemOrders are the columns in the words of SQL.
var itemOrders = map[ItemOrder]string{
	"": "created", "created_ts": "created", "media_id": "media_id", "upload_name": "name", "media_length": "size",
	"media_type": "content_type", "quarantined_by": "quarantined_by", "safe_from_quarantine": "protected",
}

// ItemsOf lists files of a user, and says how many there are in all.
func (m *Media) ItemsOf(ctx context.Context, user id.User, order ItemOrder, desc bool, from, limit int) (list []*Item, total int, err error) {
	column, ok := itemOrders[order]
	if !ok {
		column = itemOrders[""]
	}
	way := ""
	if desc {
		way = " DESC"
	}
	err = m.DB.Read(ctx, func(tx *sqldb.Tx) error {
		if err := tx.Row(sqlCountItems, user).Scan(&total); err != nil {
			return err
		}
		list, err = sqldb.All(tx, scanItem, sqlItemsOf+column+way+", media_id"+way+" LIMIT $2 OFFSET $3", user, limit, from)
		return err
	})
	return list, total, err
}

// Quarantine takes files out of circulation, with all that have the same bytes, and says how many that were. What is
// protected stays.
func (m *Media) Quarantine(ctx context.Context, by id.User, ids ...ID) (n int64, err error) {
	err = m.DB.Write(context.WithoutCancel(ctx), func(tx *sqldb.Tx) error {
		blobs, err := sqldb.Column[string](tx, sqlBlobsNamed, sqldb.List(ids))
		if err != nil {
			return err
		}
		n, err = tx.Exec(sqlQuarantine, sqldb.List(blobs), by)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("quarantine media: %w", err)
	}
	return n, nil
}

// QuarantineUser is Quarantine of all that a user has uploaded.
func (m *Media) QuarantineUser(ctx context.Context, by, user id.User) (n int64, err error) {
	for after := ""; ; {
		var blobs []string
		var some int64
		err := m.DB.Write(context.WithoutCancel(ctx), func(tx *sqldb.Tx) (err error) {
			if blobs, err = sqldb.Column[string](tx, sqlBlobsOf, user, after); err != nil {
				return err
			}
			some, err = tx.Exec(sqlQuarantine, sqldb.List(blobs), by)
			return err
		})
		if err != nil {
			return n, fmt.Errorf("quarantine media: %w", err)
		}
		n += some
		if len(blobs) == 0 {
			return n, nil
		}
		after = blobs[len(blobs)-1]
	}
}

// Release puts a file back into circulation, with all that have the same bytes. Errors: M_NOT_FOUND.
func (m *Media) Release(ctx context.Context, i ID) error {
	return m.one(ctx, sqlRelease, string(i))
}

// Protect keeps a file from being quarantined, or no longer. Errors: M_NOT_FOUND.
func (m *Media) Protect(ctx context.Context, i ID, protected bool) error {
	return m.one(ctx, sqlProtect, string(i), protected)
}

// one runs a statement that changes a file.
func (m *Media) one(ctx context.Context, statement string, args ...any) error {
	return m.DB.Write(context.WithoutCancel(ctx), func(tx *sqldb.Tx) error {
		n, err := tx.Exec(statement, append([]any{}, args...)...)
		if err == nil && n == 0 {
			err = errNoMedia
		}
		return err
	})
}

// inherit quarantines a new file whose bytes are quarantined.
func inherit(tx *sqldb.Tx, i ID, hash string) error {
	_, err := tx.Exec(sqlInherit, string(i), hash)
	return err
}

// Used is what a user has uploaded.
type Used struct {
	User  id.User
	Files int64
	Bytes int64
}

// Usages lists what users have uploaded, in no particular order.
func (m *Media) Usages(ctx context.Context) (all []Used, err error) {
	err = m.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		all, err = sqldb.All(tx, func(row sqldb.Scanner) (u Used, err error) {
			err = row.Scan(&u.User, &u.Files, &u.Bytes)
			return u, err
		}, sqlUsagesOf)
		return err
	})
	return all, err
}

// deleteBatch is how many files are deleted in one write.
const deleteBatch = 100

// Delete removes files for good, and gives those that there were. Their bytes are given back when the store is cleaned.
func (m *Media) Delete(ctx context.Context, ids []ID) (deleted []ID, err error) {
	for len(ids) > 0 {
		some := ids[:min(deleteBatch, len(ids))]
		ids = ids[len(some):]
		var gone []ID
		err := m.DB.Write(context.WithoutCancel(ctx), func(tx *sqldb.Tx) (err error) {
			gone, err = m.deleteSome(tx, some)
			return err
		})
		if err != nil {
			return deleted, fmt.Errorf("delete media: %w", err)
		}
		deleted = append(deleted, gone...)
	}
	return deleted, nil
}

func (m *Media) deleteSome(tx *sqldb.Tx, ids []ID) (gone []ID, err error) {
	type item struct {
		id, user, blob string
		size           int64
	}
	items, err := sqldb.All(tx, func(row sqldb.Scanner) (i item, err error) {
		err = row.Scan(&i.id, &i.user, &i.blob, &i.size)
		return i, err
	}, sqlToDelete, sqldb.List(ids))
	if err != nil {
		return nil, err
	}
	for _, i := range items {
		if _, err := tx.Exec(sqlDropMedia, i.id); err != nil {
			return nil, err
		}
		for _, p := range []purse{purse(i.user), everybody} {
			if _, err := tx.Exec(sqlUncount, string(p), i.size, 1); err != nil {
				return nil, err
			}
		}
		var named int64
		if err := tx.Row(sqlNobodyNames, i.blob).Scan(&named); err != nil {
			return nil, err
		}
		if named == 0 {
			if err := dropThumbnails(tx, sqlBlobThumbs, i.blob); err != nil {
				return nil, err
			}
		}
		gone = append(gone, ID(i.id))
	}
	return gone, nil
}

// DeleteOlder removes what was uploaded before a time and is larger than so many bytes, but for what keep keeps, what is
// protected and what is quarantined, which is evidence.
func (m *Media) DeleteOlder(ctx context.Context, before time.Time, larger int64, keep func(ID) bool) (deleted []ID, err error) {
	for skip := 0; ; {
		var some []ID
		err := m.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
			some, err = sqldb.Column[ID](tx, sqlOldItems, before.UnixMilli(), larger, deleteBatch, skip)
			return err
		})
		if err != nil || len(some) == 0 {
			return deleted, err
		}
		var doomed []ID
		for _, i := range some {
			if keep(i) {
				skip++
			} else {
				doomed = append(doomed, i)
			}
		}
		gone, err := m.Delete(ctx, doomed)
		deleted = append(deleted, gone...)
		if err != nil {
			return deleted, err
		}
		skip += len(doomed) - len(gone)
	}
}
