package arrival

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/peer"
	"freehold.example/core/room"
	"freehold.example/core/schema"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
	"freehold.example/matrix/policy"
	"freehold.example/matrix/version"
)

const here, far id.Server = "here.test", "far.test"

// world is arrivals with rooms and other servers that are played. The rooms know the graph and nothing of the rules: an event
// lacks what it names and is not there, and a body of "reject" is rejected.
type world struct {
	*Arrivals
	t       *testing.T
	version *version.Version
	key     ed25519.PrivateKey

	mu       sync.Mutex // guards what follows
	now      time.Time
	stored   map[id.Event]*event.Event
	outlier  map[id.Event]bool
	loose    map[id.Event]bool // of the stored: from outside
	order    []id.Event
	denied   map[id.Server]bool
	calls    int                                   // of Receive
	verified int                                   // events
	hold     chan struct{}                         // Receive waits for it, when it is not nil
	holding  id.Server                             // ... for events of its users
	answers  func(q peer.Question) (string, error) // of other servers
	asked    []string
	bad      map[id.Event]error // what is wrong with signatures
	policy   *policy.Server
	entered  map[id.Room]bool                   // rooms that are here besides those that begin with !r
	signs    func(event []byte) (string, error) // the policy server
}

const testRoom id.Room = "!r:far.test"

func newWorld(t *testing.T, db *sqldb.DB) *world {
	t.Helper()
	v, _ := version.Lookup("11")
	w := &world{
		t: t, version: v, key: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), now: time.UnixMilli(1e12),
		stored: map[id.Event]*event.Event{}, outlier: map[id.Event]bool{}, loose: map[id.Event]bool{}, denied: map[id.Server]bool{}, bad: map[id.Event]error{},
	}
	w.start(db)
	return w
}

func (w *world) start(db *sqldb.DB) {
	w.Arrivals = New(Config{DB: db, Rooms: w, Peers: w, Server: here, Now: w.Now, Log: slog.New(slog.DiscardHandler)})
	w.t.Cleanup(w.Close)
}

func each(t *testing.T, fn func(t *testing.T, w *world)) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) { fn(t, newWorld(t, db)) })
}

func (w *world) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) Gate(_ *sqldb.Tx, in id.Room, from id.Server) (room.Gate, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return room.Gate{Room: 1, Version: w.version, Denied: w.denied[from], Policy: w.policy}, strings.HasPrefix(string(in), "!r") || w.entered[in], nil
}

func (w *world) Have(_ *sqldb.Tx, events []id.Event) (map[id.Event]bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	have := map[id.Event]bool{}
	for _, e := range events {
		if w.stored[e] != nil {
			have[e] = true
		}
	}
	return have, nil
}

func (w *world) Unplaced(_ *sqldb.Tx, events []id.Event) (left []id.Event, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range events {
		if w.stored[e] == nil || w.outlier[e] {
			left = append(left, e)
		}
	}
	return left, nil
}

func (w *world) Unfounded(tx *sqldb.Tx, events []id.Event) (left []id.Event, err error) {
	return w.Unplaced(tx, events)
}

func (w *world) Backfilled(ctx context.Context, in id.Room, events []room.Incoming) ([]room.Receipt, error) {
	return w.Receive(ctx, in, events)
}

func (w *world) Extremities(context.Context, id.Room) ([]room.Extremity, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.order) == 0 {
		return nil, nil
	}
	return []room.Extremity{{Event: w.order[len(w.order)-1]}}, nil
}

func (w *world) Servers(*sqldb.Tx, room.NID) ([]id.Server, error) { return []id.Server{here, far}, nil }

func (w *world) Receive(ctx context.Context, in id.Room, events []room.Incoming) ([]room.Receipt, error) {
	if strings.HasPrefix(string(in), "!rgone") {
		return nil, fault.New(fault.NotFound, "not here")
	}
	w.mu.Lock()
	hold := w.hold
	if w.holding != "" && events[0].Event.Sender().Server() != w.holding {
		hold = nil
	}
	w.calls++
	w.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []room.Receipt
	for _, x := range events {
		e := x.Event
		r := room.Receipt{Event: e.ID(), Verdict: room.Accepted}
		if w.stored[e.ID()] != nil && !w.outlier[e.ID()] {
			r.Verdict = room.Known
			out = append(out, r)
			continue
		}
		for _, a := range e.Auth() {
			if w.stored[a] == nil {
				r.Missing = append(r.Missing, a)
			}
		}
		needs := e.Prev()
		if x.Before != nil {
			needs = x.Before
		}
		for _, p := range needs {
			if w.stored[p] == nil || x.Before == nil && (w.outlier[p] || w.loose[p]) {
				r.Missing = append(r.Missing, p)
			}
		}
		if len(r.Missing) > 0 {
			r.Verdict = room.Lacking
			out = append(out, r)
			continue
		}
		if x.Objection != nil {
			r.Verdict = room.SoftFailed
			out = append(out, r)
			continue
		}
		if strings.Contains(string(e.Content()), "reject") {
			r.Verdict = room.Rejected
		} else {
			w.order = append(w.order, e.ID())
		}
		w.stored[e.ID()] = e
		delete(w.outlier, e.ID())
		out = append(out, r)
	}
	return out, nil
}

