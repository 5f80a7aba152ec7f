package media

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"

	"freehold.example/base/blob"
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
	sqlAddMedia   = `INSERT INTO media (media_id, user_id, blob, size, content_type, name, created, expires) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
	sqlFillMedia  = `UPDATE media SET blob = $2, size = $3, content_type = $4, name = $5, expires = 0 WHERE media_id = $1 AND blob = ''`
	sqlMedia      = `SELECT user_id, blob, size, content_type, name, created, expires FROM media WHERE media_id = $1`
	sqlPending    = `SELECT count(*) FROM media WHERE user_id = $1 AND expires > $2`
	sqlDropStale  = `DELETE FROM media WHERE user_id = $1 AND expires <> 0 AND expires <= $2 AND blob = ''`
	sqlUsage      = `SELECT bytes, files FROM media_usage WHERE user_id = $1`
	sqlCountUsage = `INSERT INTO media_usage (user_id, bytes, files) VALUES ($1, $2, 1) ON CONFLICT (user_id) DO UPDATE SET bytes = media_usage.bytes + excluded.bytes, files = media_usage.files + 1`
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
}

// Add keeps a file. When it returns, bytes and row are on disk.
func (m *Media) Add(ctx context.Context, user id.User, u Upload) (ID, error) {
	others, end := m.coming.begin(user, u.most(m.MaxUpload))
	defer end()
	info, err := m.take(ctx, user, &u, others)
	if err != nil {
		return "", err
	}
	i := newID()
	err = m.DB.Write(ctx, func(tx *sqldb.Tx) error {
		if err := m.count(tx, user, info.Size); err != nil {
			return err
		}
		_, err := tx.Exec(sqlAddMedia, string(i), string(user), info.Hash.String(), info.Size, u.ContentType, u.Name, m.Now().UnixMilli(), 0)
		return err
	})
	return i, err
}

// Reserve makes an id that the user will upload to later, until the returned time.
func (m *Media) Reserve(ctx context.Context, user id.User) (ID, time.Time, error) {
	now := m.Now()
	expires := now.Add(reservedLast)
	i := newID()
	err := m.DB.Write(ctx, func(tx *sqldb.Tx) error {
		if _, err := tx.Exec(sqlDropStale, string(user), now.UnixMilli()); err != nil {
			return err
		}
		var pending int64
		if err := tx.Row(sqlPending, string(user), now.UnixMilli()).Scan(&pending); err != nil {
			return err
		}
		if pending >= m.MaxPending {
			return fault.New(fault.LimitExceeded, "Upload what you have reserved first").After(time.Minute)
		}
		_, err := tx.Exec(sqlAddMedia, string(i), string(user), "", 0, "", "", now.UnixMilli(), expires.UnixMilli())
		return err
	})
	return i, expires, err
}

// Fill uploads to an id that the same user has reserved: M_NOT_FOUND when there is none or its time is over,
// M_CANNOT_OVERWRITE_MEDIA when it was uploaded to already.
func (m *Media) Fill(ctx context.Context, user id.User, i ID, u Upload) error {
	check := func(tx *sqldb.Tx) error { return m.mayFill(tx, user, i) }
	if err := m.DB.Read(ctx, check); err != nil {
		return err // before a byte of the body is read
	}
	others, end := m.coming.begin(user, u.most(m.MaxUpload))
	defer end()
	info, err := m.take(ctx, user, &u, others)
	if err != nil {
		return err
	}
	err = m.DB.Write(ctx, func(tx *sqldb.Tx) error {
		if err := check(tx); err != nil {
			return err
		}
		if err := m.count(tx, user, info.Size); err != nil {
			return err
		}
		_, err := tx.Exec(sqlFillMedia, string(i), info.Hash.String(), info.Size, u.ContentType, u.Name)
		return err
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
		return fault.New(fault.CannotOverwriteMedia, "This media id has its content already")
	case r.expires <= m.Now().UnixMilli():
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

// coming is the bytes of the uploads that are under way, by user: they are on the disk before they are counted, and if it
// were not for this as many could come at once as there are connections.
type coming struct {
	mu    sync.Mutex // guards bytes
	bytes map[id.User]int64
}

// begin adds an upload until end is called; others is what the user had under way before.
func (c *coming) begin(user id.User, size int64) (others int64, end func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	others = c.bytes[user]
	c.bytes[user] += size
	return others, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.bytes[user] -= size; c.bytes[user] == 0 {
			delete(c.bytes, user)
		}
	}
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
	info, err := m.Blobs.Put(ctx, u.Body, min(m.MaxUpload, left-others))
	switch {
	case errors.Is(err, blob.ErrTooLarge) && left-others < m.MaxUpload:
		return info, errQuota.Because(err)
	case errors.Is(err, blob.ErrTooLarge):
		return info, tooLarge.Because(err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return info, errDiskFull.Because(err)
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

var (
	errQuota = fault.New(fault.Forbidden, "You have uploaded as much as you may")
	errFull  = fault.New(fault.Forbidden, "This server can keep no more files")

	errDiskFull = fault.New(fault.Unknown, "The server's disk is full: nothing can be uploaded until there is room again").WithStatus(503)
)

// room checks that the user, and the server, may keep so many bytes more, and says how many they may.
func (m *Media) room(tx *sqldb.Tx, user id.User, size int64) (left int64, err error) {
	bytes, files, err := usage(tx, user)
	if err != nil {
		return 0, err
	}
	total, _, err := usage(tx, "")
	switch {
	case err != nil:
		return 0, err
	case bytes+size > m.MaxUser || files >= m.MaxUserFiles:
		return 0, errQuota
	case total+size > m.MaxTotal:
		return 0, errFull
	}
	return min(m.MaxUser-bytes, m.MaxTotal-total), nil
}

// count is room, and takes it.
func (m *Media) count(tx *sqldb.Tx, user id.User, size int64) error {
	if _, err := m.room(tx, user, size); err != nil {
		return err
	}
	for _, who := range []id.User{user, ""} {
		if _, err := tx.Exec(sqlCountUsage, string(who), size); err != nil {
			return fmt.Errorf("count an upload: %w", err)
		}
	}
	return nil
}

func usage(tx *sqldb.Tx, user id.User) (bytes, files int64, err error) {
	err = tx.Row(sqlUsage, string(user)).Scan(&bytes, &files)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, 0, nil
	}
	return bytes, files, err
}

// Usage is how many bytes and files a user has uploaded; of user "", all users together.
func (m *Media) Usage(ctx context.Context, user id.User) (bytes, files int64, err error) {
	err = m.DB.Read(ctx, func(tx *sqldb.Tx) error {
		var err error
		bytes, files, err = usage(tx, user)
		return err
	})
	return bytes, files, err
}

// readRow gives nil when there is no such id.
func readRow(tx *sqldb.Tx, i ID) (*row, error) {
	var r row
	var user string
	err := tx.Row(sqlMedia, string(i)).Scan(&user, &r.blob, &r.size, &r.contentType, &r.name, &r.created, &r.expires)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read media row: %w", err)
	}
	r.user = id.User(user)
	return &r, nil
}
