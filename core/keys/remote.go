package keys

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/core/peer"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/id"
)

// Of the keys of other servers' users
// (https://spec.matrix.org/v1.19/server-server-api/#end-to-end-encryption). What comes from there is checked for being about
// what was asked; whose signature a key has, clients look at.

const (
	remoteWait   = 10 * time.Second // for the answers of other servers, unless the client says otherwise
	longestWait  = 30 * time.Second
	remoteAtOnce = 32 // servers that are asked at once
	queryPath    = "/_matrix/federation/v1/user/keys/query"
	claimPath    = "/_matrix/federation/v1/user/keys/claim"
	maxDevices   = 1000 // of one user of another server that are passed on
	maxFetched   = 50   // users of one server whose whole lists one query asks for; the others' keys are asked for together
)

// QueryRemote adds to an answer for asker the keys of the users of other servers: those of the lists that are followed here
// as they are, the others as their servers tell. Servers that do not answer in time, or within the usual when wait is 0, are
// left in Unreachable.
func (k *Keys) QueryRemote(ctx context.Context, asker id.User, want map[id.User][]id.Device, wait time.Duration, a *Answer) error {
	if a.Master == nil {
		a.Master = map[id.User]json.RawMessage{}
	}
	if a.SelfSigning == nil {
		a.SelfSigning = map[id.User]json.RawMessage{}
	}
	a.Unreachable = nil
	var users []id.User
	for user := range want {
		if user.Server() != k.Server {
			users = append(users, user)
		}
	}
	if len(users) == 0 {
		return nil
	}
	slices.Sort(users)
	follow, rest, err := k.copies(ctx, users, want, a)
	if err != nil {
		return err
	}
	if wait <= 0 {
		wait = remoteWait
	}
	ctx, cancel := context.WithTimeout(ctx, min(wait, longestWait))
	defer cancel()
	refused, failed := k.fetchAll(ctx, follow, want, a)
	k.queryServers(ctx, append(rest, refused...), want, a)
	if err := k.fallBack(ctx, failed, want, a); err != nil {
		return err
	}
	slices.Sort(a.Unreachable)
	a.Unreachable = slices.Compact(a.Unreachable)
	return k.addOwn(ctx, asker, users, a)
}

