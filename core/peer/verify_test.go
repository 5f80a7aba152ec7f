package peer

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"testing"
	"time"

	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// signedBy is a message of a user of a server, in a room of a version.
func signedBy(t *testing.T, v string, server id.Server, at int64, key id.Key, seed byte) *event.Event {
	t.Helper()
	ver, ok := version.Lookup(v)
	if !ok {
		t.Fatalf("no version %s", v)
	}
	e, err := event.Build(ver, event.Draft{
		Room: "!r:example.org", Type: "m.room.message", Sender: id.User("@u:" + server), Content: []byte(`{"body":"x"}`), Depth: 5, Timestamp: at,
	}, event.Signer{Server: server, Key: key, Private: private(seed)})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestVerifyEvents(t *testing.T) {
	c := clockAt(time.UnixMilli(1e12))
	p := peers(t, sqldbtest.SQLite(t, schema.FS), c, noRecords)
	r := newRemote(t, p)
	r.until = 1e12 + 1e6
	r.old["ed25519:old"] = private(2) // until 500
	joined := func(authoriser bool) *event.Event {
		v, _ := version.Lookup("10")
		e, err := event.Build(v, event.Draft{
			Room: "!r:example.org", Type: "m.room.member", Sender: "@u:here.test", StateKey: new("@u:here.test"), Depth: 1, Timestamp: 1e12,
			Content: fmt.Appendf(nil, `{"membership":"join","join_authorised_via_users_server":"@v:%s"}`, r.name),
		}, p.Signer)
		if err != nil {
			t.Fatal(err)
		}
		if authoriser {
			if e, err = e.Sign(event.Signer{Server: r.name, Key: "ed25519:a", Private: private(1)}); err != nil {
				t.Fatal(err)
			}
		}
		return e
	}
	tests := map[string]struct {
		event *event.Event
		ok    bool
		by    int
	}{
		"good":                           {event: signedBy(t, "11", r.name, 1e12, "ed25519:a", 1), ok: true},
		"another key":                    {event: signedBy(t, "11", r.name, 1e12, "ed25519:a", 3)},
		"no such key":                    {event: signedBy(t, "11", r.name, 1e12, "ed25519:b", 1)},
		"after the key":                  {event: signedBy(t, "11", r.name, 1e12+2e6, "ed25519:a", 1)},
		"after the key, not looked at":   {event: signedBy(t, "4", r.name, 1e12+2e6, "ed25519:a", 1), ok: true},
		"an old key":                     {event: signedBy(t, "11", r.name, 499, "ed25519:old", 2), ok: true},
		"an old key, too late":           {event: signedBy(t, "11", r.name, 501, "ed25519:old", 2)},
		"who vouches has signed":         {event: joined(true), ok: true, by: 1},
		"who vouches has not signed":     {event: joined(false)},
		"signed by another than sender":  {event: resigned(t, r.name)},
		"of a server with a wrong place": {event: signedBy(t, "11", "nowhere.invalid", 1e12, "ed25519:a", 1)},
	}
	var events []*event.Event
	var names []string
	for name, tt := range tests {
		events, names = append(events, tt.event), append(names, name)
	}
	for range 2 { // once with what is fetched, and again
		for i, got := range p.VerifyEvents(t.Context(), "", events) {
			want := tests[names[i]]
			if (got.Err == nil) != want.ok || len(got.By) != want.by {
				t.Errorf("%s: %v by %v", names[i], got.Err, got.By)
			}
			if wrong := errors.Is(got.Err, event.ErrSignature); wrong == want.ok || names[i] == "of a server with a wrong place" {
				if names[i] != "of a server with a wrong place" || wrong {
					t.Errorf("%s: %v: is it for good?", names[i], got.Err)
				}
			}
		}
	}
	if r.asked[keyPath] > 2 {
		t.Errorf("the keys were fetched %d times for two batches", r.asked[keyPath])
	}
}

// resigned is an event that only a server that has nothing to do with it has signed.
func resigned(t *testing.T, server id.Server) *event.Event {
	t.Helper()
	v, _ := version.Lookup("11")
	e, err := event.Build(v, event.Draft{
		Room: "!r:example.org", Type: "m.room.message", Sender: "@u:here.test", Content: []byte(`{}`), Depth: 5, Timestamp: 1e12,
	}, event.Signer{Server: server, Key: "ed25519:a", Private: private(1)})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestVerifyWithout: a server that does not answer any more has signed what it signed.
func TestVerifyWithout(t *testing.T) {
	c := clockAt(time.UnixMilli(1e12))
	p := peers(t, sqldbtest.SQLite(t, schema.FS), c, noRecords)
	r := newRemote(t, p)
	r.until = 1e12 + 1e6
	one := []*event.Event{signedBy(t, "11", r.name, 1e12, "ed25519:a", 1)}
	r.answer(502)
	if got := p.VerifyEvents(t.Context(), "", one)[0].Err; got == nil || errors.Is(got, event.ErrSignature) {
		t.Errorf("a server that is down: %v", got)
	}
	r.answer(0)
	p.Retry()
	if got := p.VerifyEvents(t.Context(), "", one)[0].Err; got != nil {
		t.Fatal(got)
	}
	r.answer(502)
	c.pass(24 * time.Hour)
	one[0] = signedBy(t, "11", r.name, c.Now().UnixMilli(), "ed25519:a", 1)
	if got := p.VerifyEvents(t.Context(), "", one)[0].Err; got != nil {
		t.Errorf("with the key of yesterday: %v", got)
	}
}

// TestSeekBounded: names of keys that do not exist do not make this server ask and ask.
func TestSeekBounded(t *testing.T) {
	c := clockAt(time.UnixMilli(1e12))
	p := peers(t, sqldbtest.SQLite(t, schema.FS), c, noRecords)
	r := newRemote(t, p)
	r.until = 1e12 + 1e9
	for i := range 50 {
		e := signedBy(t, "11", r.name, 1e12, id.Key(fmt.Sprintf("ed25519:x%d", i)), 1)
		if p.VerifyEvents(t.Context(), "", []*event.Event{e})[0].Err == nil {
			t.Fatal("verified with a key that is not there")
		}
	}
	if r.asked[keyPath] > maxSeeks {
		t.Errorf("asked %d times", r.asked[keyPath])
	}
	c.pass(2 * time.Minute)
	if err := p.VerifyEvents(t.Context(), "", []*event.Event{signedBy(t, "11", r.name, 1e12, "ed25519:a", 1)})[0].Err; err != nil {
		t.Error(err)
	}
}

// TestNotary: who hands on events of a server that is gone vouches for its keys, and only for one that was never met.
func TestNotary(t *testing.T) {
	c := clockAt(time.UnixMilli(1e12))
	p := peers(t, sqldbtest.SQLite(t, schema.FS), c, noRecords)
	gone := newRemote(t, p)
	notary := newRemote(t, p)
	gone.until, notary.until = 1e12+1e6, 1e12+1e6
	e := []*event.Event{signedBy(t, "11", gone.name, 1e12, "ed25519:a", 1)}
	gone.answer(502)
	if err := p.FetchKeys(t.Context(), notary.name); err != nil {
		t.Fatal(err)
	}
	notary.set(`{"server_keys":[` + string(gone.document()) + `]}`)
	if p.VerifyEvents(t.Context(), notary.name, e)[0].Err == nil {
		t.Error("taken from a notary who has not signed")
	}
	vouched := func() {
		b, err := event.SignJSON(gone.document(), string(notary.name), "ed25519:a", private(1))
		if err != nil {
			t.Fatal(err)
		}
		notary.set(`{"server_keys":[` + string(b) + `]}`)
	}
	vouched()
	if err := p.VerifyEvents(t.Context(), notary.name, e)[0].Err; err != nil {
		t.Errorf("with the notary: %v", err)
	}
	// It comes back with another key: that is what counts, and no notary adds to it.
	gone.answer(0)
	gone.public = map[id.Key]ed25519.PrivateKey{"ed25519:b": private(5)}
	p.Retry()
	if err := p.FetchKeys(t.Context(), gone.name); err != nil {
		t.Fatal(err)
	}
	gone.answer(502)
	gone.public = map[id.Key]ed25519.PrivateKey{"ed25519:a": private(1)}
	vouched()
	if p.VerifyEvents(t.Context(), notary.name, e)[0].Err == nil {
		t.Error("a notary has added to the keys of a server that told its own")
	}
}
