package media

import (
	"context"
	"errors"
	"time"

	"freehold.example/base/blob"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
)

// Borrow keeps a file that no user uploaded, at least until the given time: a picture of somebody else's page. All of
// these together have at most MaxBorrowed bytes; beyond that, until some have had their time, it is M_LIMIT_EXCEEDED.
func (m *Media) Borrow(ctx context.Context, u Upload, until time.Time) (ID, blob.Info, error) {
	if err := u.clean(); err != nil {
		return "", blob.Info{}, err
	}
	others, end := m.coming.begin(borrowed, u.most(m.MaxUpload))
	defer end()
	var left int64
	check := func(tx *sqldb.Tx, size int64) error {
		bytes, _, err := usage(tx, borrowed)
		if left = m.MaxBorrowed - bytes; err == nil && size > left {
			err = errBorrowed
		}
		return err
	}
	if err := m.DB.Read(ctx, func(tx *sqldb.Tx) error { return check(tx, others+max(u.Length, 1)) }); err != nil {
		return "", blob.Info{}, err
	}
	limit := min(m.MaxUpload, left-others)
	if u.Length > limit {
		return "", blob.Info{}, errBorrowedSize
	}
	info, err := m.keep(ctx, &u, limit)
	if errors.Is(err, blob.ErrTooLarge) {
		err = errBorrowedSize.Because(err)
	}
	if err != nil {
		return "", blob.Info{}, err
	}
	i := newID()
	err = m.DB.Write(ctx, func(tx *sqldb.Tx) error {
		if err := check(tx, info.Size); err != nil {
			return err
		}
		if err := count(tx, borrowed, info.Size, 1); err != nil {
			return err
		}
		_, err := tx.Exec(sqlAddMedia, string(i), "", info.Hash.String(), info.Size, u.ContentType, u.Name,
			m.Now().UnixMilli(), 0, until.UnixMilli())
		if err != nil {
			return err
		}
		return inherit(tx, i, info.Hash.String())
	})
	return i, info, err
}

var (
	errBorrowed     = fault.New(fault.LimitExceeded, "This server keeps as much of others as it may").After(time.Hour)
	errBorrowedSize = fault.New(fault.TooLarge, "This file is too large to be kept")
)
