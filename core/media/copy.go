package media

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"freehold.example/base/blob"
	"freehold.example/base/sqldb"
	"freehold.example/core/peer"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

const sqlOldestCopies = `SELECT media_id, blob, size FROM media WHERE until <> 0 AND media_id LIKE '%/%' AND quarantined_by = '' ORDER BY until, media_id LIMIT 20`

// copyLife is how long a copy is kept. That it was looked at meanwhile does not make it longer: it would have to be written
// down.
const copyLife = 90 * 24 * time.Hour

// copyID is the id under which the copy of another server's file is kept: it has a slash, which no id of this server has.
func copyID(server id.Server, i ID) ID { return ID(server) + "/" + i }

// purseOf is what a file that is kept for a while is counted in.
func purseOf(mediaID string) purse {
	if strings.Contains(mediaID, "/") {
		return copies
	}
	return borrowed
}

// copyOf gives the copy of another server's file, which is fetched when there is none.
func (m *Media) copyOf(ctx context.Context, server id.Server, i ID, wait time.Duration) (*row, error) {
	own := copyID(server, i)
	if r, err := m.copied(ctx, own); r != nil || err != nil || m.Fetch == nil {
		return orNone(r, err)
	}
	unlock, err := m.asked.Lock(ctx, own)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if r, err := m.copied(ctx, own); r != nil || err != nil { // somebody else has fetched it meanwhile
		return orNone(r, err)
	}
	if err := m.fetch(ctx, server, i, min(max(wait, 0), longestWait)); err != nil {
		return nil, err
	}
	return orNone(m.copied(ctx, own))
}

func orNone(r *row, err error) (*row, error) {
	if err == nil && (r == nil || r.quarantined != "") {
		return nil, errNoMedia
	}
	return r, err
}

// copied is the row of a copy, quarantined or not; nil without one.
func (m *Media) copied(ctx context.Context, own ID) (r *row, err error) {
	err = m.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		r, err = readRow(tx, own)
		return err
	})
	return r, err
}

// fetch makes a copy of another server's file.
func (m *Media) fetch(ctx context.Context, server id.Server, i ID, wait time.Duration) error {
	f, err := m.Fetch(ctx, server, string(i), wait)
	if err != nil {
		return whyNot(server, err)
	}
	defer f.Close()
	u := Upload{Body: f, Length: f.Length, ContentType: f.ContentType, Name: f.Name}
	if u.clean() != nil {
		u.ContentType = defaultType
		u.Name = CleanName(u.Name)
	}
	limit := min(m.MaxUpload, m.MaxRemote)
	if u.Length > limit {
		return errCopySize
	}
	others, end := m.coming.begin(copies, u.most(limit))
	defer end()
	if others > m.MaxRemote {
		return errBorrowed
	}
	info, err := m.keep(ctx, &u, limit)
	switch {
	case errors.Is(err, blob.ErrTooLarge):
		return errCopySize.Because(err)
	case err != nil && ctx.Err() == nil && !fault.Is(err, fault.LimitExceeded):
		return fault.Newf(fault.ConnectionFailed, "%s did not send the whole file", server).Because(err)
	case err != nil:
		return err
	}
	return m.DB.Write(ctx, func(tx *sqldb.Tx) error { return m.addCopy(tx, copyID(server, i), u, info) })
}

// addCopy writes the row of a copy, making room for it.
func (m *Media) addCopy(tx *sqldb.Tx, own ID, u Upload, info blob.Info) error {
	used, _, err := usage(tx, copies)
	if err != nil {
		return err
	}
	for used+info.Size > m.MaxRemote {
		type item struct {
			id, blob string
			size     int64
		}
		oldest, err := sqldb.All(tx, func(row sqldb.Scanner) (i item, err error) {
			err = row.Scan(&i.id, &i.blob, &i.size)
			return i, err
		}, sqlOldestCopies)
		if err != nil {
			return err
		}
		if len(oldest) == 0 {
			return errBorrowed // what is left is evidence
		}
		for _, i := range oldest {
			if used+info.Size <= m.MaxRemote {
				break
			}
			if err := m.dropOne(tx, i.id, i.blob, i.size); err != nil {
				return err
			}
			used -= i.size
		}
	}
	if err := count(tx, copies, info.Size, 1); err != nil {
		return err
	}
	now := m.Now()
	_, err = tx.Exec(sqlAddMedia, string(own), "", info.Hash.String(), info.Size, u.ContentType, u.Name, now.UnixMilli(), 0, now.Add(copyLife).UnixMilli())
	if err != nil {
		return fmt.Errorf("keep a copy: %w", err)
	}
	return inherit(tx, own, info.Hash.String())
}

// whyNot says to a user why another server's file is not to be had.
func whyNot(server id.Server, err error) error {
	if no, is := errors.AsType[*peer.AnswerError](err); is {
		switch {
		case no.Code == fault.NotYetUploaded:
			return fault.New(fault.NotYetUploaded, "Media has not been uploaded yet").Because(err)
		case no.Status == http.StatusNotFound:
			return errNoMedia.Because(err)
		}
	}
	switch {
	case fault.Is(err, fault.Forbidden): // there is to be no traffic with it
		return errNoMedia.Because(err)
	case errors.Is(err, context.Canceled):
		return err
	}
	return fault.Newf(fault.ConnectionFailed, "%s, which has this file, cannot be reached or does not give it", server).Because(err)
}

var errCopySize = fault.New(fault.TooLarge, "This file of another server is too large for this one").WithStatus(http.StatusBadGateway)
