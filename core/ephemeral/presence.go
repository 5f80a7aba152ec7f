package ephemeral

import (
	"context"
	"log/slog"
	"slices"
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

// presence is who is here, and who was since the start.
type presence struct {
	mu     sync.Mutex            // guards all below; held for map operations only
	people map[id.User]*somebody // bounded by maxPeople
	log    []change              // the newest changes, oldest first, bounded by maxLog: what a sync that is not far behind looks through
	lost   Serial                // greatest serial that is no longer in the log
	sweep  *time.Timer           // nil while nobody is here
	closed bool

	tellings tellings
}

// maxPeople is how many are remembered.
//
// limit: people's presence, in memory | %d of at most 2 KiB | who is not here is forgotten, and counts as never seen
const maxPeople = 50_000

// maxLog is how many changes are remembered in order.
//
// limit: changes of presence, in memory | twice %d of some 300 bytes | the older half goes; who is behind looks at everybody
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
	remote  bool      // a user of another server, which says what the state is; its word is kept as that of a device without a name
	busy    bool      // of a remote one: currently active
	early   bool      // a remote one, of whom it is not known yet whether she shares a room with anybody here
	told    time.Time // when other servers were told last
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
		// With the request's own context all of the request would be kept while it is parked.
		e.touch(context.Background(), user, func(s *somebody, now time.Time) {
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
		p.makeRoom()
		s = &somebody{devices: map[id.Device]presentAt{}, state: Offline}
		p.people[user] = s
	}
	before := s.serial
	change(s, now)
	e.settle(s, now)
	if s.serial != before {
		p.noted(user, s.serial)
		s.told = now
	}
	if p.sweep == nil && !p.closed && len(s.devices) > 0 {
		p.sweep = time.AfterFunc(sweepEvery, e.sweepPresence)
	}
	return s.serial != before
}

// makeRoom forgets somebody, rather one who is not here, when there are too many. The caller holds the lock.
func (p *presence) makeRoom() {
	if len(p.people) < maxPeople {
		return
	}
	var one id.User
	tries := 0
	for u, s := range p.people {
		one = u
		if tries++; s.state == Offline || tries == 100 {
			break
		}
	}
	delete(p.people, one)
}

// settle works out the state from the devices. The caller holds the lock.
func (e *Ephemeral) settle(s *somebody, now time.Time) {
	state := Offline
	for d, at := range s.devices {
		switch {
		case at.state == Offline || !at.until.After(now):
			delete(s.devices, d)
		case s.remote:
			state = at.state
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

// tellings are of users whose presence has changed. Those who come while others are told of are told of together: when all
// come at once, as after a start, they share their rooms and so those who are to be told.
type tellings struct {
	turn turn       // held while users are told of; taken before mu
	mu   sync.Mutex // guards next
	next *telling   // nil when nobody waits for the turn
}

// turn is had by one at a time. It is a type of its own, as test/lockorder tells locks apart by the type that takes them, and this one, unlike
// those of Ephemeral, is held while the database is read.
type turn struct{ mu sync.Mutex }

func (t *turn) take() (end func()) {
	t.mu.Lock()
	return t.mu.Unlock
}

type telling struct {
	users []id.User     // bounded by the requests, each of which has one
	done  chan struct{} // bounded: it holds none; closed when it is done
}

// tellPresence tells whoever shares a room with the user, and returns when that is done.
func (e *Ephemeral) tellPresence(ctx context.Context, user id.User) {
	all := &e.presence.tellings
	all.mu.Lock()
	mine, first := all.next, all.next == nil
	if first {
		mine = &telling{done: make(chan struct{})}
		all.next = mine
	}
	mine.users = append(mine.users, user)
	all.mu.Unlock()
	if !first {
		<-mine.done
		return
	}
	defer all.turn.take()()
	defer close(mine.done)
	all.mu.Lock()
	all.next = nil // nobody is added any more
	all.mu.Unlock()
	e.tellAll(context.WithoutCancel(ctx), mine.users)
}

func (e *Ephemeral) tellAll(ctx context.Context, users []id.User) {
	var others []id.User
	err := e.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		if others, err = e.Rooms.SharedWith(tx, users); err != nil {
			return err
		}
		for _, u := range users {
			servers := func() ([]id.Server, error) { return e.Rooms.SharedServers(tx, u) }
			if len(users) == 1 { // others are hers alone
				servers = func() ([]id.Server, error) { return e.Rooms.SharedServersBy(tx, u, others) }
			}
			if err := e.tellAbroad(u, servers); err != nil {
				return err
			}
		}
		for _, u := range users {
			if !e.isEarly(u) {
				continue
			}
			may, err := e.Rooms.MayShare(tx, u.Server())
			if err != nil {
				return err
			}
			others = append(others, may...)
		}
		return nil
	})
	if err != nil {
		e.Log.Warn("presence changed, but nobody could be told", slog.Any("err", err))
		return
	}
	e.wakeUsers(append(others, users...))
}

// sweepPresence finds whoever went idle or away.
func (e *Ephemeral) sweepPresence() {
	changed, again := e.expirePresence()
	if len(changed) > 0 {
		e.tellAll(context.Background(), changed)
	}
	if len(again) == 0 || e.Tell == nil {
		return
	}
	err := e.DB.Read(context.Background(), func(tx *sqldb.Tx) error {
		for _, u := range again {
			if err := e.tellAbroad(u, func() ([]id.Server, error) { return e.Rooms.SharedServers(tx, u) }); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		e.Log.Warn("other servers were not told who is here", slog.Any("err", err))
	}
}

// expirePresence gives those whose presence changed, and those of whom it is to be told again that they are here.
func (e *Ephemeral) expirePresence() (changed, again []id.User) {
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
		switch {
		case s.serial != before:
			p.noted(u, s.serial)
			s.told = now
			changed = append(changed, u)
		case !s.remote && now.Sub(s.told) >= repeatPresent:
			s.told = now
			again = append(again, u)
		}
		here = here || len(s.devices) > 0
	}
	if here && !p.closed {
		p.sweep = time.AfterFunc(sweepEvery, e.sweepPresence)
	}
	return changed, again
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
	users, many := e.changedSince(since)
	if many {
		var err error
		if users, err = e.Rooms.SharedUsers(tx, reader); err != nil {
			return nil, err
		}
		if !slices.Contains(users, reader) {
			users = append(users, reader)
		}
	} else {
		kept := users[:0]
		for _, u := range users {
			if sees, err := e.sees(tx, reader, u); err != nil {
				return nil, err
			} else if sees {
				kept = append(kept, u)
			}
		}
		users = kept
	}
	slices.Sort(users)
	return e.changedOf(users, since), nil
}

// sees says whether a reader is shown a user's presence.
func (e *Ephemeral) sees(tx *sqldb.Tx, reader, user id.User) (bool, error) {
	if reader == user {
		return true, nil
	}
	if sees, err := e.Rooms.SharesRoom(tx, reader, user); err != nil || sees || !e.isEarly(user) {
		return sees, err
	}
	may, err := e.Rooms.MayShare(tx, user.Server())
	return slices.Contains(may, reader), err
}

// isEarly says whether a user is one of another server, of whom it is not known yet whether she shares a room with anybody here.
func (e *Ephemeral) isEarly(user id.User) bool {
	e.presence.mu.Lock()
	defer e.presence.mu.Unlock()
	s := e.presence.people[user]
	return s != nil && s.early
}

// changedSince is whose presence changed, in no order, unless they are too many to ask of each who sees it.
func (e *Ephemeral) changedSince(since Serial) (users []id.User, many bool) {
	p := e.presence
	p.mu.Lock()
	defer p.mu.Unlock()
	if since < p.lost || since == 0 {
		for u, s := range p.people {
			if s.changed(since) {
				users = append(users, u)
			}
			if len(users) > askEach {
				return nil, true
			}
		}
		return users, false
	}
	for _, c := range slices.Backward(p.log) {
		if c.serial <= since {
			break
		}
		if s := p.people[c.user]; s != nil && s.serial == c.serial { // else there is a newer one, or she is forgotten
			users = append(users, c.user)
		}
		if len(users) > askEach {
			return nil, true
		}
	}
	return users, false
}

// changedOf shows those of the users whose presence changed, in their order.
func (e *Ephemeral) changedOf(users []id.User, since Serial) []Presence {
	now := e.Now()
	p := e.presence
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Presence
	for _, u := range users {
		if s := p.people[u]; s != nil && s.changed(since) {
			out = append(out, s.show(u, now))
		}
	}
	return out
}

// changed says whether who has seen the news up to since is to be shown somebody.
func (s *somebody) changed(since Serial) bool {
	return s.serial > since && (since != 0 || s.state != Offline)
}

func (s *somebody) show(u id.User, now time.Time) Presence {
	return Presence{
		User: u, State: s.state, StatusMsg: s.status, LastActive: s.active,
		CurrentlyActive: s.state == Online && (s.busy || !s.remote && now.Sub(s.active) < idleAfter),
	}
}
