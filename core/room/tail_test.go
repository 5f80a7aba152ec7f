package room_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/room"
	"freehold.example/core/schema"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/id"
)

// TestReadThrough: what was read of a room's end stays in memory and is what the database says, whichever way it was read;
// but nothing that was redacted after the snapshot was taken.
func TestReadThrough(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		writer := newRooms(t, db)
		in := create(t, writer, room.CreateRequest{Preset: "public_chat"})
		var sent []id.Event
		for i := range 30 {
			sent = append(sent, send(t, writer, in, alice, fmt.Sprint(i), ""))
		}
		rooms := newRooms(t, db) // one that has nothing in memory
		nid, err := nidOf(rooms, in)
		if err != nil {
			t.Fatal(err)
		}
		bodies := func(tx *sqldb.Tx, limit int) string {
			w, err := rooms.Window(tx, nid, 0, tx.Pos(), limit, func(*room.Stored) (room.Choice, error) { return room.Keep, nil })
			if err != nil {
				t.Fatal(err)
			}
			var all []string
			for _, s := range w.Events {
				body, _ := canon.String(canon.Get(s.Event.Content(), "body"))
				all = append(all, body)
			}
			if root, err := rooms.RootAt(tx, nid, w.Before); err != nil || !w.HasState || w.State != root || !w.Limited {
				t.Errorf("got a window %t with the state %x before it, want %x (%v)", w.Limited, w.State, root, err)
			}
			return strings.Join(all, " ")
		}
		look := func(how func(context.Context, func(*sqldb.Tx) error) error, limit int, want string) {
			t.Helper()
			err := how(t.Context(), func(tx *sqldb.Tx) error {
				if got := bodies(tx, limit); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		look(db.Read, 3, "27 28 29")
		look(db.Read, 5, "25 26 27 28 29") // some in memory, the rest below them
		look(db.Peek, 2, "28 29")
		err = db.Read(t.Context(), func(tx *sqldb.Tx) error {
			if _, err := rooms.Current(tx, in); err != nil { // the snapshot is that of the first query
				return err
			}
			if _, err := rooms.Redact(t.Context(), as(alice), in, sent[20], []byte(`{}`), ""); err != nil {
				return err
			}
			if got := bodies(tx, 10); got != "20 21 22 23 24 25 26 27 28 29" {
				t.Errorf("the older snapshot has %q", got)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		look(db.Read, 12, "19  21 22 23 24 25 26 27 28 29 ")
	})
}

func nidOf(rooms *room.Rooms, in id.Room) (nid room.NID, err error) {
	err = rooms.DB.Read(context.Background(), func(tx *sqldb.Tx) error {
		now, err := rooms.Current(tx, in)
		if err == nil {
			nid = now[0].Room
		}
		return err
	})
	return nid, err
}

// TestMovedOn: what nobody asks for any more leaves memory within some minutes, and what is asked for stays; of a
// transaction that is on disk only the event is remembered.
func TestMovedOn(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		now := time.Now()
		rooms := newRoomsAt(t, db, "a.test", func() time.Time { return now })
		in := create(t, rooms, room.CreateRequest{Preset: "public_chat"})
		key := ""
		topic := func(i int) {
			sendDraft(t, rooms, in, alice, room.Draft{Type: "m.room.topic", StateKey: &key, Content: fmt.Appendf(nil, `{"topic":"%d"}`, i)})
		}
		for i := range 50 {
			topic(i)
			send(t, rooms, in, alice, "no", fmt.Sprint("said ", i))
		}
		if got := rooms.Cached(); got < 50 {
			t.Errorf("%d events are in memory, want all topics", got)
		}
		for i := range 4 {
			now = now.Add(2 * time.Minute)
			topic(100 + i)
			state(t, rooms, in)
		}
		if got := rooms.Cached(); got > 15 {
			t.Errorf("%d events are in memory, want the room's state and the last topics", got)
		}
		if got := rooms.Waiting(); got > 0 {
			t.Errorf("%d transactions that are on disk are remembered with their writes", got)
		}
	})
}

// state reads all of a room's state.
func state(t *testing.T, rooms *room.Rooms, in id.Room) {
	t.Helper()
	err := rooms.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
		nid, _, err := rooms.NIDOf(tx, in)
		if err != nil {
			return err
		}
		now, err := rooms.RootAt(tx, nid, tx.Pos())
		if err != nil {
			return err
		}
		_, err = rooms.StateEvents(tx, now)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
