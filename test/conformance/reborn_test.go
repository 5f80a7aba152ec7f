package conformance

import (
	"net"
	"testing"
	"time"

	"freehold.example/matrix/id"
	"freehold.example/test/address"
	"freehold.example/test/remote"
)

// TestReborn: a server that was set up anew under its old name and address, with a new key of the same id, is spoken with.
func TestReborn(t *testing.T) {
	s := first(t)
	at := address.For(t)
	for i := range 3 {
		t.Run("", func(t *testing.T) {
			l, err := net.Listen("tcp", at)
			if err != nil {
				t.Fatal(err)
			}
			r := remote.On(t, l, id.Server(at))
			robin, alice := r.User("robin"), s.newUser(t)
			room := r.NewRoom("11", robin)
			sut := s.meet(r)
			if i == 2 { // the other side speaks first
				sut.Join(id.Room(alice.publicRoom()), robin)
			}
			alice.joinVia(string(room.ID), r.Name).ok()
			room.Send(robin, "m.room.message", remote.Text("hello"))
			alice.hears(room.ID, "hello")
			sut.Join(id.Room(alice.publicRoom()), robin)
			time.Sleep(1100 * time.Millisecond) // sooner after it has told its keys nobody is asked for others
		})
	}
}
