package room_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"freehold.example/base/bus"
	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/room"
	"freehold.example/core/schema"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// content is the content of a state event as the room stands; nil for none.
func content(t *testing.T, rooms *room.Rooms, in id.Room, typ, key string) (c json.RawMessage) {
	t.Helper()
	err := rooms.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
		now, err := rooms.Current(tx, in)
		if err != nil || len(now) == 0 {
			return err
		}
		s, err := rooms.StateEvent(tx, now[0].State, typ, key)
		if err == nil && s != nil {
			c = s.Event.Content()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func set(t *testing.T, rooms *room.Rooms, in id.Room, u id.User, typ, key, content string) {
	t.Helper()
	if _, err := rooms.SetState(t.Context(), as(u), in, typ, key, []byte(content)); err != nil {
		t.Fatalf("set %s: %v", typ, err)
	}
}

// TestUpgradeBetweenAllVersions: from every version to every other, the upgrader has the power in the new room, and who is
// banned stays so.
func TestUpgradeBetweenAllVersions(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		for _, from := range version.All() {
			in := create(t, rooms, room.CreateRequest{Version: from.ID, Preset: "public_chat", Name: "Name"})
			if err := rooms.Ban(t.Context(), as(alice), in, bob, "spam"); err != nil {
				t.Fatal(err)
			}
			set(t, rooms, in, alice, "m.room.join_rules", "", `{"join_rule":"knock_restricted","allow":[]}`)
			for _, to := range version.All() {
				made, err := rooms.Upgrade(t.Context(), as(alice), in, room.UpgradeRequest{Version: to.ID})
				if err != nil {
					t.Fatalf("%s to %s: %v", from.ID, to.ID, err)
				}
				set(t, rooms, made, alice, "m.room.name", "", `{"name":"New"}`)
				set(t, rooms, made, alice, "m.room.tombstone", "", `{"body":"","replacement_room":"!x"}`)
				if got := string(content(t, rooms, made, "m.room.member", string(bob))); got != `{"membership":"ban","reason":"spam"}` {
					t.Errorf("%s to %s: got %s for who was banned", from.ID, to.ID, got)
				}
				var rules struct {
					Rule string `json:"join_rule"`
				}
				if err := json.Unmarshal(content(t, rooms, made, "m.room.join_rules", ""), &rules); err != nil || rules.Rule == "public" {
					t.Errorf("%s to %s: join rule %q (%v)", from.ID, to.ID, rules.Rule, err)
				}
			}
		}
	})
}

// TestUpgradedLevels: what only old versions take as a power level becomes what all take.
func TestUpgradedLevels(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		for version, users := range map[string]string{
			"10": `{"@alice:a.test":100,"@bob:a.test":50}`, "12": `{"@bob:a.test":50}`,
		} {
			in := create(t, rooms, room.CreateRequest{Version: "1"})
			set(t, rooms, in, alice, "m.room.avatar", "", `{"url":"mxc://a/b","info":{"w":1.5}}`)
			set(t, rooms, in, alice, "m.room.power_levels", "", `{
				"users": {"@alice:a.test": "100", "@bob:a.test": " 50 "}, "events": {"com.example": 10.9}, "com.example.float": 1.5,
				"users_default": "7", "ban": 60, "notifications": {"room": "20"}, "com.example": {"a": "1"}}`)
			made, err := rooms.Upgrade(t.Context(), as(alice), in, room.UpgradeRequest{Version: version})
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range []struct {
				in        id.Room
				typ, want string
			}{
				{made, "m.room.power_levels", `{"ban":60,"com.example":{"a":"1"},"events":{"com.example":10},"notifications":{"room":20},"users":` + users + `,"users_default":7}`},
				{made, "m.room.avatar", `{"url":"mxc://a/b"}`},
				{in, "m.room.power_levels", `{"ban":60,"com.example":{"a":"1"},"com.example.float":1.5,"events":{"com.example":10.9},"events_default":50,"invite":50,"notifications":{"room":"20"},"users":{"@alice:a.test":"100","@bob:a.test":" 50 "},"users_default":"7"}`},
			} {
				if got := string(content(t, rooms, c.in, c.typ, "")); got != c.want {
					t.Errorf("version %s, %s:\n got %s\nwant %s", version, c.typ, got, c.want)
				}
			}
		}
	})
}

// TestUpgradeIsWhole: when one part of it fails, nothing of it has happened, and the room goes on.
func TestUpgradeIsWhole(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		in := create(t, rooms, room.CreateRequest{Preset: "public_chat"})
		failure := errors.New("no room on the disk")
		for _, v := range []string{"11", "12"} {
			var made id.Room
			_, err := rooms.Upgrade(t.Context(), as(alice), in, room.UpgradeRequest{
				Version: v, Also: func(_ *sqldb.Tx, _, to id.Room) error { made = to; return failure },
			})
			if !errors.Is(err, failure) {
				t.Fatalf("got %v", err)
			}
			if content(t, rooms, made, "m.room.create", "") != nil || content(t, rooms, in, "m.room.tombstone", "") != nil {
				t.Errorf("version %s: half of the upgrade is there", v)
			}
			send(t, rooms, in, alice, "we go on", "t"+v)
		}
		ctx, cancel := context.WithCancel(t.Context())
		made, err := rooms.Upgrade(ctx, as(alice), in, room.UpgradeRequest{
			Version: "12", Also: func(*sqldb.Tx, id.Room, id.Room) error { cancel(); return nil }, // the client hangs up
		})
		if err != nil || content(t, rooms, made, "m.room.create", "") == nil {
			t.Errorf("got %s, %v", made, err)
		}
	})
}

