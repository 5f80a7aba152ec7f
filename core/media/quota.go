package media

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

const (
	sqlUsage      = `SELECT bytes, files FROM media_usage WHERE user_id = $1`
	sqlCountUsage = `INSERT INTO media_usage (user_id, bytes, files) VALUES ($1, $2, $3) ON CONFLICT (user_id) DO UPDATE SET bytes = media_usage.bytes + excluded.bytes, files = media_usage.files + excluded.files`
)

// purse is whose bytes are counted together: a user, or one of these.
type purse string

const (
	everybody  purse = ""           // all users together
	borrowed   purse = "borrowed"   // what is kept for a while only
	copies     purse = "copies"     // what other servers have too
	thumbnails purse = "thumbnails" // what can be made again
)

// The specification asks for M_FORBIDDEN where a quota is used up. M_USER_LIMIT_EXCEEDED would have to name a page that
// tells the user more, and a server without a website has none.
// https://spec.matrix.org/v1.19/client-server-api/#content-repo-security-considerations
var (
	errQuota = fault.New(fault.Forbidden, "You have uploaded as much as you may")
	errFull  = fault.New(fault.Forbidden, "This server can keep no more files")
)

// room checks that the user, and the server, may keep so many bytes more, and says how many they may.
func (m *Media) room(tx *sqldb.Tx, user id.User, size int64) (left int64, err error) {
	bytes, files, err := usage(tx, purse(user))
	if err != nil {
		return 0, err
	}
	total, _, err := usage(tx, everybody)
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

// charge is room, and takes it.
func (m *Media) charge(tx *sqldb.Tx, user id.User, size int64) error {
	if _, err := m.room(tx, user, size); err != nil {
		return err
	}
	return errors.Join(count(tx, purse(user), size, 1), count(tx, everybody, size, 1))
}

// count adds to a purse, or takes from it.
func count(tx *sqldb.Tx, p purse, bytes, files int64) error {
	if _, err := tx.Exec(sqlCountUsage, string(p), bytes, files); err != nil {
		return fmt.Errorf("count media: %w", err)
	}
	return nil
}

func usage(tx *sqldb.Tx, p purse) (bytes, files int64, err error) {
	err = tx.Row(sqlUsage, string(p)).Scan(&bytes, &files)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, 0, nil
	}
	return bytes, files, err
}

// Usage is how many bytes and files a user has uploaded; of user "", all users together.
func (m *Media) Usage(ctx context.Context, user id.User) (bytes, files int64, err error) {
	err = m.DB.Read(ctx, func(tx *sqldb.Tx) error {
		var err error
		bytes, files, err = usage(tx, purse(user))
		return err
	})
	return bytes, files, err
}

// coming is the bytes of the uploads that are under way, by user: they are on the disk before they are counted, and if it
// were not for this as many could come at once as there are connections.
type coming struct {
	mu    sync.Mutex      // guards bytes
	bytes map[purse]int64 // bounded by the uploads under way
}

// begin adds an upload until end is called; others is what was under way before.
func (c *coming) begin(p purse, size int64) (others int64, end func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	others = c.bytes[p]
	c.bytes[p] += size
	return others, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.bytes[p] -= size; c.bytes[p] == 0 {
			delete(c.bytes, p)
		}
	}
}
