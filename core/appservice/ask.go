package appservice

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Desk is where application services are asked: whether they have a user or an alias, and what they know of the networks
// that they bridge to (Application Service API, "Querying" and "Third-party networks"). Who asks waits for the answer, and
// so each has a time; a service that let one wait in vain is not asked again for a while.
type Desk struct {
	services *Services
	line     *Line
	now      func() time.Time
	networks networks
}

// NewDesk makes the desk of a server's services.
func NewDesk(all *Services, line *Line, now func() time.Time) *Desk {
	return &Desk{services: all, line: line, now: now, networks: networks{known: map[networkOf]protocol{}}}
}

const (
	askTime = 10 * time.Second       // for an answer, with all that is tried
	tries   = 3                      // to reach a service that does not answer at all
	between = 300 * time.Millisecond // tries
	sulk    = 10 * time.Second       // how long a service that could not be reached is not asked

	// limit: what one application service is asked at once | %d | the others wait, and are told after 10 s that it does not answer
	maxAsked = 16
)

// errSilent says that a service did not answer.
var errSilent = errors.New("appservice: the application service does not answer")

// gate lets few at once ask one service.
type gate struct {
	places chan struct{}
	silent atomic.Int64 // until when it is not asked, in nanoseconds since 1970
}

func newGate() *gate { return &gate{places: make(chan struct{}, maxAsked)} }

// ask asks one service. errSilent says that there was no answer; any status is one.
func (d *Desk) ask(ctx context.Context, s *Service, r request) (status int, answer []byte, err error) {
	if d.now().UnixNano() < s.gate.silent.Load() {
		return 0, nil, errSilent
	}
	limited, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	select {
	case s.gate.places <- struct{}{}:
		defer func() { <-s.gate.places }()
	case <-limited.Done():
		return 0, nil, errSilent
	}
	for try := range tries {
		if try > 0 && !rest(limited, between) {
			break
		}
		if status, answer, err = d.line.call(limited, s, r); err == nil {
			return status, answer, nil
		}
	}
	if ctx.Err() != nil {
		return 0, nil, ctx.Err()
	}
	s.gate.silent.Store(d.now().Add(sulk).UnixNano())
	return 0, nil, errSilent
}

// rest waits, and says whether ctx still lasts.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// User asks for a user of this server that nobody has heard of, and says whether there is one now. by is the service that
// wants to know, which is not asked itself; nil for people. Who is in no namespace costs nothing.
func (d *Desk) User(ctx context.Context, user id.User, by *Service) (made bool, err error) {
	made, err = d.exists(ctx, by, func(s *Service) bool { return s.Owns(user) }, "users", string(user))
	if errors.Is(err, errSilent) {
		err = nil // it may come to be later; nobody has to wait for that
	}
	return made, err
}

// MayHave says whether a user may be made by asking for it.
func (d *Desk) MayHave(user id.User) bool {
	for _, s := range d.services.All() {
		if s.URL != nil && s.Owns(user) {
			return true
		}
	}
	return false
}

// Alias is User for an alias. Errors: M_CONNECTION_TIMEOUT with 408 where a service that may have it does not answer.
func (d *Desk) Alias(ctx context.Context, alias id.Alias, by *Service) (made bool, err error) {
	made, err = d.exists(ctx, by, func(s *Service) bool { return s.OwnsAlias(alias) }, "rooms", string(alias))
	if errors.Is(err, errSilent) {
		err = fault.New(fault.ConnectionTimeout, "The application service that this room alias belongs to does not answer").
			WithStatus(http.StatusRequestTimeout)
	}
	return made, err
}

func (d *Desk) exists(
	ctx context.Context, by *Service, has func(*Service) bool, kind, name string,
) (made bool, err error) {
	for _, s := range d.services.All() {
		if s.URL == nil || s == by || !has(s) {
			continue
		}
		status, _, one := d.ask(ctx, s, request{method: http.MethodGet, path: app(kind, name), legacy: []string{kind, name}})
		if one == nil && status == http.StatusOK {
			return true, nil
		}
		err = errors.Join(err, one)
	}
	return false, err
}
