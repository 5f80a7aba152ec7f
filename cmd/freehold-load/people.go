package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" // #nosec G505 -- what /_synapse/admin/v1/register asks for
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// person is a user with a connection of her own, which she uses alone.
type person struct {
	*conn
	token string
	since string // of her last sync
}

const register = "/_synapse/admin/v1/register"

// people makes n accounts, and a connection for each.
func (l *lab) people(ctx context.Context, n int) ([]*person, error) {
	all := make([]*person, n)
	err := parallel(8, n, func(i int) error {
		c, err := l.dial(ctx)
		if err != nil {
			return err
		}
		all[i] = &person{conn: c}
		all[i].token, err = c.register(fmt.Sprintf("%s-%d", l.scenario, i))
		return err
	})
	return all, err
}

// register makes an account and returns its access token.
func (c *conn) register(name string) (string, error) {
	raw, err := c.do("GET", register, "", nil)
	if err != nil {
		return "", err
	}
	nonce := text(raw, "nonce")
	const password = "load-load-load"
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(strings.Join([]string{nonce, name, password, "notadmin"}, "\x00")))
	raw, err = c.do("POST", register, "", fmt.Appendf(nil,
		`{"nonce":%q,"username":%q,"password":%q,"admin":false,"mac":%q}`, nonce, name, password, hex.EncodeToString(mac.Sum(nil))))
	if err != nil {
		return "", err
	}
	return text(raw, "access_token"), nil
}

// redial gives everybody a new connection, as after a restart of the server.
func (l *lab) redial(ctx context.Context, people ...*person) error {
	for _, p := range people {
		c, err := l.dial(ctx)
		if err != nil {
			return err
		}
		p.close()
		p.conn = c
	}
	return nil
}

func (p *person) createRoom() (string, error) {
	raw, err := p.do("POST", "/_matrix/client/v3/createRoom", p.token, []byte(`{"preset":"public_chat"}`))
	return url.PathEscape(text(raw, "room_id")), err
}

func (p *person) join(room string) error {
	_, err := p.do("POST", "/_matrix/client/v3/join/"+room, p.token, []byte("{}"))
	return err
}

// say sends a text of 200 bytes that begins with n.
func (p *person) say(room string, n int) error {
	_, err := p.do("PUT", fmt.Sprintf("/_matrix/client/v3/rooms/%s/send/m.room.message/%d", room, n), p.token, message(n))
	return err
}

var padding = strings.Repeat("x", 200)

func message(n int) []byte {
	body := fmt.Appendf(nil, `{"msgtype":"m.text","body":"%d `, n)
	return append(append(body, padding[:200-len(fmt.Sprint(n))-1]...), `"}`...)
}

// sync syncs from where the last one ended, with more query parameters, and remembers where this one ends.
func (p *person) sync(timeout time.Duration, more string) ([]byte, error) {
	raw, err := p.do("GET", p.syncPath(timeout)+more, p.token, nil)
	if err == nil {
		p.since = text(raw, "next_batch")
	}
	return raw, err
}

func (p *person) syncPath(timeout time.Duration) string {
	path := fmt.Sprintf("/_matrix/client/v3/sync?timeout=%d", timeout.Milliseconds())
	if p.since != "" {
		path += "&since=" + p.since
	}
	return path
}

// parallel calls fn for 0 to n-1, workers at a time, until one fails.
func parallel(workers, n int, fn func(i int) error) error {
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for range min(workers, n) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n) && failed.Load() == nil; i = next.Add(1) - 1 {
				if err := fn(int(i)); err != nil {
					failed.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}
