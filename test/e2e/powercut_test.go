package e2e

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// The power fails between things. Whatever the server has acknowledged is there afterwards, and nobody has to do anything
// to go on.
func TestPowerCut(t *testing.T) {
	story(t, func(t *testing.T, h *house) {
		alice, bob := h.Registers("alice"), h.Registers("bob")
		room := alice.CreatesEncrypted("cellar")
		alice.Invites(room, bob)
		h.PowerCut()
		bob.Joins(room)
		alice.SeesMember(room, bob, event.MembershipJoin)
		alice.Says(room, "before the first cut")
		bob.Sees(room, "before the first cut")
		cat := picture(64, 64)
		alice.SendsPicture(room, "cat.png", cat)
		recovery := alice.SetsUpCrossSigning()
		version := alice.BacksUpKeys(recovery)
		bob.Trusts(alice)
		alice.Names(room, "cellar, with light")

		// Bob sleeps; the key and the message wait for him.
		alice.must("forget the room key", alice.olm.CryptoStore.RemoveOutboundGroupSession(alice.ctx, room))
		alice.Says(room, "with a new key, just before the cut")
		before, taken := alice.remembers(room), bob.claim(alice)
		h.PowerCut()
		bob.Sees(room, "with a new key, just before the cut")
		bob.SeesName(room, "cellar, with light")

		if diff := cmp.Diff(before, alice.remembers(room)); diff != "" {
			t.Errorf("what the server knew has changed (-before +after):\n%s", diff)
		}
		if again := bob.claim(alice); again == taken {
			t.Errorf("one-time key %s is given out a second time", again)
		}
		if got := bob.Opens(bob.Sees(room, "cat.png")); !bytes.Equal(got, cat) {
			t.Error("the picture is not the same")
		}
		if now, err := alice.client.GetKeyBackupLatestVersion(alice.ctx); err != nil || now.Version != version || now.Count != 1 {
			t.Errorf("got the backup %+v, %v, want version %s with one key", now, err, version)
		}

		for n := range 3 {
			bob.Says(room, fmt.Sprint("bob goes on ", n))
			alice.Says(room, fmt.Sprint("alice goes on ", n))
			h.PowerCut()
			alice.Sees(room, fmt.Sprint("bob goes on ", n))
			bob.Sees(room, fmt.Sprint("alice goes on ", n))
		}
		alice.HasTheWhole(room)
		bob.HasTheWhole(room)

		laptop := h.SignsIn("alice")
		laptop.IsIn(room)
		laptop.VerifiesItself(recovery)
		laptop.RestoresKeys(recovery)
		h.PowerCut()
		laptop.Sees(room, "before the first cut")
		bob.Trusts(laptop)
		alice.Trusts(laptop)
		alice.Says(room, "good night, everybody")
		laptop.Sees(room, "good night, everybody")
		bob.Sees(room, "good night, everybody")
	})
}

// A message is retried because the power failed before its answer came. It is said once.
func TestRetryAfterPowerCut(t *testing.T) {
	story(t, func(t *testing.T, h *house) {
		alice, bob := h.Registers("alice"), h.Registers("bob")
		room := alice.Creates("stairs")
		alice.Invites(room, bob)
		bob.Joins(room)
		say := func() eventID {
			resp, err := alice.client.SendMessageEvent(alice.ctx, room, event.EventMessage,
				&event.MessageEventContent{MsgType: event.MsgText, Body: "mind the step"},
				mautrix.ReqSendEvent{TransactionID: "once", DontEncrypt: true})
			alice.must("send", err)
			return resp.EventID
		}
		first := say()
		h.PowerCut()
		if second := say(); second != first {
			t.Errorf("got event %s for the retry, want %s again", second, first)
		}
		bob.Sees(room, "mind the step")
		bob.HasTheWhole(room)
	})
}

// memory is what a server must not forget of a user and a room.
type memory struct {
	State   map[string]string // "type/key" to event id
	History []eventID
	Devices []string
	Keys    string // the user's signing keys and what has signed this device
	Members []userID
}

func (d *device) remembers(id roomID) memory {
	d.t.Helper()
	m := memory{State: map[string]string{}}
	state, err := d.client.StateAsArray(d.ctx, id)
	d.must("fetch the state", err)
	for _, e := range state {
		m.State[e.Type.Type+"/"+e.GetStateKey()] = string(e.ID)
	}
	m.History = d.history(id)
	devices, err := d.client.GetDevicesInfo(d.ctx)
	d.must("list devices", err)
	for _, info := range devices.Devices {
		m.Devices = append(m.Devices, string(info.DeviceID)+" "+info.DisplayName)
	}
	keys, err := d.client.QueryKeys(d.ctx, &mautrix.ReqQueryKeys{DeviceKeys: mautrix.DeviceKeysRequest{d.id(): {}}})
	d.must("query keys", err)
	m.Keys = fmt.Sprint(keys.MasterKeys[d.id()].Keys, keys.SelfSigningKeys[d.id()].Keys, keys.UserSigningKeys[d.id()].Keys,
		keys.DeviceKeys[d.id()][d.client.DeviceID].Signatures[d.id()])
	m.Members = d.members(id)
	return m
}

// history is every event that the server shows of a room, newest first.
func (d *device) history(id roomID) (events []eventID) {
	d.t.Helper()
	for from := ""; ; {
		page, err := d.client.Messages(d.ctx, id, from, "", mautrix.DirectionBackward, nil, 7)
		d.must("page through the room", err)
		for _, e := range page.Chunk {
			events = append(events, e.ID)
		}
		if from = page.End; from == "" {
			return events
		}
	}
}

// HasTheWhole checks that sync alone has told this device, without a gap, what the server holds, once each.
func (d *device) HasTheWhole(id roomID) {
	d.t.Helper()
	all := d.history(id)
	r := d.rooms[id]
	d.ReadsBack(id)
	for _, e := range all {
		if !r.seen[e] {
			d.t.Errorf("%s was never told of event %s", d.name, e)
		}
	}
	if len(r.seen) != len(all) {
		d.t.Errorf("%s knows %d events of the room, the server %d", d.name, len(r.seen), len(all))
	}
}

// claim takes one of the other's one-time keys and names it.
func (d *device) claim(other *device) string {
	d.t.Helper()
	resp, err := d.client.ClaimKeys(d.ctx, &mautrix.ReqClaimKeys{OneTimeKeys: mautrix.OneTimeKeysRequest{
		other.id(): {other.client.DeviceID: id.KeyAlgorithmSignedCurve25519},
	}})
	d.must("claim a key", err)
	for name := range resp.OneTimeKeys[other.id()][other.client.DeviceID] {
		return name.String()
	}
	d.t.Fatalf("%s has no one-time key left", other.name)
	return ""
}
