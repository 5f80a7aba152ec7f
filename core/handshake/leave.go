package handshake

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/core/peer"
	"freehold.example/core/room"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// goodbye is how long other servers have to take a leave before the invitation is dropped without them.
const goodbye = 15 * time.Second

// Leave ends the caller's membership, or turns an invitation or a knock down, here or through another server. Where no server
// takes it, she is rid of it all the same. Leaving twice changes nothing. Errors: M_FORBIDDEN.
func (h *Handshakes) Leave(ctx context.Context, q Request) error {
	unlock, err := h.lanes.Lock(ctx, entering(q.Room))
	if err != nil {
		return err
	}
	defer unlock()
	at, s, err := h.look(ctx, q)
	if err != nil {
		return err
	}
	if at.Here || at.Local || s == nil || s.Membership != "invite" && s.Membership != "knock" {
		return h.Rooms.Leave(ctx, q.Caller, q.Room, q.Reason)
	}
	if len(q.Reason) > maxReason {
		return errReason
	}
	w, err := h.want(ctx, q, "leave")
	if err != nil {
		return err
	}
	var gone *event.Event
	out, cancel := context.WithTimeout(ctx, goodbye)
	defer cancel()
	refused := h.submit(out, h.reach(q.Room, q.Via, s, &at), w, func(ctx context.Context, server id.Server, _ *template, e *event.Event) error {
		err := h.Peers.Ask(ctx, peer.Question{
			Server: server, Method: http.MethodPut, Path: sendPath("v2", "leave", e), Content: json.RawMessage(e.Bytes()), Now: true,
		}, nil)
		if err == nil {
			gone = e
		}
		return err
	})
	if gone == nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		h.Log.InfoContext(ctx, "an invitation is turned down without the room being told", "room", q.Room, "cause", refused)
		if gone, err = h.farewell(ctx, s, w); err != nil {
			return err
		}
	}
	return h.putOutside(ctx, room.Outside{Event: gone})
}

// putOutside writes a membership from outside, unless the server has come into the room meanwhile: then the room tells.
func (h *Handshakes) putOutside(ctx context.Context, o room.Outside) error {
	err := h.Rooms.PutOutside(context.WithoutCancel(ctx), o)
	if errors.Is(err, room.ErrInside) {
		return nil
	}
	return err
}

// farewell makes a leave that no other server has had a part in: it follows the invitation or the knock.
func (h *Handshakes) farewell(ctx context.Context, s *room.Standing, w *wish) (*event.Event, error) {
	var old *room.Stored
	err := h.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		old, err = h.Rooms.Load(tx, s.Event)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read what is turned down: %w", err)
	}
	e := old.Event
	content := map[string]any{"membership": "leave"}
	if reason, ok := w.content["reason"]; ok {
		content["reason"] = reason
	}
	raw, err := json.Marshal(content)
	if err != nil {
		return nil, err
	}
	key := string(w.user)
	return event.Build(e.Version(), event.Draft{
		Room: w.room, Type: "m.room.member", StateKey: &key, Sender: w.user, Content: raw,
		Prev: []id.Event{e.ID()}, Auth: []id.Event{e.ID()}, Depth: min(e.Depth(), e.Version().MaxDepth-1) + 1, Timestamp: h.Now().UnixMilli(),
		Hashes: map[id.Event][sha256.Size]byte{e.ID(): e.ReferenceHash()},
	}, h.Signer)
}

// LeaveAll makes a user leave every room she is in, invited to or knocking on, as when her account ends. It goes on when one
// room fails, and returns what went wrong.
func (h *Handshakes) LeaveAll(ctx context.Context, user id.User) error {
	var standings []*room.Standing
	err := h.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		standings, err = h.Rooms.Standings(tx, user)
		return err
	})
	if err != nil {
		return err
	}
	var errs []error
	for _, s := range standings {
		if s.Membership != "leave" && s.Membership != "ban" {
			errs = append(errs, h.Leave(ctx, Request{Caller: room.Caller{User: user}, Room: s.RoomID}))
		}
	}
	return errors.Join(errs...)
}

// Heard takes an event of a room that this server is not in, as another server sends one when an invitation is taken back or a
// knock is turned down. Of an invitation only the inviter is believed: nobody else can be judged without the room's state.
// Errors: M_NOT_FOUND for an event that means nothing here.
func (h *Handshakes) Heard(ctx context.Context, origin id.Server, in id.Room, raw json.RawMessage) error {
	var said struct {
		Type string  `json:"type"`
		Key  id.User `json:"state_key"`
	}
	if json.Unmarshal(raw, &said) != nil || said.Type != "m.room.member" || said.Key.Server() != h.Signer.Server {
		return errNotHere
	}
	s, err := h.Rooms.StandingOf(ctx, in, said.Key)
	if err != nil {
		return err
	}
	if s == nil {
		return errNotHere
	}
	v, ok := version.Lookup(s.Version)
	if !ok {
		return errNotHere
	}
	e, err := event.Parse(v, raw)
	if err != nil || e.Room() != in {
		return errNotHere.Because(err)
	}
	if err := h.Peers.VerifyEvents(ctx, origin, []*event.Event{e})[0].Err; err != nil {
		return errNotHere.Because(err)
	}
	return h.heard(ctx, e, s)
}

var errNotHere = fault.New(fault.NotFound, "This server is not in the room")

func (h *Handshakes) heard(ctx context.Context, e *event.Event, s *room.Standing) error {
	var content struct {
		Membership string `json:"membership"`
	}
	if json.Unmarshal(e.Content(), &content) != nil || content.Membership != "leave" && content.Membership != "ban" {
		return errNotHere
	}
	switch s.Membership {
	case "invite":
		if e.Sender() != s.Sender || !h.answersTo(ctx, e, s) { // an earlier one may be taken back after this one has come
			return errNotHere
		}
	case "knock":
		if !h.answersTo(ctx, e, s) {
			return errNotHere
		}
	default:
		return errNotHere
	}
	return h.putOutside(ctx, room.Outside{Event: e})
}

// answersTo says whether an event names the user's member event among those that allow it.
func (h *Handshakes) answersTo(ctx context.Context, e *event.Event, s *room.Standing) bool {
	found := false
	err := h.DB.Read(ctx, func(tx *sqldb.Tx) error {
		own, err := h.Rooms.Load(tx, s.Event)
		if err == nil {
			found = slices.Contains(e.Auth(), own.Event.ID())
		}
		return err
	})
	return err == nil && found
}
