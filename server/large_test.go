package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/core/handshake"
	"freehold.example/core/room"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
	far "freehold.example/test/remote"
)

// largeRoom is a room of another server's with that many members and as many pieces of other state, and what that server
// answers to who joins it.
type largeRoom struct {
	id              id.Room
	template        map[string]any
	few, all, names []byte // the answers to send_join, state and state_ids
}

func newLargeRoom(t testing.TB, r *far.Server, size int) *largeRoom {
	t.Helper()
	v, ok := version.Lookup("10")
	if !ok {
		t.Fatal("no room version 10")
	}
	robin := r.User("robin")
	large := &largeRoom{id: id.Room("!large:" + string(r.Name))}
	signer, depth := r.Signer(), int64(0)
	var prev []id.Event
	build := func(by id.User, typ, key, content string, auth ...id.Event) *event.Event {
		depth++
		e, err := event.Build(v, event.Draft{
			Room: large.id, Type: typ, StateKey: &key, Sender: by, Content: []byte(content), Prev: prev, Auth: auth, Depth: depth, Timestamp: 1_700_000_000_000 + depth,
		}, signer)
		if err != nil {
			t.Fatal(err)
		}
		prev = []id.Event{e.ID()}
		return e
	}
	create := build(robin, "m.room.create", "", fmt.Sprintf(`{"creator":%q,"room_version":"10"}`, robin))
	own := build(robin, "m.room.member", string(robin), `{"membership":"join"}`, create.ID())
	power := build(robin, "m.room.power_levels", "", fmt.Sprintf(`{"users":{%q:100}}`, robin), create.ID(), own.ID())
	rules := build(robin, "m.room.join_rules", "", `{"join_rule":"public"}`, create.ID(), power.ID(), own.ID())
	few := []*event.Event{create, own, power, rules}
	for i := range size {
		few = append(few, build(robin, "org.example.state", fmt.Sprint(i), `{"some":"state of a room"}`, create.ID(), power.ID(), own.ID()))
	}
	all := few[:len(few):len(few)]
	for i := range size - 1 {
		user := r.User(fmt.Sprintf("user%d", i))
		all = append(all, build(user, "m.room.member", string(user), fmt.Sprintf(`{"displayname":"User %d","membership":"join"}`, i), create.ID(), power.ID(), rules.ID()))
	}
	raws := func(events []*event.Event) (out []json.RawMessage) {
		for _, e := range events {
			out = append(out, e.Bytes())
		}
		return out
	}
	text := func(value any) []byte {
		b, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var names []id.Event
	for _, e := range all {
		names = append(names, e.ID())
	}
	auth := []id.Event{create.ID(), power.ID(), rules.ID()}
	large.few = text(map[string]any{"state": raws(few), "auth_chain": []any{}, "members_omitted": true, "servers_in_room": []id.Server{r.Name}, "origin": r.Name})
	large.all = text(map[string]any{"pdus": raws(all), "auth_chain": raws(few[:4])})
	large.names = text(map[string]any{"pdu_ids": names, "auth_chain_ids": []id.Event{create.ID(), own.ID(), power.ID(), rules.ID()}})
	large.template = map[string]any{
		"type": "m.room.member", "room_id": large.id, "content": map[string]any{"membership": "join"}, "depth": depth + 1, "prev_events": prev, "auth_events": auth,
	}
	r.Hook("GET /_matrix/federation/v1/make_join/{room}/{user}", func(w http.ResponseWriter, q *http.Request, next http.Handler) {
		e := maps.Clone(large.template)
		parts := strings.Split(q.URL.Path, "/")
		e["sender"], e["state_key"] = parts[len(parts)-1], parts[len(parts)-1]
		far.Say(200, string(text(map[string]any{"room_version": "10", "event": e})))(w, q, next)
	})
	r.Hook("PUT /_matrix/federation/v2/send_join/", far.Say(200, string(large.few)))
	r.Hook("GET /_matrix/federation/v1/state_ids/", far.Say(200, string(large.names)))
	r.Hook("GET /_matrix/federation/v1/state/", far.Say(200, string(large.all)))
	return large
}

// BenchmarkJoinLargeRoom is a room with 10,000 members and 20,000 pieces of state: how long until it can be used, and until all
// of its members are known.
func BenchmarkJoinLargeRoom(b *testing.B) {
	var usable, whole time.Duration
	for range b.N {
		u, w := joinLargeRoom(b, 10_000)
		usable, whole = usable+u, whole+w
	}
	b.ReportMetric(float64(usable.Milliseconds())/float64(b.N), "usable-ms")
	b.ReportMetric(float64(whole.Milliseconds())/float64(b.N), "whole-ms")
}

// TestJoinLargeRoom does the same on a smaller room.
func TestJoinLargeRoom(t *testing.T) { joinLargeRoom(t, 500) }

func joinLargeRoom(t testing.TB, size int) (usable, whole time.Duration) {
	t.Helper()
	r := far.New(t)
	r.Lenient = true // about a room that it does not have itself
	large := newLargeRoom(t, r, size)
	s, stop := joining(t, t.TempDir())
	defer stop()
	ctx := t.Context()
	r.Meet("a.example", s.FederationAddr())
	alice := room.Caller{User: "@alice:a.example", Exempt: true}
	began := time.Now()
	if err := s.handshakes.Join(ctx, handshake.Request{Caller: alice, Room: large.id, Via: []id.Server{r.Name}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.rooms.Send(ctx, alice, large.id, room.Draft{Type: "m.room.message", Content: []byte(`{"body":"hello"}`)}, ""); err != nil {
		t.Fatal(err)
	}
	usable = time.Since(began)
	if err := s.handshakes.Whole(ctx, large.id); err != nil {
		t.Fatal(err)
	}
	whole = time.Since(began)
	if got := countMembers(t, s, large.id, alice.User); got != size+1 {
		t.Errorf("got %d members, want %d", got, size+1)
	}
	return usable, whole
}

// joining is a server that speaks with others, on a directory of its own or of an earlier one.
func joining(t testing.TB, dir string) (s *Server, stop func()) {
	t.Helper()
	c := Defaults()
	c.DataDir, c.ListenClient, c.PasswordHashing, c.Out = dir, "127.0.0.1:0", "fast", io.Discard
	c.ListenFederation, c.ServerName, c.TLSCA = "127.0.0.1:0", "a.example", far.CAFile(t)
	c.InsideNetworks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	ctx, cancel := context.WithCancel(t.Context())
	s, err := New(ctx, c)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	return s, sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func countMembers(t testing.TB, s *Server, in id.Room, as id.User) (n int) {
	t.Helper()
	err := s.rooms.View(t.Context(), in, as, func(tx *sqldb.Tx, v *room.Viewer) error {
		root, err := v.State()
		if err != nil {
			return err
		}
		all, err := s.rooms.MemberEvents(tx, root, func(m string) bool { return m == "join" })
		n = len(all)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// What is missing of a room is fetched after a restart, too, and from nobody who answers rubbish.
func TestB466PartialRoomSurvivesARestart(t *testing.T) {
	r := far.New(t)
	r.Lenient = true
	large := newLargeRoom(t, r, 60)
	hold := make(chan struct{})
	r.Hook("GET /_matrix/federation/v1/state_ids/", far.Hold(hold))
	dir := t.TempDir()
	s, stop := joining(t, dir)
	defer stop()
	r.Meet("a.example", s.FederationAddr())
	alice := room.Caller{User: "@alice:a.example", Exempt: true}
	if err := s.handshakes.Join(t.Context(), handshake.Request{Caller: alice, Room: large.id, Via: []id.Server{r.Name}}); err != nil {
		t.Fatal(err)
	}
	if n := countMembers(t, s, large.id, alice.User); n != 2 {
		t.Errorf("got %d members before the others are fetched, want 2", n)
	}
	stop()
	s, stop = joining(t, dir)
	defer stop()
	if all := s.handshakes.Fillings(); len(all) != 1 || all[0].Room != large.id || all[0].Via != r.Name {
		t.Errorf("after the restart, got %+v", all)
	}
	close(hold)
	if err := s.handshakes.Whole(t.Context(), large.id); err != nil {
		t.Fatal(err)
	}
	if n := countMembers(t, s, large.id, alice.User); n != 61 {
		t.Errorf("got %d members, want 61", n)
	}
}
