package e2e

import (
	"fmt"
	"slices"
	"testing"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// What a person does with the account, and the rooms around it.
func TestJSAccount(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, h *house) {
		b := opensBrowser(t)
		alice, bob := h.Browses(b, "alice"), h.Browses(b, "bob")
		room := alice.Creates(with{"name": "market", "preset": "public_chat", "room_alias_name": "market", "visibility": "public"})

		var public struct {
			Chunk []struct {
				Room id.RoomID `json:"room_id"`
				Name string
			}
		}
		bob.Calls("publicRooms", &public, with{"limit": 5})
		if len(public.Chunk) != 1 || public.Chunk[0].Room != room || public.Chunk[0].Name != "market" {
			t.Errorf("bob finds the public rooms %+v", public.Chunk)
		}
		bob.Calls("joinRoom", nil, "#market:house.example")
		bob.IsIn(room)
		alice.SeesMember(room, bob, event.MembershipJoin)

		bob.Calls("setDisplayName", nil, "Bob the Builder")
		alice.does("seesName", with{"room": room, "user": bob.user, "name": "Bob the Builder"}, nil)
		var found struct {
			Results []struct {
				User userID `json:"user_id"`
			}
		}
		alice.Calls("searchUserDirectory", &found, with{"term": "builder"})
		if len(found.Results) != 1 || found.Results[0].User != bob.user {
			t.Errorf("alice finds %+v", found.Results)
		}
		bob.Calls("setExtendedProfileProperty", nil, "m.tz", "Europe/Berlin")
		var zone string
		if alice.Calls("getExtendedProfileProperty", &zone, bob.user, "m.tz"); zone != "Europe/Berlin" {
			t.Errorf("bob's time zone is %q", zone)
		}

		bob.Says(room, "fresh aubergines today")
		alice.Sees(room, "fresh aubergines today")
		var hits []string
		if alice.does("searches", with{"text": "aubergines"}, &hits); !slices.Equal(hits, []string{"fresh aubergines today"}) {
			t.Errorf("alice finds %q", hits)
		}

		laptop := h.BrowsesAgain(b, "alice", "alice's laptop")
		alice.Calls("setRoomTag", nil, room, "m.favourite", with{"order": 0.5})
		laptop.does("seesTag", with{"room": room, "tag": "m.favourite"}, nil)

		laptop.SeesUnread(room, "", 1)
		alice.Calls("setRoomMutePushRule", nil, "global", room, true)
		bob.Says(room, "and tomatoes")
		alice.Sees(room, "and tomatoes")
		laptop.Sees(room, "and tomatoes")
		laptop.SeesUnread(room, "", 0) // counts are judged by the rules of now

		carol := h.Browses(b, "carol")
		carol.JoinsOpen(room)
		alice.Calls("setIgnoredUsers", nil, []userID{carol.user})
		laptop.Ignores(carol)
		carol.Says(room, "buy my pills")
		bob.Sees(room, "buy my pills")
		bob.Says(room, "who wants pills?")
		for _, p := range []*tab{alice, laptop} {
			p.Sees(room, "who wants pills?")
			var texts []string
			p.does("bodies", with{"room": room}, &texts)
			if slices.Contains(texts, "buy my pills") {
				t.Errorf("%s sees what somebody says who is ignored", p.name)
			}
		}
	})
}

// Sessions come and go: a device signs another one in, one is thrown out, one leaves.
func TestJSSessions(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, h *house) {
		b := opensBrowser(t)
		alice := h.Browses(b, "alice")
		room := alice.CreatesEncrypted("notes")
		var token string
		alice.does("asksForLoginToken", with{"password": password("alice")}, &token)
		tablet := &tab{t: t, name: "alice's tablet", browser: b}
		tablet.isSignedIn("signsInWithToken", with{"url": h.URL, "token": token})
		tablet.IsIn(room)
		again := &tab{t: t, name: "a thief's tab", browser: b}
		if err := b.ask(again.name, "signsInWithToken", with{"url": h.URL, "token": token}, nil); err == nil {
			t.Error("the token signs a second device in")
		}
		tablet.Says(room, "from the tablet")
		alice.Sees(room, "from the tablet")

		phone := h.BrowsesAgain(b, "alice", "alice's phone")
		var list struct {
			Devices []struct {
				ID   id.DeviceID `json:"device_id"`
				Name string      `json:"display_name"`
			}
		}
		alice.Calls("getDevices", &list)
		var got []string
		for _, d := range list.Devices {
			got = append(got, fmt.Sprint(d.Name, " ", d.ID))
		}
		slices.Sort(got)
		want := []string{
			fmt.Sprint("alice's phone ", phone.device), fmt.Sprint("alice's tab ", alice.device),
			fmt.Sprint("alice's tablet ", tablet.device),
		}
		if !slices.Equal(got, want) {
			t.Errorf("alice has the devices %q, want %q", got, want)
		}
		alice.does("removes", with{"device": phone.device, "password": password("alice")}, nil)
		phone.does("isSignedOut", nil, nil)
		tablet.Calls("logout", nil, true)
		alice.Says(room, "alone again")
		alice.ReadsAll(room)
	})
}

