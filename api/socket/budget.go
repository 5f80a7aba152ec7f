package socket

import (
	"context"

	"freehold.example/core/budget"
)

// BudgetRequest asks for the offline budget.
type BudgetRequest struct{}

func (a *API) budget(ctx context.Context, _ *Call, _ *BudgetRequest) (*budget.View, error) {
	return a.Budget(ctx)
}
