package e2e

import (
	"testing"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// two is two people in one room, the beginning of most stories of a day.
func (h *house) two() (alice, bob *device, room roomID) {
	h.t.Helper()
	alice, bob = h.Registers("alice"), h.Registers("bob")
	room = alice.Creates("kitchen")
	alice.Invites(room, bob)
	bob.Joins(room)
	alice.SeesMember(room, bob, event.MembershipJoin)
	return alice, bob, room
}

func TestTypingAndReceipts(t *testing.T) {
	story(t, func(t *testing.T, h *house) {
		alice, bob, room := h.two()

		_, err := alice.client.UserTyping(alice.ctx, room, true, 20*time.Second)
		alice.must("type", err)
		bob.until("alice typing", func() bool { return len(bob.rooms[room].typing) == 1 && bob.rooms[room].typing[0] == alice.id() })
		_, err = alice.client.UserTyping(alice.ctx, room, false, 0)
		alice.must("stop typing", err)
		bob.until("nobody typing", func() bool { return len(bob.rooms[room].typing) == 0 })

		hi := alice.Says(room, "hi")
		bob.Sees(room, "hi")
		bob.must("read", bob.client.MarkRead(bob.ctx, room, hi))
		alice.until("bob's receipt", func() bool { return alice.rooms[room].receipts[bob.id()] == hi })

		// A private receipt is bob's own business.
		there := alice.Says(room, "are you there?")
		bob.Sees(room, "are you there?")
		bob.must("read in private", bob.client.SendReceipt(bob.ctx, room, there, event.ReceiptTypeReadPrivate, nil))
		bob.until("his own receipt", func() bool { return bob.rooms[room].receipts[bob.id()] == there })
		bob.Says(room, "yes")
		alice.Sees(room, "yes")
		if got := alice.rooms[room].receipts[bob.id()]; got == there {
			t.Error("alice sees a private receipt")
		}
	})
}

func TestUnreadCounts(t *testing.T) {
	story(t, func(t *testing.T, h *house) {
		alice, bob, room := h.two()
		alice.Says(room, "one")
		alice.Says(room, "two")
		last := alice.Sends(room, event.EventMessage, &event.MessageEventContent{
			MsgType: event.MsgText, Body: "three, bob", Mentions: &event.Mentions{UserIDs: []id.UserID{bob.id()}},
		})
		bob.Sees(room, "three, bob")
		bob.until("3 unread, 1 for him", func() bool { return bob.rooms[room].unread == 3 && bob.rooms[room].highlights == 1 })
		bob.must("read", bob.client.MarkRead(bob.ctx, room, last))
		bob.until("nothing unread", func() bool { return bob.rooms[room].unread == 0 && bob.rooms[room].highlights == 0 })

		// What a person says himself is not news to him.
		bob.Says(room, "thank you")
		bob.Sees(room, "thank you")
		if got := bob.rooms[room].unread; got != 0 {
			t.Errorf("got %d unread after his own message, want 0", got)
		}
		alice.Sees(room, "thank you")
		alice.until("1 unread", func() bool { return alice.rooms[room].unread == 1 })
	})
}

func TestRedactionEditReaction(t *testing.T) {
	story(t, func(t *testing.T, h *house) {
		alice, bob, room := h.two()

		slip := alice.Says(room, "a slip of the tongue")
		bob.Sees(room, "a slip of the tongue")
		resp, err := alice.client.RedactEvent(alice.ctx, room, slip, mautrix.ReqRedact{Reason: "not meant"})
		alice.must("redact", err)
		bob.until("the redaction", func() bool { return bob.rooms[room].seen[resp.EventID] })
		e, err := bob.client.GetEvent(bob.ctx, room, slip)
		bob.must("fetch the redacted event", err)
		if body, ok := e.Content.Raw["body"]; ok {
			t.Errorf("a redacted message still says %v", body)
		}
		if e.Unsigned.RedactedBecause == nil || e.Unsigned.RedactedBecause.ID != resp.EventID {
			t.Errorf("got unsigned %+v, want the redaction %s in it", e.Unsigned, resp.EventID)
		}

		tea := alice.Says(room, "tee?")
		edit := &event.MessageEventContent{MsgType: event.MsgText, Body: "tea?"}
		edit.SetEdit(tea)
		alice.Sends(room, event.EventMessage, edit)
		bob.until("the edit", func() bool {
			return bob.find(room, func(e *event.Event) bool {
				m, ok := e.Content.Parsed.(*event.MessageEventContent)
				return ok && m.RelatesTo.GetReplaceID() == tea && m.NewContent.Body == "tea?"
			}) != nil
		})

		_, err = bob.client.SendReaction(bob.ctx, room, tea, "👍")
		bob.must("react", err)
		alice.until("the reaction", func() bool {
			return alice.find(room, func(e *event.Event) bool {
				r, ok := e.Content.Parsed.(*event.ReactionEventContent)
				return ok && r.RelatesTo.GetAnnotationID() == tea && r.RelatesTo.GetAnnotationKey() == "👍"
			}) != nil
		})

		// Bob may not take alice's words back.
		_, err = bob.client.RedactEvent(bob.ctx, room, tea)
		bob.refused("redact another's message", err, mautrix.MForbidden)
	})
}

func TestRoomFurniture(t *testing.T) {
	story(t, func(t *testing.T, h *house) {
		alice, bob, room := h.two()
		alice.Names(room, "living room")
		alice.SetsState(room, event.StateTopic, &event.TopicEventContent{Topic: "who waters the plants"})
		avatar := id.ContentURI{Homeserver: "house.example", FileID: "sofa"}
		alice.SetsState(room, event.StateRoomAvatar, &event.RoomAvatarEventContent{URL: avatar.CUString()})
		bob.SeesName(room, "living room")
		bob.until("topic and avatar", func() bool {
			topic, picture := bob.stateOf(room, event.StateTopic, ""), bob.stateOf(room, event.StateRoomAvatar, "")
			return topic != nil && topic.Content.AsTopic().Topic == "who waters the plants" &&
				picture != nil && picture.Content.AsRoomAvatar().URL == avatar.CUString()
		})
		_, err := bob.client.SendStateEvent(bob.ctx, room, event.StateRoomName, "", &event.RoomNameEventContent{Name: "bob's"})
		bob.refused("rename", err, mautrix.MForbidden)
	})
}

func TestKickBanLeaveForget(t *testing.T) {
	story(t, func(t *testing.T, h *house) {
		alice, bob, room := h.two()

		_, err := alice.client.KickUser(alice.ctx, room, &mautrix.ReqKickUser{UserID: bob.id(), Reason: "the dishes"})
		alice.must("kick", err)
		bob.IsOutOf(room)
		if e := bob.stateOf(room, event.StateMember, bob.id().String()); e == nil || e.Sender != alice.id() || e.Content.AsMember().Reason != "the dishes" {
			t.Errorf("got the member event %v, want alice's with the reason", e)
		}
		alice.Says(room, "bob cannot hear this")
		_, err = bob.client.SendText(bob.ctx, room, "let me in")
		bob.refused("speak after a kick", err, mautrix.MForbidden)

		alice.Invites(room, bob)
		bob.Joins(room)
		bob.Says(room, "sorry")
		alice.Sees(room, "sorry")

		_, err = alice.client.BanUser(alice.ctx, room, &mautrix.ReqBanUser{UserID: bob.id()})
		alice.must("ban", err)
		bob.IsOutOf(room)
		_, err = bob.client.JoinRoomByID(bob.ctx, room)
		bob.refused("join after a ban", err, mautrix.MForbidden)
		_, err = alice.client.InviteUser(alice.ctx, room, &mautrix.ReqInviteUser{UserID: bob.id()})
		alice.refused("invite who is banned", err, mautrix.MForbidden)
		_, err = alice.client.UnbanUser(alice.ctx, room, &mautrix.ReqUnbanUser{UserID: bob.id()})
		alice.must("unban", err)

		alice.Invites(room, bob)
		bob.Joins(room)
		_, err = bob.client.LeaveRoom(bob.ctx, room)
		bob.must("leave", err)
		bob.IsOutOf(room)
		alice.SeesMember(room, bob, event.MembershipLeave)
		_, err = bob.client.ForgetRoom(bob.ctx, room)
		bob.must("forget", err)
		_, err = bob.client.Messages(bob.ctx, room, "", "", mautrix.DirectionBackward, nil, 10)
		bob.refused("read a forgotten room", err, mautrix.MForbidden)
		fresh := h.SignsIn("bob")
		fresh.sync(0)
		if fresh.rooms[room] != nil {
			t.Error("a new device is told of a forgotten room")
		}
	})
}

func TestProfile(t *testing.T) {
	story(t, func(t *testing.T, h *house) {
		alice, bob, room := h.two()
		alice.must("take a name", alice.client.SetDisplayName(alice.ctx, "Alice of the House"))
		avatar := id.ContentURI{Homeserver: "house.example", FileID: "face"}
		alice.must("take an avatar", alice.client.SetAvatarURL(alice.ctx, avatar))
		bob.until("alice's new name and face", func() bool {
			e := bob.stateOf(room, event.StateMember, alice.id().String())
			return e != nil && e.Content.AsMember().Displayname == "Alice of the House" && e.Content.AsMember().AvatarURL == avatar.CUString()
		})
		p, err := bob.client.GetProfile(bob.ctx, alice.id())
		bob.must("look alice up", err)
		if p.DisplayName != "Alice of the House" || p.AvatarURL != avatar {
			t.Errorf("got the profile %+v", p)
		}
	})
}

func TestAccountData(t *testing.T) {
	story(t, func(t *testing.T, h *house) {
		phone, _, room := h.two()
		laptop := h.SignsIn("alice")
		laptop.sync(0)
		phone.must("set account data", phone.client.SetAccountData(phone.ctx, "example.theme", map[string]string{"colour": "green"}))
		phone.must("set room account data", phone.client.SetRoomAccountData(phone.ctx, room, "example.order", map[string]int{"place": 3}))
		phone.must("tag", phone.client.AddTag(phone.ctx, room, event.RoomTagFavourite, 0.5))
		laptop.until("the theme", func() bool {
			e := laptop.accountData["example.theme"]
			return e != nil && e.Content.Raw["colour"] == "green"
		})
		laptop.until("the order and the tag", func() bool {
			r := laptop.rooms[room]
			return r.data["example.order"] != nil && r.data["m.tag"] != nil
		})
		var got map[string]int
		laptop.must("get room account data", laptop.client.GetRoomAccountData(laptop.ctx, room, "example.order", &got))
		if got["place"] != 3 {
			t.Errorf("got %v, want place 3", got)
		}
	})
}

// SeesName waits until the room is called that.
func (d *device) SeesName(room roomID, name string) {
	d.t.Helper()
	d.until("the room's name "+name, func() bool {
		e := d.stateOf(room, event.StateRoomName, "")
		return e != nil && e.Content.AsRoomName().Name == name
	})
}

// Names and SetsState change the room's state.
func (d *device) Names(room roomID, name string) {
	d.t.Helper()
	d.SetsState(room, event.StateRoomName, &event.RoomNameEventContent{Name: name})
}

func (d *device) SetsState(room roomID, t event.Type, content any) {
	d.t.Helper()
	_, err := d.client.SendStateEvent(d.ctx, room, t, "", content)
	d.must("set "+t.Type, err)
}
