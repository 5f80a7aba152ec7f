package interop

import (
	"net/http"
	"testing"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
)

// Who misbehaves is thrown out, across servers, and stays out when it is meant so.
func TestKickAndBan(t *testing.T) {
	story(t, func(t *testing.T, here, there *server) {
		alice, bob, carol := here.Person(t, "alice"), there.Person(t, "bob"), there.Person(t, "carol")
		room := alice.Creates(public("the hall"))
		for _, p := range []*person{bob, carol} {
			p.Joins(room.String(), here)
			alice.SeesMember(room, p, event.MembershipJoin)
		}

		_, err := alice.client.KickUser(alice.ctx, room, &mautrix.ReqKickUser{UserID: bob.id(), Reason: "the dishes"})
		alice.must("kick", err)
		bob.Is(room, event.MembershipLeave)
		_, err = bob.client.SendText(bob.ctx, room, "let me in")
		bob.refused("speak after a kick", err, http.StatusForbidden)
		bob.Joins(room.String(), here)
		alice.SeesMember(room, bob, event.MembershipJoin)

		_, err = alice.client.BanUser(alice.ctx, room, &mautrix.ReqBanUser{UserID: bob.id(), Reason: "the dishes again"})
		alice.must("ban", err)
		bob.Is(room, event.MembershipLeave)
		carol.SeesMember(room, bob, event.MembershipBan)
		_, err = bob.triesToJoin(room.String(), here)
		bob.refused("join after a ban", err, http.StatusForbidden)
		_, err = carol.client.InviteUser(carol.ctx, room, &mautrix.ReqInviteUser{UserID: bob.id()})
		carol.refused("invite who is banned", err, http.StatusForbidden)

		_, err = alice.client.UnbanUser(alice.ctx, room, &mautrix.ReqUnbanUser{UserID: bob.id()})
		alice.must("unban", err)
		carol.SeesMember(room, bob, event.MembershipLeave)
		bob.Joins(room.String(), here)
		bob.Says(room, "sorry")
		alice.Sees(room, "sorry")
		agree(t, room, alice, bob, carol)
	})
}

// Who is thrown out of a room in which his server has nobody else learns of it.
func TestLastOneIsKicked(t *testing.T) {
	story(t, func(t *testing.T, here, there *server) {
		alice, bob := here.Person(t, "alice"), there.Person(t, "bob")
		room := alice.Creates(private("the attic"))
		alice.Invites(room, bob)
		bob.Accepts(room)
		alice.SeesMember(room, bob, event.MembershipJoin)
		_, err := alice.client.KickUser(alice.ctx, room, &mautrix.ReqKickUser{UserID: bob.id(), Reason: "bedtime"})
		alice.must("kick", err)
		bob.Is(room, event.MembershipLeave)

		secret := alice.Says(room, "now he cannot hear us")
		alice.Invites(room, bob)
		bob.Is(room, event.MembershipInvite)
		if _, err := bob.client.GetEvent(bob.ctx, room, secret); err == nil {
			t.Error("bob reads what was said while he was out")
		}
		bob.Accepts(room)
		bob.Says(room, "good morning")
		alice.Sees(room, "good morning")
	})
}

// A room that does not want to hear of a server does not, until it wants to again.
func TestServerACL(t *testing.T) {
	story(t, func(t *testing.T, here, there *server) {
		alice, bob, carol := here.Person(t, "alice"), there.Person(t, "bob"), there.Person(t, "carol")
		room := alice.Creates(public("the fort"))
		bob.Joins(room.String(), here)
		alice.SeesMember(room, bob, event.MembershipJoin)

		shut := alice.SetsState(room, event.StateServerACL, &event.ServerACLEventContent{
			Allow: []string{"*"}, Deny: []string{there.Host}, AllowIPLiterals: true,
		})
		bob.SeesState(room, event.StateServerACL, "", "the gate shut", func(e *event.Event) bool { return e.ID == shut })
		lost := bob.Says(room, "can you hear me?")

		// What comes later from the same server shows that the first has not been waiting.
		other := alice.Creates(public("the field"))
		bob.Joins(other.String(), here)
		bob.Says(other, "hear me here?")
		alice.Sees(other, "hear me here?")
		if _, err := alice.client.GetEvent(alice.ctx, room, lost); err == nil {
			t.Error("alice has a message of a server that is shut out")
		}

		alice.SetsState(room, event.StateServerACL, &event.ServerACLEventContent{Allow: []string{"*"}, AllowIPLiterals: true})
		alice.Says(room, "come in")
		bob.Sees(room, "come in")
		bob.Says(room, "thank you")
		alice.Sees(room, "thank you")

		// A room of which nobody at the server knows anything.
		wall := public("the wall")
		wall.InitialState = []*event.Event{{Type: event.StateServerACL, Content: event.Content{Parsed: &event.ServerACLEventContent{
			Allow: []string{"*"}, Deny: []string{there.Host}, AllowIPLiterals: true,
		}}}}
		_, err := carol.triesToJoin(alice.Creates(wall).String(), here)
		carol.refused("join a room that does not want the server", err, http.StatusForbidden)
	})
}

// Who is in the guild may come into its house: the house's server vouches for people of other servers.
func TestRestrictedRoom(t *testing.T) {
	story(t, func(t *testing.T, here, there *server) {
		alice, bob, carol := here.Person(t, "alice"), there.Person(t, "bob"), there.Person(t, "carol")
		guild := alice.Creates(public("the guild"))
		house := alice.Creates(private("its house"))
		alice.SetsState(house, event.StateJoinRules, &event.JoinRulesEventContent{
			JoinRule: event.JoinRuleRestricted,
			Allow:    []event.JoinRuleAllow{{Type: event.JoinRuleAllowRoomMembership, RoomID: guild}},
		})

		_, err := bob.triesToJoin(house.String(), here)
		bob.refused("join without being in the guild", err, http.StatusForbidden)
		for _, p := range []*person{bob, carol} { // the second by a server that is in the house already
			p.Joins(guild.String(), here)
			alice.SeesMember(guild, p, event.MembershipJoin)
			p.Joins(house.String(), here)
			joined := alice.SeesMember(house, p, event.MembershipJoin)
			by, _ := joined.Content.Raw["join_authorised_via_users_server"].(string)
			if by != alice.id().String() && (p == bob || by != bob.id().String()) {
				t.Errorf("%s was let in by %q", p.name, by)
			}
			p.Says(house, "knock knock")
			alice.Sees(house, "knock knock")
		}
		agree(t, house, alice, bob, carol)
	})
}
