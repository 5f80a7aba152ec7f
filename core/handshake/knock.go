package handshake

import (
	"context"
	"encoding/json"
	"net/http"

	"freehold.example/core/peer"
	"freehold.example/core/room"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

// Knock asks to be let in, here or through another server. Knocking twice changes nothing in a room that is here. Through
// another server it is a new knock: who is not in the room is not told that the last one was turned down. Errors: as Join.
func (h *Handshakes) Knock(ctx context.Context, q Request) error {
	unlock, err := h.lanes.Lock(ctx, entering(q.Room))
	if err != nil {
		return err
	}
	defer unlock()
	at, s, err := h.look(ctx, q)
	switch {
	case err != nil:
		return err
	case at.Here || at.Local:
		return h.Rooms.Knock(ctx, q.Caller, q.Room, q.Reason)
	}
	if err := h.enterable(ctx, &q); err != nil {
		return err
	}
	servers := h.reach(q.Room, q.Via, s, &at)
	if len(servers) == 0 {
		return errNoServer
	}
	w, err := h.want(ctx, q, "knock")
	if err != nil {
		return err
	}
	return h.submit(ctx, servers, w, func(ctx context.Context, server id.Server, t *template, e *event.Event) error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		var answer struct {
			State []json.RawMessage `json:"knock_room_state"`
		}
		err := h.Peers.Ask(ctx, peer.Question{
			Server: server, Method: http.MethodPut, Path: sendPath("v1", "knock", e), Content: json.RawMessage(e.Bytes()), Now: true,
		}, &answer)
		if err != nil {
			return err
		}
		return h.putOutside(ctx, room.Outside{Event: e, Shown: stripped(t.version, w.room, answer.State)})
	})
}
