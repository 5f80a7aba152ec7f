package inbox

import (
	"context"
	"strconv"
	"strings"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Held reads what waits for a device after a place that an earlier answer gave, "" for the beginning, and leaves it there:
// for a device that is taken up, by a client that may be interrupted and begin again. next is the place to go on from; last
// says that nothing waits after it. Errors: M_INVALID_PARAM.
func (b *Inbox) Held(ctx context.Context, user id.User, device id.Device, from string, limit int) (messages []Message, next string, last bool, err error) {
	var since sqldb.Pos
	if from != "" {
		n, err := strconv.ParseInt(strings.TrimPrefix(from, "h"), 10, 64)
		if err != nil || n < 0 || from[0] != 'h' {
			return nil, "", false, fault.New(fault.InvalidParam, "That is not a place this server gives out")
		}
		since = sqldb.Pos(n)
	}
	if _, lost := b.DB.Lost(since); lost {
		since = 0 // what it has had in the life that was lost is given again (docs/backup.md)
	}
	err = b.DB.Read(ctx, func(tx *sqldb.Tx) error {
		high, err := tx.High()
		if err != nil {
			return err
		}
		var upto sqldb.Pos
		messages, upto, err = b.Since(tx, user, device, min(since, high), high, limit)
		next, last = "h"+strconv.FormatInt(int64(upto), 10), upto == high
		return err
	})
	return messages, next, last, err
}
