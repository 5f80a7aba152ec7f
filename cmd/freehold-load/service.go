package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// service is an application service that takes everything, and counts the messages that it is told of.
type service struct {
	http *http.Server

	mu    sync.Mutex // guards the rest
	told  map[string]bool
	twice int
	txns  map[string]bool
}

const serviceToken = "load-as-token"

// newService makes a service, and its registration in a directory.
func newService(ctx context.Context, dir string) (*service, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &service{told: map[string]bool{}, txns: map[string]bool{}}
	s.http = &http.Server{Handler: http.HandlerFunc(s.take), ReadHeaderTimeout: time.Minute}
	go func() { _ = s.http.Serve(l) }() // until close
	registration := fmt.Sprintf("id: load\nurl: http://%s\nas_token: %s\nhs_token: load-hs-token\nsender_localpart: _load\nrate_limited: false\n"+
		"receive_ephemeral: true\norg.matrix.msc3202: true\nnamespaces:\n  users: [{exclusive: true, regex: \"@_load_.*\"}]\n", l.Addr(), serviceToken)
	return s, os.WriteFile(filepath.Join(dir, "load.yaml"), []byte(registration), 0o600)
}

func (s *service) close() { _ = s.http.Close() }

func (s *service) take(w http.ResponseWriter, r *http.Request) {
	var t struct {
		Events []struct {
			ID   string `json:"event_id"`
			Type string `json:"type"`
		} `json:"events"`
	}
	_, txn, is := strings.Cut(r.URL.Path, "/transactions/")
	if err := json.NewDecoder(r.Body).Decode(&t); err != nil || !is {
		http.Error(w, "not a transaction", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.txns[txn] {
		s.txns[txn] = true
		for _, e := range t.Events {
			if e.Type != "m.room.message" {
				continue
			}
			if s.told[e.ID] {
				s.twice++
			}
			s.told[e.ID] = true
		}
	}
	_, _ = w.Write([]byte("{}"))
}

// all waits until the service was told of n messages.
func (s *service) all(n int, patience time.Duration) error {
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		now, twice := len(s.told), s.twice
		s.mu.Unlock()
		switch {
		case twice > 0:
			return fmt.Errorf("the service was told twice of %d messages", twice)
		case now >= n:
			return nil
		case time.Now().After(end):
			return fmt.Errorf("after %s the service was told of %d of %d messages", patience, now, n)
		}
	}
}

// ghost is a user of the service with a connection of its own.
type ghost struct {
	*conn
	room, query string
}

func (l *lab) ghosts(ctx context.Context, n int) ([]*ghost, error) {
	all := make([]*ghost, n)
	err := parallel(8, n, func(i int) error {
		c, err := l.dial(ctx)
		if err != nil {
			return err
		}
		name := fmt.Sprint("_load_", i)
		g := &ghost{conn: c, query: "?user_id=" + url.QueryEscape("@"+name+":localhost")}
		all[i] = g
		made := fmt.Appendf(nil, `{"type":"m.login.application_service","username":%q,"inhibit_login":true}`, name)
		if _, err := c.do("POST", "/_matrix/client/v3/register", serviceToken, made); err != nil {
			return err
		}
		raw, err := c.do("POST", "/_matrix/client/v3/createRoom"+g.query, serviceToken, []byte(`{"preset":"public_chat"}`))
		g.room = url.PathEscape(text(raw, "room_id"))
		return err
	})
	return all, err
}

func (g *ghost) say(n int) error {
	_, err := g.do("PUT", fmt.Sprintf("/_matrix/client/v3/rooms/%s/send/m.room.message/%d", g.room, n)+g.query, serviceToken, message(n))
	return err
}

// serving has an application service send as its ghosts, in 32 rooms, and be told of all of it; and be told of what people
// say in the same rooms.
func serving(ctx context.Context, l *lab) error {
	const rooms = 32
	registrations, err := os.MkdirTemp("", "freehold-load-services-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(registrations) }()
	s, err := newService(ctx, registrations)
	if err != nil {
		return err
	}
	defer s.close()
	l.env = []string{"FREEHOLD_APPSERVICES_DIR=" + registrations}
	if err := l.start(ctx); err != nil {
		return err
	}
	ghosts, err := l.ghosts(ctx, rooms)
	if err != nil {
		return err
	}
	people, err := l.people(ctx, rooms)
	if err != nil {
		return err
	}
	for i, p := range people {
		if err := p.join(ghosts[i].room); err != nil {
			return err
		}
	}
	each := max(l.messages/rooms, 1)
	total := 0
	for _, c := range []struct {
		name, work string
		say        func(i, n int) error
	}{
		{"ghosts", "an application service sends as 32 ghosts in 32 rooms, and is told of all of it", func(i, n int) error { return ghosts[i].say(n) }},
		{"people", "32 people send in the same rooms, and the application service is told", func(i, n int) error { return people[i].say(ghosts[i].room, n) }},
	} {
		var sent, told time.Duration
		cpu, err := l.work(ctx, l.scenario+"-"+c.name, func() error {
			began := time.Now()
			err := parallel(rooms, rooms, func(i int) error {
				for n := range each {
					if err := c.say(i, n); err != nil {
						return err
					}
				}
				return nil
			})
			sent = time.Since(began)
			if err == nil {
				total += each * rooms
				err = s.all(total, time.Minute)
			}
			told = time.Since(began)
			return err
		})
		if err != nil {
			return err
		}
		n := float64(each * rooms)
		l.atLeast(c.work, n/told.Seconds(), 2000, "%.0f events/s, sent and told")
		l.add(c.work, "%.3f ms of server CPU per event; the last was told %.0f ms after it was sent", milliseconds(cpu)/n, milliseconds(told-sent))
	}
	return nil
}
