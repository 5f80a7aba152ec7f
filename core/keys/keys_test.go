package keys

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/room"
	"freehold.example/core/schema"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

const (
	alice id.User = "@alice:here"
	bob   id.User = "@bob:here"
	carol id.User = "@carol:here"
	away  id.User = "@zoe:there"
)

// world is what the package asks of others: who has which devices, and who shares a room.
type world struct {
	*Keys
	db *sqldb.DB

	mu    sync.Mutex  // guards what follows, which announcements on their way read and write
	rooms [][]id.User // the members of each room; replaced, never changed
	woken []string

	devices map[id.User]map[id.Device]string

	partial id.Server // of which not all members of some room are known
	moves   []room.Move
	now     time.Time
}

// meet says who is in each room from now on.
func (w *world) meet(rooms ...[]id.User) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rooms = rooms
}

// members lists those of each room.
func (w *world) members() [][]id.User {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rooms
}

func (w *world) SharesRoom(_ *sqldb.Tx, a, b id.User) (bool, error) {
	return slices.ContainsFunc(w.members(), func(r []id.User) bool { return slices.Contains(r, a) && slices.Contains(r, b) }), nil
}

func (w *world) SharedUsers(_ *sqldb.Tx, u id.User) ([]id.User, error) {
	var out []id.User
	for _, r := range w.members() {
		if slices.Contains(r, u) {
			out = append(out, r...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// servers lists those of users, but here.
func servers(users []id.User) (all []id.Server) {
	for _, u := range users {
		if u.Server() != "here" {
			all = append(all, u.Server())
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (w *world) SharedServers(tx *sqldb.Tx, u id.User) ([]id.Server, error) {
	return w.SharedServersBut(tx, u, nil)
}

func (w *world) SharedServersBut(_ *sqldb.Tx, u id.User, but []room.NID) ([]id.Server, error) {
	var all []id.User
	for nid, r := range w.members() {
		if slices.Contains(r, u) && !slices.Contains(but, room.NID(nid)) {
			all = append(all, r...)
		}
	}
	return servers(all), nil
}

func (w *world) Meets(tx *sqldb.Tx, u id.User) (bool, error) {
	all, err := w.SharedUsers(tx, u)
	return slices.ContainsFunc(all, func(u id.User) bool { return u.Server() == "here" }), err
}

func (w *world) MayMeet(_ *sqldb.Tx, s id.Server) (bool, error) { return w.partial == s, nil }

func (w *world) ServersOf(_ *sqldb.Tx, in room.NID) ([]id.Server, bool, error) {
	return servers(w.members()[in]), w.partial == "", nil
}

func (w *world) ServersThen(_ *sqldb.Tx, in room.NID, _ sqldb.Pos) ([]id.Server, error) {
	return servers(w.members()[in]), nil
}

func (w *world) FoundGone(*sqldb.Tx, room.NID) ([]id.User, error) { return nil, nil }

func (w *world) Unsettled(*sqldb.Tx, id.User) (bool, error) { return w.partial != "", nil }

func (w *world) Inhabited(_ *sqldb.Tx, in room.NID) (bool, error) {
	return slices.ContainsFunc(w.members()[in], func(u id.User) bool { return u.Server() == "here" }), nil
}

func (w *world) Members(_ *sqldb.Tx, in room.NID) ([]id.User, error) { return w.members()[in], nil }

func (w *world) NIDOf(_ *sqldb.Tx, in id.Room) (room.NID, bool, error) {
	return room.NID(in[1] - '0'), true, nil
}

func (w *world) Moves(_ *sqldb.Tx, after, upto sqldb.Pos, _ int) ([]room.Move, sqldb.Pos, error) {
	var all []room.Move
	for _, m := range w.moves {
		if m.Pos > after && m.Pos <= upto {
			all = append(all, m)
		}
	}
	return all, upto, nil
}

// takeWoken gives the topics woken since it was asked last, sorted.
func (w *world) takeWoken() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := slices.Compact(slices.Sorted(slices.Values(w.woken)))
	w.woken = nil
	return strings.Join(out, " ")
}

// each runs fn on both engines: alice has two devices, bob and carol one each; alice and bob share a room.
func each(t *testing.T, fn func(t *testing.T, w *world)) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		w := &world{
			db: db,
			devices: map[id.User]map[id.Device]string{
				alice: {"A1": "Alice's phone", "A2": ""}, bob: {"B1": "Bob's"}, carol: {"C1": ""},
			},
			rooms: [][]id.User{{alice, bob, away}},
			now:   time.UnixMilli(1_700_000_000_000),
		}
		w.Keys = New(Config{
			DB: db, Rooms: w, Server: "here", Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return w.now },
			Wake: func(topics ...string) {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.woken = append(w.woken, topics...)
			},
			Devices: func(_ *sqldb.Tx, u id.User) (map[id.Device]string, error) { return w.devices[u], nil },
		})
		fn(t, w)
	})
}

// pair is an Ed25519 key pair made from a name.
type pair struct {
	public  string
	private ed25519.PrivateKey
}

func newPair(name string) pair {
	seed := make([]byte, ed25519.SeedSize)
	copy(seed, name)
	private := ed25519.NewKeyFromSeed(seed)
	return pair{base64.RawStdEncoding.EncodeToString(private.Public().(ed25519.PublicKey)), private}
}

type obj = map[string]any

// sign adds user's signature by the key, under the name keyName, to o.
func (p pair) sign(t *testing.T, o obj, user id.User, keyName string) obj {
	t.Helper()
	plain := obj{}
	for k, v := range o {
		if k != "signatures" && k != "unsigned" {
			plain[k] = v
		}
	}
	body, err := canon.Canonical(raw(plain), canon.Lenient)
	if err != nil {
		t.Fatal(err)
	}
	sigs, _ := o["signatures"].(obj)
	if sigs == nil {
		sigs = obj{}
	}
	of, _ := sigs[string(user)].(obj)
	if of == nil {
		of = obj{}
	}
	of["ed25519:"+keyName] = base64.RawStdEncoding.EncodeToString(ed25519.Sign(p.private, body))
	sigs[string(user)] = of
	plain["signatures"] = sigs
	return plain
}

func raw(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// deviceKeys is the identity keys of a device, signed by itself; the device's key pair is newPair(device).
func deviceKeys(t *testing.T, user id.User, device id.Device) obj {
	p := newPair(string(device))
	return p.sign(t, obj{
		"user_id": user, "device_id": device, "algorithms": []string{"m.olm.v1.curve25519-aes-sha2"},
		"keys": obj{"ed25519:" + string(device): p.public, "curve25519:" + string(device): "abc"},
	}, user, string(device))
}

func oneTime(ids ...string) map[string]json.RawMessage {
	out := make(map[string]json.RawMessage)
	for _, i := range ids {
		out["signed_curve25519:"+i] = raw(obj{"key": "key " + i})
	}
	return out
}

func (w *world) upload(t *testing.T, user id.User, device id.Device, up Upload) Stock {
	t.Helper()
	s, err := w.Upload(t.Context(), user, device, up)
	if err != nil {
		t.Fatalf("upload: %v", err)
	}
	return s
}

func (w *world) stock(t *testing.T, user id.User, device id.Device) (s Stock) {
	t.Helper()
	err := w.db.Read(t.Context(), func(tx *sqldb.Tx) (err error) {
		s, err = w.Stock(tx, user, device)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// changed is who Changed names to watcher since a position, in order of user id.
func (w *world) changed(t *testing.T, watcher id.User, since sqldb.Pos) string {
	t.Helper()
	var names []string
	err := w.db.Read(t.Context(), func(tx *sqldb.Tx) error {
		users, err := w.Changed(tx, watcher, since, tx.Pos())
		names = nil
		for _, u := range users {
			names = append(names, u.Localpart())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func wantFault(t *testing.T, err error, code fault.Code) {
	t.Helper()
	if !fault.Is(err, code) {
		t.Errorf("got error %v, want %s", err, code)
	}
}

// same compares JSON by value.
func same(t *testing.T, got json.RawMessage, want any) {
	t.Helper()
	a, err := canon.Canonical(got, canon.Lenient)
	if err != nil {
		t.Fatalf("%s: %v", got, err)
	}
	b, err := canon.Canonical(raw(want), canon.Lenient)
	if err != nil {
		t.Fatal(err)
	}
	if string(a) != string(b) {
		t.Errorf("got %s, want %s", a, b)
	}
}
