package schema_test

import (
	"testing"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
)

// TestMigrate runs all migrations on both engines, and once more: the second time there is nothing to do.
func TestMigrate(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		if err := db.Migrate(t.Context(), schema.FS); err != nil {
			t.Fatal(err)
		}
	})
}
