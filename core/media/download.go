package media

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"freehold.example/base/blob"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// How long a download waits for an upload that is only announced (timeout_ms).
const (
	UsualWait   = 20 * time.Second
	longestWait = 60 * time.Second
)

func topic(i ID) string { return "media:" + string(i) }

// Open opens a file. One that is announced but not uploaded is waited for, at most for wait; then it is
// M_NOT_YET_UPLOADED. Files of other servers are M_NOT_FOUND.
func (m *Media) Open(ctx context.Context, server id.Server, mediaID string, wait time.Duration) (*File, error) {
	r, err := m.await(ctx, server, mediaID, wait)
	if err != nil {
		return nil, err
	}
	return m.open(ctx, r.blob, File{ContentType: r.contentType, Name: r.name, Created: time.UnixMilli(r.created)})
}

var errNoMedia = fault.New(fault.NotFound, "There is no such media")

// await finds the row of an uploaded file.
func (m *Media) await(ctx context.Context, server id.Server, mediaID string, wait time.Duration) (*row, error) {
	i, err := ParseID(mediaID)
	if err != nil || server != m.Server {
		return nil, errNoMedia.Because(err)
	}
	if r, err := m.find(ctx, i); err != nil || r.blob != "" {
		return r, err
	}
	sleeper := m.Bus.Sleep(topic(i)) // registered before the row is read again, so that no upload is missed
	defer sleeper.Close()
	timer := time.NewTimer(min(max(wait, 0), longestWait))
	defer timer.Stop()
	for {
		if r, err := m.find(ctx, i); err != nil || r.blob != "" {
			return r, err
		}
		select {
		case <-sleeper.C():
		case <-timer.C:
			return nil, fault.New(fault.NotYetUploaded, "The content has not been uploaded yet")
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// find gives the row of an id that is uploaded or may still be.
func (m *Media) find(ctx context.Context, i ID) (*row, error) {
	var r *row
	err := m.DB.Read(ctx, func(tx *sqldb.Tx) error {
		var err error
		r, err = readRow(tx, i)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case r == nil || r.blob == "" && r.expires <= m.Now().UnixMilli():
		return nil, errNoMedia
	}
	return r, nil
}

const (
	sqlBlobUsed      = `SELECT 1 FROM media WHERE blob = $1 LIMIT 1`
	sqlDropExpired   = `DELETE FROM media WHERE expires <> 0 AND expires <= $1 AND blob = ''`
	sqlThumbnailUsed = `SELECT 1 FROM thumbnail WHERE result = $1 LIMIT 1`
)

// cleanAge is how long a blob is left alone whatever refers to it: longer than any upload lasts between its bytes and
// its row.
const cleanAge = 24 * time.Hour

// Clean removes ids that were reserved and never used, and bytes that nothing refers to: what uploads left that failed
// after their bytes had been kept. It says how many blobs it removed. Once a day is often enough.
func (m *Media) Clean(ctx context.Context) (removed int, err error) {
	err = m.DB.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(sqlDropExpired, m.Now().UnixMilli())
		return err
	})
	if err != nil {
		return 0, err
	}
	before := m.Now().Add(-cleanAge)
	var unused []blob.Hash
	err = m.Blobs.Walk(ctx, func(info blob.Info) error {
		if !info.Put.Before(before) {
			return nil
		}
		used, err := m.used(ctx, info.Hash)
		if err == nil && !used {
			unused = append(unused, info.Hash)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	for _, h := range unused {
		gone, err := m.Blobs.Delete(ctx, h, before)
		if err != nil {
			return removed, err
		}
		if gone {
			removed++
		}
	}
	return removed, nil
}

func (m *Media) used(ctx context.Context, h blob.Hash) (used bool, err error) {
	err = m.DB.Read(ctx, func(tx *sqldb.Tx) error {
		for _, q := range []string{sqlBlobUsed, sqlThumbnailUsed} {
			var one int64
			err := tx.Row(q, h.String()).Scan(&one)
			if err == nil {
				used = true
				return nil
			}
			if !errors.Is(err, sql.ErrNoRows) {
				return err
			}
		}
		return nil
	})
	return used, err
}
