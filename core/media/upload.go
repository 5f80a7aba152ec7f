package media

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"freehold.example/base/blob"
	"freehold.example/base/durable"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

const (
	maxType      = 255            // bytes of a content type
	maxName      = 1024           // bytes of a file name; longer ones are cut
	reservedLast = 24 * time.Hour // how long a reserved id waits for its upload
	defaultType  = "application/octet-stream"
)

const (
	sqlAddMedia  = `INSERT INTO media (media_id, user_id, blob, size, content_type, name, created, expires, until) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
	sqlFillMedia = `UPDATE media SET blob = $2, size = $3, content_type = $4, name = $5, expires = 0 WHERE media_id = $1 AND blob = ''`
	sqlMedia     = `SELECT user_id, blob, size, content_type, name, created, expires, quarantined_by FROM media WHERE media_id = $1`
	sqlPending   = `SELECT count(*) FROM media WHERE user_id = $1 AND expires <> 0`
	sqlDropStale = `DELETE FROM media WHERE user_id = $1 AND expires <> 0 AND (expires <= $2 OR expires > $3) AND blob = ''`
)

// Upload is a file to be kept.
type Upload struct {
	Body        io.Reader
	Length      int64  // bytes as announced, or negative when unknown
	ContentType string // "" is application/octet-stream
	Name        string // "" for none
}

// row is what the table media says of one id.
type row struct {
	user        id.User
	blob        string
	size        int64
	contentType string
	name        string
	created     int64
	expires     int64
	quarantined string // by whom
}

// Add keeps a file. When it returns, bytes and row are on disk.
func (m *Media) Add(ctx context.Context, user id.User, u Upload) (ID, error) {
	others, end := m.coming.begin(purse(user), u.most(m.MaxUpload))
	defer end()
	info, err := m.take(ctx, user, &u, others)
	if err != nil {
		return "", err
	}
	i := newID()
	err = m.DB.Write(ctx, func(tx *sqldb.Tx) error {
		if err := m.charge(tx, user, info.Size); err != nil {
			return err
		}
		_, err := tx.Exec(sqlAddMedia, string(i), string(user), info.Hash.String(), info.Size, u.ContentType, u.Name, m.Now().UnixMilli(), 0, 0)
		if err != nil {
			return err
		}
		return inherit(tx, i, info.Hash.String())
	})
	return i, err
}

// Reserve makes an id that the user will upload to later, until the returned time.
func (m *Media) Reserve(ctx context.Context, user id.User) (ID, time.Time, error) {
	now := m.Now()
	expires := now.Add(reservedLast)
	i := newID()
	err := m.DB.Write(ctx, func(tx *sqldb.Tx) error {
		if _, err := tx.Exec(sqlDropStale, string(user), now.UnixMilli(), tooFar(now)); err != nil {
			return err
		}
		var pending int64
		if err := tx.Row(sqlPending, string(user)).Scan(&pending); err != nil {
			return err
		}
		if pending >= m.MaxPending {
			return fault.New(fault.LimitExceeded, "Upload what you have reserved first").After(time.Minute)
		}
		_, err := tx.Exec(sqlAddMedia, string(i), string(user), "", 0, "", "", now.UnixMilli(), expires.UnixMilli(), 0)
		return err
	})
	return i, expires, err
}

// stale says that the time of a reserved id is over. So it is when it is further away than it can have been set: then the
// clock has gone back, and the id would be in its user's way for years.
func stale(expires int64, now time.Time) bool {
	return expires <= now.UnixMilli() || expires > tooFar(now)
}

func tooFar(now time.Time) int64 { return now.Add(2 * reservedLast).UnixMilli() }

// Fill uploads to an id that the same user has reserved: M_NOT_FOUND when there is none or its time is over,
// M_CANNOT_OVERWRITE_MEDIA when it was uploaded to already.
func (m *Media) Fill(ctx context.Context, user id.User, i ID, u Upload) error {
	check := func(tx *sqldb.Tx) error { return m.mayFill(tx, user, i) }
	if err := m.DB.Read(ctx, check); err != nil {
		return err // before a byte of the body is read
	}
	others, end := m.coming.begin(purse(user), u.most(m.MaxUpload))
	defer end()
	info, err := m.take(ctx, user, &u, others)
	if err != nil {
		return err
	}
	err = m.DB.Write(ctx, func(tx *sqldb.Tx) error {
		if err := check(tx); err != nil {
			return err
		}
		if err := m.charge(tx, user, info.Size); err != nil {
			return err
		}
		_, err := tx.Exec(sqlFillMedia, string(i), info.Hash.String(), info.Size, u.ContentType, u.Name)
		if err != nil {
			return err
		}
		return inherit(tx, i, info.Hash.String())
	})
	if err == nil {
		m.Bus.Wake(topic(i))
	}
	return err
}

func (m *Media) mayFill(tx *sqldb.Tx, user id.User, i ID) error {
	r, err := readRow(tx, i)
	switch {
	case err != nil:
		return err
	case r == nil:
		return fault.New(fault.NotFound, "This media id was not created")
	case r.user != user:
		return fault.New(fault.Forbidden, "This media id was created by somebody else")
	case r.blob != "":
		return fault.New(fault.CannotOverwriteMedia, "Media ID already has content")
	case stale(r.expires, m.Now()):
		return fault.New(fault.NotFound, "This media id has expired")
	}
	return nil
}

// most is how many bytes the upload may have.
func (u *Upload) most(allowed int64) int64 {
	if u.Length < 0 {
		return allowed
	}
	return u.Length
}

// take reads the upload into the blob store, where others bytes of the same user are on their way to. What a failure later
// on leaves there, Clean removes.
func (m *Media) take(ctx context.Context, user id.User, u *Upload, others int64) (blob.Info, error) {
	tooLarge := fault.Newf(fault.TooLarge, "A file has at most %d bytes", m.MaxUpload)
	if u.Length > m.MaxUpload {
		return blob.Info{}, tooLarge
	}
	if err := u.clean(); err != nil {
		return blob.Info{}, err
	}
	var left int64
	err := m.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		left, err = m.room(tx, user, others+max(u.Length, 0))
		return err
	})
	if err != nil {
		return blob.Info{}, err
	}
	// What will not be counted must not reach the disk either: there it would stay until Clean comes.
	info, err := m.keep(ctx, u, min(m.MaxUpload, left-others))
	switch {
	case errors.Is(err, blob.ErrTooLarge) && left-others < m.MaxUpload:
		return info, errQuota.Because(err)
	case errors.Is(err, blob.ErrTooLarge):
		return info, tooLarge.Because(err)
	}
	return info, err
}

// keep brings the bytes of an upload onto the disk. The error is blob.ErrTooLarge when there are more than limit.
func (m *Media) keep(ctx context.Context, u *Upload, limit int64) (blob.Info, error) {
	info, err := m.Blobs.Put(ctx, u.Body, limit)
	switch {
	case durable.Full(err):
		return info, durable.ErrFull.Because(err)
	case err != nil:
		return info, fmt.Errorf("keep an upload: %w", err)
	case u.Length >= 0 && info.Size != u.Length:
		return info, fault.New(fault.BadJSON, "The upload ended early").Because(io.ErrUnexpectedEOF)
	}
	return info, nil
}

// clean checks the content type and brings the name into a form that can be given out again.
func (u *Upload) clean() error {
	if u.ContentType == "" {
		u.ContentType = defaultType
	}
	if len(u.ContentType) > maxType || !printable(u.ContentType) {
		return fault.New(fault.InvalidParam, "The content type is malformed")
	}
	u.Name = CleanName(u.Name)
	return nil
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// CleanName keeps a name that can be sent in a header and given to a file: valid UTF-8 without control characters and
// without separators of directories, not too long.
func CleanName(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r < ' ' || r >= 0x7f && r < 0xa0:
			return -1
		case r == '/' || r == '\\':
			return '_'
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
	for len(s) > maxName {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return s
}

// readRow gives nil when there is no such id.
func readRow(tx *sqldb.Tx, i ID) (*row, error) {
	var r row
	var user string
	err := tx.Row(sqlMedia, string(i)).Scan(&user, &r.blob, &r.size, &r.contentType, &r.name, &r.created, &r.expires, &r.quarantined)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read media row: %w", err)
	}
	r.user = id.User(user)
	return &r, nil
}
