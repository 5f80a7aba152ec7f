package server

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"freehold.example/base/limit"
)

// Every endpoint is limited, out of the box: who has used up what there is of a kind is refused all that is of that kind, is
// told when to come again, and has changed nothing; others are not concerned.
func TestEveryRouteIsLimited(t *testing.T) {
	h := newHouse(t, func(c *Config) {
		c.RateLimits = Defaults().RateLimits
		c.Limits = map[string]limit.Rate{}
		for _, n := range limit.Names() {
			c.Limits[n.String()] = limit.Rate{Every: time.Hour}
		}
	})
	other := h.ok("POST", "/v3/register", `{"username":"other","password":"sesame sesame","auth":{"type":"m.login.dummy"}}`)["access_token"].(string)
	for _, n := range limit.Names() {
		for _, key := range []string{limit.Device(h.user, "LAMP"), "192.0.2.1"} {
			for h.s.limits.Spend(n, key, 1) == nil {
			}
		}
	}
	at := h.s.db.Committed()
	limited := func(method, target, token string) bool {
		w := h.do(context.Background(), method, target, token, []byte(`{}`))
		return w.Code == 429 && wellRefused(t, method+" "+target, w)
	}
	for _, row := range h.rows {
		target := h.path(row.Path)
		if row.Limit == limit.None {
			t.Errorf("%s %s is not limited", row.Method, row.Path)
			continue
		}
		if !limited(row.Method, target, h.token) {
			t.Errorf("%s %s (%s) is not refused", row.Method, row.Path, row.Limit)
		}
	}
	if h.s.db.Committed() != at {
		t.Error("something was changed by who was refused")
	}
	if limited("GET", "/v3/account/whoami", other) {
		t.Error("another account is limited too")
	}
	if !limited("GET", "/versions", "") || !limited("POST", "/v3/login", "") {
		t.Error("who has no token is not limited by address")
	}
	for h.s.limits.Spend(limit.Room, h.names["roomID"], 1) == nil {
	}
	room := h.path("/v3/rooms/{roomID}")
	if w := h.do(context.Background(), "POST", room+"/join", other, []byte(`{}`)); w.Code != 200 {
		t.Fatalf("join: %d %s", w.Code, w.Body)
	}
	if !limited("PUT", room+"/send/m.room.message/1", other) {
		t.Error("the room takes more than it should")
	}
}

// wellRefused says whether an answer tells when to come again.
func wellRefused(t *testing.T, what string, w *httptest.ResponseRecorder) bool {
	t.Helper()
	var body struct {
		Errcode string `json:"errcode"`
		Error   string `json:"error"`
		MS      int64  `json:"retry_after_ms"`
	}
	err := json.Unmarshal(w.Body.Bytes(), &body)
	seconds, bad := strconv.ParseInt(w.Header().Get("Retry-After"), 10, 64)
	if err != nil || bad != nil || body.Errcode != "M_LIMIT_EXCEEDED" || body.Error == "" || body.MS <= 0 || seconds < (body.MS+999)/1000 {
		t.Errorf("%s: %q with Retry-After %q", what, w.Body, w.Header().Get("Retry-After"))
		return false
	}
	return true
}
