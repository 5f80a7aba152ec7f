package server

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"freehold.example/base/route"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/audit"
)

// eachHouse runs a test in a house on either engine.
func eachHouse(t *testing.T, fn func(t *testing.T, h *house)) {
	t.Run("sqlite", func(t *testing.T) { fn(t, newHouse(t)) })
	t.Run("postgres", func(t *testing.T) {
		at := sqldbtest.Postgres(t)
		fn(t, newHouse(t, func(c *Config) { c.DatabaseURL = at }))
	})
}

// lodger is somebody else in the house, who administers nothing.
type lodger struct {
	*house
	user, token string
}

func (h *house) lodger(name string) *lodger {
	h.t.Helper()
	a := h.ok("POST", "/v3/register", fmt.Sprintf(`{"username":%q,"password":"sesame sesame","device_id":"TENT","auth":{"type":"m.login.dummy"}}`, name))
	return &lodger{h, a["user_id"].(string), a["access_token"].(string)}
}

// as makes a request with a token and gives what is answered, which must have the status.
func (h *house) as(token, method, target, body string, status int) map[string]any {
	h.t.Helper()
	w := h.do(context.Background(), method, target, token, []byte(body))
	var a map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &a); w.Code != status || err != nil {
		h.t.Fatalf("%s %s with %s: got %d %s, want %d", method, target, body, w.Code, w.Body, status)
	}
	return a
}

// admin asks for something below /_synapse/admin as the administrator.
func (h *house) admin(method, target, body string, status int) map[string]any {
	h.t.Helper()
	if !strings.HasPrefix(target, "/_") {
		target = "/_synapse/admin" + target
	}
	return h.as(h.token, method, target, body, status)
}

func (g *lodger) ok(method, target, body string) map[string]any {
	g.t.Helper()
	return g.as(g.token, method, target, body, http.StatusOK)
}

// last is the newest entry of the audit.
func (h *house) last() map[string]any {
	h.t.Helper()
	list := h.admin("GET", "/_freehold/admin/v1/audit?limit=1", "", 200)["entries"].([]any)
	if len(list) == 0 {
		return map[string]any{"action": ""}
	}
	return list[0].(map[string]any)
}

// rooms gives the names of the listed things, by key.
func named(a map[string]any, list, key string) (names []string) {
	for _, x := range a[list].([]any) {
		names = append(names, x.(map[string]any)[key].(string))
	}
	return names
}

// Whoever is no administrator is refused by every row of the administration before anything is looked at or written down,
// and so is who has no token.
func TestAdministrationIsForAdministrators(t *testing.T) {
	h := newHouse(t)
	g := h.lodger("mallory")
	count := func() int {
		return len(h.admin("GET", "/_freehold/admin/v1/audit?limit=1000", "", 200)["entries"].([]any))
	}
	before, rows := count(), 0
	for _, row := range h.rows {
		if row.Auth != route.Admin {
			continue
		}
		rows++
		for token, want := range map[string]string{g.token: "403 M_FORBIDDEN", "": "401 M_MISSING_TOKEN", "x": "401 M_UNKNOWN_TOKEN"} {
			w := h.do(t.Context(), row.Method, h.path(row.Path), token, []byte(`{}`))
			if got := fmt.Sprintf("%d %s", w.Code, h.errcode(w)); got != want {
				t.Errorf("%s %s: got %s, want %s", row.Method, row.Path, got, want)
			}
		}
	}
	if rows < 50 {
		t.Errorf("there are %d rows for administrators only", rows)
	}
	if after := count(); after != before {
		t.Errorf("%d deeds were written down of who may do none", after-before)
	}
	for _, row := range h.rows {
		if below := strings.HasPrefix(row.Path, "/_synapse/") || strings.HasPrefix(row.Path, "/_freehold/admin/"); below && row.Auth != route.Admin && row.Path != "/_synapse/admin/v1/register" {
			t.Errorf("%s %s is for others than administrators", row.Method, row.Path)
		}
	}
}

