package client

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"log/slog"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"freehold.example/base/blob"
	"freehold.example/base/bus"
	"freehold.example/base/route"
	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/account"
	"freehold.example/core/appservice"
	"freehold.example/core/ephemeral"
	"freehold.example/core/media"
	"freehold.example/core/person"
	"freehold.example/core/schema"
	"freehold.example/matrix/id"
)

// oneRoom is a room engine with a single room, in which alice and bob are.
type oneRoom struct{ ephemeral.Rooms }

const theRoom = id.Room("!room:s1")

func (oneRoom) members() []id.User { return []id.User{"@alice:s1", "@bob:s1"} }

func (r oneRoom) IsMember(_ context.Context, room id.Room, user id.User) (bool, error) {
	return room == theRoom && slices.Contains(r.members(), user), nil
}

func (r oneRoom) LocalMembers(context.Context, id.Room) ([]id.User, error) { return r.members(), nil }

func (oneRoom) EventPos(_ *sqldb.Tx, _ id.Room, event id.Event) (sqldb.Pos, error) {
	if event == "$event" || event == "$root" {
		return 1, nil
	}
	return 0, nil
}

func (r oneRoom) SharesRoom(_ *sqldb.Tx, a, b id.User) (bool, error) {
	return slices.Contains(r.members(), a) && slices.Contains(r.members(), b), nil
}

func (r oneRoom) SharedUsers(_ *sqldb.Tx, user id.User) ([]id.User, error) {
	if slices.Contains(r.members(), user) {
		return r.members(), nil
	}
	return nil, nil
}

func (r oneRoom) SharedWith(tx *sqldb.Tx, users []id.User) ([]id.User, error) {
	for _, u := range users {
		if all, err := r.SharedUsers(tx, u); len(all) > 0 || err != nil {
			return all, err
		}
	}
	return nil, nil
}

func (oneRoom) PublicUsers(*sqldb.Tx) ([]id.User, error) { return nil, nil }

func (oneRoom) SetMemberProfile(context.Context, id.User, string, string) error { return nil }

