package route_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// Whatever path and body come: an answer that is JSON (or the media row's own), never a panic, never a redirect, and
// what the endpoint gets is what was sent.
func FuzzRequest(f *testing.F) {
	for _, s := range []struct{ path, query, body string }{
		{"/v3/rooms/!r:b/state/m.x/", "limit=1", `{"name":"x"}`},
		{"/v3/rooms/%21r%3Ab/state/%2F/%2e%2e", "via=a&via=b", `{"count":1e3}`},
		{"//", "%", "null"},
		{"/v3/send/1", "", `{"a":[[[{}]]]}`},
		{"/v1/media/%ff/x", "from=%ff", "\x81"},
	} {
		f.Add(s.path, s.query, s.body)
	}
	table, _ := newTable(f, apiRows())
	f.Fuzz(func(t *testing.T, path, query, body string) {
		if !strings.HasPrefix(path, "/") {
			return
		}
		u, err := url.ParseRequestURI(path)
		if err != nil {
			return
		}
		u.RawQuery = query
		for _, method := range []string{"GET", "PUT", "POST"} {
			r := httptest.NewRequest(method, "/", strings.NewReader(body))
			r.URL = u
			r.Header.Set("Authorization", "Bearer good")
			w := httptest.NewRecorder()
			table.ServeHTTP(w, r)
			if w.Code >= 300 && w.Code < 400 || w.Code >= 500 && !strings.HasPrefix(u.Path, "/v1/") {
				t.Errorf("%s %q: got status %d", method, path, w.Code)
			}
			if w.Header().Get("Content-Type") == "application/json" && !json.Valid(w.Body.Bytes()) {
				t.Errorf("%s %q: got %q, which is not JSON", method, path, w.Body)
			}
			if w.Code == http.StatusOK && method == "PUT" && strings.HasPrefix(u.Path, "/v3/send/") && w.Body.String() != strings.Trim(body, " \t\r\n\v\f\u0085\u00a0") {
				t.Errorf("got %q back for %q", w.Body, body)
			}
		}
	})
}

// Any segment reaches the endpoint as it was before it was escaped.
func FuzzSegment(f *testing.F) {
	for _, s := range []string{"", "/", "..", "%2F", "a b+c", "€", "#room:b"} {
		f.Add(s)
	}
	table, _ := newTable(f, apiRows())
	f.Fuzz(func(t *testing.T, key string) {
		w := do(table, "GET", "/v3/rooms/!r:b/state/m.x/"+url.PathEscape(key), "", "Authorization", "Bearer good")
		var got struct{ Key string }
		if w.Code == http.StatusOK {
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Key != key {
				t.Errorf("got %q (%v), want %q", got.Key, err, key)
			}
		} else if w.Code != http.StatusBadRequest {
			t.Errorf("key %q: got status %d", key, w.Code)
		}
	})
}