// Every row that is not a GET leaves an entry in the audit, whatever becomes of it.
func TestEveryDeedIsWrittenDown(t *testing.T) {
	h := newHouse(t)
	g := h.lodger("target")
	h.names["userID"], h.names["id"] = g.user, "1"
	for _, row := range h.rows {
		if row.Auth != route.Admin || row.Method == http.MethodGet || strings.HasPrefix(row.Path, "/_matrix/") {
			continue
		}
		w := h.do(t.Context(), row.Method, h.path(row.Path)+"?before_ts=1", h.token, []byte(`{}`))
		last := h.last()
		if got, want := last["action"], row.Method+" "+row.Path; got != want {
			t.Errorf("%s: it answered %d, and the audit has %v", want, w.Code, last)
		}
		if last["admin"] != h.user || last["device_id"] != "LAMP" {
			t.Errorf("%s: got %v as who did it", row.Path, last)
		}
		if good, done := w.Code < 300, last["outcome"] == audit.Done; good != done {
			t.Errorf("%s: it answered %d, and the audit says %v", row.Path, w.Code, last["outcome"])
		}
	}
}

func TestAdministrationOfUsers(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		alice, bob := h.lodger("alice"), h.lodger("bob")
		alice.ok("PUT", "/v3/profile/"+alice.user+"/displayname", `{"displayname":"Zoë"}`)
		list := func(query string) string {
			t.Helper()
			var all []string
			for _, name := range named(h.admin("GET", query, "", 200), "users", "name") {
				if name != h.user {
					all = append(all, strings.TrimSuffix(name[1:], ":localhost"))
				}
			}
			return strings.Join(all, " ")
		}
		user := func(u string) map[string]any { t.Helper(); return h.admin("GET", "/v2/users/"+u, "", 200) }

		// Make one, and change it.
		made := h.admin("PUT", "/v2/users/@carol:localhost", `{"password":"sesame carol","displayname":"Carol","admin":false,"threepids":[]}`, 201)
		if made["name"] != "@carol:localhost" || made["displayname"] != "Carol" || made["admin"] != false || made["deactivated"] != false {
			t.Errorf("got %v", made)
		}
		if got := h.last(); fmt.Sprint(got["params"]) != "map[admin:false displayname:Carol password:set]" || got["target"] != "@carol:localhost" {
			t.Errorf("the audit has %v", got)
		}
		h.as("", "POST", "/v3/login", `{"type":"m.login.password","user":"carol","password":"sesame carol"}`, 200)
		h.admin("PUT", "/v2/users/@carol:localhost", `{"admin":true}`, 200)
		if got := h.admin("GET", "/v1/users/@carol:localhost/admin", "", 200); got["admin"] != true {
			t.Errorf("got %v", got)
		}
		h.admin("PUT", "/v1/users/@carol:localhost/admin", `{"admin":false}`, 200)
		h.admin("PUT", "/v2/users/@carol:localhost", `{"locked":true}`, 200)
		if got := user("@carol:localhost"); got["locked"] != true || got["creation_ts"].(float64) > 1e11 {
			t.Errorf("got %v", got)
		}
		for body, status := range map[string]int{
			`{"threepids":[{"medium":"email","address":"a@b"}]}`: 400, `{"external_ids":[{}]}`: 400, `{"user_type":"bot"}`: 400, `{"password":""}`: 400,
		} {
			h.admin("PUT", "/v2/users/@carol:localhost", body, status)
		}
		h.admin("PUT", "/v2/users/@Upper:localhost", `{"password":"sesame sesame"}`, 400)
		h.admin("PUT", "/v2/users/@x:elsewhere", `{"password":"sesame sesame"}`, 400)
		h.admin("GET", "/v2/users/@nobody:localhost", "", 404)
		for _, own := range []string{`{"admin":false}`, `{"deactivated":true}`, `{"locked":true}`} {
			h.admin("PUT", "/v2/users/"+h.user, own, 403)
		}
		h.admin("POST", "/v1/deactivate/"+h.user, `{}`, 403)

		// The list.
		if got := list("/v2/users"); got != "alice bob" { // the locked one is left out
			t.Errorf("got %s", got)
		}
		for query, want := range map[string]string{
			"/v2/users?locked=true":                               "alice bob carol",
			"/v2/users?user_id=LIC":                               "alice",
			"/v2/users?name=zo":                                   "alice",
			"/v2/users?name=@bob":                                 "bob",
			"/v2/users?name=%25":                                  "",
			"/v3/users?locked=true&dir=b":                         "carol bob alice",
			"/v3/users?locked=true&order_by=displayname":          "bob carol alice",
			"/v3/users?locked=true&order_by=displayname&dir=b":    "alice carol bob",
			"/v3/users?locked=true&order_by=locked&dir=b&limit=1": "carol",
			"/v3/users?admins=true":                               "",
			"/v3/users?admins=false&locked=true&from=1&limit=1":   "bob",
			"/v3/users?deactivated=true&locked=true":              "",
			"/v3/users?limit=0":                                   "",
		} {
			if got := list(query); got != want {
				t.Errorf("%s: got %q, want %q", query, got, want)
			}
		}
		if page := h.admin("GET", "/v3/users?limit=2&locked=true", "", 200); page["next_token"] != "2" || page["total"].(float64) != 4 {
			t.Errorf("got %v", page)
		}
		for _, query := range []string{"limit=-1", "from=-1", "from=99999999999", "dir=x", "order_by=password", "admins=perhaps"} {
			h.admin("GET", "/v3/users?"+query, "", 400)
		}

		// Passwords, sessions, devices.
		h.admin("POST", "/v1/reset_password/"+bob.user, `{"new_password":"new sesame","logout_devices":false}`, 200)
		if got := h.last(); strings.Contains(fmt.Sprint(got), "new sesame") {
			t.Errorf("the audit has the password: %v", got)
		}
		bob.ok("GET", "/v3/account/whoami", "")
		h.admin("POST", "/v1/reset_password/"+bob.user, `{"new_password":"newer sesame"}`, 200)
		h.as(bob.token, "GET", "/v3/account/whoami", "", 401)
		grant := h.admin("POST", "/v1/users/"+alice.user+"/login", `{}`, 200)
		token := grant["access_token"].(string)
		if got := h.as(token, "GET", "/v3/account/whoami", "", 200); got["user_id"] != alice.user {
			t.Errorf("got %v", got)
		}
		if got := alice.ok("GET", "/v3/devices/"+grant["device_id"].(string), ""); got["display_name"] != "An administrator of this server" {
			t.Errorf("she sees %v of it", got)
		}
		h.admin("POST", "/v1/users/"+alice.user+"/login", `{"valid_until_ms":1000}`, 400)
		h.admin("POST", "/v1/users/"+h.user+"/login", `{}`, 400)
		devices := h.admin("GET", "/v2/users/"+alice.user+"/devices", "", 200)
		if devices["total"].(float64) != 2 {
			t.Errorf("got %v", devices)
		}
		h.admin("PUT", "/v2/users/"+alice.user+"/devices/TENT", `{"display_name":"Tent"}`, 200)
		if got := h.admin("GET", "/v2/users/"+alice.user+"/devices/TENT", "", 200); got["display_name"] != "Tent" || got["user_id"] != alice.user {
			t.Errorf("got %v", got)
		}
		h.admin("POST", "/v2/users/"+alice.user+"/devices", `{"device_id":"NEW"}`, 201)
		h.admin("POST", "/v2/users/"+alice.user+"/delete_devices", `{"devices":["NEW","`+grant["device_id"].(string)+`","NONE"]}`, 200)
		h.as(token, "GET", "/v3/account/whoami", "", 401)
		h.admin("DELETE", "/v2/users/"+alice.user+"/devices/TENT", "", 200)
		h.admin("GET", "/v2/users/"+alice.user+"/devices/TENT", "", 404)
		h.as(alice.token, "GET", "/v3/account/whoami", "", 401)
		if got := h.admin("GET", "/v1/whois/"+h.user, "", 200); got["user_id"] != h.user || len(got["devices"].(map[string]any)) != 1 {
			t.Errorf("got %v", got)
		}

		// What is refused, and what there is none of.
		h.admin("POST", "/v1/users/"+alice.user+"/shadow_ban", `{}`, 403)
		h.admin("DELETE", "/v1/users/"+alice.user+"/shadow_ban", "", 403)
		h.admin("GET", "/v1/auth_providers/oidc/users/1", "", 404)
		h.admin("GET", "/v1/threepid/email/users/a@b", "", 404)
		h.admin("GET", "/v1/username_available?username=free", "", 200)
		h.admin("GET", "/v1/username_available?username=alice", "", 400)
		h.admin("GET", "/v1/username_available", "", 400)

		// Suspension, account data, rooms, pushers.
		h.admin("PUT", "/v1/suspend/"+bob.user, `{"suspend":true}`, 200)
		if user(bob.user)["suspended"] != true {
			t.Error("he is not suspended")
		}
		h.admin("PUT", "/v1/suspend/"+h.user, `{"suspend":true}`, 403)
		data := h.admin("GET", "/v1/users/"+h.user+"/accountdata", "", 200)["account_data"].(map[string]any)
		if fmt.Sprint(data["global"].(map[string]any)["m.kept"]) != "map[kept:true]" {
			t.Errorf("got %v", data)
		}
		if got := h.last(); got["action"] != "GET /_synapse/admin/v1/users/{userID}/accountdata" {
			t.Errorf("the audit has %v", got)
		}
		if got := h.admin("GET", "/v1/users/"+h.user+"/joined_rooms", "", 200); got["total"].(float64) != 1 || got["joined_rooms"].([]any)[0] != h.names["roomID"] {
			t.Errorf("got %v", got)
		}
		if got := h.admin("GET", "/v1/users/"+h.user+"/memberships", "", 200)["memberships"].(map[string]any); got[h.names["roomID"]] != "join" {
			t.Errorf("got %v", got)
		}
		if got := h.admin("GET", "/v1/users/"+h.user+"/pushers", "", 200); got["total"].(float64) != 0 || len(got["pushers"].([]any)) != 0 {
			t.Errorf("got %v", got)
		}

		h.ok("POST", "/v3/pushers/set", `{"kind":"http","app_id":"app","pushkey":"k","app_display_name":"A","device_display_name":"D",
			"lang":"en","data":{"url":"https://push.example/_matrix/push/v1/notify"}}`)
		pusher := h.admin("GET", "/v1/users/"+h.user+"/pushers", "", 200)["pushers"].([]any)[0].(map[string]any)
		if fmt.Sprint(pusher["pushkey"], " ", pusher["delivery"]) != "k map[failures:0 log:[] waiting:0]" {
			t.Errorf("got %v", pusher)
		}

		// Deactivation, and back.
		h.admin("POST", "/v1/deactivate/"+bob.user, `{"erase":true}`, 200)
		if got := user(bob.user); got["deactivated"] != true || got["erased"] != true {
			t.Errorf("got %v", got)
		}
		h.admin("POST", "/v1/deactivate/"+bob.user, `{}`, 200) // once more
		if got := list("/v2/users?deactivated=true"); got != "alice bob" {
			t.Errorf("got %s", got)
		}
		h.admin("PUT", "/v2/users/"+bob.user, `{"deactivated":false}`, 400)
		h.admin("PUT", "/v2/users/"+bob.user, `{"displayname":"x"}`, 400)
		h.admin("PUT", "/v2/users/"+bob.user, `{"deactivated":false,"password":"back again"}`, 200)
		h.as("", "POST", "/v3/login", `{"type":"m.login.password","user":"bob","password":"back again"}`, 200)
		if got := user(bob.user); got["deactivated"] != false || got["erased"] != false {
			t.Errorf("got %v", got)
		}
	})
}

