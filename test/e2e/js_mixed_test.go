package e2e

import (
	"bytes"
	"slices"
	"testing"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// Alice uses matrix-js-sdk and bob mautrix-go: what one library says through the server, the other understands.
func TestJSAndGo(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, h *house) {
		b := opensBrowser(t)
		alice, bob := h.Browses(b, "alice"), h.Registers("bob")
		room := alice.CreatesEncrypted("border")
		alice.Invites(room, bob)
		bob.Joins(room)
		alice.SeesMember(room, bob, event.MembershipJoin)
		bob.SeesMember(room, alice, event.MembershipJoin)

		hi := alice.Says(room, "hello from JavaScript")
		bob.Sees(room, "hello from JavaScript")
		yo := bob.Says(room, "hello from Go")
		if e := alice.Sees(room, "hello from Go"); !e.Encrypted || e.ID != yo {
			t.Errorf("alice sees %+v, want %s, encrypted", e, yo)
		}
		if !bob.isSealed(room, hi) || !bob.isSealed(room, yo) {
			t.Error("the server can read what they say")
		}

		cat := picture(64, 48)
		alice.SendsFile(room, "alice's cat.png", cat)
		if got := bob.Opens(bob.Sees(room, "alice's cat.png")); !bytes.Equal(got, cat) {
			t.Error("bob gets another picture")
		}
		bob.SendsPicture(room, "bob's cat.png", cat)
		if got := alice.OpensFile(room, "bob's cat.png"); !bytes.Equal(got, cat) {
			t.Error("alice gets another picture")
		}

		edit := alice.Edits(room, hi, "good day from JavaScript")
		if e := bob.Sees(room, "* good day from JavaScript"); e.ID != edit || e.Content.AsMessage().RelatesTo.GetReplaceID() != hi ||
			e.Content.AsMessage().NewContent.Body != "good day from JavaScript" {
			t.Errorf("bob sees the edit %s", e.Content.VeryRaw)
		}
		changed := &event.MessageEventContent{MsgType: event.MsgText, Body: "good day from Go"}
		changed.SetEdit(yo)
		bob.Sends(room, event.EventMessage, changed)
		if e := alice.Sees(room, "good day from Go"); e.ID != yo {
			t.Errorf("alice sees %+v, want %s changed", e, yo)
		}

		bob.Sends(room, event.EventReaction, &event.ReactionEventContent{RelatesTo: event.RelatesTo{
			Type: event.RelAnnotation, EventID: hi, Key: "👋",
		}})
		alice.SeesReactions(room, hi, map[string][]userID{"👋": {bob.id()}})
		reaction := alice.Reacts(room, yo, "👋")
		bob.until("alice's reaction", func() bool {
			return bob.find(room, func(e *event.Event) bool {
				r, ok := e.Content.Parsed.(*event.ReactionEventContent)
				return ok && e.ID == reaction && r.RelatesTo.EventID == yo && r.RelatesTo.Key == "👋"
			}) != nil
		})

		answer := &event.MessageEventContent{MsgType: event.MsgText, Body: "a thread from Go"}
		answer.RelatesTo = (&event.RelatesTo{}).SetThread(hi, hi)
		bob.Sends(room, event.EventMessage, answer)
		alice.SeesThread(room, hi, 1, "a thread from Go")
		alice.Answers(room, hi, "and back from JavaScript")
		if e := bob.Sees(room, "and back from JavaScript"); e.Content.AsMessage().RelatesTo.GetThreadParent() != hi {
			t.Errorf("bob sees %s, want an answer in the thread", e.Content.VeryRaw)
		}

		alice.Types(room, true)
		bob.until("alice typing", func() bool { return slices.Contains(bob.rooms[room].typing, alice.user) })
		_, err := bob.client.UserTyping(bob.ctx, room, true, patience)
		bob.must("type", err)
		alice.SeesTyping(room, bob, true)
		alice.Reads(room, yo)
		bob.until("that alice has read", func() bool { return bob.rooms[room].receipts[alice.user] == yo })
		bob.must("read", bob.client.MarkRead(bob.ctx, room, hi))
		alice.SeesRead(room, bob, hi, "")
		alice.ReadsAll(room)
	})
}

