package account

import (
	"strings"
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
	"freehold.example/matrix/id"
)

func TestOwn(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		own := func(name id.Server) error {
			t.Helper()
			a, err := New(Config{DB: db, ServerName: name, FastHashing: true})
			if err != nil {
				t.Fatal(err)
			}
			return a.Own(t.Context())
		}
		for range 2 {
			if err := own("s1"); err != nil {
				t.Fatal(err)
			}
		}
		if err := own("s2"); err == nil || !strings.Contains(err.Error(), "s1") {
			t.Errorf("got %v, want that the database is of s1", err)
		}
	})
}
