package interop

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// A room is joined through a server that is in it, in every version that is in use.
func TestJoin(t *testing.T) {
	for _, version := range versions {
		t.Run("version-"+string(version), func(t *testing.T) {
			story(t, func(t *testing.T, here, there *server) {
				if !here.Supports(t, version) || !there.Supports(t, version) {
					t.Skipf("one of the servers has no rooms of version %s", version)
				}
				alice, bob := here.Person(t, "alice"), there.Person(t, "bob")
				wish := public("market")
				wish.RoomVersion = version
				room := alice.Creates(wish)
				alice.Says(room, "who is there?")

				bob.Joins(room.String(), here)
				alice.SeesMember(room, bob, event.MembershipJoin)
				bob.Says(room, "bob is")
				alice.Sees(room, "bob is")
				slip := alice.Says(room, "wellcome")
				bob.Sees(room, "wellcome")
				redaction, err := alice.client.RedactEvent(alice.ctx, room, slip, mautrix.ReqRedact{Reason: "spelling"})
				alice.must("redact", err)
				alice.Says(room, "welcome")
				bob.Sees(room, "welcome")
				bob.until("the redaction", func() bool {
					return bob.find(room, func(e *event.Event) bool { return e.ID == redaction.EventID }) != nil
				})
				bob.SeesRedacted(room, slip)

				alice.Empowers(room, bob)
				bob.Names(room, "bob's market")
				alice.SeesName(room, "bob's market")
				agree(t, room, alice, bob)
			})
		})
	}
}

// versions are those of which there are many rooms, or will be.
var versions = []id.RoomVersion{id.RoomV6, id.RoomV10, id.RoomV11, id.RoomV12}

// newest is the newest of them that both servers have.
func newest(t *testing.T, here, there *server) id.RoomVersion {
	t.Helper()
	for _, v := range slices.Backward(versions) {
		if here.Supports(t, v) && there.Supports(t, v) {
			return v
		}
	}
	t.Fatal("the servers have no version in common")
	return ""
}

// Supports says whether the server has rooms of that version.
func (s *server) Supports(t *testing.T, v id.RoomVersion) bool {
	t.Helper()
	p := s.Person(t, "somebody")
	can, err := p.client.Capabilities(p.ctx)
	p.must("ask what the server can", err)
	return can.RoomVersions.IsAvailable(string(v))
}

// SeesRedacted checks that the server gives a message without its text.
func (p *person) SeesRedacted(room id.RoomID, message id.EventID) {
	p.t.Helper()
	e, err := p.client.GetEvent(p.ctx, room, message)
	p.must("fetch the redacted message", err)
	if body, has := e.Content.Raw["body"]; has || e.Unsigned.RedactedBecause == nil {
		p.t.Errorf("%s: the redacted message says %v, because of %v", p.name, body, e.Unsigned.RedactedBecause)
	}
}

// A room is found by its name.
func TestAlias(t *testing.T) {
	story(t, func(t *testing.T, here, there *server) {
		alice, bob := here.Person(t, "alice"), there.Person(t, "bob")
		wish := public("the well")
		wish.RoomAliasName = "well-" + alice.id().Localpart()
		room := alice.Creates(wish)
		alias := id.NewRoomAlias(wish.RoomAliasName, here.Name)

		found, err := bob.client.ResolveAlias(bob.ctx, alias)
		bob.must("look an alias up", err)
		if found.RoomID != room || !strings.Contains(strings.Join(found.Servers, " "), here.Name) {
			t.Errorf("got %s at %v, want %s at %s", found.RoomID, found.Servers, room, here.Name)
		}
		_, err = bob.client.ResolveAlias(bob.ctx, id.NewRoomAlias("no-such-room", here.Name))
		bob.refused("look an alias up that does not exist", err, http.StatusNotFound)

		if joined := bob.Joins(alias.String()); joined != room {
			t.Errorf("joined %s, want %s", joined, room)
		}
		bob.Says(room, "water, please")
		alice.Sees(room, "water, please")
	})
}

// An invitation is accepted, another refused, a third taken back.
func TestInvite(t *testing.T) {
	story(t, func(t *testing.T, here, there *server) {
		alice, bob, carol, dave := here.Person(t, "alice"), there.Person(t, "bob"), there.Person(t, "carol"), there.Person(t, "dave")
		room := alice.Creates(private("parlour"))

		alice.Invites(room, bob)
		bob.Is(room, event.MembershipInvite)
		if name := bob.rooms[room].state[event.StateRoomName][""]; name == nil || name.Content.AsRoomName().Name != "parlour" {
			t.Errorf("an invitation does not say to where: %v", bob.rooms[room].state)
		}
		bob.Accepts(room)
		alice.SeesMember(room, bob, event.MembershipJoin)
		bob.Says(room, "thank you")
		alice.Sees(room, "thank you")

		// The room is known there by now: the second invitation goes another way than the first.
		alice.Invites(room, carol)
		carol.Is(room, event.MembershipInvite)
		_, err := carol.client.LeaveRoom(carol.ctx, room)
		carol.must("refuse an invitation", err)
		carol.Is(room, event.MembershipLeave)
		alice.SeesMember(room, carol, event.MembershipLeave)

		alice.Invites(room, dave)
		dave.Is(room, event.MembershipInvite)
		_, err = alice.client.KickUser(alice.ctx, room, &mautrix.ReqKickUser{UserID: dave.id()})
		alice.must("take an invitation back", err)
		dave.Is(room, event.MembershipLeave)
		_, err = dave.triesToJoin(room.String(), here)
		dave.refused("join on an invitation that was taken back", err, http.StatusForbidden)

		bob.Says(room, "only the two of us, then")
		alice.Sees(room, "only the two of us, then")
		agree(t, room, alice, bob)
	})
}

