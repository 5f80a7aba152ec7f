package ephemeral

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// The states of presence (https://spec.matrix.org/v1.18/client-server-api/#presence).
const (
	Online      = "online"
	Unavailable = "unavailable"
	Offline     = "offline"
)

const (
	idleAfter  = 5 * time.Minute  // without activity, online becomes unavailable
	goneAfter  = 30 * time.Second // after the last sync ended, a device is gone
	setLasts   = 5 * time.Minute  // how long a state set by hand lasts on a device that does not sync
	sweepEvery = 10 * time.Second // how often idle and gone are looked for, while anybody is here
	maxStatus  = 1024             // bytes of a status message
	askEach    = 16               // up to so many users, ask of each whether it shares a room; beyond, list all who do
)

// presence is who is here. Memory is one small entry for each local user who was here since the start.
type presence struct {
	mu     sync.Mutex // guards all below; held for map operations only
	people map[id.User]*somebody
	log    []change    // the newest changes, oldest first: what a sync that is not far behind looks through
	lost   Serial      // greatest serial that is no longer in the log
	sweep  *time.Timer // nil while nobody is here
	closed bool
}

// maxLog is how many changes are remembered in order.
const maxLog = 4096

type change struct {
	serial Serial
	user   id.User
}

// noted remembers that the user's serial has moved. The caller holds the lock.
func (p *presence) noted(user id.User, serial Serial) {
	if len(p.log) == 2*maxLog {
		p.lost = p.log[maxLog-1].serial
		p.log = append(p.log[:0], p.log[maxLog:]...)
	}
	p.log = append(p.log, change{serial, user})
}

// somebody is one user: the state is the most present of all devices.
type somebody struct {
	devices map[id.Device]presentAt
	status  string
	state   string
	active  time.Time // last activity
	serial  Serial    // of the last change of state or status
}

type presentAt struct {
	state string
	until time.Time
}

// Presence is what others see of a user.
type Presence struct {
	User            id.User
	State           string // Online, Unavailable or Offline
	StatusMsg       string
	LastActive      time.Time // zero when never
	CurrentlyActive bool
}

// SetPresence sets the user's state by hand, as one of their devices. status nil leaves the message as it is.
func (e *Ephemeral) SetPresence(ctx context.Context, user id.User, device id.Device, state string, status *string) error {
	switch {
	case state != Online && state != Unavailable && state != Offline:
		return fault.New(fault.InvalidParam, "Presence is online, unavailable or offline")
	case status != nil && len(*status) > maxStatus:
		return fault.New(fault.InvalidParam, "A status message has at most 1024 bytes")
	case e.presence == nil:
		return nil
	}
	e.touch(ctx, user, func(s *somebody, now time.Time) {
		s.devices[device] = presentAt{state, now.Add(setLasts)}
		if status != nil && *status != s.status {
			s.status = *status
			s.serial = e.next()
		}
		s.active = now
	})
	return nil
}

// Seen notes that a device syncs and will do so for the length of poll. state is what it asked for with set_presence;
// Offline leaves everything as it is. ended is called when the sync is over, early if the client hung up: the device is
// then gone in due time after that, unless it has been heard of since.
func (e *Ephemeral) Seen(ctx context.Context, user id.User, device id.Device, state string, poll time.Duration) (ended func()) {
	if e.presence == nil || state != Online && state != Unavailable {
		return func() {}
	}
	var seen presentAt
	e.touch(ctx, user, func(s *somebody, now time.Time) {
		if state == Online && s.devices[device].state != Online {
			s.active = now
		}
		seen = presentAt{state, now.Add(max(poll, 0) + goneAfter)}
		s.devices[device] = seen
	})
	return func() {
		e.touch(ctx, user, func(s *somebody, now time.Time) {
			if until := now.Add(goneAfter); s.devices[device] == seen && until.Before(seen.until) {
				s.devices[device] = presentAt{state, until}
			}
		})
	}
}

// Active notes that the user did something: sent a message, read one.
func (e *Ephemeral) Active(ctx context.Context, user id.User) {
	if e.presence == nil {
		return
	}
	e.touch(ctx, user, func(s *somebody, now time.Time) { s.active = now })
}

// touch changes what is known of a user and tells whoever shares a room when others can see the difference.
func (e *Ephemeral) touch(ctx context.Context, user id.User, change func(*somebody, time.Time)) {
	if e.change(user, change) {
		e.tellPresence(ctx, user)
	}
}

func (e *Ephemeral) change(user id.User, change func(*somebody, time.Time)) (news bool) {
	now := e.Now()
	p := e.presence
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.people[user]
	if s == nil {
		s = &somebody{devices: map[id.Device]presentAt{}, state: Offline}
		p.people[user] = s
	}
	before := s.serial
	change(s, now)
	e.settle(s, now)
	if s.serial != before {
		p.noted(user, s.serial)
	}
	if p.sweep == nil && !p.closed && len(s.devices) > 0 {
		p.sweep = time.AfterFunc(sweepEvery, e.sweepPresence)
	}
	return s.serial != before
}

