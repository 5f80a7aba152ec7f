package handshake

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"freehold.example/core/peer"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/canon"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// The bounds of a template (Client-Server API, "Size limits"; Room Versions, "Event format").
const (
	maxPrev     = 20
	maxAuth     = 10
	maxTemplate = 128 << 10 // bytes
)

// wish is the member event that this server wants another to put into a room.
type wish struct {
	room       id.Room
	user       id.User
	membership string         // join, knock or leave
	content    map[string]any // all but what the template may add
	depth      int64          // at least, where the deeper of two events stays when a fork is resolved
	ask        asking         // how a server is asked for the event's template
}

// asking asks a server for the template of an event.
type asking func(ctx context.Context, server id.Server, w *wish) (*template, error)

// template is what a server answered to make_join, make_knock or make_leave, checked: an event that is this server's own but
// for its place in the room.
type template struct {
	version *version.Version
	draft   event.Draft

	// authoriser is the member of the other server in whose name a restricted join is allowed, "" for none.
	authoriser id.User
}

// badTemplate says that what a server answered is nothing to sign.
func badTemplate(why string, args ...any) error {
	return fmt.Errorf("the template is not what was asked for: "+why, args...)
}

// ask asks a server for the template of an event.
func (h *Handshakes) ask(ctx context.Context, server id.Server, w *wish) (*template, error) {
	path := "/_matrix/federation/v1/make_" + w.membership + "/" + url.PathEscape(string(w.room)) + "/" + url.PathEscape(string(w.user))
	if w.membership != "leave" {
		q := url.Values{}
		for _, v := range version.All() {
			q.Add("ver", v.ID)
		}
		path += "?" + q.Encode()
	}
	var answer json.RawMessage
	if err := h.Peers.Ask(ctx, peer.Question{Server: server, Method: http.MethodGet, Path: path, Now: true, Brief: true}, &answer); err != nil {
		return nil, err
	}
	return w.read(server, answer)
}

// read checks a template. Only where the event stands in the room is taken from it: prev_events, auth_events and depth, and
// for a restricted join who vouches for it. All else must be what was asked for, and is made here (CVE-2026-24471).
func (w *wish) read(server id.Server, answer []byte) (*template, error) {
	if len(answer) > maxTemplate {
		return nil, badTemplate("it has %d bytes", len(answer))
	}
	var said struct {
		Version *string `json:"room_version"`
		Event   struct {
			Room     id.Room         `json:"room_id"`
			Type     string          `json:"type"`
			Sender   string          `json:"sender"`
			StateKey *string         `json:"state_key"`
			Content  json.RawMessage `json:"content"`
			Prev     json.RawMessage `json:"prev_events"`
			Auth     json.RawMessage `json:"auth_events"`
			Depth    json.Number     `json:"depth"`
		} `json:"event"`
	}
	if _, err := canon.Canonical(answer, canon.Unique); err != nil {
		return nil, badTemplate("%w", err)
	}
	if err := json.Unmarshal(answer, &said); err != nil {
		return nil, badTemplate("%w", err)
	}
	v, err := roomVersion(w.room, said.Version)
	if err != nil {
		return nil, err
	}
	e := &said.Event
	var content struct {
		Membership string  `json:"membership"`
		Authoriser *string `json:"join_authorised_via_users_server"`
	}
	if err := json.Unmarshal(e.Content, &content); err != nil {
		return nil, badTemplate("content: %w", err)
	}
	switch {
	case e.Type != "m.room.member":
		return nil, badTemplate("it is of type %.100q", e.Type)
	case e.Room != w.room:
		return nil, badTemplate("it is of room %.300q", e.Room)
	case e.Sender != string(w.user):
		return nil, badTemplate("it is of %.300q", e.Sender)
	case e.StateKey == nil || *e.StateKey != string(w.user):
		return nil, badTemplate("it is about somebody else")
	case content.Membership != w.membership:
		return nil, badTemplate("it is a %.100q", content.Membership)
	}
	t := &template{version: v}
	d := &t.draft
	key := string(w.user)
	d.Room, d.Type, d.Sender, d.StateKey = w.room, "m.room.member", w.user, &key
	d.Hashes = map[id.Event][sha256.Size]byte{}
	if d.Prev, err = references(v, e.Prev, maxPrev, d.Hashes); err != nil {
		return nil, badTemplate("prev_events: %w", err)
	}
	if d.Auth, err = references(v, e.Auth, maxAuth, d.Hashes); err != nil {
		return nil, badTemplate("auth_events: %w", err)
	}
	if len(d.Prev) == 0 {
		return nil, badTemplate("it has no prev_events")
	}
	depth, err := e.Depth.Int64()
	if err != nil || depth < 0 {
		return nil, badTemplate("depth %.100q", e.Depth)
	}
	if v.StateRes == version.V1 { // the other server may not know yet that she left, and that came deeper than what it knows
		depth = max(depth, w.depth)
	}
	d.Depth = min(depth, v.MaxDepth)
	mine := make(map[string]any, len(w.content)+2)
	maps.Copy(mine, w.content)
	delete(mine, keyAuthoriser)
	mine["membership"] = w.membership
	if content.Authoriser != nil && w.membership == "join" && v.RestrictedJoin {
		by, err := id.ParseUser(*content.Authoriser)
		if err != nil || by.Server() != server {
			return nil, badTemplate("the join is authorised by %.300q, who is not of the server that was asked", *content.Authoriser)
		}
		t.authoriser = by
		mine[keyAuthoriser] = by
	}
	if d.Content, err = canon.Marshal(mine); err != nil {
		return nil, fault.New(fault.BadJSON, "The content is not valid JSON").Because(err)
	}
	return t, nil
}