// A person uses both libraries: the secret storage and the backup that one has made open with the other, and devices of
// both compare emoji.
func TestJSAndGoTrust(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, h *house) {
		b := opensBrowser(t)
		alice, bob := h.Browses(b, "alice"), h.Registers("bob")
		fromJS := alice.Protects("alice")
		fromGo := bob.SetsUpCrossSigning()
		room := alice.CreatesEncrypted("vault")
		alice.Invites(room, bob)
		bob.Joins(room)
		alice.SeesMember(room, bob, event.MembershipJoin)
		bob.SeesMember(room, alice, event.MembershipJoin)
		alice.Says(room, "an old message from JavaScript")
		bob.Sees(room, "an old message from JavaScript")
		bob.Says(room, "an old message from Go")
		alice.Sees(room, "an old message from Go")
		bob.BacksUpKeys(fromGo)
		alice.SeesBackup(2)

		laptop := h.SignsIn("alice")
		laptop.IsIn(room)
		laptop.VerifiesItself(fromJS)
		if n := laptop.RestoresKeys(fromJS); n != 2 {
			t.Errorf("mautrix-go gets %d keys from the backup of matrix-js-sdk, want 2", n)
		}
		tab := h.BrowsesAgain(b, "bob", "bob's tab")
		tab.IsIn(room)
		if n := tab.Recovers(fromGo); n != 2 {
			t.Errorf("matrix-js-sdk gets %d keys from the backup of mautrix-go, want 2", n)
		}
		for _, text := range []string{"an old message from JavaScript", "an old message from Go"} {
			laptop.Sees(room, text)
			tab.Sees(room, text)
		}
		tab.ReadsAll(room)
		alice.Verified(laptop)
		bob.Trusts(tab)

		comparesEmojiWith(alice, bob, room)
		alice.Verified(bob)
		alice.Verified(tab)
		bob.until("alice as verified", func() bool { return bob.trust(alice) >= id.TrustStateCrossSignedVerified })
		bob.until("alice's laptop as verified", func() bool { return bob.trust(laptop) >= id.TrustStateCrossSignedVerified })
	})
}

// comparesEmojiWith is comparesEmoji between the two libraries. They are in a room.
func comparesEmojiWith(asks *tab, answers *device, room id.RoomID) {
	asks.t.Helper()
	s := answers.screen()
	asks.asksForEmoji(answers, "")
	answers.until("the question", func() bool { return s.requested != "" })
	answers.must("accept verification", s.helper.AcceptVerification(answers.ctx, s.requested))
	asks.does("startsEmoji", nil, nil)
	answers.until("emoji", func() bool { return len(s.emoji) == 7 })
	var theirs []rune
	for _, e := range asks.emoji() {
		theirs = append(theirs, []rune(e)[0]) // without the mark that asks for colours
	}
	if !slices.Equal(s.emoji, theirs) {
		asks.t.Fatalf("%s sees %q, %s sees %q", asks.name, string(theirs), answers.name, string(s.emoji))
	}
	// Who answers is the first to confirm, and who asked has heard of it: otherwise JavaScript's MAC and its being done go out at the same
	// moment, and Go cannot do with them in the wrong order; and Go cannot confirm after it has had the other's MAC.
	answers.must("confirm", s.helper.ConfirmSAS(answers.ctx, s.requested))
	answers.Says(room, "the emoji are the same")
	asks.Sees(room, "the emoji are the same")
	confirmed := asks.confirms()
	answers.until("the end", func() bool { return s.done })
	asks.must("confirm the emoji", <-confirmed)
}