// The server loses power while people talk; their clients come back by themselves.
func TestJSPowerCut(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, h *house) {
		b := opensBrowser(t)
		alice, bob := h.Browses(b, "alice"), h.Browses(b, "bob")
		room := alice.CreatesEncrypted("cellar")
		alice.Invites(room, bob)
		bob.Joins(room)
		alice.SeesMember(room, bob, event.MembershipJoin)
		alice.Says(room, "before the dark")
		bob.Sees(room, "before the dark")
		h.Kill()
		sent := alice.insists(room, "into the dark")
		h.Start()
		alice.must("say it again and again", <-sent)
		bob.Sees(room, "into the dark")
		alice.Says(room, "after the dark")
		bob.Sees(room, "after the dark")
		bob.Says(room, "here too")
		alice.Sees(room, "here too")
		for _, p := range []*tab{alice, bob} {
			p.ReadsAll(room)
			if got, want := p.ScrollsUp(room), []string{"before the dark", "into the dark", "after the dark", "here too"}; !slices.Equal(got, want) {
				t.Errorf("%s has %q, want %q", p.name, got, want)
			}
		}
	})
}

// Bob is in a tunnel while much happens: he gets the end of it and how things are now, and the rest when he scrolls up.
func TestJSTunnel(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, h *house) {
		b := opensBrowser(t)
		alice, bob := h.Browses(b, "alice"), h.Browses(b, "bob")
		room := alice.CreatesEncrypted("train")
		alice.Invites(room, bob)
		bob.Joins(room)
		alice.SeesMember(room, bob, event.MembershipJoin)
		alice.Says(room, "all aboard")
		bob.Sees(room, "all aboard")

		bob.does("goesOffline", nil, nil)
		want := []string{"all aboard"}
		for i := range 50 {
			text := fmt.Sprint("station ", i)
			alice.Says(room, text)
			want = append(want, text)
			if i == 10 {
				alice.Calls("setRoomName", nil, room, "night train")
			}
		}
		bob.does("comesBack", nil, nil)
		bob.Sees(room, "station 49")
		bob.SeesState(room, "m.room.name", "name", "night train")
		if got := bob.ScrollsUp(room); !slices.Equal(got, want) {
			t.Errorf("bob has\n%q, want\n%q", got, want)
		}
		bob.ReadsAll(room)

		// And into the next one: the server has what bob says, but its answer is lost.
		bob.does("losesNext", nil, nil)
		sent := bob.insists(room, "where are we?")
		alice.Sees(room, "where are we?")
		bob.does("comesBack", nil, nil)
		bob.must("say it again", <-sent)
		alice.Says(room, "at home")
		want = append(want, "where are we?", "at home")
		bob.Sees(room, "at home")
		for _, p := range []*tab{alice, bob} {
			if got := p.ScrollsUp(room); !slices.Equal(got, want) {
				t.Errorf("%s has\n%q, want\n%q", p.name, got, want)
			}
		}
	})
}

// A call: who takes part in it is what the server says, also of a device that went without a word.
func TestJSCall(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, h *house) {
		b := opensBrowser(t)
		alice, bob := h.Browses(b, "alice"), h.Browses(b, "bob")
		room := alice.Creates(with{
			"name": "stage", "preset": "trusted_private_chat",
			"initial_state":                []with{{"type": "m.room.encryption", "content": with{"algorithm": id.AlgorithmMegolmV1}}},
			"power_level_content_override": with{"events": with{"org.matrix.msc3401.call.member": 0}},
		})
		alice.Invites(room, bob)
		bob.Joins(room)
		alice.SeesMember(room, bob, event.MembershipJoin)

		bob.EntersCall(room)
		alice.SeesCall(room, bob)
		alice.EntersCall(room)
		for _, p := range []*tab{alice, bob} {
			p.SeesCall(room, alice, bob)
		}
		alice.does("hasMediaKeys", with{"user": bob.user, "device": bob.device}, nil)
		bob.does("hasMediaKeys", with{"user": alice.user, "device": alice.device}, nil)
		bob.does("leavesCall", nil, nil)
		alice.SeesCall(room, alice)

		bob.EntersCall(room)
		alice.SeesCall(room, alice, bob)
		alice.does("vanishes", nil, nil)
		bob.SeesCall(room, bob)
	})
}

// Calls has the library do what is a method of its client, and puts what it gives into result, if not nil.
func (p *tab) Calls(method string, result any, args ...any) {
	p.t.Helper()
	p.does("calls", with{"method": method, "args": append([]any{}, args...), "wanted": result != nil}, result)
}

// Ignores waits until the device knows that the person does not want to hear of somebody.
func (p *tab) Ignores(other someone) {
	p.t.Helper()
	p.does("ignores", with{"user": other.id()}, nil)
}

// insists says something until the server has it, and tells when that is so.
func (p *tab) insists(room roomID, text string) <-chan error {
	done := make(chan error, 1)
	go func() { done <- p.browser.ask(p.name, "insists", with{"room": room, "text": text}, nil) }()
	return done
}

// ScrollsUp fetches all there is of a room, and gives the texts in their order.
func (p *tab) ScrollsUp(room roomID) (texts []string) {
	p.t.Helper()
	p.does("scrollsUp", with{"room": room}, &texts)
	return texts
}

// EntersCall takes part in the call of a room.
func (p *tab) EntersCall(room roomID) {
	p.t.Helper()
	p.does("entersCall", with{"room": room, "grace": 4000}, nil)
}

// SeesCall waits until these devices and no others take part in the call of a room.
func (p *tab) SeesCall(room roomID, want ...*tab) {
	p.t.Helper()
	var devices []id.DeviceID
	for _, other := range want {
		devices = append(devices, other.device)
	}
	p.does("seesCall", with{"room": room, "want": devices}, nil)
}
