package interop

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// Creates makes a room.
func (p *person) Creates(req *mautrix.ReqCreateRoom) id.RoomID {
	p.t.Helper()
	resp, err := p.client.CreateRoom(p.ctx, req)
	p.must("create a room", err)
	p.Is(resp.RoomID, event.MembershipJoin)
	return resp.RoomID
}

// public and private are the rooms of most stories.
func public(name string) *mautrix.ReqCreateRoom {
	return &mautrix.ReqCreateRoom{Name: name, Preset: "public_chat"}
}

func private(name string) *mautrix.ReqCreateRoom {
	return &mautrix.ReqCreateRoom{Name: name, Preset: "private_chat"}
}

// Invites asks the other in.
func (p *person) Invites(room id.RoomID, other *person) {
	p.t.Helper()
	_, err := p.client.InviteUser(p.ctx, room, &mautrix.ReqInviteUser{UserID: other.id()})
	p.must("invite "+other.name, err)
}

// Accepts waits for an invitation, and joins.
func (p *person) Accepts(room id.RoomID) {
	p.t.Helper()
	p.Is(room, event.MembershipInvite)
	p.Joins(room.String())
}

// Joins joins a room, by its ID or alias, through servers that are in it.
func (p *person) Joins(room string, via ...*server) id.RoomID {
	p.t.Helper()
	joined, err := p.triesToJoin(room, via...)
	p.must("join", err)
	p.Is(joined, event.MembershipJoin)
	return joined
}

func (p *person) triesToJoin(room string, via ...*server) (id.RoomID, error) {
	resp, err := p.client.JoinRoom(p.ctx, room, &mautrix.ReqJoinRoom{Via: names(via)})
	if err != nil {
		return "", err
	}
	return resp.RoomID, nil
}

func names(servers []*server) (out []string) {
	for _, s := range servers {
		out = append(out, s.Name)
	}
	return out
}

// Is waits until sync says that the person is this in the room.
func (p *person) Is(room id.RoomID, want event.Membership) {
	p.t.Helper()
	p.until("that it is "+string(want)+" in "+room.String(), func() bool {
		r := p.rooms[room]
		return r != nil && r.membership == want
	})
}

// SeesMember waits until the other's membership is this, and gives the event.
func (p *person) SeesMember(room id.RoomID, other *person, want event.Membership) *event.Event {
	p.t.Helper()
	return p.SeesState(room, event.StateMember, other.id().String(), other.name+" as "+string(want), func(e *event.Event) bool {
		return e.Content.AsMember().Membership == want
	})
}

// SeesState waits until a piece of state is as it should be, and gives the event.
func (p *person) SeesState(room id.RoomID, t event.Type, key, what string, so func(*event.Event) bool) *event.Event {
	p.t.Helper()
	var e *event.Event
	p.until(what, func() bool {
		if r := p.rooms[room]; r != nil {
			e = r.state[t][key]
		}
		return e != nil && so(e)
	})
	return e
}

// SeesName waits until the room is called that.
func (p *person) SeesName(room id.RoomID, name string) {
	p.t.Helper()
	p.SeesState(room, event.StateRoomName, "", "the name "+name, func(e *event.Event) bool { return e.Content.AsRoomName().Name == name })
}

// Names changes the room's name, and SetsState any state with an empty key.
func (p *person) Names(room id.RoomID, name string) {
	p.t.Helper()
	p.SetsState(room, event.StateRoomName, &event.RoomNameEventContent{Name: name})
}

func (p *person) SetsState(room id.RoomID, t event.Type, content any) id.EventID {
	p.t.Helper()
	resp, err := p.client.SendStateEvent(p.ctx, room, t, "", content)
	p.must("set "+t.Type, err)
	return resp.EventID
}

// Empowers gives the other 50 in the room, and waits until he knows.
func (p *person) Empowers(room id.RoomID, other *person) {
	p.t.Helper()
	var levels event.PowerLevelsEventContent
	p.must("look at the power levels", p.client.StateEvent(p.ctx, room, event.StatePowerLevels, "", &levels))
	if levels.Users == nil {
		levels.Users = map[id.UserID]int{}
	}
	levels.Users[other.id()] = 50
	set := p.SetsState(room, event.StatePowerLevels, &levels)
	other.SeesState(room, event.StatePowerLevels, "", "its new power", func(e *event.Event) bool { return e.ID == set })
}

// Says sends a text, encrypted if the person has keys and the room is.
func (p *person) Says(room id.RoomID, text string) id.EventID {
	p.t.Helper()
	var content any = &event.MessageEventContent{MsgType: event.MsgText, Body: text}
	resp, err := p.client.SendMessageEvent(p.ctx, room, p.sealed(room, event.EventMessage, &content), content)
	p.must("send", err)
	return resp.EventID
}