func TestAdministrationOfSendRates(t *testing.T) {
	h := newHouse(t, func(c *Config) { c.RateLimits = true })
	rate := "/v1/users/" + h.user + "/override_ratelimit"
	if got := h.admin("GET", rate, "", 200); len(got) != 0 {
		t.Errorf("got %v", got)
	}
	send := func() int {
		n := 0
		for ; n < 500; n++ {
			w := h.do(t.Context(), "PUT", "/v3/rooms/"+url.PathEscape(h.names["roomID"])+"/send/m.room.message/"+fmt.Sprintf("%p%d", &n, n), h.token, []byte(`{"body":"x"}`))
			if w.Code == http.StatusTooManyRequests && !strings.Contains(w.Body.String(), "room") {
				break
			}
		}
		return n
	}
	h.admin("POST", rate, `{"messages_per_second":1,"burst_count":3}`, 200)
	if got := h.admin("GET", rate, "", 200); got["messages_per_second"].(float64) != 1 || got["burst_count"].(float64) != 3 {
		t.Errorf("got %v", got)
	}
	if n := send(); n > 10 {
		t.Errorf("%d were sent at a rate of 1 a second", n)
	}
	h.admin("POST", rate, `{"messages_per_second":-1,"burst_count":3}`, 400)
	h.admin("DELETE", rate, "", 200)
	if got := h.admin("GET", rate, "", 200); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

func TestAdministrationOfRooms(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		alice := h.lodger("alice")
		private := alice.ok("POST", "/v3/createRoom", `{"preset":"private_chat","name":"Attic","topic":"dust"}`)["room_id"].(string)
		at := "/v1/rooms/" + url.PathEscape(private)
		said := alice.ok("PUT", "/v3/rooms/"+url.PathEscape(private)+"/send/m.room.message/1", `{"msgtype":"m.text","body":"a secret"}`)["event_id"].(string)

		all := h.admin("GET", "/v1/rooms", "", 200)
		if got := named(all, "rooms", "room_id"); !slices.Equal(got, []string{h.names["roomID"], private}) && !slices.Equal(got, []string{private, h.names["roomID"]}) || all["total_rooms"].(float64) != 2 {
			t.Errorf("got %v", all)
		}
		for query, want := range map[string][]string{
			"search_term=attic":              {private},
			"search_term=HOUSE":              {h.names["roomID"]},
			"search_term=nothing":            nil,
			"order_by=name&limit=1":          {private}, // Attic, before the alias house
			"order_by=name&dir=b&limit=1":    {h.names["roomID"]},
			"order_by=join_rules&limit=1":    {private}, // invite, public
			"empty_rooms=true":               nil,
			"public_rooms=true":              nil,
			"from=2":                         nil,
			"order_by=creator&from=1&limit=": nil,
		} {
			if strings.HasSuffix(query, "limit=") {
				continue
			}
			if got := named(h.admin("GET", "/v1/rooms?"+query, "", 200), "rooms", "room_id"); !slices.Equal(got, want) {
				t.Errorf("%s: got %v, want %v", query, got, want)
			}
		}
		for _, order := range []string{
			"name", "canonical_alias", "joined_members", "joined_local_members", "version", "creator", "encryption", "federatable", "public",
			"join_rules", "guest_access", "history_visibility", "state_events", "size", "alphabetical",
		} {
			if got := named(h.admin("GET", "/v1/rooms?order_by="+order, "", 200), "rooms", "room_id"); len(got) != 2 {
				t.Errorf("%s: got %v", order, got)
			}
		}
		h.admin("GET", "/v1/rooms?order_by=weather", "", 400)
		h.admin("GET", "/v1/rooms?limit=-1", "", 400)

		one := h.admin("GET", at, "", 200)
		for key, want := range map[string]any{
			"name": "Attic", "topic": "dust", "joined_members": 1.0, "joined_local_members": 1.0, "creator": alice.user, "public": false,
			"join_rules": "invite", "history_visibility": "shared", "joined_local_devices": 1.0, "forgotten": false, "federatable": true,
			"tombstoned": false, "encryption": nil, "version": "12",
		} {
			if one[key] != want {
				t.Errorf("%s: got %v, want %v", key, one[key], want)
			}
		}
		h.admin("GET", "/v1/rooms/!none:localhost", "", 404)
		if got := h.admin("GET", at+"/members", "", 200); fmt.Sprint(got["members"]) != "["+alice.user+"]" || got["total"].(float64) != 1 {
			t.Errorf("got %v", got)
		}
		if got := h.last(); strings.Contains(got["action"].(string), "members") {
			t.Errorf("who is in a room is not written down: %v", got)
		}
		for _, read := range []string{
			"/state", "/messages?dir=b", "/context/" + url.PathEscape(said), "/timestamp_to_event?ts=0",
		} {
			h.admin("GET", at+read, "", 200)
			path, _, _ := strings.Cut(read, "?")
			if got := h.last(); got["target"] != private || !strings.Contains(got["action"].(string), strings.SplitAfter(path, "/")[1][:5]) || got["outcome"] != audit.Done {
				t.Errorf("%s: the audit has %v", read, got)
			}
			h.admin("GET", "/v1/rooms/!none:localhost"+read, "", 404)
		}
		if got := h.admin("GET", at+"/messages?dir=b&limit=1", "", 200); !strings.Contains(fmt.Sprint(got["chunk"]), "a secret") || got["end"] == "" {
			t.Errorf("got %v", got)
		}
		h.admin("GET", at+"/messages?dir=x", "", 400)
		h.admin("GET", at+"/messages?from=x", "", 400)
		if got := h.admin("GET", at+"/context/"+url.PathEscape(said), "", 200); len(got["events_before"].([]any)) != 5 || len(got["state"].([]any)) < 5 {
			t.Errorf("got %v", got)
		}
		h.admin("GET", at+"/context/"+url.PathEscape(h.names["eventID"]), "", 404) // of another room
		if got := h.admin("GET", "/v1/fetch_event/"+url.PathEscape(said), "", 200); !strings.Contains(fmt.Sprint(got), "a secret") {
			t.Errorf("got %v", got)
		}
		h.admin("GET", "/v1/fetch_event/$none", "", 404)
		if got := h.admin("GET", at+"/forward_extremities", "", 200); got["count"].(float64) != 1 || got["results"].([]any)[0].(map[string]any)["event_id"] != said {
			t.Errorf("got %v", got)
		}
		if got := h.admin("DELETE", at+"/forward_extremities", "", 200); got["deleted"].(float64) != 0 {
			t.Errorf("got %v", got)
		}
	})
}

