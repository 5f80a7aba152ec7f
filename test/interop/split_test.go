package interop

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// healWithin is how long it may take until both servers have everything again, when the connection is back and a word is
// said. (Alone, Synapse would try again after ten minutes.)
const healWithin = 30 * time.Second

func numbered(what string, n int) (texts []string) {
	for i := range n {
		texts = append(texts, fmt.Sprintf("%s %d", what, i+1))
	}
	return texts
}

// The network is cut. Both sides go on, and change the same things; when it comes back they agree.
func TestSplit(t *testing.T) {
	storm(t, func(t *testing.T, here, there *server) {
		alice, bob := here.Person(t, "alice"), there.Person(t, "bob")
		carol, dave := here.Person(t, "carol"), there.Person(t, "dave")
		room := alice.Creates(public("the bridge"))
		for _, who := range []*person{bob, carol, dave} {
			who.Joins(room.String(), here)
		}
		alice.SeesMember(room, dave, event.MembershipJoin)
		alice.Empowers(room, bob)
		agree(t, room, alice, bob)

		here.Line.Cut()
		there.Line.Cut()
		onThis, onThat := numbered("on this side", 25), numbered("on that side", 25)
		for i := range onThis {
			alice.Says(room, onThis[i])
			bob.Says(room, onThat[i])
		}
		alice.Names(room, "our bridge")
		bob.Names(room, "their bridge")
		bob.SetsState(room, event.StateTopic, &event.TopicEventContent{Topic: "no news from over there"})
		_, err := alice.client.BanUser(alice.ctx, room, &mautrix.ReqBanUser{UserID: dave.id()})
		alice.must("ban", err)
		dave.Says(room, "I am not banned here")
		_, err = bob.client.KickUser(bob.ctx, room, &mautrix.ReqKickUser{UserID: carol.id()})
		bob.must("kick", err)
		carol.Says(room, "nor am I kicked")

		here.Line.Mend()
		there.Line.Mend()
		began := time.Now()
		calls := alice // Freehold notices; the other server is not asked to
		if here != both.ours {
			calls = bob
		}
		calls.Says(room, "is somebody there?")
		for _, who := range []*person{alice, bob} {
			who.HasAll(room, slices.Concat(onThis, onThat), began)
		}
		t.Logf("healed %v after the lines were mended", time.Since(began).Round(100*time.Millisecond))
		dave.Is(room, event.MembershipLeave)
		agreeState(t, room, alice, bob)
		bob.Says(room, "good to hear you")
		alice.Sees(room, "good to hear you")
		alice.Says(room, "and you")
		bob.Sees(room, "and you")
	})
}

// A server is away. What happened meanwhile is there when it has come back, messages to devices too.
func TestAbsence(t *testing.T) {
	storm(t, func(t *testing.T, here, there *server) {
		alice, bob := here.Person(t, "alice"), there.Person(t, "bob")
		room := alice.Creates(public("the station"))
		bob.Joins(room.String(), here)
		alice.SeesMember(room, bob, event.MembershipJoin)

		if err := there.stop(); err != nil {
			t.Fatal(err)
		}
		texts := numbered("while he was away", 60)
		for i, text := range texts {
			alice.Says(room, text)
			if i%20 == 0 {
				_, err := alice.client.SendToDevice(alice.ctx, parcel, &mautrix.ReqSendToDevice{Messages: map[id.UserID]map[id.DeviceID]*event.Content{
					bob.id(): {bob.client.DeviceID: {Raw: map[string]any{"number": i}}},
				}})
				alice.must("send to a device", err)
			}
		}
		alice.Names(room, "the old station")
		if err := there.start(); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		calls := alice
		if here != both.ours {
			calls = bob
		}
		calls.Says(room, "hello")
		bob.HasAll(room, texts, began)
		t.Logf("everything was there %v after the start", time.Since(began).Round(100*time.Millisecond))
		bob.until("three parcels", func() bool { return len(bob.parcels) >= 3 })
		if want := []float64{0, 20, 40}; !slices.Equal(bob.parcels, want) {
			t.Errorf("bob has the parcels %v, want %v", bob.parcels, want)
		}
		agreeState(t, room, alice, bob)
		alice.Says(room, "there you are")
		bob.Sees(room, "there you are")
	})
}

// HasAll waits until the room's history has all texts, each once.
func (p *person) HasAll(room id.RoomID, texts []string, began time.Time) {
	p.t.Helper()
	for {
		var missing []string
		have := p.Texts(room)
		for _, text := range texts {
			if !slices.Contains(have, text) {
				missing = append(missing, text)
			}
		}
		if len(missing) == 0 {
			return
		}
		if time.Since(began) > healWithin {
			p.t.Fatalf("%s does not see %q after %v", p.name, missing, healWithin)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// agreeState waits until all have the same state of a room.
func agreeState(t *testing.T, room id.RoomID, people ...*person) {
	t.Helper()
	var different string
	for began := time.Now(); time.Since(began) < patience; time.Sleep(200 * time.Millisecond) {
		different = ""
		for _, p := range people[1:] {
			different += compare(people[0], p, "the state", sorted(people[0].state(room)), sorted(p.state(room)))
		}
		if different == "" {
			return
		}
	}
	t.Errorf("after %v:\n%s", patience, different)
}
