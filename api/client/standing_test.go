package client_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"freehold.example/api/client"
	"freehold.example/base/route"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/account"
	"freehold.example/core/media"
	"freehold.example/core/schema"
)

// guarded is the whole table of routes, with endpoints that only say that they were reached.
func guarded(t *testing.T, accounts *account.Accounts) http.Handler {
	t.Helper()
	m, err := media.New(media.Config{})
	if err != nil {
		t.Fatal(err)
	}
	api := client.New(client.Config{Accounts: accounts, Media: m, LegacyMedia: true, LoginTokens: true, Now: time.Now})
	rows := api.Rows()
	for i := range rows {
		rows[i].Serve = route.Raw(func(w http.ResponseWriter, _ *http.Request, _ *client.Call, _ route.Params) error {
			w.WriteHeader(http.StatusNoContent)
			return nil
		})
	}
	table, err := route.New(route.Config[client.Call]{
		Rows: rows, Guard: api.Guard, Aliases: map[string]string{"/_matrix/client/r0": "/_matrix/client/v3"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

var segment = regexp.MustCompile(`\{[^}]*\}`)

// Every endpoint answers every kind of token that is not good with what the specification says of it, whoever adds it.
// A suspended account may do what is listed here and nothing else: whoever adds an endpoint decides.
func TestStandingOnEveryRoute(t *testing.T) {
	now := time.Date(2026, 7, 8, 12, 0, 0, 0, time.UTC)
	accounts, err := account.New(account.Config{
		DB: sqldbtest.SQLite(t, schema.FS), Now: func() time.Time { return now }, ServerName: "s1", FastHashing: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	signUp := func(name string, refresh bool) *account.Grant {
		t.Helper()
		g, err := accounts.Register(ctx, account.RegisterRequest{
			Name: name, Password: "secret", DeviceRequest: account.DeviceRequest{Refresh: refresh},
		})
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	expired := signUp("expired", true)
	now = now.Add(2 * time.Hour)
	good, locked, suspended, closed, erased, out, all := signUp("good", true), signUp("locked", false), signUp("suspended", false),
		signUp("closed", false), signUp("erased", false), signUp("out", false), signUp("all", false)
	must(accounts.SetLocked(ctx, locked.User, true))
	must(accounts.SetSuspended(ctx, suspended.User, true))
	must(accounts.Deactivate(ctx, closed.User, false))
	must(accounts.Deactivate(ctx, erased.User, true))
	s, err := accounts.Authenticate(ctx, out.Access)
	must(err)
	must(accounts.Logout(ctx, s))
	must(accounts.LogoutAll(ctx, all.User))
	table := guarded(t, accounts)

	type answer struct {
		status  int
		errcode string
		soft    bool
	}
	unknown := answer{401, "M_UNKNOWN_TOKEN", false}
	tokens := map[string]struct {
		token string
		want  answer
	}{
		"none":        {"", answer{401, "M_MISSING_TOKEN", false}},
		"foreign":     {"syt_YWxpY2U_abcdefghijklmnop_012345", unknown},
		"logged out":  {out.Access, unknown},
		"all out":     {all.Access, unknown},
		"deactivated": {closed.Access, unknown},
		"erased":      {erased.Access, unknown},
		"a refresh":   {good.Refresh, unknown},
		"expired":     {expired.Access, answer{401, "M_UNKNOWN_TOKEN", true}},
		"locked":      {locked.Access, answer{401, "M_USER_LOCKED", true}},
	}
	may := map[string]bool{} // what a suspended account may do, beside every GET
	for line := range strings.Lines(suspendedMay) {
		if line = strings.TrimSpace(line); line != "" {
			may[line] = true
		}
	}
	for _, row := range rows(t) {
		name := row.Method + " " + row.Path
		ask := func(path, token string) answer {
			t.Helper()
			r := httptest.NewRequest(row.Method, segment.ReplaceAllString(path, "x"), nil)
			if token != "" {
				r.Header.Set("Authorization", "Bearer "+token)
			}
			w := httptest.NewRecorder()
			table.ServeHTTP(w, r)
			var body struct {
				Errcode string `json:"errcode"`
				Soft    bool   `json:"soft_logout"`
			}
			if w.Body.Len() > 0 {
				if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			return answer{w.Code, body.Errcode, body.Soft}
		}
		for kind, c := range tokens {
			want := c.want
			logsOut := name == "POST /_matrix/client/v3/logout" || name == "POST /_matrix/client/v3/logout/all"
			switch {
			case row.Auth == route.None, row.Auth == route.Optional && c.token == "", kind == "locked" && logsOut:
				want = answer{status: 204}
			}
			if got := ask(row.Path, c.token); got != want {
				t.Errorf("%s, token %s: got %+v, want %+v", name, kind, got, want)
			}
			if old, ok := strings.CutPrefix(row.Path, "/_matrix/client/v3/"); ok {
				if got := ask("/_matrix/client/r0/"+old, c.token); got != want {
					t.Errorf("%s as r0, token %s: got %+v, want %+v", name, kind, got, want)
				}
			}
		}
		want := answer{403, "M_USER_SUSPENDED", false}
		switch {
		case row.Auth == route.Admin:
			want = answer{403, "M_FORBIDDEN", false}
			if row.Method != "GET" {
				want.errcode = "M_USER_SUSPENDED"
			}
		case row.Method == "GET" || row.Auth == route.None || may[name]:
			want = answer{status: 204}
		}
		if got := ask(row.Path, suspended.Access); got != want {
			t.Errorf("%s, suspended: got %+v, want %+v", name, got, want)
		}
		delete(may, name)
		if want := (answer{status: 204}); row.Auth != route.Admin {
			if got := ask(row.Path, good.Access); got != want {
				t.Errorf("%s, a good token: got %+v, want %+v", name, got, want)
			}
		} else if got := ask(row.Path, good.Access); got.errcode != "M_FORBIDDEN" {
			t.Errorf("%s, no administrator: got %+v, want M_FORBIDDEN", name, got)
		}
	}
	for name := range may {
		t.Errorf("%s is not served", name)
	}
}

const suspendedMay = `
	POST /_matrix/client/v3/logout
	POST /_matrix/client/v3/logout/all
	POST /_matrix/client/v1/login/get_token
	POST /_matrix/client/v3/account/deactivate
	POST /_matrix/client/v3/account/password
	POST /_matrix/client/v3/delete_devices
	PUT /_matrix/client/v3/devices/{deviceID}
	DELETE /_matrix/client/v3/devices/{deviceID}
	POST /_matrix/client/v3/keys/claim
	POST /_matrix/client/v3/keys/query
	POST /_matrix/client/v3/keys/upload
	POST /_matrix/client/v3/keys/device_signing/upload
	POST /_matrix/client/v3/keys/signatures/upload
	PUT /_matrix/client/v3/room_keys/keys
	DELETE /_matrix/client/v3/room_keys/keys
	PUT /_matrix/client/v3/room_keys/keys/{roomID}
	DELETE /_matrix/client/v3/room_keys/keys/{roomID}
	PUT /_matrix/client/v3/room_keys/keys/{roomID}/{sessionID}
	DELETE /_matrix/client/v3/room_keys/keys/{roomID}/{sessionID}
	POST /_matrix/client/v3/room_keys/version
	PUT /_matrix/client/v3/room_keys/version/{version}
	DELETE /_matrix/client/v3/room_keys/version/{version}
	PUT /_matrix/client/v3/sendToDevice/{type}/{txnID}
	PUT /_matrix/client/v3/pushrules/global/{kind}/{ruleID}
	DELETE /_matrix/client/v3/pushrules/global/{kind}/{ruleID}
	PUT /_matrix/client/v3/pushrules/global/{kind}/{ruleID}/actions
	PUT /_matrix/client/v3/pushrules/global/{kind}/{ruleID}/enabled
	POST /_matrix/client/v3/rooms/{roomID}/leave
	POST /_matrix/client/v3/rooms/{roomID}/forget
	PUT /_matrix/client/v3/rooms/{roomID}/redact/{eventID}/{txnID}
	POST /_matrix/client/v3/rooms/{roomID}/receipt/{type}/{eventID}
	POST /_matrix/client/v3/rooms/{roomID}/read_markers
	POST /_matrix/client/v3/user/{userID}/filter
	PUT /_matrix/client/v3/user/{userID}/account_data/{type}
	PUT /_matrix/client/v3/user/{userID}/rooms/{roomID}/account_data/{type}
	PUT /_matrix/client/v3/user/{userID}/rooms/{roomID}/tags/{tag}
	DELETE /_matrix/client/v3/user/{userID}/rooms/{roomID}/tags/{tag}
	PUT /_matrix/client/unstable/io.element.msc4306/rooms/{roomID}/thread/{eventID}/subscription
	DELETE /_matrix/client/unstable/io.element.msc4306/rooms/{roomID}/thread/{eventID}/subscription
	DELETE /_matrix/client/unstable/org.matrix.msc3391/user/{userID}/account_data/{type}
	DELETE /_matrix/client/unstable/org.matrix.msc3391/user/{userID}/rooms/{roomID}/account_data/{type}
	POST /_matrix/client/v3/rooms/{roomID}/report
	POST /_matrix/client/v3/rooms/{roomID}/report/{eventID}
	POST /_matrix/client/v3/users/{userID}/report
	POST /_matrix/client/v3/account/3pid
	POST /_matrix/client/v3/account/3pid/add
	POST /_matrix/client/v3/account/3pid/bind
	POST /_matrix/client/v3/pushers/set
	POST /_matrix/client/v3/publicRooms
	PUT /_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device
	DELETE /_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device
	POST /_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device/{deviceID}/events
	POST /_matrix/client/v3/user_directory/search
	POST /_matrix/client/v4/sync
	POST /_matrix/client/unstable/org.matrix.simplified_msc3575/sync
	POST /_matrix/client/unstable/event_relationships
`
