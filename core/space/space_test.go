package space

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"freehold.example/base/bus"
	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/directory"
	"freehold.example/core/room"
	"freehold.example/core/schema"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

type noProfiles struct{}

func (noProfiles) MemberProfile(context.Context, id.User) (string, string, error) { return "", "", nil }

const (
	alice = id.User("@alice:s1")
	bob   = id.User("@bob:s1")
)

func as(u id.User) room.Caller { return room.Caller{User: u, Device: "D"} }

func newSpaces(t testing.TB, db *sqldb.DB) *Spaces {
	t.Helper()
	rooms, err := room.New(room.Config{
		DB: db, Bus: new(bus.Local), Profiles: noProfiles{}, Server: "s1", Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Signer: event.Signer{Server: "s1", Key: "ed25519:1", Private: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))},
	})
	if err != nil {
		t.Fatal(err)
	}
	return New(Config{DB: db, Rooms: rooms, Now: time.Now, Directory: directory.New(directory.Config{DB: db, Rooms: rooms, Server: "s1", Now: time.Now})})
}

// makeSpace makes a public space with these children.
func makeSpace(t testing.TB, s *Spaces, children ...id.Room) id.Room {
	t.Helper()
	q := room.CreateRequest{Preset: "public_chat", CreationContent: map[string]json.RawMessage{"type": json.RawMessage(`"m.space"`)}}
	for i, c := range children {
		q.InitialState = append(q.InitialState, room.StateEntry{
			Type: "m.space.child", StateKey: string(c), Content: fmt.Appendf(nil, `{"via":["s1"],"order":"%04d"}`, i),
		})
	}
	made, err := s.Rooms.Create(t.Context(), as(alice), q)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// all pages through a tree and counts its rooms and pages.
func all(t testing.TB, s *Spaces, q Query) (rooms, pages int) {
	t.Helper()
	seen := map[id.Room]bool{}
	for {
		page, err := s.Hierarchy(t.Context(), bob, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Rooms {
			if seen[r.Room] {
				t.Fatalf("%s comes twice", r.Room)
			}
			seen[r.Room] = true
		}
		if pages++; page.NextBatch == "" || pages > 1000 {
			return len(seen), pages
		}
		q.From = page.NextBatch
	}
}

// TestDeepTree: a tree deeper than the walk ends at its bound, and one that bites its tail ends at all.
func TestDeepTree(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		s := newSpaces(t, db)
		var below []id.Room
		for range maxDepth + 10 {
			below = []id.Room{makeSpace(t, s, below...)}
		}
		if rooms, _ := all(t, s, Query{Room: below[0]}); rooms != maxDepth+1 {
			t.Errorf("got %d rooms, want %d", rooms, maxDepth+1)
		}
		deep := 1000
		if rooms, _ := all(t, s, Query{Room: below[0], Depth: &deep}); rooms != maxDepth+1 {
			t.Errorf("got %d rooms of a depth of %d, want %d", rooms, deep, maxDepth+1)
		}
		a := makeSpace(t, s)
		b := makeSpace(t, s, a)
		if _, err := s.Rooms.SetState(t.Context(), as(alice), a, "m.space.child", string(b), []byte(`{"via":["s1"]}`)); err != nil {
			t.Fatal(err)
		}
		if rooms, _ := all(t, s, Query{Room: a}); rooms != 2 {
			t.Errorf("got %d rooms of a loop, want 2", rooms)
		}
	})
}

// TestWidePages: pages end where their links are too many for one answer, and every room comes once.
func TestWidePages(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		s := newSpaces(t, db)
		var children []id.Room
		for i := range 900 { // which are not here
			children = append(children, id.Room(fmt.Sprintf("!%d:elsewhere", i)))
		}
		var wide []id.Room
		for range 15 {
			wide = append(wide, makeSpace(t, s, children...))
		}
		root := makeSpace(t, s, wide...)
		rooms, pages := all(t, s, Query{Room: root})
		if rooms != 16 || pages < 2 {
			t.Errorf("got %d rooms on %d pages, want 16 on some", rooms, pages)
		}
		s.maxLinks = 15 + 3*900 + 100 // the walk ends there, and says so by having no more
		if rooms, _ := all(t, s, Query{Room: root}); rooms != 5 {
			t.Errorf("got %d rooms, want the root, three spaces and the one too many", rooms)
		}
	})
}

func TestCursor(t *testing.T) {
	for _, c := range []cursor{{depth: maxDepth, given: 1, last: "!a:b"}, {suggested: true, given: maxWalk, last: "!hash"}} {
		if got, err := parseCursor(c.String()); got != c || err != nil {
			t.Errorf("got %v (%v), want %v", got, err, c)
		}
	}
	for _, c := range []cursor{
		{depth: -1, given: 1, last: "!a:b"},
		{depth: maxDepth + 1, given: 1, last: "!a:b"},
		{last: "!a:b"},
		{given: maxWalk + 1, last: "!a:b"},
		{given: 1},
		{given: 1, last: "#a:b"},
	} {
		if _, err := parseCursor(c.String()); !fault.Is(err, fault.InvalidParam) {
			t.Errorf("%v: got %v", c, err)
		}
	}
	for _, s := range []string{"x", "dHJ1ZQ", c1000} {
		if _, err := parseCursor(s); !fault.Is(err, fault.InvalidParam) {
			t.Errorf("%.20q: got %v", s, err)
		}
	}
}

var c1000 = cursor{given: 1, last: id.Room("!" + string(make([]byte, 2000)))}.String()

// The last page of a community of 500 rooms.
func BenchmarkHierarchy(b *testing.B) {
	s := newSpaces(b, sqldbtest.SQLite(b, schema.FS))
	var spaces []id.Room
	for range 10 {
		var rooms []id.Room
		for range 50 {
			made, err := s.Rooms.Create(b.Context(), as(alice), room.CreateRequest{Preset: "public_chat", Name: "Room"})
			if err != nil {
				b.Fatal(err)
			}
			rooms = append(rooms, made)
		}
		spaces = append(spaces, makeSpace(b, s, rooms...))
	}
	root := makeSpace(b, s, spaces...)
	last := cursor{depth: maxDepth, given: 480, last: "!none:s1"}
	for b.Loop() {
		page, err := s.Hierarchy(b.Context(), bob, Query{Room: root, From: last.String()})
		if err != nil || len(page.Rooms) != 31 {
			b.Fatal(err, len(page.Rooms))
		}
	}
}
