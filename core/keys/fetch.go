package keys

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/core/peer"
	"freehold.example/matrix/id"
)

const (
	devicesPath  = "/_matrix/federation/v1/user/devices/"
	fetchTimeout = 30 * time.Second
	// limit: device lists of other servers' users that are being asked for | %d | others wait
	fetchAtOnce = 64

	refreshBatch  = 500              // stale lists that are looked at in one go
	refreshAtOnce = 8                // that are asked for by themselves, of all servers
	refreshEvery  = 30 * time.Second // how often stale lists are looked for, besides when one becomes stale
	tryAgain      = 20 * time.Second // after a server was not reached, which is asked no sooner than core/peer allows
	triedInVain   = time.Hour        // after a server has refused
)

// fetching is the device lists that are being asked for.
type fetching struct {
	mu    sync.Mutex         // guards now
	now   map[id.User]*fetch // bounded by those who wait for them
	slots chan struct{}      // bounded: one for each that is being asked for, fetchAtOnce of them
}

// fetch is one request for a device list, for all who wait for it.
type fetch struct {
	done chan struct{}
	list *list                         // what follows is set when done is closed
	keys map[id.Device]json.RawMessage // of the devices
	err  error
}

// fetch asks a user's server for all of her devices, and keeps them if she shares a room with somebody here. Who asks for
// the same user meanwhile waits for the same answer. Errors are those of peer.Peers.Ask.
func (k *Keys) fetch(ctx context.Context, user id.User) (*fetch, error) {
	k.fetching.mu.Lock()
	f := k.fetching.now[user]
	if f == nil {
		f = &fetch{done: make(chan struct{})}
		k.fetching.now[user] = f
		go k.run(context.WithoutCancel(ctx), user, f)
	}
	k.fetching.mu.Unlock()
	select {
	case <-f.done:
		return f, f.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// run ends within fetchTimeout.
func (k *Keys) run(ctx context.Context, user id.User, f *fetch) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	select {
	case k.fetching.slots <- struct{}{}:
		f.err = k.ask(ctx, user, f)
		<-k.fetching.slots
	case <-ctx.Done():
		f.err = ctx.Err()
	}
	k.fetching.mu.Lock()
	delete(k.fetching.now, user)
	k.fetching.mu.Unlock()
	close(f.done)
}

func (k *Keys) ask(ctx context.Context, user id.User, f *fetch) error {
	var heard int64
	err := k.DB.Read(ctx, func(tx *sqldb.Tx) error {
		l, err := followed(tx, user)
		if heard = 0; l != nil {
			heard = l.heard
		}
		return err
	})
	if err != nil {
		return err
	}
	var told struct {
		User        id.User           `json:"user_id"`
		Stream      int64             `json:"stream_id"`
		Devices     []json.RawMessage `json:"devices"`
		Master      json.RawMessage   `json:"master_key"`
		SelfSigning json.RawMessage   `json:"self_signing_key"`
	}
	q := peer.Question{Server: user.Server(), Method: http.MethodGet, Path: devicesPath + url.PathEscape(string(user)), Brief: true}
	if err := k.Peers.Ask(ctx, q, &told); err != nil {
		return err
	}
	if told.User != user {
		return fmt.Errorf("asked %s for the devices of %s and got those of %s", user.Server(), user, told.User)
	}
	f.keys = map[id.Device]json.RawMessage{}
	for _, text := range told.Devices {
		if len(f.keys) == maxDevices {
			break
		}
		var d ToldDevice
		if json.Unmarshal(text, &d) != nil || d.Device == "" {
			continue
		}
		if keys, err := shown(d.Keys, user, d.Device, d.Name); err == nil { // else it has none that could be used
			f.keys[d.Device] = keys
		}
	}
	f.list = &list{Streams: []int64{told.Stream}, fetched: k.Now().UnixMilli()}
	if key := told.Master; len(key) <= MaxDeviceKeys && isOf(key, user, "") {
		f.list.master = key
	}
	if key := told.SelfSigning; len(key) <= MaxDeviceKeys && isOf(key, user, "") {
		f.list.signing = key
	}
	return k.keep(ctx, user, f, heard)
}

// keep writes what was told. It is stale at once where there was news while it was asked for, which it may not have.
func (k *Keys) keep(ctx context.Context, user id.User, f *fetch, heard int64) error {
	err := k.DB.Write(ctx, func(tx *sqldb.Tx) error {
		old, err := followed(tx, user)
		if err != nil {
			return err
		}
		if err := unfollow(tx, user); err != nil {
			return err
		}
		if meets, err := k.Rooms.Meets(tx, user); err != nil || !meets {
			return err
		}
		l := *f.list
		if old != nil {
			l.heard = old.heard
		}
		l.stale = l.heard != heard
		for device, keys := range f.keys {
			if _, err := tx.Exec(sqlSetTheirs, user, device, []byte(keys)); err != nil {
				return err
			}
		}
		return l.save(tx, user, k.Now().Add(calm))
	})
	if err != nil {
		return fmt.Errorf("write a device list: %w", err)
	}
	return nil
}

// add adds what was fetched to an answer.
func (f *fetch) add(user id.User, only []id.Device, a *Answer) {
	devices := map[id.Device]json.RawMessage{}
	for device, keys := range f.keys {
		if len(only) == 0 || slices.Contains(only, device) {
			devices[device] = keys
		}
	}
	a.Devices[user] = devices
	if f.list.master != nil {
		a.Master[user] = f.list.master
	}
	if f.list.signing != nil {
		a.SelfSigning[user] = f.list.signing
	}
}

// poke has refresh look for stale lists.
func (k *Keys) poke() {
	select {
	case k.poked <- struct{}{}:
	default:
	}
}

// refresh asks for stale lists until ctx ends.
func (k *Keys) refresh(ctx context.Context) {
	for {
		more, err := k.refreshSome(ctx)
		if err != nil && ctx.Err() == nil {
			k.Log.WarnContext(ctx, "device lists of other servers were not asked for", "cause", err)
		}
		wait := refreshEvery
		if more && err == nil {
			wait = calm
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-k.poked:
			timer.Reset(calm + calm/4) // it is due then
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// refreshSome asks for stale lists whose time has come, and says whether there may be more.
func (k *Keys) refreshSome(ctx context.Context) (more bool, err error) {
	var due []id.User
	err = k.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		due, err = sqldb.Column[id.User](tx, `SELECT user_id FROM followed WHERE stale AND next <= $1 ORDER BY next, user_id LIMIT $2`,
			k.Now().UnixMilli(), refreshBatch)
		return err
	})
	if err != nil || len(due) == 0 {
		return false, err
	}
	byServer := map[id.Server][]id.User{}
	for _, user := range due {
		byServer[user.Server()] = append(byServer[user.Server()], user)
	}
	var (
		mu   sync.Mutex // guards late and errs
		late = map[time.Duration][]id.User{}
		errs []error
		wg   sync.WaitGroup
		slot = make(chan struct{}, refreshAtOnce)
	)
	for _, users := range byServer {
		slot <- struct{}{}
		wg.Go(func() {
			defer func() { <-slot }()
			for i, user := range users {
				_, err := k.fetch(ctx, user)
				mu.Lock()
				switch _, refused := errors.AsType[*peer.AnswerError](err); {
				case err == nil:
				case ctx.Err() != nil:
				case refused:
					late[triedInVain] = append(late[triedInVain], user)
				default: // the next one would not be told either
					late[tryAgain] = append(late[tryAgain], users[i:]...)
				}
				mu.Unlock()
				if err != nil && !errors.As(err, new(*peer.AnswerError)) {
					return
				}
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	for wait, users := range late {
		errs = append(errs, k.DB.Write(ctx, func(tx *sqldb.Tx) error {
			_, err := tx.Exec(`UPDATE followed SET next = $1 WHERE user_id IN ({list $2})`, k.Now().Add(wait).UnixMilli(), sqldb.List(users))
			return err
		}))
	}
	return len(due) == refreshBatch, errors.Join(errs...)
}
