package push

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/core/room"
	"freehold.example/matrix/id"
)

const (
	sqlNext = `SELECT user_id, app_id, pushkey, kind, app, name, tag, lang, url, data, since, failures, told FROM pusher WHERE nid = $1`
	sqlHead = `SELECT pos, event, actions FROM push_queue WHERE pusher = $1 ORDER BY pos LIMIT 1`
	sqlSent = `DELETE FROM push_queue WHERE pusher = $1 AND pos <= $2`
	sqlWell = `UPDATE pusher SET pos = $2, failures = 0, retry = 0, trouble = '', told = $3 WHERE nid = $1`
	sqlIll  = `UPDATE pusher SET failures = $2, retry = $3, trouble = $4 WHERE nid = $1`
	sqlGone = `DELETE FROM pusher WHERE nid = $1`
	sqlLeft = `DELETE FROM push_queue WHERE pusher = $1`
)

// inTurn is how many notifications of one pusher are sent before others have their turn.
const inTurn = 10

// item is one notification on its way.
type item struct {
	user     id.User
	pusher   Pusher
	failures int
	pos      sqldb.Pos
	body     []byte // nil: there is nothing to tell any more
	told     int    // how many unread messages the gateway will have been told of after this one; -1: not known
}

// sendSafely is send, of which a fault of this program costs one pusher its turn and not the server its life.
func (p *Push) sendSafely(ctx context.Context, nid int64) (o outcome) {
	defer func() {
		if fault := recover(); fault != nil {
			p.Log.ErrorContext(ctx, "a notification cannot be sent", "cause", fmt.Errorf("panic: %v\n%s", fault, debug.Stack()))
			o = outcome{retry: p.Now().Add(pauseAfter(8))}
		}
	}()
	return p.send(ctx, nid)
}

// send sends what waits for a pusher, until nothing is left, something fails, or it is the turn of others.
func (p *Push) send(ctx context.Context, nid int64) outcome {
	for range inTurn {
		it, err := p.next(ctx, nid)
		switch {
		case err != nil:
			if ctx.Err() == nil {
				p.Log.ErrorContext(ctx, "a notification cannot be read", "cause", err)
			}
			return outcome{retry: p.Now().Add(pauseAfter(8))}
		case it == nil:
			return outcome{empty: true}
		}
		gone, down := false, false
		var trouble error
		if it.body != nil {
			gone, down, trouble = p.post(ctx, it)
		}
		if trouble != nil && ctx.Err() != nil {
			return outcome{} // it is the server that ends
		}
		var retry time.Time
		if trouble != nil {
			retry = p.Now().Add(pauseAfter(it.failures + 1))
		}
		err = p.DB.Write(context.WithoutCancel(ctx), func(tx *sqldb.Tx) error { return note(tx, nid, it, gone, trouble, p.Now(), retry) })
		if err != nil {
			p.Log.ErrorContext(ctx, "that a notification was sent cannot be written down", "cause", err)
			retry = p.Now().Add(pauseAfter(1))
		}
		if gone || trouble != nil || err != nil {
			return outcome{empty: gone, down: down, retry: retry}
		}
	}
	return outcome{}
}

// note writes down what came of a notification.
func note(tx *sqldb.Tx, nid int64, it *item, gone bool, trouble error, now, retry time.Time) error {
	if trouble != nil {
		text := trouble.Error()
		text = strings.ToValidUTF8(text[:min(len(text), maxTrouble)], "")
		if err := tx.Put(sqlIll, nid, it.failures+1, retry.UnixMilli(), text); err != nil {
			return err
		}
		return complain(tx, nid, now, it.failures+1, text)
	}
	if gone {
		if err := tx.Put(sqlGone, nid); err != nil {
			return err
		}
		if err := tx.Put(sqlWoesOf, nid); err != nil {
			return err
		}
		return tx.Put(sqlLeft, nid)
	}
	if err := tx.Put(sqlSent, nid, it.pos); err != nil {
		return err
	}
	return tx.Put(sqlWell, nid, it.pos, it.told)
}

// next reads what is to be sent next; nil when there is nothing, or the pusher is no more.
func (p *Push) next(ctx context.Context, nid int64) (*item, error) {
	var it *item
	select {
	case p.readers <- struct{}{}:
		defer func() { <-p.readers }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	err := p.DB.Read(ctx, func(tx *sqldb.Tx) error {
		it = &item{}
		x := &it.pusher
		var since int64
		var data, actions string
		err := tx.Row(sqlNext, nid).Scan(&it.user, &x.AppID, &x.Key, &x.Kind, &x.App, &x.Device, &x.Profile, &x.Lang, &x.URL, &data,
			&since, &it.failures, &it.told)
		if err != nil {
			return err
		}
		x.Data, x.Since = json.RawMessage(data), time.UnixMilli(since)
		var event room.NID
		if err := tx.Row(sqlHead, nid).Scan(&it.pos, &event, &actions); err != nil {
			return err
		}
		if event == 0 {
			it.body, err = p.composeBadge(tx, it)
		} else {
			it.body, err = p.compose(tx, it, event, []byte(actions))
		}
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return it, err
}

// grace is how long a request that is under way when the server ends may still take, so that it need not be made again.
const grace = 2 * time.Second

func linger(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return longer, func() { stop(); cancel() }
}

// post tells the gateway. gone says that it knows the pusher no more; down, that the gateway itself is in trouble.
func (p *Push) post(ctx context.Context, it *item) (gone, down bool, trouble error) {
	ctx, end := linger(ctx)
	defer end()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, it.pusher.URL, bytes.NewReader(it.body))
	if err != nil {
		return false, false, err
	}
	req.Header.Set("Content-Type", "application/json")
	client := p.secure
	if req.URL.Scheme != "https" {
		client = p.plain
	}
	resp, err := client.Do(req)
	if err != nil {
		return false, true, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return false, resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests, fmt.Errorf("the gateway says %s", resp.Status)
	}
	var answer struct {
		Rejected []string `json:"rejected"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return false, true, fmt.Errorf("the gateway's answer: %w", err)
	}
	return slices.Contains(answer.Rejected, it.pusher.Key), false, nil
}
