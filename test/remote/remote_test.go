package remote_test

import (
	"encoding/json"
	"net"
	"testing"
	"time"

	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
	"freehold.example/test/remote"
)

// pair is two remotes, each of which takes the other for the server under test: what one asks, the other answers and checks.
func pair(t *testing.T) (a, b *remote.Server, atB, atA *remote.Subject) {
	t.Helper()
	a, b = remote.New(t), remote.New(t)
	a.OmitMembers, b.OmitMembers = false, false
	return a, b, a.Meet(b.Name, string(b.Name)), b.Meet(a.Name, string(a.Name))
}

// TestRooms: join, talk, fork, invite, knock and leave, in every room version.
func TestRooms(t *testing.T) {
	for _, v := range version.All() {
		t.Run(v.ID, func(t *testing.T) {
			a, b, atB, atA := pair(t)
			alice, bob, carol := a.User("alice"), b.User("bob"), b.User("carol")
			room := a.NewRoom(v.ID, alice)
			first := room.Make(alice, "m.room.message", remote.Text("before"))
			copied := atA.Join(room.ID, bob)
			if got := room.Membership(bob); got != "join" {
				t.Fatalf("bob is %q", got)
			}
			if e := copied.Send(bob, "m.room.message", remote.Text("hello")); a.WaitEvent(e.ID()).Sender() != bob {
				t.Error("another event came")
			}
			left := room.Make(alice, "m.room.message", remote.Text("left"), remote.After(first))
			right := room.Send(alice, "m.room.message", remote.Text("right")) // after both
			if b.WaitEvent(right.ID()); len(right.Prev()) != 2 || len(room.Ends()) != 1 {
				t.Errorf("a fork was not joined: %v", right.Prev())
			}
			_ = left
			atB.Invite(room, alice, carol)
			if i := b.WaitInvite(carol); i.Room != room.ID || len(i.State) == 0 {
				t.Errorf("got invitation %+v", i)
			}
			atA.Leave(room.ID, carol)
			if got := room.Membership(carol); got != "leave" {
				t.Errorf("carol is %q", got)
			}
			if v.KnockRule {
				room.SendState(alice, "m.room.join_rules", "", map[string]any{"join_rule": "knock"})
				if _, state := atA.Knock(room.ID, carol); len(state) == 0 || room.Membership(carol) != "knock" {
					t.Errorf("carol knocked and is %q", room.Membership(carol))
				}
			}
		})
	}
}

// TestMisbehaviour: hooks stand in front of the answers, the newest first.
func TestMisbehaviour(t *testing.T) {
	a, _, _, atA := pair(t)
	const path = "/_matrix/federation/v1/query/profile?user_id=x"
	a.Hook("GET /_matrix/federation/v1/query/", remote.Fail(500, "M_UNKNOWN"))
	off := a.Hook("GET /_matrix/federation/v1/query/profile", remote.Times(1, remote.Say(200, `{"displayname":"X"}`)))
	atA.Do("GET", path, nil).OK()
	atA.Do("GET", path, nil).Want(500, "M_UNKNOWN")
	off()
	off = a.Hook("/", remote.Drop())
	if _, err := atA.TryDo("GET", path, nil); err == nil {
		t.Error("a connection that is dropped gave an answer")
	}
	off()
	off = a.Hook("/", remote.Delay(10*time.Millisecond))
	atA.Do("GET", path, nil).Want(500, "M_UNKNOWN")
	off()
	a.Hook("PUT /_matrix/federation/v1/send/", remote.Times(1, remote.Lose()))
	edus := []remote.EDU{remote.MakeEDU("m.test", 1)}
	if _, err := atA.TryDo("PUT", "/_matrix/federation/v1/send/7", json.RawMessage(`{"pdus":[],"edus":[{"edu_type":"m.test","content":2}]}`)); err == nil {
		t.Error("a lost answer came")
	}
	atA.Raw("7", edus).OK()
	a.WaitEDU("m.test", func(c json.RawMessage) bool { return string(c) == "2" })
	if n := len(a.Transactions()); n != 1 {
		t.Errorf("one transaction that came twice was written down %d times", n)
	}
	if n := a.Asked("GET /_matrix/federation/v1/query/profile"); n < 4 { // a client may repeat what was dropped
		t.Errorf("it was asked %d times", n)
	}
}

// TestKeys: events that were signed before a rotation stay what they were.
func TestKeys(t *testing.T) {
	a, _, _, atA := pair(t)
	was := a.Rotate()
	var keys struct {
		Verify, Old map[id.Key]struct{ Key string }
	}
	var raw map[string]json.RawMessage
	atA.Do("GET", "/_matrix/key/v2/server", nil).OK().Decode(&raw)
	for field, to := range map[string]any{"verify_keys": &keys.Verify, "old_verify_keys": &keys.Old} {
		if err := json.Unmarshal(raw[field], to); err != nil {
			t.Fatal(err)
		}
	}
	if _, old := keys.Old[was.Key]; !old || len(keys.Verify) != 1 {
		t.Errorf("got %+v", keys)
	}
}

// TestFetchesWhatIsMissing: an event whose past is not here has it fetched.
func TestFetchesWhatIsMissing(t *testing.T) {
	a, b, _, atA := pair(t)
	alice := a.User("alice")
	room := a.NewRoom("12", alice)
	copied := atA.Join(room.ID, b.User("bob"))
	var last *event.Event
	for range 45 {
		last = room.Make(alice, "m.room.message", remote.Text("x"))
	}
	room.Share(last)
	if b.WaitEvent(last.ID()); copied.Event(last.ID()) == nil || len(copied.Events()) != 46 {
		t.Errorf("b has %d events", len(copied.Events()))
	}
}

// TestListener: a remote by a name of its own.
func TestListener(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := remote.On(t, l, "b.example")
	remote.New(t).Meet("b.example", l.Addr().String()).Do("GET", "/_matrix/key/v2/server", nil).OK()
	if a.Asked("GET /_matrix/key/v2/server") != 1 {
		t.Error("nobody asked")
	}
}
