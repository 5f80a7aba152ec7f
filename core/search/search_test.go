package search_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"freehold.example/base/bus"
	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/room"
	"freehold.example/core/schema"
	"freehold.example/core/search"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

const (
	alice = id.User("@alice:a.test")
	bob   = id.User("@bob:a.test")
)

type noProfiles struct{}

func (noProfiles) MemberProfile(context.Context, id.User) (string, string, error) { return "", "", nil }

// world is a search over some rooms.
type world struct {
	*search.Search
	t testing.TB
}

func newWorld(t testing.TB, db *sqldb.DB) *world {
	t.Helper()
	rooms, err := room.New(room.Config{
		DB: db, Bus: new(bus.Local), Profiles: noProfiles{}, Server: "a.test", Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Signer: event.Signer{Server: "a.test", Key: "ed25519:1", Private: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &world{Search: search.New(search.Config{DB: db, Rooms: rooms, Log: slog.New(slog.DiscardHandler)}), t: t}
}

func each(t *testing.T, fn func(t *testing.T, w *world)) {
	t.Helper()
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) { fn(t, newWorld(t, db)) })
}

func as(u id.User) room.Caller { return room.Caller{User: u, Device: "DEV"} }

func (w *world) room(preset string, others ...id.User) id.Room {
	w.t.Helper()
	in, err := w.Rooms.Create(w.t.Context(), as(alice), room.CreateRequest{Preset: preset, Invite: others})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, u := range others {
		if err := w.Rooms.Join(w.t.Context(), as(u), in, "", nil); err != nil {
			w.t.Fatal(err)
		}
	}
	return in
}

func (w *world) say(in id.Room, u id.User, body string) id.Event {
	w.t.Helper()
	sent, err := w.Rooms.Send(w.t.Context(), as(u), in, room.Draft{
		Type: "m.room.message", Content: fmt.Appendf(nil, `{"msgtype":"m.text","body":%q}`, body),
	}, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return sent
}

func (w *world) find(q search.Query) (found []id.Event, r search.Result) {
	w.t.Helper()
	if q.Ignored == nil {
		q.Ignored = func(*sqldb.Tx) (map[id.User]bool, error) { return nil, nil }
	}
	if q.User == "" {
		q.User = alice
	}
	err := w.Find(w.t.Context(), q, func(_ *sqldb.Tx, got *search.Result) error {
		found, r = nil, *got
		for _, h := range got.Hits {
			found = append(found, h.Event.Event.ID())
		}
		return nil
	})
	if err != nil {
		w.t.Fatalf("%q: %v", q.Term, err)
	}
	return found, r
}

func TestWhatMatches(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		in := w.room("private_chat")
		name := map[id.Event]string{}
		for key, body := range map[string]string{
			"fox":    "The quick brown Fox jumps over the lazy dog's back.",
			"number": "Message number 4",
			"other":  "Message number 42",
			"straße": "STRASSE oder Straße, Ärger in Zürich",
			"tokyo":  "東京に行きます",
			"quoted": `it's "quoted" \ and * AND (NOT) : | ! <-> ' ''`,
			"link":   "see https://example.org/some_page?x=1#frag",
			"greek":  "ΟΔΥΣΣΕΥΣ",
		} {
			name[w.say(in, alice, body)] = key
		}
		for term, want := range map[string]string{
			"fox":                "fox",
			"FOX  brown":         "fox",
			"brow":               "fox", // words that begin so
			"rown":               "",
			"fox cat":            "",
			"dog":                "fox",
			"Message 4":          "number",
			"Message 42":         "other",
			"message":            "number other",
			"ärger":              "straße",
			"zürich ÄRGER":       "straße",
			"東京":                 "tokyo",
			"京":                  "tokyo",
			"quoted":             "quoted",
			`"quoted" OR fox`:    "",
			"it's":               "quoted",
			"AND NOT":            "quoted",
			"example.org":        "link",
			"some page":          "link",
			"οδυσσευς":           "greek",
			"οδυσσεύς":           "",
			"!!!":                "",
			"'":                  "",
			"* & | : ! ( ) ' \\": "",
		} {
			found, _ := w.find(search.Query{Term: term})
			var got []string
			for _, e := range found {
				got = append(got, name[e])
			}
			slices.Sort(got)
			if strings.Join(got, " ") != want {
				t.Errorf("%q finds %v, want %q", term, got, want)
			}
		}
	})
}

