package arrival

import (
	"context"
	"errors"
	"net/http"
	"time"

	"freehold.example/core/peer"
	"freehold.example/matrix/id"
)

const (
	referTime = 8 * time.Second // that somebody waits for what an event refers to
	maxRefers = 100             // events of one answer
)

// Referred asks servers of a room for an event that others refer to, with what it refers to and what refers to it (MSC2836), and
// keeps what they give without a place in the room. An error says that nobody gave anything.
func (a *Arrivals) Referred(ctx context.Context, in id.Room, e id.Event, up bool) error {
	ctx, cancel := context.WithTimeout(ctx, referTime)
	defer cancel()
	gate, here, err := a.gate(ctx, in, "")
	if err != nil || !here {
		return errors.Join(err, errNotGiven)
	}
	question := struct {
		Event     id.Event `json:"event_id"`
		Direction string   `json:"direction"`
		Parent    bool     `json:"include_parent"`
		Children  bool     `json:"include_children"`
		Depth     int      `json:"max_depth"`
	}{e, "down", true, true, 10}
	if up {
		question.Direction = "up"
	}
	for _, server := range a.elsewhere(ctx, gate.Room) {
		var answer struct {
			Events pdus `json:"events"`
			Auth   pdus `json:"auth_chain"`
		}
		err := a.Peers.Ask(ctx, peer.Question{
			Server: server, Method: http.MethodPost, Path: "/_matrix/federation/unstable/event_relationships", Content: question,
		}, &answer)
		if err == nil {
			err = a.store(ctx, in, a.sound(ctx, gate.Version, server, in, answer.Auth[:min(len(answer.Auth), maxChain)], a.lack))
		}
		if err != nil {
			a.Log.DebugContext(ctx, "what an event refers to was not had", "room", in, "event", e, "server", server, "cause", err)
			continue
		}
		events := a.sound(ctx, gate.Version, server, in, answer.Events[:min(len(answer.Events), maxRefers)], a.lack)
		if len(events) == 0 {
			continue
		}
		return a.store(ctx, in, events)
	}
	return errNotGiven
}
