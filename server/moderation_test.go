package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// upload keeps a file of a user's and gives its media id.
func (g *lodger) upload(name, body string) string {
	g.t.Helper()
	w := g.do(g.t.Context(), "POST", "/_matrix/media/v3/upload?filename="+name, g.token, []byte(body))
	var a struct {
		URI string `json:"content_uri"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &a); w.Code != http.StatusOK || err != nil {
		g.t.Fatalf("got %d %s", w.Code, w.Body)
	}
	return strings.TrimPrefix(a.URI, "mxc://localhost/")
}

// fetch asks for a file and gives the status.
func (g *lodger) fetch(media string) int {
	g.t.Helper()
	return g.do(g.t.Context(), "GET", "/v1/media/download/localhost/"+media, g.token, nil).Code
}

func TestAdministrationOfMedia(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		alice, bob := h.lodger("alice"), h.lodger("bob")
		one, two, same := alice.upload("one", "the first"), alice.upload("two", "the second, which is longer"), bob.upload("one", "the first")
		in := alice.ok("POST", "/v3/createRoom", `{"preset":"public_chat"}`)["room_id"].(string)
		alice.send(in, "1", fmt.Sprintf(`{"msgtype":"m.file","body":"f","url":"mxc://localhost/%s","info":{"thumbnail_url":"mxc://elsewhere/x"}}`, one))
		alice.send(in, "2", fmt.Sprintf(`{"msgtype":"m.file","body":"f","file":{"url":"mxc://localhost/%s"}}`, two))
		alice.send(in, "3", `{"msgtype":"m.file","body":"f","url":{"mxc://":1},"info":"\"mxc://x"}`)

		of := func(query string) []string {
			t.Helper()
			return named(h.admin("GET", "/v1/users/"+alice.user+"/media"+query, "", 200), "media", "media_id")
		}
		if got := of("?order_by=media_length"); !slices.Equal(got, []string{one, two}) {
			t.Errorf("got %v, want %v", got, []string{one, two})
		}
		if got := of("?order_by=upload_name&dir=b&limit=1"); !slices.Equal(got, []string{two}) {
			t.Errorf("got %v", got)
		}
		h.admin("GET", "/v1/users/"+alice.user+"/media?order_by=x", "", 400)
		h.admin("GET", "/v1/users/@nobody:localhost/media", "", 404)
		files := h.admin("GET", "/v1/room/"+url.PathEscape(in)+"/media", "", 200)
		if fmt.Sprint(files["local"]) != fmt.Sprintf("[mxc://localhost/%s mxc://localhost/%s]", two, one) || fmt.Sprint(files["remote"]) != "[mxc://elsewhere/x]" {
			t.Errorf("got %v", files)
		}
		h.admin("GET", "/v1/room/!none:localhost/media", "", 404)
		info := func(media string) map[string]any {
			t.Helper()
			return h.admin("GET", "/v1/media/localhost/"+media, "", 200)["media_info"].(map[string]any)
		}
		if got := info(one); got["user_id"] != alice.user || got["media_length"].(float64) != 9 || got["upload_name"] != "one" || got["quarantined_by"] != nil || got["last_access_ts"] != nil {
			t.Errorf("got %v", got)
		}
		for _, none := range []string{"localhost/none", "elsewhere/" + one, "localhost/%2e%2e"} {
			h.admin("GET", "/v1/media/"+none, "", 404)
		}

		// What is quarantined is there for nobody, whoever had the same bytes before or comes with them later.
		h.admin("POST", "/v1/media/quarantine/localhost/"+one, `{}`, 200)
		again := bob.upload("again", "the first")
		for _, media := range []string{one, same, again} {
			for _, g := range []*lodger{alice, bob, {h, h.user, h.token}} {
				if got := g.fetch(media); got != http.StatusNotFound {
					t.Errorf("%s gets %d for %s", g.user, got, media)
				}
			}
			if got := info(media)["quarantined_by"]; got != h.user {
				t.Errorf("%s is quarantined by %v", media, got)
			}
		}
		if bob.fetch(two) != http.StatusOK {
			t.Error("another file is gone")
		}
		h.admin("POST", "/v1/media/unquarantine/localhost/"+same, `{}`, 200)
		for _, media := range []string{one, same, again} {
			if got := bob.fetch(media); got != http.StatusOK {
				t.Errorf("got %d for %s, which was released", got, media)
			}
		}
		h.admin("POST", "/v1/media/protect/"+two, `{}`, 200)
		if got := h.admin("POST", "/v1/room/"+url.PathEscape(in)+"/media/quarantine", `{}`, 200); got["num_quarantined"].(float64) != 3 || bob.fetch(two) != 200 || bob.fetch(one) != 404 {
			t.Errorf("got %v", got)
		}
		h.admin("POST", "/v1/media/unquarantine/localhost/"+one, `{}`, 200)
		h.admin("POST", "/v1/media/unprotect/"+two, `{}`, 200)
		if got := h.admin("POST", "/v1/user/"+alice.user+"/media/quarantine", `{}`, 200); got["num_quarantined"].(float64) != 4 || bob.fetch(two) != 404 {
			t.Errorf("got %v", got)
		}
		for _, media := range []string{one, two} {
			h.admin("POST", "/v1/media/unquarantine/localhost/"+media, `{}`, 200)
		}
		h.admin("POST", "/v1/media/quarantine/localhost/none", `{}`, 404)
		h.admin("POST", "/v1/media/protect/none", `{}`, 404)

		// Statistics.
		usage := h.admin("GET", "/v1/statistics/users/media?order_by=media_count&dir=b", "", 200)
		if got := named(usage, "users", "user_id"); !slices.Equal(got, []string{bob.user, alice.user}) || usage["total"].(float64) != 2 {
			t.Errorf("got %v", usage)
		}
		if got := named(h.admin("GET", "/v1/statistics/users/media?search_term=ALI", "", 200), "users", "user_id"); !slices.Equal(got, []string{alice.user}) {
			t.Errorf("got %v", got)
		}
		h.admin("GET", "/v1/statistics/users/media?from_ts=5", "", 400)
		if got := h.admin("GET", "/v1/statistics/database/rooms", "", 200)["rooms"].([]any); len(got) != 2 || got[0].(map[string]any)["estimated_size"].(float64) < 1000 {
			t.Errorf("got %v", got)
		}

		// Deletion: by name, by user, by date and size. The quota is given back.
		if got := h.admin("DELETE", "/v1/media/localhost/"+again, "", 200); fmt.Sprint(got["deleted_media"]) != "["+again+"]" || got["total"].(float64) != 1 {
			t.Errorf("got %v", got)
		}
		h.admin("DELETE", "/v1/media/localhost/"+again, "", 404)
		if bob.fetch(again) != 404 || bob.fetch(same) != 200 {
			t.Error("the wrong one is gone")
		}
		alice.ok("PUT", "/v3/profile/"+alice.user+"/avatar_url", fmt.Sprintf(`{"avatar_url":"mxc://localhost/%s"}`, one))
		soon := time.Now().Add(time.Hour).UnixMilli()
		old := func(query string, status int) string {
			t.Helper()
			return fmt.Sprint(h.admin("POST", "/v1/media/delete"+query, "", status)["deleted_media"])
		}
		old("", 400)
		old("?before_ts=-1", 400)
		old("?before_ts=12345", 400)
		if got := old(fmt.Sprintf("?before_ts=%d&size_gt=20", soon), 200); got != "["+two+"]" {
			t.Errorf("got %s", got)
		}
		if got := old(fmt.Sprintf("?before_ts=%d", soon), 200); got != "["+same+"]" { // alice's picture stays
			t.Errorf("got %s", got)
		}
		if got := h.admin("POST", fmt.Sprintf("/v1/media/localhost/delete?before_ts=%d&keep_profiles=false", soon), "", 200); fmt.Sprint(got["deleted_media"]) != "["+one+"]" {
			t.Errorf("got %v", got)
		}
		h.admin("POST", fmt.Sprintf("/v1/media/elsewhere/delete?before_ts=%d", soon), "", 400)
		bob.upload("x", "x")
		bob.upload("y", "y")
		if got := h.admin("DELETE", "/v1/users/"+bob.user+"/media?limit=1", "", 200); got["total"].(float64) != 1 {
			t.Errorf("got %v", got)
		}
		if got := h.admin("DELETE", "/v1/users/"+bob.user+"/media", "", 200); got["total"].(float64) != 1 {
			t.Errorf("got %v", got)
		}
		if got := h.admin("GET", "/v1/statistics/users/media", "", 200)["users"].([]any); len(got) != 0 {
			t.Errorf("what is gone still counts: %v", got)
		}
		if problems, err := h.s.media.Audit(t.Context()); err != nil || len(problems) != 0 {
			t.Errorf("got %v (%v)", problems, err)
		}
		if got := h.admin("POST", fmt.Sprintf("/v1/purge_media_cache?before_ts=%d", soon), "", 200); got["deleted"].(float64) != 0 {
			t.Errorf("got %v", got)
		}
	})
}
