package client

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"net/url"
	"testing"
	"time"

	"freehold.example/base/bus"
	"freehold.example/base/route"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/account"
	"freehold.example/core/appservice"
	"freehold.example/core/directory"
	"freehold.example/core/room"
	"freehold.example/core/schema"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

type noProfiles struct{}

func (noProfiles) MemberProfile(context.Context, id.User) (string, string, error) { return "", "", nil }

func TestDirectoryHTTP(t *testing.T) {
	db := sqldbtest.SQLite(t, schema.FS)
	accounts, err := account.New(account.Config{
		DB: db, Now: time.Now, ServerName: "s1", Registration: account.Open, FastHashing: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	rooms, err := room.New(room.Config{
		DB: db, Bus: new(bus.Local), Profiles: noProfiles{}, Server: "s1", Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Signer: event.Signer{Server: "s1", Key: "ed25519:1", Private: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))},
	})
	if err != nil {
		t.Fatal(err)
	}
	a := New(Config{
		Accounts: accounts, Rooms: rooms, Now: time.Now, Desk: appservice.NewDesk(nil, nil, time.Now),
		Directory: directory.New(directory.Config{DB: db, Rooms: rooms, Server: "s1", Now: time.Now}),
	})
	table, err := route.New(route.Config[Call]{Rows: append(a.registerRows(), a.directoryRows()...), Guard: a.Guard})
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t, table, accounts, a}
	alice, bob := s.register("alice").str("access_token"), s.register("bob").str("access_token")
	in, err := rooms.Create(t.Context(), room.Caller{User: "@alice:s1", Device: "D"}, room.CreateRequest{
		Preset: "public_chat", Name: "Kitchen", Topic: "Teapots",
	})
	if err != nil {
		t.Fatal(err)
	}

	path := "/v3/directory/room/" + url.PathEscape("#über/☃ :s1") // B307, B308
	body := map[string]any{"room_id": in}
	s.call("PUT", path, "", body, 401, "M_MISSING_TOKEN")
	s.call("PUT", path, bob, body, 403, "M_FORBIDDEN")
	s.call("PUT", path, alice, "{}", 400, "M_MISSING_PARAM")
	s.call("PUT", path, alice, body, 200, "")
	s.call("PUT", path, alice, body, 409, "M_UNKNOWN")
	s.call("PUT", "/v3/directory/room/nonsense", alice, body, 400, "M_INVALID_PARAM")
	got := s.call("GET", path, "", nil, 200, "")
	if servers, _ := got["servers"].([]any); got.str("room_id") != string(in) || len(servers) != 1 || servers[0] != "s1" {
		t.Errorf("got %v, want %s by way of s1", got, in)
	}
	aliases := "/v3/rooms/" + url.PathEscape(string(in)) + "/aliases" // B309
	if list, _ := s.call("GET", aliases, alice, nil, 200, "")["aliases"].([]any); len(list) != 1 || list[0] != "#über/☃ :s1" {
		t.Errorf("got %v, want the alias", list)
	}
	s.call("GET", aliases, bob, nil, 403, "M_FORBIDDEN")
	s.call("DELETE", path, bob, nil, 403, "M_FORBIDDEN")
	s.call("DELETE", path, alice, nil, 200, "")
	s.call("DELETE", path, alice, nil, 404, "M_NOT_FOUND") // B311
	s.call("GET", path, "", nil, 404, "M_NOT_FOUND")

	list := "/v3/directory/list/room/" + url.PathEscape(string(in)) // B318
	visibility := func(want string) {
		t.Helper()
		if got := s.call("GET", list, "", nil, 200, ""); got.str("visibility") != want {
			t.Errorf("got %v, want %s", got, want)
		}
	}
	visibility("private")
	s.call("PUT", list, bob, map[string]any{"visibility": "public"}, 403, "M_FORBIDDEN")
	s.call("PUT", list, alice, map[string]any{"visibility": "secret"}, 400, "M_INVALID_PARAM")
	s.call("PUT", list, alice, "{}", 200, "")
	visibility("public")
	found := func(a answer, want int) {
		t.Helper()
		if chunk, ok := a["chunk"].([]any); !ok || len(chunk) != want {
			t.Errorf("got %v, want %d rooms", a, want)
		}
	}
	found(s.call("GET", "/v3/publicRooms?limit=5", "", nil, 200, ""), 1)
	search := func(term string) map[string]any {
		return map[string]any{"filter": map[string]any{"generic_search_term": term}}
	}
	found(s.call("POST", "/v3/publicRooms", bob, search("teaPOT"), 200, ""), 1) // B319
	found(s.call("POST", "/v3/publicRooms", bob, search("nothing"), 200, ""), 0)
	s.call("POST", "/v3/publicRooms", "", "{}", 401, "M_MISSING_TOKEN")
	s.call("GET", "/v3/publicRooms?since=x", "", nil, 400, "M_INVALID_PARAM")
	s.call("PUT", list, alice, map[string]any{"visibility": "private"}, 200, "")
	found(s.call("GET", "/v3/publicRooms", "", nil, 200, ""), 0)
}
