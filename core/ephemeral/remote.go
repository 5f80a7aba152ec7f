package ephemeral

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Between servers: https://spec.matrix.org/v1.19/server-server-api/#typing-notifications, #presence and #receipts. What is
// told of this server's users goes out once it is known here; what others tell of theirs is taken where such a user may be in
// the room, or shares one with somebody here.

// The types of EDUs.
const (
	typingEDU   = "m.typing"
	receiptEDU  = "m.receipt"
	presenceEDU = "m.presence"
)

const (
	remoteTyping  = 60 * time.Second // typing ends that far from the last word of it; other servers repeat it within that
	repeatTyping  = 25 * time.Second // who goes on typing is told again so often
	remoteLasts   = 35 * time.Minute // presence ends that far from the last word of it
	repeatPresent = 25 * time.Minute // who is here is told again so often
	maxTold       = 1000             // receipts of one EDU
	maxTogether   = 100              // receipts that are written at once
	maxPush       = 200              // people of one m.presence
)

func malformed(kind string, err error) error {
	return fault.Newf(fault.BadJSON, "The content of an %s has the wrong form", kind).Because(err)
}

var errNotTheirs = fault.New(fault.Forbidden, "The user is not of the server that speaks of them")

type typingContent struct {
	Room   id.Room `json:"room_id"`
	User   id.User `json:"user_id"`
	Typing bool    `json:"typing"`
}

// ReceiveTyping takes an m.typing of another server. Errors: M_BAD_JSON, M_FORBIDDEN.
func (e *Ephemeral) ReceiveTyping(ctx context.Context, origin id.Server, content json.RawMessage) error {
	var c typingContent
	if err := json.Unmarshal(content, &c); err != nil {
		return malformed(typingEDU, err)
	}
	if !theirs(c.User, origin) {
		return errNotTheirs
	}
	if ok, err := e.Rooms.Admits(ctx, c.Room, c.User); err != nil || !ok {
		return err
	}
	if changed, _ := e.setTyping(c.User, c.Room, c.Typing, remoteTyping); !changed {
		return nil
	}
	return e.wakeRoom(ctx, c.Room)
}

func theirs(user id.User, origin id.Server) bool {
	u, err := id.ParseUser(string(user))
	return err == nil && u.Server() == origin
}

// tellTyping tells the other servers of a room whether one of this server's users types there.
func (e *Ephemeral) tellTyping(ctx context.Context, user id.User, room id.Room, typing bool) error {
	if e.Tell == nil {
		return nil
	}
	return e.tellRoom(ctx, room, typingEDU, string(room)+" "+string(user), typingContent{room, user, typing})
}

func (e *Ephemeral) tellRoom(ctx context.Context, room id.Room, typ, key string, content any) error {
	servers, err := e.Rooms.OtherServers(ctx, room)
	if err != nil || len(servers) == 0 {
		return err
	}
	text, err := json.Marshal(content)
	if err == nil {
		e.Tell(servers, typ, key, text)
	}
	return err
}

// told is one receipt of an m.receipt.
type told struct {
	Events []id.Event `json:"event_ids"`
	Data   struct {
		TS     int64   `json:"ts"`
		Thread *string `json:"thread_id,omitempty"`
	} `json:"data"`
}

// mark gives what the receipt says; ok is false where that is nothing.
func (t *told) mark() (m Mark, ok bool) {
	if len(t.Events) != 1 {
		return m, false
	}
	if _, err := id.ParseEvent(string(t.Events[0])); err != nil {
		return m, false
	}
	m = Mark{Type: Read, Thread: t.Data.Thread, Event: t.Events[0]}
	return m, m.check() == nil
}

// ReceiveReceipts takes an m.receipt of another server: the public receipts of its users in rooms they are in. The rest of
// it is left out. Errors: M_BAD_JSON.
func (e *Ephemeral) ReceiveReceipts(ctx context.Context, origin id.Server, content json.RawMessage) error {
	var rooms map[id.Room]map[string]json.RawMessage
	if err := json.Unmarshal(content, &rooms); err != nil {
		return malformed(receiptEDU, err)
	}
	n := 0
	for room, types := range rooms {
		var users map[id.User]json.RawMessage
		if json.Unmarshal(types[Read], &users) != nil {
			continue // of this room there is nothing that can be read
		}
		var steps []step
		for user, text := range users {
			var t told
			if n++; n > maxTold {
				break
			}
			if !theirs(user, origin) || json.Unmarshal(text, &t) != nil {
				continue
			}
			m, ok := t.mark()
			if !ok {
				continue
			}
			if ok, err := e.Rooms.Admits(ctx, room, user); err != nil {
				return err
			} else if ok {
				steps = append(steps, step{user, m, min(t.Data.TS, e.Now().UnixMilli()), true})
			}
		}
		slices.SortFunc(steps, func(a, b step) int { return strings.Compare(string(a.user), string(b.user)) })
		for part := range slices.Chunk(steps, maxTogether) {
			moved, err := e.set(ctx, room, part)
			if err != nil {
				return err
			}
			if len(moved) == 0 {
				continue
			}
			if err := e.wakeRoom(ctx, room); err != nil {
				return err
			}
		}
	}
	return nil
}

