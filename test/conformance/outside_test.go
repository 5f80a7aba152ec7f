package conformance

import "testing"

// Beyond the lines: someone who was only ever asked in, or kept out, has never been a member, and sees nothing of the room.
func TestNeverIn(t *testing.T) {
	alice, bob, carol := newUser(t), newUser(t), newUser(t)
	room := alice.createRoom(obj{"invite": list{bob.id}, "initial_state": list{obj{"type": "com.example.secret", "content": obj{"v": 1}}}})
	sent := alice.send(room, "secret")
	since := bob.now()
	shut := func(stage string, u *user) {
		t.Helper()
		for _, p := range []string{
			path("/v3/rooms", room, "state"), path("/v3/rooms", room, "members"), path("/v3/rooms", room, "joined_members"),
			path("/v3/rooms", room, "state", "com.example.secret", ""), path("/v3/rooms", room, "members") + "?at=s1",
			path("/v3/rooms", room, "members") + "?at=t1_9999999",
		} {
			if a := u.get(p); a.status != 403 {
				t.Errorf("%s: %s: got %d %s", stage, a.asked, a.status, a.raw)
			}
		}
		for _, p := range []string{path("/v3/rooms", room, "event", sent), path("/v3/rooms", room, "context", sent)} {
			if a := u.get(p); a.status == 200 {
				t.Errorf("%s: %s: got %s", stage, a.asked, a.raw)
			}
		}
		for _, q := range []string{"?dir=b", "?dir=f", "?dir=b&from=s99999999", "?dir=f&from=s0", "?dir=b&from=t999999_99999999"} {
			for _, e := range u.get(path("/v3/rooms", room, "messages") + q).list("chunk") {
				if e.str("state_key") != u.id {
					t.Errorf("%s: /messages%s shows %v", stage, q, e)
				}
			}
		}
		for _, from := range []string{"", since} {
			left := u.sync(from, obj{"room": obj{"include_leave": true}}, "full_state=true").left(room)
			for _, e := range append(left.list("timeline", "events"), left.list("state", "events")...) {
				if e.str("state_key") != u.id {
					t.Errorf("%s: sync from %q shows %v", stage, from, e)
				}
			}
		}
	}
	shut("invited", bob)
	bob.leave(room)
	shut("rejected", bob)
	alice.about("ban", room, bob).ok()
	shut("banned", bob)
	alice.about("ban", room, carol).ok()
	shut("banned at once", carol)
}