// settle works out the state from the devices. The caller holds the lock.
func (e *Ephemeral) settle(s *somebody, now time.Time) {
	state := Offline
	for d, at := range s.devices {
		switch {
		case at.state == Offline || !at.until.After(now):
			delete(s.devices, d)
		case at.state == Online && now.Sub(s.active) < idleAfter:
			state = Online
		case state == Offline:
			state = Unavailable
		}
	}
	if state != s.state {
		s.state = state
		s.serial = e.next()
	}
}

func (e *Ephemeral) tellPresence(ctx context.Context, user id.User) {
	var others []id.User
	err := e.DB.Read(context.WithoutCancel(ctx), func(tx *sqldb.Tx) error {
		var err error
		others, err = e.Rooms.SharedUsers(tx, user)
		return err
	})
	if err != nil {
		e.Log.Warn("presence changed, but nobody could be told", slog.Any("err", err))
		return
	}
	e.wakeUsers(append(others, user))
}

// sweepPresence finds whoever went idle or away.
func (e *Ephemeral) sweepPresence() {
	for _, u := range e.expirePresence() {
		e.tellPresence(context.Background(), u)
	}
}

func (e *Ephemeral) expirePresence() (changed []id.User) {
	now := e.Now()
	p := e.presence
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sweep = nil
	here := false
	for u, s := range p.people {
		if s.state == Offline && len(s.devices) == 0 {
			continue
		}
		before := s.serial
		e.settle(s, now)
		if s.serial != before {
			p.noted(u, s.serial)
			changed = append(changed, u)
		}
		here = here || len(s.devices) > 0
	}
	if here && !p.closed {
		p.sweep = time.AfterFunc(sweepEvery, e.sweepPresence)
	}
	return changed
}

func (p *presence) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.sweep != nil {
		p.sweep.Stop()
	}
}

// Presence is what reader sees of user: M_FORBIDDEN when they share no room. A user nobody has seen is offline.
func (e *Ephemeral) Presence(ctx context.Context, reader, user id.User) (Presence, error) {
	if reader != user {
		err := e.DB.Read(ctx, func(tx *sqldb.Tx) error {
			shares, err := e.Rooms.SharesRoom(tx, reader, user)
			if err == nil && !shares {
				return fault.New(fault.Forbidden, "You share no room with this user")
			}
			return err
		})
		if err != nil {
			return Presence{}, err
		}
	}
	if seen := e.PresenceOf([]id.User{user}); len(seen) == 1 {
		return seen[0], nil
	}
	return Presence{User: user, State: Offline}, nil
}

// PresenceOf is what is known of users, in their order: those of a room that somebody joined. Users never seen are left
// out.
func (e *Ephemeral) PresenceOf(users []id.User) []Presence {
	p := e.presence
	if p == nil {
		return nil
	}
	now := e.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Presence
	for _, u := range users {
		if s := p.people[u]; s != nil && s.serial != 0 {
			out = append(out, s.show(u, now))
		}
	}
	return out
}

// PresenceSince is what changed after since, of the reader and of whoever shares a room with them, in order of user ids.
// With since 0 it is everybody who is not offline.
func (e *Ephemeral) PresenceSince(tx *sqldb.Tx, reader id.User, since Serial) ([]Presence, error) {
	if e.presence == nil {
		return nil, nil
	}
	return e.visible(tx, reader, e.changedSince(since))
}

func (e *Ephemeral) changedSince(since Serial) []Presence {
	now := e.Now()
	p := e.presence
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Presence
	if since < p.lost || since == 0 {
		for u, s := range p.people {
			if s.serial > since && (since != 0 || s.state != Offline) {
				out = append(out, s.show(u, now))
			}
		}
	} else {
		for _, c := range slices.Backward(p.log) {
			if c.serial <= since {
				break
			}
			if s := p.people[c.user]; s.serial == c.serial { // else there is a newer one
				out = append(out, s.show(c.user, now))
			}
		}
	}
	slices.SortFunc(out, func(a, b Presence) int { return strings.Compare(string(a.User), string(b.User)) })
	return out
}

// visible keeps what reader may see.
func (e *Ephemeral) visible(tx *sqldb.Tx, reader id.User, all []Presence) ([]Presence, error) {
	var known map[id.User]bool
	if len(all) > askEach {
		shared, err := e.Rooms.SharedUsers(tx, reader)
		if err != nil {
			return nil, err
		}
		known = make(map[id.User]bool, len(shared))
		for _, u := range shared {
			known[u] = true
		}
	}
	var out []Presence
	for _, p := range all {
		sees := p.User == reader || known[p.User]
		if !sees && known == nil {
			var err error
			if sees, err = e.Rooms.SharesRoom(tx, reader, p.User); err != nil {
				return nil, err
			}
		}
		if sees {
			out = append(out, p)
		}
	}
	return out, nil
}

func (s *somebody) show(u id.User, now time.Time) Presence {
	return Presence{
		User: u, State: s.state, StatusMsg: s.status, LastActive: s.active,
		CurrentlyActive: s.state == Online && now.Sub(s.active) < idleAfter,
	}
}