// copies adds the lists that are fresh, and splits the others into those that can be followed and those that cannot.
func (k *Keys) copies(ctx context.Context, users []id.User, want map[id.User][]id.Device, a *Answer) (follow, rest []id.User, err error) {
	old := k.Now().Add(-freshFor).UnixMilli()
	err = k.DB.Read(ctx, func(tx *sqldb.Tx) error {
		follow, rest = nil, nil
		of := map[id.Server]int{}
		for _, user := range users {
			meets, err := k.Rooms.Meets(tx, user)
			if err != nil {
				return err
			}
			if !meets {
				rest = append(rest, user)
				continue
			}
			l, err := followed(tx, user)
			switch {
			case err != nil:
				return err
			case l == nil || l.stale || l.fetched < old:
				if of[user.Server()]++; of[user.Server()] <= maxFetched {
					follow = append(follow, user)
				} else {
					rest = append(rest, user)
				}
			default:
				if err := l.read(tx, user, want[user], a); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read device lists: %w", err)
	}
	return follow, rest, nil
}

// fetchAll asks for whole lists, some at once, and adds them. It gives the users whose servers do not tell those, and those
// whose servers were not reached.
func (k *Keys) fetchAll(ctx context.Context, users []id.User, want map[id.User][]id.Device, a *Answer) (refused, failed []id.User) {
	if k.Peers == nil {
		return nil, users
	}
	var (
		mu   sync.Mutex // guards what is added
		wg   sync.WaitGroup
		slot = make(chan struct{}, remoteAtOnce)
	)
	for _, user := range users {
		slot <- struct{}{}
		wg.Go(func() {
			defer func() { <-slot }()
			f, err := k.fetch(ctx, user)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				f.add(user, want[user], a)
				return
			}
			if no, ok := errors.AsType[*peer.AnswerError](err); ok && no.Status < http.StatusInternalServerError {
				refused = append(refused, user)
				return
			}
			failed = append(failed, user)
		})
	}
	wg.Wait()
	return refused, failed
}

// fallBack adds lists whose servers were not reached, as far as nothing is known to be missing in them.
func (k *Keys) fallBack(ctx context.Context, users []id.User, want map[id.User][]id.Device, a *Answer) error {
	if len(users) == 0 {
		return nil
	}
	return k.DB.Read(context.WithoutCancel(ctx), func(tx *sqldb.Tx) error {
		for _, user := range users {
			l, err := followed(tx, user)
			switch {
			case err != nil:
				return err
			case l == nil || l.stale:
				a.Unreachable = append(a.Unreachable, user.Server())
			default:
				if err := l.read(tx, user, want[user], a); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// queryServers asks servers for the keys of those of the users who are theirs.
func (k *Keys) queryServers(ctx context.Context, users []id.User, want map[id.User][]id.Device, a *Answer) {
	byServer := map[id.Server]map[id.User][]id.Device{}
	for _, user := range users {
		put(byServer, user.Server(), user, orEmpty(want[user]))
	}
	type answer struct {
		Devices     map[id.User]map[id.Device]json.RawMessage `json:"device_keys"`
		Master      map[id.User]json.RawMessage               `json:"master_keys"`
		SelfSigning map[id.User]json.RawMessage               `json:"self_signing_keys"`
	}
	answers, failed := askAll[map[id.User][]id.Device, answer](ctx, k.Peers, queryPath, "device_keys", longestWait, byServer)
	a.Unreachable = append(a.Unreachable, failed...)
	for server, got := range answers {
		for user := range byServer[server] {
			devices := map[id.Device]json.RawMessage{}
			for device, key := range got.Devices[user] {
				if len(devices) < maxDevices && len(key) <= MaxDeviceKeys && isOf(key, user, device) {
					devices[device] = key
				}
			}
			a.Devices[user] = devices
			if key := got.Master[user]; len(key) <= MaxDeviceKeys && isOf(key, user, "") {
				a.Master[user] = key
			}
			if key := got.SelfSigning[user]; len(key) <= MaxDeviceKeys && isOf(key, user, "") {
				a.SelfSigning[user] = key
			}
		}
	}
}

// addOwn adds the asker's signatures on the master keys of other servers' users, which are kept here.
func (k *Keys) addOwn(ctx context.Context, asker id.User, users []id.User, a *Answer) error {
	if asker == "" || len(a.Master) == 0 {
		return nil
	}
	return k.DB.Read(ctx, func(tx *sqldb.Tx) error {
		sigs, err := addedSignatures(tx, users, asker)
		if err != nil || len(sigs) == 0 {
			return err
		}
		for t, added := range sigs {
			key, err := parseCrossKey(t.user, master, a.Master[t.user])
			if err != nil || key.public != t.name {
				continue // it was made on another
			}
			own, err := json.Marshal(key.sigs)
			if err != nil {
				return err
			}
			if a.Master[t.user], err = rejoin(key.body, own, added, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

// ClaimRemote adds to what was claimed one-time keys of the devices of other servers' users. Servers that do not answer in
// time are returned.
func (k *Keys) ClaimRemote(ctx context.Context, want map[id.User]map[id.Device]string, wait time.Duration, got Claimed) (unreachable []id.Server) {
	byServer := map[id.Server]map[id.User]map[id.Device]string{}
	for user, devices := range want {
		if s := user.Server(); s != k.Server {
			put(byServer, s, user, devices)
		}
	}
	type answer struct {
		OneTimeKeys Claimed `json:"one_time_keys"`
	}
	answers, failed := askAll[map[id.User]map[id.Device]string, answer](ctx, k.Peers, claimPath, "one_time_keys", wait, byServer)
	for server, gave := range answers {
		for user, devices := range byServer[server] {
			for device := range devices {
				for name, key := range gave.OneTimeKeys[user][device] {
					if len(key) > MaxOneTimeKey {
						continue
					}
					if got[user] == nil {
						got[user] = map[id.Device]map[string]json.RawMessage{}
					}
					got[user][device] = map[string]json.RawMessage{name: key} // one, whatever was sent
				}
			}
		}
	}
	return failed
}

// askAll asks each server for its part under the member name, some at once, and gives what was answered and who did not.
func askAll[Part, Answer any](
	ctx context.Context, peers Line, path, member string, wait time.Duration, parts map[id.Server]Part,
) (answers map[id.Server]*Answer, failed []id.Server) {
	if len(parts) == 0 || peers == nil {
		return nil, slices.Sorted(maps.Keys(parts))
	}
	if wait <= 0 {
		wait = remoteWait
	}
	ctx, cancel := context.WithTimeout(ctx, min(wait, longestWait))
	defer cancel()
	var (
		mu   sync.Mutex // guards answers and failed
		wg   sync.WaitGroup
		slot = make(chan struct{}, remoteAtOnce)
	)
	answers = map[id.Server]*Answer{}
	for _, server := range slices.Sorted(maps.Keys(parts)) {
		slot <- struct{}{}
		wg.Go(func() {
			defer func() { <-slot }()
			out := new(Answer)
			err := peers.Ask(ctx, peer.Question{Server: server, Method: http.MethodPost, Path: path, Brief: true, Content: map[string]Part{member: parts[server]}}, out)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = append(failed, server)
				return
			}
			answers[server] = out
		})
	}
	wg.Wait()
	slices.Sort(failed)
	return answers, failed
}

func put[V any](m map[id.Server]map[id.User]V, s id.Server, user id.User, v V) {
	if m[s] == nil {
		m[s] = map[id.User]V{}
	}
	m[s][user] = v
}

func orEmpty(devices []id.Device) []id.Device {
	if devices == nil {
		return []id.Device{}
	}
	return devices
}

// isOf says whether a key says itself whose it is; device is "" for a cross-signing key.
func isOf(key json.RawMessage, user id.User, device id.Device) bool {
	clean, err := canon.Canonical(key, canon.Unique)
	if err != nil {
		return false
	}
	u, _ := canon.String(canon.Get(clean, "user_id"))
	d, _ := canon.String(canon.Get(clean, "device_id"))
	return u == string(user) && d == string(device)
}
