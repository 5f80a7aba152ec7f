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

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
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

	mu      sync.Mutex
	devices map[id.User]map[id.Device]string
	rooms   [][]id.User
	woken   []string
}

func (w *world) SharesRoom(_ *sqldb.Tx, a, b id.User) (bool, error) {
	return slices.ContainsFunc(w.rooms, func(r []id.User) bool { return slices.Contains(r, a) && slices.Contains(r, b) }), nil
}

func (w *world) SharedUsers(_ *sqldb.Tx, u id.User) ([]id.User, error) {
	var out []id.User
	for _, r := range w.rooms {
		if slices.Contains(r, u) {
			out = append(out, r...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
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
		}
		w.Keys = New(Config{
			DB: db, Rooms: w, Server: "here", Log: slog.New(slog.DiscardHandler),
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
