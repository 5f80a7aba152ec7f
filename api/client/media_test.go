package client

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
)

// An upload that does not say how long it is is cut off at the limit all the same, and nothing of it is kept.
func TestUploadOfUnknownLength(t *testing.T) {
	s := newDataSite(t, sqldbtest.SQLite(t, schema.FS))
	alice := s.register("alice").str("access_token")
	for size, status := range map[int]int{1 << 20: 200, 1<<20 + 1: 413, 3 << 20: 413} {
		body := strings.NewReader(strings.Repeat("x", size))
		r := httptest.NewRequest("POST", "/_matrix/media/v3/upload", io.MultiReader(body)) // hides the length
		r.Header.Set("Authorization", "Bearer "+alice)
		if r.ContentLength != -1 {
			t.Fatal("the length is known")
		}
		w := httptest.NewRecorder()
		s.table.ServeHTTP(w, r)
		if w.Code != status {
			t.Errorf("%d bytes: got %d %s, want %d", size, w.Code, w.Body, status)
		}
	}
}