func (w *world) AddOutliers(_ context.Context, _ id.Room, events []room.Incoming) ([]room.Receipt, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []room.Receipt
	for _, x := range events {
		if w.stored[x.Event.ID()] == nil {
			w.stored[x.Event.ID()] = x.Event
			w.outlier[x.Event.ID()] = true
		}
		out = append(out, room.Receipt{Event: x.Event.ID(), Verdict: room.Outlier})
	}
	return out, nil
}

func (w *world) VerifyEvents(_ context.Context, _ id.Server, events []*event.Event) []peer.Verified {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.verified += len(events)
	out := make([]peer.Verified, len(events))
	for i, e := range events {
		out[i].Err = w.bad[e.ID()]
	}
	return out
}

var errAway = errors.New("it is away")

func (w *world) Ask(_ context.Context, q peer.Question, out any) error {
	content, _ := json.Marshal(q.Content)
	w.mu.Lock()
	path, _ := strings.CutPrefix(q.Path, "/_matrix/federation/v1/")
	w.asked = append(w.asked, fmt.Sprintf("%s %s %s", q.Server, path, content))
	answers := w.answers
	w.mu.Unlock()
	if answers == nil {
		return errAway
	}
	text, err := answers(q)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(text), out)
}

func (w *world) SignEvent(_ context.Context, _ id.Server, event []byte) (string, error) {
	if w.signs == nil {
		return "", errAway
	}
	return w.signs(event)
}

// event makes an event of a user of a server, with a body, that follows others.
func (w *world) event(server id.Server, in id.Room, body string, depth int64, prev ...id.Event) *event.Event {
	w.t.Helper()
	e, err := event.Build(w.version, event.Draft{
		Room: in, Type: "m.room.message", Sender: id.User("@u:" + server), Content: fmt.Appendf(nil, `{"body":%q}`, body),
		Prev: prev, Depth: depth, Timestamp: 1e12,
	}, event.Signer{Server: server, Key: "ed25519:a", Private: w.key})
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

// chain makes n events, each following the one before.
func (w *world) chain(server id.Server, in id.Room, name string, n int, prev ...id.Event) []*event.Event {
	var all []*event.Event
	for i := range n {
		e := w.event(server, in, fmt.Sprintf("%s%d", name, i), int64(i+2), prev...)
		all, prev = append(all, e), []id.Event{e.ID()}
	}
	return all
}

// put stores an event as if it had always been here.
func (w *world) put(events ...*event.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range events {
		w.stored[e.ID()] = e
		w.order = append(w.order, e.ID())
	}
}

func (w *world) accept(from id.Server, events ...*event.Event) Results {
	w.t.Helper()
	var raws []json.RawMessage
	for _, e := range events {
		raws = append(raws, e.Bytes())
	}
	results, err := w.Accept(w.t.Context(), from, raws)
	if err != nil {
		w.t.Fatal(err)
	}
	return results
}

// has says whether all of the events are in the room.
func (w *world) has(events ...*event.Event) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !slices.ContainsFunc(events, func(e *event.Event) bool { return w.stored[e.ID()] == nil || w.outlier[e.ID()] })
}

func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.t.Fatalf("%s: not within 30 s; asked: %s", what, strings.Join(w.asked, "\n"))
		}
	}
}

func (w *world) questions() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.asked)
}

// rows is how many events stand in the table.
func (w *world) rows() (n int) {
	w.t.Helper()
	if err := w.sweep(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	err := w.DB.Read(w.t.Context(), func(tx *sqldb.Tx) error { return tx.Row(`SELECT count(*) FROM arrived`).Scan(&n) })
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

func list(events ...*event.Event) string {
	var all []string
	for _, e := range events {
		all = append(all, string(e.Bytes()))
	}
	return "[" + strings.Join(all, ",") + "]"
}

func (w *world) incoming(events ...*event.Event) map[id.Event]room.Incoming {
	all := map[id.Event]room.Incoming{}
	for _, e := range events {
		all[e.ID()] = room.Incoming{Event: e}
	}
	return all
}