// TestUpgradeUnderTraffic: messages sent meanwhile land before the tombstone or are refused after it; none is lost.
func TestUpgradeUnderTraffic(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		in := create(t, rooms, room.CreateRequest{Preset: "public_chat"})
		if err := rooms.Join(t.Context(), as(bob), in, "", nil); err != nil {
			t.Fatal(err)
		}
		var senders sync.WaitGroup
		var mu sync.Mutex
		var sent []string
		begun := make(chan struct{}, 4*50)
		for i := range 4 {
			senders.Go(func() {
				for j := range 50 {
					body := string(rune('a'+i)) + string(rune('0'+j))
					_, err := rooms.Send(t.Context(), as(bob), in, text(body), body)
					begun <- struct{}{}
					switch {
					case fault.Is(err, fault.Forbidden):
						return
					case err != nil:
						t.Errorf("send: %v", err)
						return
					}
					mu.Lock()
					sent = append(sent, body)
					mu.Unlock()
				}
			})
		}
		for range 10 {
			<-begun
		}
		if _, err := rooms.Upgrade(t.Context(), as(alice), in, room.UpgradeRequest{Version: "12"}); err != nil {
			t.Error(err)
		}
		senders.Wait()
		got := history(t, rooms, in, alice, 100)
		slices.Sort(got)
		slices.Sort(sent)
		if !slices.Equal(got, sent) {
			t.Errorf("got %d messages, %d were acknowledged", len(got), len(sent))
		}
	})
}

// TestFollow: whose settings come along to which room.
func TestFollow(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		type move struct {
			user     id.User
			from, to id.Room
		}
		moves := map[move]bool{}
		rooms, err := room.New(room.Config{
			DB: db, Bus: new(bus.Local), Profiles: noProfiles{}, Server: "a.test", Now: time.Now, Log: slog.New(slog.DiscardHandler),
			Signer: event.Signer{Server: "a.test", Key: "ed25519:1", Private: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))},
			Follow: func(_ *sqldb.Tx, user id.User, from, to id.Room) error {
				moves[move{user, from, to}] = true
				return nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		in := create(t, rooms, room.CreateRequest{Preset: "public_chat"})
		made, err := rooms.Upgrade(t.Context(), as(alice), in, room.UpgradeRequest{Version: "12"})
		if err != nil {
			t.Fatal(err)
		}
		by := func(q string) room.CreateRequest {
			return room.CreateRequest{Preset: "public_chat", CreationContent: map[string]json.RawMessage{"predecessor": json.RawMessage(q)}}
		}
		byHand := create(t, rooms, by(`{"room_id":"`+string(made)+`"}`))
		create(t, rooms, by(`"`+string(made)+`"`)) // nonsense
		create(t, rooms, by(`{"room_id":5}`))
		create(t, rooms, by(`{"room_id":"!a\u0000:b"}`))
		set(t, rooms, create(t, rooms, room.CreateRequest{}), alice, "m.room.tombstone", "", `{"body":"","replacement_room":"!a\u0000:b"}`)
		for _, in := range []id.Room{made, byHand} {
			for range 2 {
				if err := rooms.Join(t.Context(), as(bob), in, "", nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		want := map[move]bool{{alice, in, made}: true, {bob, in, made}: true}
		if len(moves) != len(want) || !moves[move{alice, in, made}] || !moves[move{bob, in, made}] {
			t.Errorf("before the tombstone by hand: got %v, want %v", moves, want)
		}
		set(t, rooms, made, alice, "m.room.tombstone", "", `{"body":"","replacement_room":"`+string(byHand)+`"}`)
		set(t, rooms, made, alice, "m.room.tombstone", "", `{"body":"","replacement_room":"!none"}`)
		if len(moves) != 4 || !moves[move{alice, made, byHand}] || !moves[move{bob, made, byHand}] {
			t.Errorf("got %v", moves)
		}
	})
}

// TestUpgradeByModerator: who may just upgrade has in the new room what she has in the old, and others have what they had.
func TestUpgradeByModerator(t *testing.T) {
	each(t, func(t *testing.T, rooms *room.Rooms) {
		in := create(t, rooms, room.CreateRequest{Version: "10", Preset: "public_chat", Name: "Name"})
		if err := rooms.Join(t.Context(), as(bob), in, "", nil); err != nil {
			t.Fatal(err)
		}
		levels := `{"ban":60,"events":{"m.room.tombstone":50},"events_default":0,"invite":70,"state_default":80,"users":{"@alice:a.test":100,"@bob:a.test":50}}`
		set(t, rooms, in, alice, "m.room.server_acl", "", `{"allow":["*"]}`)
		if err := rooms.Ban(t.Context(), as(alice), in, carol, ""); err != nil {
			t.Fatal(err)
		}
		set(t, rooms, in, alice, "m.room.power_levels", "", levels)
		for _, v := range []string{"11", "12"} {
			made, err := rooms.Upgrade(t.Context(), as(bob), in, room.UpgradeRequest{Version: v})
			if err != nil {
				t.Fatal(err)
			}
			want := levels
			if v == "12" {
				want = strings.Replace(levels, `,"@bob:a.test":50`, "", 1)
			}
			if got := string(content(t, rooms, made, "m.room.power_levels", "")); got != want {
				t.Errorf("version %s: got %s, want %s", v, got, want)
			}
			if content(t, rooms, made, "m.room.server_acl", "") == nil || content(t, rooms, made, "m.room.name", "") == nil ||
				content(t, rooms, made, "m.room.member", string(carol)) == nil {
				t.Errorf("version %s: settings that take more than her level did not come along", v)
			}
			if got := string(content(t, rooms, in, "m.room.power_levels", "")); got != levels {
				t.Errorf("the old room's levels, which she may not change, are %s", got)
			}
		}
		send(t, rooms, in, alice, "she may not close the room, so it goes on", "1")
	})
}
