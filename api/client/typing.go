package client

import (
	"context"
	"net/http"
	"time"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
)

// "Typing Notifications"
// https://spec.matrix.org/v1.19/client-server-api/#typing-notifications
func (a *API) typingRows() []route.Row[Call] {
	return []route.Row[Call]{
		{Method: http.MethodPut, Path: "/_matrix/client/v3/rooms/{roomID}/typing/{userID}", Auth: route.User, Limit: limit.Ephemeral, Serve: route.JSON(a.setTyping)},
	}
}

func (a *API) setTyping(ctx context.Context, c *Call, r *csapi.TypingRequest) (*csapi.Empty, error) {
	if err := c.self(r.User); err != nil {
		return nil, err
	}
	if r.Typing == nil {
		return nil, fault.New(fault.MissingParam, "typing is missing")
	}
	var timeout *time.Duration
	if r.Timeout != nil {
		// Bounded before it is multiplied; core bounds it further.
		d := time.Duration(min(max(*r.Timeout, 0), int64(time.Hour/time.Millisecond))) * time.Millisecond
		timeout = &d
	}
	return nil, a.Ephemeral.SetTyping(ctx, r.User, r.Room, *r.Typing, timeout)
}