// An invitation into a room of which the other's server has nobody is refused, and one is taken back.
func TestInviteOfStranger(t *testing.T) {
	story(t, func(t *testing.T, here, there *server) {
		alice, bob, carol := here.Person(t, "alice"), there.Person(t, "bob"), there.Person(t, "carol")
		room := alice.Creates(private("parlour"))

		alice.Invites(room, bob)
		bob.Is(room, event.MembershipInvite)
		_, err := bob.client.LeaveRoom(bob.ctx, room)
		bob.must("refuse an invitation", err)
		bob.Is(room, event.MembershipLeave)
		alice.SeesMember(room, bob, event.MembershipLeave)

		alice.Invites(room, carol)
		carol.Is(room, event.MembershipInvite)
		_, err = alice.client.KickUser(alice.ctx, room, &mautrix.ReqKickUser{UserID: carol.id()})
		alice.must("take an invitation back", err)
		carol.Is(room, event.MembershipLeave)
		_, err = carol.triesToJoin(room.String(), here)
		carol.refused("join on an invitation that was taken back", err, http.StatusForbidden)

		alice.Invites(room, carol)
		carol.Is(room, event.MembershipInvite)
		carol.Joins(room.String())
		carol.Says(room, "at last")
		alice.Sees(room, "at last")
		agree(t, room, alice, carol)
	})
}

// People knock: one is let in, one is sent away, one does not wait.
func TestKnock(t *testing.T) {
	story(t, func(t *testing.T, here, there *server) {
		alice, bob, carol, dave := here.Person(t, "alice"), there.Person(t, "bob"), there.Person(t, "carol"), there.Person(t, "dave")
		room := alice.Creates(private("the club"))
		alice.SetsState(room, event.StateJoinRules, &event.JoinRulesEventContent{JoinRule: event.JoinRuleKnock})

		_, err := bob.triesToJoin(room.String(), here)
		bob.refused("join without knocking", err, http.StatusForbidden)
		for _, who := range []*person{bob, carol, dave} {
			_, err := who.client.KnockRoom(who.ctx, room.String(), &mautrix.ReqKnockRoom{Via: []string{here.Name}, Reason: "it is cold"})
			who.must("knock", err)
			who.Is(room, event.MembershipKnock)
			if e := alice.SeesMember(room, who, event.MembershipKnock); e.Content.AsMember().Reason != "it is cold" {
				t.Errorf("the reason is %q", e.Content.AsMember().Reason)
			}
		}
		alice.Invites(room, bob)
		bob.Accepts(room)
		bob.Says(room, "warm in here")
		alice.Sees(room, "warm in here")

		_, err = alice.client.KickUser(alice.ctx, room, &mautrix.ReqKickUser{UserID: carol.id(), Reason: "full"})
		alice.must("send away who knocks", err)
		carol.Is(room, event.MembershipLeave)

		_, err = dave.client.LeaveRoom(dave.ctx, room)
		dave.must("stop waiting", err)
		dave.Is(room, event.MembershipLeave)
		alice.SeesMember(room, dave, event.MembershipLeave)
		agree(t, room, alice, bob)
	})
}

// Somebody leaves, the others go on, and he comes back.
func TestLeaveAndReturn(t *testing.T) {
	story(t, func(t *testing.T, here, there *server) {
		alice, bob := here.Person(t, "alice"), there.Person(t, "bob")
		room := alice.Creates(public("the pub"))
		bob.Joins(room.String(), here)
		bob.Says(room, "must go")
		alice.Sees(room, "must go")
		_, err := bob.client.LeaveRoom(bob.ctx, room)
		bob.must("leave", err)
		bob.Is(room, event.MembershipLeave)
		alice.SeesMember(room, bob, event.MembershipLeave)

		alice.Says(room, "he is gone")
		alice.Names(room, "the old pub")
		bob.Joins(room.String(), here)
		alice.SeesMember(room, bob, event.MembershipJoin)
		alice.Says(room, "he is back")
		bob.Sees(room, "he is back")
		agree(t, room, alice, bob)
	})
}

// Two people talk at the same time and change the same things. In the end both see the same room.
func TestBothTalkAtOnce(t *testing.T) {
	story(t, func(t *testing.T, here, there *server) {
		alice, bob := here.Person(t, "alice"), there.Person(t, "bob")
		room := alice.Creates(public("the debate"))
		bob.Joins(room.String(), here)
		alice.SeesMember(room, bob, event.MembershipJoin)
		alice.Empowers(room, bob)
		var wg sync.WaitGroup
		for _, who := range []*person{alice, bob} {
			wg.Go(func() {
				for i, text := range numbered(who.name, 25) {
					if _, err := who.client.SendText(who.ctx, room, text); err != nil {
						t.Errorf("%s: %v", who.name, err)
					}
					if i%8 == 0 {
						_, err := who.client.SendStateEvent(who.ctx, room, event.StateTopic, "", &event.TopicEventContent{Topic: text})
						if err != nil {
							t.Errorf("%s: %v", who.name, err)
						}
					}
				}
			})
		}
		wg.Wait()
		agree(t, room, alice, bob)
		if n := len(alice.Texts(room)); n != 50 {
			t.Errorf("%d of 50 words were kept", n)
		}
	})
}