// tellReceipts tells the other servers of a room of the public ones among receipts that moved there. Each goes by itself: an
// m.receipt has one place for each user, whatever the thread.
func (e *Ephemeral) tellReceipts(ctx context.Context, room id.Room, moved []Receipt) error {
	if e.Tell == nil {
		return nil
	}
	for _, r := range moved {
		if r.Type != Read {
			continue
		}
		t := told{Events: []id.Event{r.Event}}
		t.Data.TS = r.TS
		if r.Thread != "" {
			t.Data.Thread = &r.Thread
		}
		content := map[id.Room]map[string]map[id.User]told{room: {Read: {r.User: t}}}
		if err := e.tellRoom(ctx, room, receiptEDU, string(room)+" "+string(r.User)+" "+r.Thread, content); err != nil {
			return err
		}
	}
	return nil
}

type presenceContent struct {
	Push []presenceOf `json:"push"`
}

type presenceOf struct {
	User      id.User `json:"user_id"`
	State     string  `json:"presence"`
	StatusMsg string  `json:"status_msg,omitempty"`
	Ago       int64   `json:"last_active_ago"` // milliseconds
	Active    bool    `json:"currently_active,omitempty"`

	early bool // as in somebody
}

// ReceivePresence takes an m.presence of another server: of those of its users who share a room with somebody here, or may. It does
// nothing unless presence is exchanged with other servers. Errors: M_BAD_JSON.
func (e *Ephemeral) ReceivePresence(ctx context.Context, origin id.Server, content json.RawMessage) error {
	if e.presence == nil || !e.PresenceAbroad {
		return nil
	}
	var c presenceContent
	if err := json.Unmarshal(content, &c); err != nil {
		return malformed(presenceEDU, err)
	}
	var known []presenceOf
	err := e.DB.Read(ctx, func(tx *sqldb.Tx) error {
		known = nil
		for _, p := range c.Push[:min(len(c.Push), maxPush)] {
			if !theirs(p.User, origin) || p.State != Online && p.State != Unavailable && p.State != Offline || len(p.StatusMsg) > maxStatus {
				continue
			}
			ok, err := e.Rooms.Meets(tx, p.User)
			if err != nil {
				return err
			}
			if !ok {
				may, err := e.Rooms.MayShare(tx, origin)
				if err != nil {
					return err
				}
				p.early = len(may) > 0
			}
			if ok || p.early {
				known = append(known, p)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, p := range known {
		changed := e.change(p.User, func(s *somebody, now time.Time) {
			s.remote, s.busy, s.early = true, p.Active, p.early
			s.devices[""] = presentAt{p.State, now.Add(remoteLasts)}
			s.active = now.Add(-time.Duration(min(max(p.Ago, 0), 1<<40)) * time.Millisecond)
			if p.StatusMsg != s.status {
				s.status, s.serial = p.StatusMsg, e.next()
			}
		})
		if changed {
			e.tellPresence(ctx, p.User)
		}
	}
	return nil
}

// tellAbroad tells the servers that share a room with one of this server's users how present she is.
func (e *Ephemeral) tellAbroad(user id.User, shared func() ([]id.Server, error)) error {
	if e.Tell == nil || !e.PresenceAbroad || user.Server() != e.Server {
		return nil
	}
	servers, err := shared()
	if err != nil || len(servers) == 0 {
		return err
	}
	seen := e.PresenceOf([]id.User{user})
	if len(seen) == 0 {
		return nil
	}
	p := presenceOf{User: user, State: seen[0].State, StatusMsg: seen[0].StatusMsg, Active: seen[0].CurrentlyActive}
	if !seen[0].LastActive.IsZero() {
		p.Ago = max(e.Now().Sub(seen[0].LastActive), 0).Milliseconds()
	}
	text, err := json.Marshal(presenceContent{[]presenceOf{p}})
	if err == nil {
		e.Tell(servers, presenceEDU, string(user), text)
	}
	return err
}
