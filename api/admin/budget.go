package admin

import (
	"context"

	"freehold.example/core/budget"
)

// What this server loses when what lies outside of it is gone, for whom and when: docs/standing-alone.md.
func budgetRows[C any](t *table[C]) {
	a := t.api
	looks(t, "/_freehold/admin/v1/budget", func(ctx context.Context, _ *NothingRequest) (*budget.View, error) { return a.Budget(ctx) })
}
