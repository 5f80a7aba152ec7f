package federation

import (
	"context"
	"encoding/json"

	"freehold.example/matrix/authrule"
)

type sendKnockResponse struct {
	State []json.RawMessage `json:"knock_room_state"`
}

// sendKnock takes a knock, and answers with what who knocks is shown of the room.
func (a *API) sendKnock(ctx context.Context, c *Call, r *sendRequest) (*sendKnockResponse, error) {
	e, err := a.take(ctx, c, r, authrule.Knock)
	if err != nil {
		return nil, err
	}
	state, err := a.Rooms.InviteState(ctx, e)
	if err != nil {
		return nil, err
	}
	return &sendKnockResponse{State: state}, nil
}