// sealed encrypts content in an encrypted room, sharing the room's key with every device first where that has not
// happened. It returns the type to send it as.
func (p *person) sealed(room id.RoomID, t event.Type, content *any) event.Type {
	p.t.Helper()
	encrypted, err := p.client.StateStore.IsEncrypted(p.ctx, room)
	p.must("look whether the room is encrypted", err)
	if !encrypted || p.olm == nil {
		return t
	}
	sealed, err := p.olm.EncryptMegolmEvent(p.ctx, room, t, *content)
	if errors.Is(err, crypto.ErrNoGroupSession) || errors.Is(err, crypto.ErrSessionExpired) || errors.Is(err, crypto.ErrSessionNotShared) {
		p.must("share the room key", p.olm.ShareGroupSession(p.ctx, room, p.members(room)))
		sealed, err = p.olm.EncryptMegolmEvent(p.ctx, room, t, *content)
	}
	p.must("encrypt", err)
	*content = sealed
	return event.EventEncrypted
}

// members are the users a message must be encrypted for.
func (p *person) members(room id.RoomID) (users []id.UserID) {
	for user, e := range p.rooms[room].state[event.StateMember] {
		if m := e.Content.AsMember().Membership; m == event.MembershipJoin || m == event.MembershipInvite {
			users = append(users, id.UserID(user))
		}
	}
	slices.Sort(users)
	return users
}

// Sees waits for a message with this text that the device can read, and gives its event.
func (p *person) Sees(room id.RoomID, text string) *event.Event {
	p.t.Helper()
	var found *event.Event
	p.until("the message "+text, func() bool {
		found = p.find(room, func(e *event.Event) bool { return text == textOf(e) })
		return found != nil
	})
	return found
}

// find looks in what sync has brought so far, opening what has become readable since.
func (p *person) find(room id.RoomID, match func(*event.Event) bool) *event.Event {
	r := p.rooms[room]
	if r == nil {
		return nil
	}
	for i, e := range r.timeline {
		if e.Type == event.EventEncrypted && p.olm != nil {
			if plain, err := p.olm.DecryptMegolmEvent(p.ctx, e); err == nil {
				r.timeline[i] = plain
			}
		}
	}
	if i := slices.IndexFunc(r.timeline, match); i >= 0 {
		return r.timeline[i]
	}
	return nil
}

func textOf(e *event.Event) string {
	if m, ok := e.Content.Parsed.(*event.MessageEventContent); ok {
		return m.Body
	}
	return ""
}

// History reads a room back to its beginning, oldest first.
func (p *person) History(room id.RoomID) (events []*event.Event) {
	p.t.Helper()
	seen := map[id.EventID]bool{}
	for from, pages := "", 0; ; pages++ {
		page, err := p.client.Messages(p.ctx, room, from, "", mautrix.DirectionBackward, nil, 50)
		p.must("read back", err)
		for _, e := range page.Chunk {
			if seen[e.ID] {
				p.t.Errorf("%s reads event %s (%s) twice", p.name, e.ID, e.Type.Type)
			}
			seen[e.ID] = true
			e.Type.Class = event.MessageEventType
			if e.StateKey != nil {
				e.Type.Class = event.StateEventType
			}
			_ = e.Content.ParseRaw(e.Type) // an unknown type stays raw
			events = append(events, e)
		}
		if page.End == "" || page.End == from || pages > 100 {
			break
		}
		from = page.End
	}
	slices.Reverse(events)
	return events
}

// Texts are the texts in a room, from its beginning.
func (p *person) Texts(room id.RoomID) (texts []string) {
	p.t.Helper()
	for _, e := range p.History(room) {
		if text := textOf(e); text != "" {
			texts = append(texts, text)
		}
	}
	return texts
}

// state is every piece of a room's state by what it is called.
func (p *person) state(room id.RoomID) map[string]string {
	p.t.Helper()
	events, err := p.client.StateAsArray(p.ctx, room)
	p.must("look at the state", err)
	out := map[string]string{}
	for _, e := range events {
		out[e.Type.Type+" "+e.GetStateKey()] = fmt.Sprintf("%s of %s", e.ID, e.Sender)
	}
	return out
}

// agree waits until all have the same state of a room and the same messages in it, in whatever order.
func agree(t *testing.T, room id.RoomID, people ...*person) {
	t.Helper()
	var different string
	for began := time.Now(); time.Since(began) < patience; time.Sleep(200 * time.Millisecond) {
		different = ""
		for _, p := range people[1:] {
			first := people[0]
			different += compare(first, p, "the state", sorted(first.state(room)), sorted(p.state(room)))
			different += compare(first, p, "the history", ids(first.History(room)), ids(p.History(room)))
		}
		if different == "" {
			return
		}
	}
	t.Errorf("after %v:\n%s", patience, different)
}

func compare(a, b *person, what string, x, y []string) string {
	if d := cmp.Diff(x, y); d != "" {
		return fmt.Sprintf("%s of %s (-) and %s (+) differs:\n%s", what, a.name, b.name, d)
	}
	return ""
}

func sorted(m map[string]string) (lines []string) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		lines = append(lines, k+" "+m[k])
	}
	return lines
}

// ids are what events are called, sorted: two servers may show what happened at once in different orders.
func ids(events []*event.Event) (out []string) {
	for _, e := range events {
		out = append(out, strings.Join([]string{e.ID.String(), e.Type.Type, e.GetStateKey(), textOf(e)}, " "))
	}
	slices.Sort(out)
	return out
}
