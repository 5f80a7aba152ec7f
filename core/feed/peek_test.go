package feed_test

import (
	"testing"
	"time"

	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/ephemeral"
	"freehold.example/core/room"
	"freehold.example/core/schema"
	"freehold.example/matrix/id"
)

// TestFromMemory: what happens in a room all day costs its members who are up to date no query.
func TestFromMemory(t *testing.T) {
	w := newWorld(t, sqldbtest.SQLite(t, schema.FS))
	ctx := t.Context()
	in := w.create(alice, room.CreateRequest{Preset: "public_chat"})
	w.setState(in, alice, "m.room.name", "", `{"name":"x"}`)
	readers := []id.User{bob, carol}
	for _, u := range readers {
		w.ok(w.rooms.Join(ctx, as(u), in, "", nil))
	}
	first := w.send(in, alice, "first")
	w.sync(dave, w.sync(dave, "", "").NextBatch, "") // who is known to share no other room
	since := map[id.User]string{}
	settle := func() {
		for _, u := range readers {
			since[u] = w.sync(u, since[u], "").NextBatch
		}
	}
	minute := time.Minute
	for _, c := range []struct {
		what string
		do   func() error
	}{
		{"message", func() error { w.send(in, alice, "x"); return nil }},
		{"redaction", func() error {
			_, err := w.rooms.Redact(ctx, as(alice), in, w.send(in, alice, "y"), []byte(`{}`), "")
			return err
		}},
		{"reaction", func() error {
			_, err := w.rooms.Send(ctx, as(alice), in, room.Draft{Type: "m.reaction", Content: []byte(
				`{"m.relates_to":{"rel_type":"m.annotation","key":"x","event_id":"` + string(first) + `"}}`)}, "")
			return err
		}},
		{"topic", func() error { w.setState(in, alice, "m.room.topic", "", `{"topic":"x"}`); return nil }},
		{"typing", func() error { return w.ephemeral.SetTyping(ctx, alice, in, true, &minute) }},
		{"receipt", func() error {
			return w.ephemeral.SetReceipts(ctx, alice, in, ephemeral.Mark{Type: ephemeral.Read, Event: first})
		}},
		{"presence", func() error { return w.ephemeral.SetPresence(ctx, bob, "DEV", "unavailable", nil) }},
		{"join", func() error { return w.rooms.Join(ctx, as(dave), in, "", nil) }},
		{"leave", func() error { return w.rooms.Leave(ctx, as(dave), in, "") }},
		{"nothing", func() error { return nil }},
	} {
		settle()
		settle()
		w.ok(c.do())
		_, before := w.feed.Looks()
		settle()
		if _, after := w.feed.Looks(); after != before {
			t.Errorf("%s: %d of %d looks read the database", c.what, after-before, len(readers))
		}
	}
}
