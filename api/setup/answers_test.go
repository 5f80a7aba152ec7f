package setup

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
)

func TestFirstAccountInJSON(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		p, h := newPages(t, db)
		token := newToken(t, p)
		about := func() string { return strings.TrimSpace(get(h, "/_freehold/v1/about").Body.String()) }
		if got, want := about(), `{"server_name":"house.example","first":true,"registration":"token","min_password":6}`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		for _, c := range []struct {
			body   string
			status int
			want   string
		}{
			{`{"token":"WRONG","name":"alice","password":"` + good + `"}`, 403, "M_FORBIDDEN"},
			{`{"token":"` + token + `","name":"","password":"` + good + `"}`, 400, "M_INVALID_USERNAME"},
			{`{"token":"` + token + `","name":"alice","password":"short"}`, 400, "M_WEAK_PASSWORD"},
			{`{"token":"` + token + `","name":"alice","password":"` + good + `"}`, 200, "@alice:house.example"},
			{`{"token":"` + token + `","name":"bob","password":"` + good + `"}`, 403, "M_FORBIDDEN"},
		} {
			r := httptest.NewRequest(http.MethodPost, "/_freehold/v1/setup", strings.NewReader(c.body))
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
				t.Errorf("%s: got %d %s, want %d %s", c.body, w.Code, w.Body, c.status, c.want)
			}
		}
		if got := about(); !strings.Contains(got, `"first":false`) {
			t.Errorf("after the first account: got %s", got)
		}
	})
}