// newDataSite is a site with the chapters about users' data and media.
func newDataSite(t *testing.T, db *sqldb.DB) *site {
	t.Helper()
	log, wakes := slog.New(slog.DiscardHandler), new(bus.Local)
	accounts, err := account.New(account.Config{DB: db, Now: time.Now, ServerName: "s1", Registration: account.Open, FastHashing: true})
	if err != nil {
		t.Fatal(err)
	}
	files, err := blob.Open(t.TempDir(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := media.New(media.Config{DB: db, Blobs: files, Bus: wakes, Server: "s1", Now: time.Now, Log: log, MaxUpload: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	soon := ephemeral.New(ephemeral.Config{DB: db, Bus: wakes, Rooms: oneRoom{}, Presence: true, Now: time.Now, Log: log})
	t.Cleanup(soon.Close)
	a := New(Config{
		Accounts: accounts, Media: kept, Ephemeral: soon, LegacyMedia: true, Now: time.Now, Log: log, Desk: appservice.NewDesk(nil, nil, time.Now),
		People: person.New(person.Config{DB: db, Bus: wakes, Rooms: oneRoom{}, Exists: accounts.Exists, Server: "s1", Log: log}),
	})
	table, err := route.New(route.Config[Call]{
		Rows: slices.Concat(a.registerRows(), a.profileRows(), a.userDirectoryRows(), a.accountDataRows(), a.tagRows(), a.filterRows(),
			a.pushRuleRows(), a.receiptRows(), a.typingRows(), a.presenceRows(), a.mediaRows()),
		Guard: a.Guard, CORS: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return &site{t: t, table: table, accounts: accounts}
}

type object = map[string]any

func TestUserData(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		s := newDataSite(t, db)
		alice := s.register("alice").str("access_token")
		bob := s.register("bob").str("access_token")
		for _, tt := range []struct {
			method, path, token string
			body                any
			status              int
			errcode             string
			want                string // of the answer, as fmt prints it; "" for whatever
		}{
			// B74: profiles, read without a token
			{"GET", "/v3/profile/@alice:s1", "", nil, 200, "", "map[]"},
			{"PUT", "/v3/profile/@alice:s1/displayname", alice, object{"displayname": "Alice"}, 200, "", "map[]"},
			{"PUT", "/v3/profile/@alice:s1/avatar_url", alice, object{"avatar_url": "mxc://s1/a"}, 200, "", "map[]"},
			{"PUT", "/v3/profile/@alice:s1/org.example.x", alice, object{"org.example.x": object{"y": 1}}, 200, "", "map[]"},
			{"GET", "/v3/profile/@alice:s1/displayname", "", nil, 200, "", "map[displayname:Alice]"},
			{"GET", "/v3/profile/@alice:s1", "", nil, 200, "", "map[avatar_url:mxc://s1/a displayname:Alice org.example.x:map[y:1]]"},
			{"DELETE", "/v3/profile/@alice:s1/org.example.x", alice, nil, 200, "", "map[]"},
			{"GET", "/v3/profile/@alice:s1/org.example.x", "", nil, 404, "M_NOT_FOUND", ""},
			{"GET", "/v3/profile/@nobody:s1", "", nil, 404, "M_NOT_FOUND", ""},
			{"PUT", "/v3/profile/@alice:s1/displayname", bob, object{"displayname": "x"}, 403, "M_FORBIDDEN", ""},
			{"PUT", "/v3/profile/@alice:s1/displayname", "", object{"displayname": "x"}, 401, "M_MISSING_TOKEN", ""},
			{"PUT", "/v3/profile/@alice:s1/displayname", alice, object{"name": "x"}, 400, "M_MISSING_PARAM", ""},
			{"POST", "/v3/user_directory/search", bob, object{"search_term": "ali"}, 200, "", "map[limited:false results:[map[avatar_url:mxc://s1/a display_name:Alice user_id:@alice:s1]]]"},
			{"POST", "/v3/user_directory/search", bob, object{}, 400, "M_MISSING_PARAM", ""},
			// B66, B67, B529 to B531: account data
			{"PUT", "/v3/user/@alice:s1/account_data/m.direct", alice, object{"a": 1}, 200, "", "map[]"},
			{"GET", "/v3/user/@alice:s1/account_data/m.direct", alice, nil, 200, "", "map[a:1]"},
			{"PUT", "/v3/user/@alice:s1/account_data/m.direct", alice, object{"a": 2}, 200, "", "map[]"},
			{"GET", "/v3/user/@alice:s1/account_data/m.direct", alice, nil, 200, "", "map[a:2]"},
			{"GET", "/v3/user/@alice:s1/account_data/m.direct", bob, nil, 403, "M_FORBIDDEN", ""},
			{"PUT", "/v3/user/@alice:s1/account_data/m.direct", alice, "[]", 400, "M_BAD_JSON", ""},
			{"PUT", "/v3/user/@alice:s1/account_data/m.push_rules", alice, object{"a": 1}, 405, "M_BAD_JSON", ""},
			{"PUT", "/v3/user/@alice:s1/rooms/!room:s1/account_data/m.fully_read", alice, object{"a": 1}, 405, "M_BAD_JSON", ""},
			{"PUT", "/v3/user/@alice:s1/rooms/!room:s1/account_data/x", alice, object{"a": 3}, 200, "", "map[]"},
			{"GET", "/v3/user/@alice:s1/rooms/!room:s1/account_data/x", alice, nil, 200, "", "map[a:3]"},
			{"GET", "/v3/user/@alice:s1/rooms/@room:s1/account_data/x", alice, nil, 400, "M_INVALID_PARAM", ""},
			{"PUT", "/v3/user/@alice:s1/rooms/!room:s1/account_data/x", alice, object{}, 200, "", "map[]"},
			{"GET", "/v3/user/@alice:s1/rooms/!room:s1/account_data/x", alice, nil, 404, "M_NOT_FOUND", ""},
			{"DELETE", "/unstable/org.matrix.msc3391/user/@alice:s1/account_data/m.direct", alice, nil, 200, "", "map[]"},
			{"GET", "/v3/user/@alice:s1/account_data/m.direct", alice, nil, 404, "M_NOT_FOUND", ""},
			// tags
			{"PUT", "/v3/user/@alice:s1/rooms/!room:s1/tags/m.favourite", alice, object{"order": 0.5}, 200, "", "map[]"},
			{"GET", "/v3/user/@alice:s1/rooms/!room:s1/tags", alice, nil, 200, "", "map[tags:map[m.favourite:map[order:0.5]]]"},
			{"DELETE", "/v3/user/@alice:s1/rooms/!room:s1/tags/m.favourite", alice, nil, 200, "", "map[]"},
			{"GET", "/v3/user/@alice:s1/rooms/!room:s1/tags", alice, nil, 200, "", "map[tags:map[]]"},
			// filters
			{"POST", "/v3/user/@alice:s1/filter", alice, object{"room": object{}}, 200, "", "map[filter_id:1]"},
			{"GET", "/v3/user/@alice:s1/filter/1", alice, nil, 200, "", "map[room:map[]]"},
			{"GET", "/v3/user/@alice:s1/filter/1", bob, nil, 403, "M_FORBIDDEN", ""},
			{"GET", "/v3/user/@alice:s1/filter/2", alice, nil, 404, "M_NOT_FOUND", ""},
			{"POST", "/v3/user/@alice:s1/filter", alice, object{"room": 1}, 400, "M_BAD_JSON", ""},
			// B349 to B351: push rules
			{"PUT", "/v3/pushrules/global/sender/@bob:s1", alice, object{"actions": []string{"dont_notify"}}, 200, "", "map[]"},
			{"GET", "/v3/pushrules/global/sender/@bob:s1", alice, nil, 200, "", "map[actions:[dont_notify] default:false enabled:true rule_id:@bob:s1]"},
			{"PUT", "/v3/pushrules/global/room/!none:s1", alice, object{"actions": []string{"notify"}}, 200, "", "map[]"},
			{"PUT", "/v3/pushrules/global/room/!none:s1/enabled", alice, object{"enabled": false}, 200, "", "map[]"},
			{"GET", "/v3/pushrules/global/room/!none:s1/enabled", alice, nil, 200, "", "map[enabled:false]"},
			{"PUT", "/v3/pushrules/global/room/!none:s1/actions", alice, object{"actions": []string{}}, 200, "", "map[]"},
			{"GET", "/v3/pushrules/global/room/!none:s1/actions", alice, nil, 200, "", "map[actions:[]]"},
			{"DELETE", "/v3/pushrules/global/room/!none:s1", alice, nil, 200, "", "map[]"},
			{"DELETE", "/v3/pushrules/global/room/!none:s1", alice, nil, 404, "M_NOT_FOUND", ""},
			{"GET", "/v3/pushrules/global/room/!none:s1/enabled", alice, nil, 404, "M_NOT_FOUND", ""},
			{"PUT", "/v3/pushrules/global/override/.m.rule.master/enabled", alice, object{"enabled": true}, 200, "", "map[]"},
			{"GET", "/v3/pushrules/global/override/.m.rule.master/enabled", alice, nil, 200, "", "map[enabled:true]"},
			{"PUT", "/v3/pushrules/global/override/.m.rule.master/enabled", alice, object{}, 400, "M_MISSING_PARAM", ""},
			{"GET", "/v3/pushrules/global/odd/x", alice, nil, 400, "M_INVALID_PARAM", ""},
			{"PUT", "/v3/pushrules/global/content/cat?before=none", alice, object{"pattern": "cat", "actions": []string{}}, 400, "M_UNKNOWN", ""},
			// receipts, typing, presence
			{"POST", "/v3/rooms/!room:s1/receipt/m.read/$event", alice, object{}, 200, "", "map[]"},
			{"POST", "/v3/rooms/!room:s1/receipt/m.read/$event", alice, object{"thread_id": "$root"}, 200, "", "map[]"},
			{"POST", "/v3/rooms/!room:s1/receipt/m.read/$event", alice, object{"thread_id": 1}, 400, "M_INVALID_PARAM", ""},
			{"POST", "/v3/rooms/!room:s1/receipt/m.read/$event", alice, `{"thread_id":null}`, 400, "M_INVALID_PARAM", ""},
			{"POST", "/v3/rooms/!room:s1/receipt/m.read/$event", alice, object{"thread_id": ""}, 400, "M_INVALID_PARAM", ""},
			{"POST", "/v3/rooms/!room:s1/receipt/m.fully_read/$event", alice, object{"thread_id": "main"}, 400, "M_INVALID_PARAM", ""},
			{"POST", "/v3/rooms/!room:s1/receipt/m.odd/$event", alice, object{}, 400, "M_INVALID_PARAM", ""},
			{"POST", "/v3/rooms/!room:s1/read_markers", alice, object{"m.fully_read": "$event", "m.read.private": "$event"}, 200, "", "map[]"},
			{"GET", "/v3/user/@alice:s1/rooms/!room:s1/account_data/m.fully_read", alice, nil, 200, "", "map[event_id:$event]"},
			{"POST", "/v3/rooms/!room:s1/read_markers", alice, object{}, 200, "", "map[]"},
			{"POST", "/v3/rooms/!room:s1/read_markers", alice, object{"m.fully_read": "$other"}, 404, "M_NOT_FOUND", ""},
			{"POST", "/v3/rooms/!other:s1/read_markers", alice, object{"m.read": "$event"}, 403, "M_FORBIDDEN", ""},
			{"PUT", "/v3/rooms/!room:s1/typing/@alice:s1", alice, object{"typing": true, "timeout": 0}, 200, "", "map[]"},
			{"PUT", "/v3/rooms/!room:s1/typing/@alice:s1", alice, object{}, 400, "M_MISSING_PARAM", ""},
			{"PUT", "/v3/rooms/!room:s1/typing/@alice:s1", bob, object{"typing": true}, 403, "M_FORBIDDEN", ""},
			{"PUT", "/v3/rooms/!other:s1/typing/@alice:s1", alice, object{"typing": true}, 403, "M_FORBIDDEN", ""},
			{"GET", "/v3/presence/@bob:s1/status", bob, nil, 200, "", "map[presence:offline]"},
			{"PUT", "/v3/presence/@bob:s1/status", bob, object{"presence": "unavailable", "status_msg": "out"}, 200, "", "map[]"},
			{"PUT", "/v3/presence/@bob:s1/status", alice, object{"presence": "online"}, 403, "M_FORBIDDEN", ""},
			{"PUT", "/v3/presence/@bob:s1/status", bob, object{"presence": "odd"}, 400, "M_INVALID_PARAM", ""},
			{"GET", "/v3/presence/@carol:s1/status", alice, nil, 403, "M_FORBIDDEN", ""},
		} {
			got := s.call(tt.method, tt.path, tt.token, tt.body, tt.status, tt.errcode)
			if text := fmt.Sprint(object(got)); tt.want != "" && text != tt.want {
				t.Errorf("%s %s: got %s, want %s", tt.method, tt.path, text, tt.want)
			}
		}
		if p := s.call("GET", "/v3/presence/@bob:s1/status", alice, nil, 200, ""); p.str("presence") != "unavailable" || p.str("status_msg") != "out" {
			t.Errorf("got presence %v", p)
		}
		all := s.call("GET", "/v3/pushrules/", alice, nil, 200, "")
		global := s.call("GET", "/v3/pushrules/global/", alice, nil, 200, "")
		if kinds, _ := all["global"].(map[string]any); len(kinds) != 6 || fmt.Sprint(kinds) != fmt.Sprint(object(global)) {
			t.Errorf("got push rules %v", all)
		}
	})
}

// send makes a request with a raw body under /_matrix.
func (s *site) send(method, path, token, contentType, body string, headers ...string) *httptest.ResponseRecorder {
	s.t.Helper()
	r := httptest.NewRequest(method, "/_matrix"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.table.ServeHTTP(w, r)
	return w
}

// upload gives the server name and media id of an upload.
func (s *site) upload(token, name, contentType, body string) string {
	s.t.Helper()
	path := "/media/v3/upload"
	if name != "" {
		path += "?filename=" + url.QueryEscape(name)
	}
	w := s.send("POST", path, token, contentType, body)
	_, uri, ok := strings.Cut(w.Body.String(), `{"content_uri":"mxc://`)
	if w.Code != 200 || !ok {
		s.t.Fatalf("upload: got %d %s", w.Code, w.Body)
	}
	return strings.TrimSuffix(uri, `"}`)
}

func TestMedia(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		s := newDataSite(t, db)
		alice := s.register("alice").str("access_token")
		for _, tt := range []struct{ name, contentType, kind string }{
			{"", "img/png", "attachment"},
			{"ascii.png", "image/png", "inline"},
			{"with space.txt", "Text/Plain; charset=utf-8", "inline"},
			{"semi;colon;.pdf", "application/pdf", "attachment"},
			{"☃ and \"quotes\" \\ .svg", "image/svg+xml", "attachment"},
			{"../../etc/passwd", "text/html", "attachment"},
			{"percent%20.html", "text/html;image/png", "attachment"},
		} {
			at := s.upload(alice, tt.name, tt.contentType, "content")
			for _, path := range []string{"/client/v1/media/download/", "/media/v3/download/"} {
				w := s.send("GET", path+at, alice, "", "")
				h := w.Header()
				kind, params, err := mime.ParseMediaType(h.Get("Content-Disposition"))
				if w.Code != 200 || w.Body.String() != "content" || h.Get("Content-Type") != tt.contentType {
					t.Errorf("%q: got %d %q of type %s", tt.name, w.Code, w.Body, h.Get("Content-Type"))
				}
				want := strings.NewReplacer("/", "_", `\`, "_").Replace(tt.name) // a name is that of a file, never a path
				if err != nil || kind != tt.kind || params["filename"] != want {
					t.Errorf("%q: got disposition %q, %v", tt.name, h.Get("Content-Disposition"), err)
				}
				if h.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(h.Get("Content-Security-Policy"), "sandbox;") ||
					h.Get("Cross-Origin-Resource-Policy") != "cross-origin" {
					t.Errorf("%q: got headers %v", tt.name, h)
				}
			}
			w := s.send("GET", "/client/v1/media/download/"+at+"/"+url.PathEscape("anderer Näme.txt"), alice, "", "")
			if _, params, _ := mime.ParseMediaType(w.Header().Get("Content-Disposition")); params["filename"] != "anderer Näme.txt" {
				t.Errorf("got disposition %q", w.Header().Get("Content-Disposition"))
			}
		}
	})
}

func TestMediaRequests(t *testing.T) {
	s := newDataSite(t, sqldbtest.SQLite(t, schema.FS))
	alice := s.register("alice").str("access_token")
	bob := s.register("bob").str("access_token")
	text := s.upload(alice, "a.txt", "text/plain", "0123456789")
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 1000, 500))); err != nil {
		t.Fatal(err)
	}
	photo := s.upload(alice, "", "image/png", picture.String())
	created := s.send("POST", "/media/v1/create", alice, "", "")
	var reserved string
	if _, after, ok := strings.Cut(created.Body.String(), "mxc://"); ok {
		reserved, _, _ = strings.Cut(after, `"`)
	}
	if created.Code != 200 || reserved == "" {
		t.Fatalf("create: got %d %s", created.Code, created.Body)
	}
	for _, tt := range []struct {
		name, method, path, token, body string
		headers                         []string
		status                          int
		want                            string // in the body
	}{
		{"no token", "GET", "/client/v1/media/download/" + text, "", "", nil, 401, "M_MISSING_TOKEN"},
		{"no token, odd path", "GET", "/client/v1/media/download/s1/..%2f", "", "", nil, 401, "M_MISSING_TOKEN"},
		{"no token for a thumbnail", "GET", "/client/v1/media/thumbnail/" + photo, "", "", nil, 401, "M_MISSING_TOKEN"},
		{"the old path needs none", "GET", "/media/v3/download/" + text, "", "", nil, 200, "0123456789"},
		{"traversal", "GET", "/client/v1/media/download/s1/..%2f..%2fetc%2fpasswd", alice, "", nil, 404, "M_NOT_FOUND"},
		{"another server", "GET", "/client/v1/media/download/other/abc", alice, "", nil, 404, "M_NOT_FOUND"},
		{"a part", "GET", "/client/v1/media/download/" + text, alice, "", []string{"Range", "bytes=2-4"}, 206, "234"},
		{"the end", "GET", "/client/v1/media/download/" + text, alice, "", []string{"Range", "bytes=-2"}, 206, "89"},
		{"beyond the end", "GET", "/client/v1/media/download/" + text, alice, "", []string{"Range", "bytes=20-"}, 416, ""},
		{"HEAD", "HEAD", "/client/v1/media/download/" + text, alice, "", nil, 200, ""},
		{"config", "GET", "/client/v1/media/config", alice, "", nil, 200, `{"m.upload.size":1048576}`},
		{"old config", "GET", "/media/v3/config", alice, "", nil, 200, `{"m.upload.size":1048576}`},
		{"too large", "POST", "/media/v3/upload", alice, strings.Repeat("x", 1<<20+1), nil, 413, "M_TOO_LARGE"},
		{"upload without a token", "POST", "/media/v3/upload", "", "x", nil, 401, "M_MISSING_TOKEN"},
		{"thumbnail", "GET", "/client/v1/media/thumbnail/" + photo + "?width=32&height=32&method=scale", alice, "", nil, 200, "\x89PNG"},
		{"animated", "GET", "/client/v1/media/thumbnail/" + photo + "?width=96&height=96&method=crop&animated=true", alice, "", nil, 200, "\x89PNG"},
		{"thumbnail of text", "GET", "/client/v1/media/thumbnail/" + text + "?width=32&height=32", alice, "", nil, 400, "M_UNKNOWN"},
		{"no size", "GET", "/client/v1/media/thumbnail/" + photo, alice, "", nil, 400, "M_INVALID_PARAM"},
		{"negative size", "GET", "/client/v1/media/thumbnail/" + photo + "?width=-1&height=5", alice, "", nil, 400, "M_INVALID_PARAM"},
		{"not yet", "GET", "/media/v3/download/" + reserved + "?timeout_ms=1", alice, "", nil, 504, "M_NOT_YET_UPLOADED"},
		{"somebody else's", "PUT", "/media/v3/upload/" + reserved, bob, "x", nil, 403, "M_FORBIDDEN"},
		{"unknown id", "PUT", "/media/v3/upload/s1/nothing", alice, "x", nil, 404, "M_NOT_FOUND"},
		{"now", "PUT", "/media/v3/upload/" + reserved + "?filename=x", alice, "late", nil, 200, "{}"},
		{"there", "GET", "/client/v1/media/download/" + reserved, alice, "", nil, 200, "late"},
		{"again", "PUT", "/media/v3/upload/" + reserved, alice, "", nil, 409, "M_CANNOT_OVERWRITE_MEDIA"},
	} {
		w := s.send(tt.method, tt.path, tt.token, "text/plain", tt.body, tt.headers...)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("%s: got %d %.100q, want %d %q", tt.name, w.Code, w.Body, tt.status, tt.want)
		}
	}
	seen := s.send("GET", "/client/v1/media/download/"+text, alice, "", "").Header().Get("ETag")
	if w := s.send("GET", "/client/v1/media/download/"+text, alice, "", "", "If-None-Match", seen); w.Code != http.StatusNotModified {
		t.Errorf("got %d for what the browser has, want 304", w.Code)
	}
}
