package conformance

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// 23 User directory

// users searches the user directory.
func (u *user) users(term string) value {
	u.t.Helper()
	return u.post("/v3/user_directory/search", obj{"search_term": term}).ok().at("results")
}

// named gives the user a display name that nobody else has, and returns it.
func (u *user) named(prefix string) string {
	u.t.Helper()
	name := fmt.Sprint(prefix, " ", count.Add(1), " ", run)
	u.put(path("/v3/profile", u.id, "displayname"), obj{"displayname": name}).ok()
	return name
}

// callMyself gives the user another name in one room.
func (u *user) callMyself(room, name string) {
	u.t.Helper()
	u.setState(room, "m.room.member", u.id, obj{"membership": "join", "displayname": name})
}

func TestUserDirectory(t *testing.T) {
	alice, bob, eve := newUser(t), newUser(t), newUser(t)
	name := alice.named("Alice Public")
	room := alice.publicRoom()

	t.Run("B322 B326", func(t *testing.T) {
		if got := eve.users(name); !got.equals(list{obj{"user_id": alice.id, "display_name": name}}) {
			t.Errorf("got %s", got)
		}
	})
	t.Run("B323", func(t *testing.T) {
		if got := eve.users(strings.Split(alice.id, ":")[0]).all("user_id"); !slices.Contains(got, alice.id) {
			t.Errorf("by the beginning of her id: %v", got)
		}
		for _, searcher := range []*user{eve, bob} {
			if got := searcher.users(strings.Split(bob.id, ":")[0]).all("user_id"); slices.Contains(got, bob.id) {
				t.Errorf("%s finds somebody who is in no room: %v", searcher.id, got)
			}
		}
	})
	t.Run("B327", func(t *testing.T) {
		if got := alice.users(name).all("user_id"); !slices.Equal(got, []string{alice.id}) {
			t.Errorf("got %v", got)
		}
	})
	t.Run("Gone", func(t *testing.T) {
		alice.leave(room)
		if got := eve.users(name).all("user_id"); len(got) != 0 {
			t.Errorf("after she left the public room: %v", got)
		}
	})
}

// The name of one room is not told outside it, whether it was set at once (B324) or later (B325).
func TestB324B325(t *testing.T) {
	for _, c := range []struct {
		line  string
		later bool
	}{{"B324", false}, {"B325", true}} {
		t.Run(c.line, func(t *testing.T) {
			alice, bob, eve := newUser(t), newUser(t), newUser(t)
			public := alice.named("Public")
			secret := strings.Replace(public, "Public", "Secret", 1)
			alice.publicRoom()
			room := bob.createRoom(obj{"preset": "private_chat", "invite": list{alice.id}})
			alice.join(room)
			if c.later {
				alice.send(room, "hello")
			}
			alice.callMyself(room, secret)
			for _, searcher := range []*user{bob, eve} {
				if got := searcher.users(secret); len(got.list()) != 0 {
					t.Errorf("by the name in the room: %s", got)
				}
				if got := searcher.users(public).at(0); got.str("user_id") != alice.id || got.str("display_name") != public {
					t.Errorf("by the profile's name: %s", got)
				}
			}
		})
	}
}
