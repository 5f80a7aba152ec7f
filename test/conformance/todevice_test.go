package conformance

import (
	"fmt"
	"testing"
)

// 18 To-device messages

func (u *user) toDevice(typ string, messages obj) *answer {
	u.t.Helper()
	return u.put(path("/v3/sendToDevice", typ, fmt.Sprint("t", count.Add(1))), obj{"messages": messages}).ok()
}

func TestB245(t *testing.T) {
	alice, bob, charlie := newUser(t), newUser(t), newUser(t)
	content := obj{"my_key": "my_value", "deep": obj{"n": list{1, nil, true}}}
	since := map[*user]string{bob: bob.now(), charlie: charlie.now()}
	alice.toDevice("my.test.type", obj{bob.id: obj{bob.device: content}, charlie.id: obj{"*": content}})
	for _, u := range []*user{bob, charlie} {
		a := u.soon(since[u], "the message", func(a *answer) bool { return len(a.list("to_device", "events")) > 0 })
		got := a.at("to_device", "events")
		if want := (list{obj{"sender": alice.id, "type": "my.test.type", "content": content}}); !got.equals(want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

// TestToDeviceOnce: a message comes until the client says that it has it, whatever it asks with, and is sent once for each
// transaction id.
func TestToDeviceOnce(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := bob.createRoom(nil)
	since := bob.now()
	at := path("/v3/sendToDevice", "org.test", fmt.Sprint("t", count.Add(1)))
	for range 2 {
		alice.put(at, obj{"messages": obj{bob.id: obj{bob.device: obj{"n": 1}}}}).ok()
	}
	messages := func(a *answer) int { return len(a.list("to_device", "events")) }
	var next *answer
	for range 2 {
		if next = bob.sync(since, nil); messages(next) != 1 {
			t.Errorf("got %s, want one message", next.raw)
		}
	}
	// Tokens that are no next_batch of an answer with the message do not say that it came.
	bob.sync(next.joined(room).str("timeline", "prev_batch"), nil)
	bob.sync("s999999999999_1_999999999999", nil)
	for i, want := range []int{1, 0} {
		if next = bob.sync(since, nil); messages(next) != want {
			t.Errorf("%d: got %s, want %d", i, next.raw, want)
		}
		since = next.str("next_batch")
	}
}