func TestRedactedIsGone(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		in := w.room("private_chat")
		first, second := w.say(in, alice, "secret plan"), w.say(in, alice, "secret too")
		if found, _ := w.find(search.Query{Term: "secret", Recent: true}); !slices.Equal(found, []id.Event{second, first}) {
			t.Errorf("got %v", found)
		}
		for _, e := range []id.Event{first, second} {
			if _, err := w.Rooms.Redact(t.Context(), as(alice), in, e, []byte("{}"), ""); err != nil {
				t.Fatal(err)
			}
		}
		if found, r := w.find(search.Query{Term: "secret"}); found != nil || r.Count != 0 {
			t.Errorf("after the redaction: %v, %d", found, r.Count)
		}
	})
}

func TestOnlyWhatOneMaySee(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		in, private := w.room("private_chat"), w.room("private_chat")
		content := []byte(`{"history_visibility":"joined"}`)
		if _, err := w.Rooms.SetState(t.Context(), as(alice), in, "m.room.history_visibility", "", content); err != nil {
			t.Fatal(err)
		}
		w.say(private, alice, "word elsewhere")
		before := w.say(in, alice, "word before")
		if err := w.Rooms.Invite(t.Context(), as(alice), in, bob, ""); err != nil {
			t.Fatal(err)
		}
		if err := w.Rooms.Join(t.Context(), as(bob), in, "", nil); err != nil {
			t.Fatal(err)
		}
		during := w.say(in, alice, "word during")
		if err := w.Rooms.Leave(t.Context(), as(bob), in, ""); err != nil {
			t.Fatal(err)
		}
		after := w.say(in, alice, "word after")
		found, r := w.find(search.Query{User: bob, Term: "word"})
		if !slices.Equal(found, []id.Event{during}) || r.Count != 1 {
			t.Errorf("bob finds %v, and is told there are %d", found, r.Count)
		}
		if found, _ := w.find(search.Query{Term: "word", Recent: true}); len(found) != 4 || found[0] != after || found[2] != before {
			t.Errorf("alice finds %v", found)
		}
		ignoring := func(*sqldb.Tx) (map[id.User]bool, error) { return map[id.User]bool{alice: true}, nil }
		if found, _ := w.find(search.Query{User: bob, Term: "word", Ignored: ignoring}); found != nil {
			t.Errorf("of someone who is ignored: %v", found)
		}
		if err := w.Rooms.Forget(t.Context(), bob, in); err != nil {
			t.Fatal(err)
		}
		if found, _ := w.find(search.Query{User: bob, Term: "word"}); found != nil {
			t.Errorf("in a forgotten room: %v", found)
		}
	})
}

func TestKeys(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		in := w.room("private_chat")
		for _, key := range []string{"name", "topic"} {
			content := fmt.Appendf(nil, `{%q:"gardening"}`, key)
			if _, err := w.Rooms.SetState(t.Context(), as(alice), in, "m.room."+key, "", content); err != nil {
				t.Fatal(err)
			}
		}
		w.say(in, alice, "gardening")
		_, err := w.Rooms.Send(t.Context(), as(alice), in, room.Draft{Type: "m.room.encrypted", Content: []byte(`{"body":"gardening"}`)}, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			keys []string
			want int
		}{{nil, 3}, {[]string{search.Body}, 1}, {[]string{search.Name, search.Topic}, 2}} {
			if found, _ := w.find(search.Query{Term: "gardening", Keys: c.keys}); len(found) != c.want {
				t.Errorf("%v: %d, want %d", c.keys, len(found), c.want)
			}
		}
		err = w.Find(t.Context(), search.Query{User: alice, Term: "x", Keys: []string{"content.url"}}, nil)
		if !fault.Is(err, fault.InvalidParam) {
			t.Errorf("an unknown key: %v", err)
		}
	})
}

// A program that is started again goes on where it was; one that never indexed anything begins at the beginning.
func TestIndexOfWhatIsThere(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		in := w.room("private_chat")
		first := w.say(in, alice, "one word")
		if found, _ := w.find(search.Query{Term: "word"}); !slices.Equal(found, []id.Event{first}) {
			t.Fatalf("got %v", found)
		}
		second := w.say(in, alice, "another word")
		again := newWorld(t, w.DB)
		if found, _ := again.find(search.Query{Term: "word", Recent: true}); !slices.Equal(found, []id.Event{second, first}) {
			t.Errorf("after a restart: %v", found)
		}
	})
}