const keyAuthoriser = "join_authorised_via_users_server"

// roomVersion is the version that a server says a room has; none stands for the first. Errors: M_INCOMPATIBLE_ROOM_VERSION.
func roomVersion(in id.Room, said *string) (*version.Version, error) {
	name := "1"
	if said != nil {
		name = *said
	}
	v, ok := version.Lookup(name)
	if !ok {
		return nil, fault.Newf(fault.IncompatibleRoomVersion, "The room has version %.100q, which this server does not know", name)
	}
	if v.RoomIDIsCreateHash == strings.Contains(string(in), ":") {
		return nil, badTemplate("no room of version %s has the id %s", v.ID, in)
	}
	return v, nil
}

// references reads prev_events or auth_events: ids, each once, or in room versions 1 and 2 pairs of an id and its hash.
func references(v *version.Version, raw json.RawMessage, most int, hashes map[id.Event][sha256.Size]byte) ([]id.Event, error) {
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, err
	}
	if len(list) > most {
		return nil, fmt.Errorf("there are %d", len(list))
	}
	ids := make([]id.Event, 0, len(list))
	for _, one := range list {
		name := one
		var pair []json.RawMessage
		if v.HashedReferences {
			if err := json.Unmarshal(one, &pair); err != nil || len(pair) != 2 {
				return nil, fmt.Errorf("%.100s is no pair of an id and its hash", one)
			}
			name = pair[0]
		}
		var text string
		if err := json.Unmarshal(name, &text); err != nil {
			return nil, err
		}
		of, err := id.ParseEvent(text)
		if err != nil {
			return nil, err
		}
		if slices.Contains(ids, of) {
			return nil, fmt.Errorf("%s is in it twice", of)
		}
		if v.HashedReferences {
			if hashes[of], err = hash(pair[1]); err != nil {
				return nil, err
			}
		}
		ids = append(ids, of)
	}
	return ids, nil
}

// hash reads what stands beside an id in room versions 1 and 2.
func hash(raw json.RawMessage) (sum [sha256.Size]byte, err error) {
	var said struct {
		SHA256 string `json:"sha256"`
	}
	if err := json.Unmarshal(raw, &said); err != nil {
		return sum, err
	}
	b, err := event.DecodeBase64(said.SHA256)
	if err == nil && len(b) != len(sum) {
		err = fmt.Errorf("a hash of %d bytes", len(b))
	}
	copy(sum[:], b)
	return sum, err
}

// build makes the event and signs it.
func (h *Handshakes) build(t *template) (*event.Event, error) {
	d := t.draft
	d.Timestamp = h.Now().UnixMilli()
	e, err := event.Build(t.version, d, h.Signer)
	if invalid, is := errors.AsType[*event.Invalid](err); is {
		return nil, fault.New(fault.BadJSON, "That is not a valid event: "+invalid.Reason).Because(err)
	}
	if err == nil {
		err = t.fits(e)
	}
	return e, err
}

// fits checks the event that was made against what was wanted, whatever the code above may have done: nothing else leaves
// this server with its signature on it.
func (t *template) fits(e *event.Event) error {
	d := &t.draft
	m := authrule.ParseMember(e.Content())
	if !e.IsState("m.room.member", string(d.Sender)) || e.Sender() != d.Sender || e.Room() != d.Room || m.Membership == authrule.Invite ||
		m.Membership == authrule.Ban || !bytes.Equal(e.Content(), d.Content) {
		return fmt.Errorf("bug: the event made is not the one that was wanted")
	}
	return nil
}
