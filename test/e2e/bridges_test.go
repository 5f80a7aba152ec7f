package e2e

import (
	"slices"
	"testing"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// A bridge carries a chat: its ghosts are there, people talk with them, and it hears everything that concerns it.
func TestBridge(t *testing.T) {
	story(t, func(t *testing.T, h *house) {
		b := h.HasBridge()
		bot, bob := b.Bot(), b.Ghost("bob")
		if !bot.intent.EnsureAppserviceConnection(b.ctx) {
			t.Fatal("the server does not reach the bridge")
		}
		alice := h.Registers("alice")
		room := alice.Creates("portal")
		alice.Invites(room, bot)
		alice.SeesMember(room, bot, event.MembershipJoin)

		// A ghost comes in, with a name, and talks.
		b.must("make a ghost", bob.intent.EnsureRegistered(b.ctx))
		b.must("name it", bob.intent.SetDisplayName(b.ctx, "Bob (Chat)"))
		b.must("give it a picture", bob.intent.SetAvatarURL(b.ctx, id.MustParseContentURI("mxc://"+domain+"/none")))
		alice.Invites(room, bob)
		b.must("bring it in", bob.intent.EnsureJoined(b.ctx, room))
		alice.SeesMember(room, bob, event.MembershipJoin)
		if name := alice.stateOf(room, event.StateMember, bob.id().String()).Content.AsMember().Displayname; name != "Bob (Chat)" {
			t.Errorf("the ghost is called %q", name)
		}
		bob.Says(room, "hi from the other side")
		alice.Sees(room, "hi from the other side")
		then := time.Now().Add(-24 * time.Hour).UnixMilli()
		_, err := bob.intent.SendMessageEvent(b.ctx, room, event.EventMessage,
			&event.MessageEventContent{MsgType: event.MsgText, Body: "yesterday"}, mautrix.ReqSendEvent{Timestamp: then})
		b.must("say something of yesterday", err)
		if e := alice.Sees(room, "yesterday"); e.Timestamp != then {
			t.Errorf("it was said at %d, want %d", e.Timestamp, then)
		}

		// The bridge hears what is said, who types and who has read.
		hello := alice.Says(room, "hello bob")
		if e := b.HearsText("hello bob"); e.Sender != alice.id() || e.RoomID != room || e.ID != hello {
			t.Errorf("got %+v", e)
		}
		_, err = alice.client.UserTyping(alice.ctx, room, true, 10*time.Second)
		alice.must("type", err)
		b.Hears("alice typing", func(e *event.Event) bool {
			return e.Type == event.EphemeralEventTyping && e.RoomID == room && slices.Contains(e.Content.AsTyping().UserIDs, alice.id())
		})
		last := alice.find(room, isText("yesterday")).ID
		alice.must("read", alice.client.MarkRead(alice.ctx, room, last))
		b.Hears("alice's receipt", func(e *event.Event) bool {
			return e.Type == event.EphemeralEventReceipt && e.RoomID == room && (*e.Content.AsReceipt())[last].GetOrCreate(event.ReceiptTypeRead)[alice.id()].Timestamp.UnixMilli() > 0
		})
		b.must("read as a ghost", bob.intent.MarkRead(b.ctx, room, hello))
		alice.until("the ghost's receipt", func() bool { return alice.rooms[room].receipts[bob.id()] == hello })

		// Names of ghosts are the bridge's.
		stranger := h.newDevice("stranger")
		_, _, err = stranger.client.Register(stranger.ctx, &mautrix.ReqRegister[any]{Username: "chat_eve", Password: password("eve"), Auth: mautrix.BaseAuthData{Type: "m.login.dummy"}})
		stranger.refused("take the name of a ghost", err, mautrix.MExclusive)
		_, err = b.as.Intent(id.NewUserID("alice", domain)).SendText(b.ctx, room, "as alice")
		if err == nil {
			t.Error("the bridge speaks as somebody who is not its own")
		}
	})
}

// The bridge goes down, its answers are lost, the server is killed: it hears of everything once and in order, and nobody
// else has to wait.
func TestBridgeInTrouble(t *testing.T) {
	story(t, func(t *testing.T, h *house) {
		b := h.HasBridge()
		bot := b.Bot()
		alice, carol := h.Registers("alice"), h.Registers("carol")
		for _, d := range []*device{alice, carol} {
			d.Retries()
		}
		room := alice.Creates("portal")
		alice.Invites(room, bot)
		alice.SeesMember(room, bot, event.MembershipJoin)
		alice.Invites(room, carol)
		carol.Joins(room)

		var said []eventID
		says := func(n int) {
			t.Helper()
			for range n {
				said = append(said, alice.Says(room, number(len(said))))
			}
			carol.Sees(room, number(len(said)-1)) // she does not wait for the bridge
		}
		says(3)
		b.Heard(said)

		b.Answers(refuses)
		says(3)
		b.IsTried()
		b.Answers(vanishes)
		b.IsTried()
		says(3)
		b.IsTried()
		h.PowerCut()
		says(3)
		b.IsTried()
		b.Answers(accepts)
		says(1)
		b.Heard(said)

		b.GoesDown()
		says(120) // more than one transaction holds
		h.PowerCut()
		says(5)
		b.ComesBack()
		b.Heard(said)
		says(1)
		b.Heard(said)
	})
}

// An encrypted bridge: its bot has a device that never signed in, and everything that a device needs comes by transactions.
func TestEncryptedBridge(t *testing.T) {
	story(t, func(t *testing.T, h *house) {
		b := h.HasBridge()
		b.Encrypts()
		me, err := b.as.BotClient().Whoami(b.ctx)
		if err != nil || me.DeviceID != b.device || me.UserID != b.as.BotMXID() {
			t.Fatalf("the bot is %+v, %v", me, err)
		}
		alice := h.Registers("alice")
		room := alice.CreatesEncrypted("portal")
		alice.Invites(room, b.Bot())
		alice.SeesMember(room, b.Bot(), event.MembershipJoin)

		hi := alice.Says(room, "hi")
		if !alice.isSealed(room, hi) {
			t.Error("the server can read what alice says")
		}
		if e := b.HearsText("hi"); e.Sender != alice.id() {
			t.Errorf("got %+v", e)
		}
		b.Seals(room, "hello alice")
		alice.Sees(room, "hello alice")

		// While the bridge is down a new device is signed in; the server is killed too.
		b.GoesDown()
		phone := h.SignsIn("alice")
		phone.IsIn(room)
		phone.Says(room, "from the phone")
		h.PowerCut()
		alice.Says(room, "is anybody there?")
		b.ComesBack()
		b.HearsText("from the phone")
		b.HearsText("is anybody there?")

		// It has heard of the device, and what it says can be read there.
		b.until("the phone", func() bool {
			known, err := b.keys.GetDevice(b.ctx, alice.id(), phone.at())
			return err == nil && known != nil
		})
		b.must("begin a new session", b.keys.RemoveOutboundGroupSession(b.ctx, room))
		b.Seals(room, "hello phone")
		phone.Sees(room, "hello phone")
		alice.Sees(room, "hello phone")

		// Its keys are used up, and it hears of that, and makes new ones.
		for i := range 150 {
			b.until("key "+number(i), func() bool {
				got, err := alice.client.ClaimKeys(alice.ctx, &mautrix.ReqClaimKeys{
					OneTimeKeys: mautrix.OneTimeKeysRequest{b.Bot().id(): {b.device: id.KeyAlgorithmSignedCurve25519}},
				})
				alice.must("claim a key", err)
				return len(got.OneTimeKeys[b.Bot().id()][b.device]) == 1
			})
		}
	})
}