// A user who has lost her keys and cannot confirm with a password may replace them for a while when an administrator lets her.
func TestAdministrationOfKeys(t *testing.T) {
	now := time.Now()
	var offset atomic.Int64
	h := newHouse(t, func(c *Config) { c.Now = func() time.Time { return now.Add(time.Duration(offset.Load())) } })
	alice := h.lodger("alice")
	keys := func(n byte) string {
		public := base64.RawStdEncoding.EncodeToString(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize)).Public().(ed25519.PublicKey))
		return fmt.Sprintf(`{"master_key":{"user_id":%q,"usage":["master"],"keys":{"ed25519:%s":%q}}}`, alice.user, public, public)
	}
	upload := func(n byte, status int) {
		t.Helper()
		alice.as(alice.token, "POST", "/v3/keys/device_signing/upload", keys(n), status)
	}
	upload(1, 200)
	upload(2, 401)
	allow := "/v1/users/" + alice.user + "/_allow_cross_signing_replacement_without_uia"
	if got := h.admin("POST", allow, `{}`, 200)["updatable_without_uia_before_ms"].(float64); int64(got) != now.Add(10*time.Minute).UnixMilli() {
		t.Errorf("got %v", got)
	}
	upload(2, 200)
	offset.Store(int64(11 * time.Minute))
	upload(3, 401)
	h.admin("POST", "/v1/users/@nobody:localhost/_allow_cross_signing_replacement_without_uia", `{}`, 404)
}
