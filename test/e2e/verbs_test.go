package e2e

import (
	"errors"
	"slices"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

func asRespError(err error) (mautrix.RespError, bool) {
	var r mautrix.RespError
	if errors.As(err, &r) {
		return r, true
	}
	return r, false
}

// Creates makes a private room.
func (d *device) Creates(name string) roomID {
	d.t.Helper()
	return d.create(&mautrix.ReqCreateRoom{Name: name, Preset: "private_chat"})
}

// CreatesEncrypted makes a private room that is encrypted from its first message on.
func (d *device) CreatesEncrypted(name string) roomID {
	d.t.Helper()
	return d.create(&mautrix.ReqCreateRoom{
		Name: name, Preset: "trusted_private_chat",
		InitialState: []*event.Event{{
			Type:    event.StateEncryption,
			Content: event.Content{Parsed: &event.EncryptionEventContent{Algorithm: id.AlgorithmMegolmV1}},
		}},
	})
}

func (d *device) create(req *mautrix.ReqCreateRoom) roomID {
	d.t.Helper()
	resp, err := d.client.CreateRoom(d.ctx, req)
	d.must("create a room", err)
	d.IsIn(resp.RoomID)
	return resp.RoomID
}

// Invites asks the other's user in.
func (d *device) Invites(room roomID, other someone) {
	d.t.Helper()
	_, err := d.client.InviteUser(d.ctx, room, &mautrix.ReqInviteUser{UserID: other.id()})
	d.must("invite "+other.called(), err)
}

// Joins accepts an invitation, which the device must have seen first.
func (d *device) Joins(room roomID) {
	d.t.Helper()
	d.IsInvitedTo(room)
	_, err := d.client.JoinRoomByID(d.ctx, room)
	d.must("join", err)
	d.IsIn(room)
}

// IsInvitedTo, IsIn and IsOutOf wait until sync says so.
func (d *device) IsInvitedTo(room roomID) { d.t.Helper(); d.is(room, event.MembershipInvite) }
func (d *device) IsIn(room roomID)        { d.t.Helper(); d.is(room, event.MembershipJoin) }
func (d *device) IsOutOf(room roomID)     { d.t.Helper(); d.is(room, event.MembershipLeave) }

func (d *device) is(room roomID, want event.Membership) {
	d.t.Helper()
	d.until("that it is "+string(want)+" in "+string(room), func() bool {
		r := d.rooms[room]
		return r != nil && r.membership == want
	})
}

// SeesMember waits until the other's membership is this.
func (d *device) SeesMember(room roomID, other someone, want event.Membership) {
	d.t.Helper()
	d.until(other.called()+" as "+string(want), func() bool {
		e := d.stateOf(room, event.StateMember, other.id().String())
		return e != nil && e.Content.AsMember().Membership == want
	})
}

func (d *device) stateOf(room roomID, t event.Type, key string) *event.Event {
	r := d.rooms[room]
	if r == nil {
		return nil
	}
	return r.state[t][key]
}

// Says sends a text, encrypted if the room is.
func (d *device) Says(room roomID, text string) eventID {
	d.t.Helper()
	return d.Sends(room, event.EventMessage, &event.MessageEventContent{MsgType: event.MsgText, Body: text})
}

// Sends sends any message event, encrypted if the room is.
func (d *device) Sends(room roomID, t event.Type, content any) eventID {
	d.t.Helper()
	resp, err := d.client.SendMessageEvent(d.ctx, room, d.sealed(room, t, &content), content)
	d.must("send", err)
	return resp.EventID
}

// sealed encrypts content in an encrypted room, sharing the room's key with every device first where that has not
// happened. It returns the type to send it as.
func (d *device) sealed(room roomID, t event.Type, content *any) event.Type {
	d.t.Helper()
	encrypted, err := d.state.IsEncrypted(d.ctx, room)
	d.must("look whether the room is encrypted", err)
	if !encrypted || t == event.EventReaction {
		return t
	}
	sealed, err := d.olm.EncryptMegolmEvent(d.ctx, room, t, *content)
	if errors.Is(err, crypto.ErrNoGroupSession) || errors.Is(err, crypto.ErrSessionExpired) || errors.Is(err, crypto.ErrSessionNotShared) {
		d.must("share the room key", d.olm.ShareGroupSession(d.ctx, room, d.members(room)))
		sealed, err = d.olm.EncryptMegolmEvent(d.ctx, room, t, *content)
	}
	d.must("encrypt", err)
	*content = sealed
	return event.EventEncrypted
}

// Sees waits for a message with this text that the device can read, and gives its event.
func (d *device) Sees(room roomID, text string) *event.Event {
	d.t.Helper()
	var found *event.Event
	d.until("the message "+text, func() bool {
		if d.rooms[room] != nil {
			d.ReadsBack(room)
		}
		found = d.find(room, isText(text))
		return found != nil
	})
	return found
}

// find looks in what sync has brought so far, opening what has become readable since.
func (d *device) find(room roomID, match func(*event.Event) bool) *event.Event {
	r := d.rooms[room]
	if r == nil {
		return nil
	}
	for i := range r.timeline {
		r.timeline[i] = d.open(r.timeline[i])
	}
	if i := slices.IndexFunc(r.timeline, match); i >= 0 {
		return r.timeline[i]
	}
	return nil
}

// isSealed says whether the server holds this event encrypted, and so without its text.
func (d *device) isSealed(room roomID, sent eventID) bool {
	d.t.Helper()
	e, err := d.client.GetEvent(d.ctx, room, sent)
	d.must("fetch an event", err)
	return e.Type.Type == event.EventEncrypted.Type
}

func isText(text string) func(*event.Event) bool {
	return func(e *event.Event) bool {
		m, ok := e.Content.Parsed.(*event.MessageEventContent)
		return ok && m.Body == text
	}
}

// ReadsBack fetches what the timeline has not brought, as clients do when somebody scrolls up.
func (d *device) ReadsBack(id roomID) {
	d.t.Helper()
	r := d.rooms[id]
	for len(r.gaps) > 0 {
		g := r.gaps[0]
		r.gaps = r.gaps[1:]
		old := d.before(id, g)
		at := slices.IndexFunc(r.timeline, func(e *event.Event) bool { return e.ID == g.before })
		r.timeline = slices.Insert(r.timeline, at, old...)
	}
}

// before is what lies in a gap: back from it to what is known already, or to the beginning.
func (d *device) before(id roomID, g gap) (old []*event.Event) {
	d.t.Helper()
	r := d.rooms[id]
	defer func() { slices.Reverse(old) }()
	for from := g.from; from != ""; {
		page, err := d.client.Messages(d.ctx, id, from, "", mautrix.DirectionBackward, nil, 10)
		d.must("read back", err)
		for _, e := range page.Chunk {
			if r.seen[e.ID] {
				return old
			}
			r.seen[e.ID] = true
			e.RoomID = id
			e.Type.Class = event.MessageEventType
			if e.StateKey != nil {
				e.Type.Class = event.StateEventType
			}
			_ = e.Content.ParseRaw(e.Type) // an unknown type stays raw
			old = append(old, e)
		}
		from = page.End
	}
	return old
}
