package conformance

import (
	"fmt"
	"slices"
	"testing"
)

// 20 Device lists

// changed waits until device_lists.changed names the other user.
func (u *user) changed(since string, other *user) *answer {
	u.t.Helper()
	return u.soon(since, other.id+" in changed", func(a *answer) bool { return a.lists("changed", other) })
}

// gone waits until device_lists.left names the other user.
func (u *user) gone(since string, other *user) *answer {
	u.t.Helper()
	return u.soon(since, other.id+" in left", func(a *answer) bool { return a.lists("left", other) })
}

func (a *answer) lists(part string, other *user) bool {
	for _, u := range a.list("device_lists", part) {
		if u.str() == other.id {
			return true
		}
	}
	return false
}

// hasKeys checks that the other's present keys are what a query gives.
func (u *user) hasKeys(other *user, want obj) {
	u.t.Helper()
	if got := u.query(other).at("device_keys", other.id, other.device, "keys"); !got.equals(want["keys"]) {
		u.t.Errorf("keys: got %v, want %v", got, want["keys"])
	}
}

func TestB271(t *testing.T) {
	alice, bob := newUser(t), newUser(t)
	room := alice.publicRoom()
	keys := bob.uploadDevice()
	since := alice.now()
	bob.join(room)
	alice.changed(since, bob)
	alice.hasKeys(bob, keys)
}

func TestB272(t *testing.T) { // to B276
	alice, bob := newUser(t), newUser(t)
	room := bob.publicRoom()
	keys := bob.uploadDevice()
	since := alice.now()
	alice.join(room)
	since = alice.changed(since, bob).str("next_batch")
	alice.hasKeys(bob, keys)
	t.Run("B273", func(t *testing.T) {
		for i := range 3 {
			keys := bob.deviceKeys(fmt.Sprint(i))
			bob.post("/v3/keys/upload", obj{"device_keys": keys}).ok()
			since = alice.changed(since, bob).str("next_batch")
			alice.hasKeys(bob, keys)
		}
	})
	t.Run("B274", func(t *testing.T) {
		bob.leave(room)
		a := alice.sync(since, nil)
		if !a.lists("left", bob) || a.lists("changed", bob) {
			t.Errorf("got %v", a.at("device_lists"))
		}
		since = a.str("next_batch")
		keys := bob.deviceKeys("away")
		bob.post("/v3/keys/upload", obj{"device_keys": keys}).ok()
		if a := alice.sync(since, nil); a.lists("changed", bob) {
			t.Errorf("a stranger's upload: got %v", a.at("device_lists"))
		}
		alice.hasKeys(bob, keys)
	})
	t.Run("B276", func(t *testing.T) {
		since = alice.now()
		bob.join(room)
		since = alice.changed(since, bob).str("next_batch")
		alice.hasKeys(bob, bob.deviceKeys("away"))
	})
	t.Run("B274, she leaves", func(t *testing.T) {
		alice.leave(room)
		alice.gone(since, bob)
	})
}

// TestBothLeft: who leaves a room tells the client of everybody who was there with her, also of those who left after her.
func TestBothLeft(t *testing.T) {
	alice, bob, room := pair(t)
	since := alice.now()
	alice.leave(room)
	bob.leave(room)
	if a := alice.sync(since, nil); !a.lists("left", bob) {
		t.Errorf("got %v", a.at("device_lists"))
	}
}

// TestAwayAndBack: what became of the keys of the others while she was away and her server did not follow them is looked at
// when she is back, also by a client that saw neither her leave nor her return.
func TestAwayAndBack(t *testing.T) {
	s, s2 := first(t), second(t)
	alice, bob, room := met(t, s, s2)
	bob.uploadDevice()
	since := alice.changed(alice.now(), bob).str("next_batch")
	alice.leave(room)
	bob.soon("", "alice's leave", func(a *answer) bool { return a.membership(room, alice, "leave") })
	keys := bob.deviceKeys("meanwhile")
	bob.post("/v3/keys/upload", obj{"device_keys": keys}).ok()
	alice.joinVia(room, s2.name).ok()
	next := alice.changed(since, bob).str("next_batch")
	alice.hasKeys(bob, keys)
	if got := words(alice.get("/v3/keys/changes?from=" + since + "&to=" + next).ok().at("changed")); !slices.Contains(got, bob.id) {
		t.Errorf("got %v", got)
	}
}

func TestB277(t *testing.T) {
	for _, speaks := range []bool{false, true} {
		alice, bob := newUser(t), newUser(t)
		room := alice.publicRoom()
		since := alice.now()
		step := func(part string) {
			t.Helper()
			var next string
			for range 2 {
				a := alice.sync(since, lazy)
				if !a.lists(part, bob) {
					t.Errorf("speaks %v: not in %s: %s", speaks, part, a.raw)
				}
				next = a.str("next_batch")
			}
			since = next
		}
		bob.join(room)
		if speaks {
			bob.send(room, "x")
		}
		step("changed")
		if speaks {
			bob.send(room, "y")
		}
		bob.leave(room)
		step("left")
	}
}

func TestB278(t *testing.T) {
	alice, bob, room := pair(t)
	_ = room
	bob.uploadDevice()
	from := alice.now()
	second := bob.login("")
	second.uploadDevice()
	to := alice.changed(from, bob).str("next_batch")
	if a := alice.get("/v3/keys/changes?from=" + from + "&to=" + to).ok(); a.at("changed", 0).str() != bob.id {
		t.Errorf("got %s", a.raw)
	}
	if got := alice.query(bob).keys("device_keys", bob.id); len(got) != 2 {
		t.Errorf("got %v, want two devices", got)
	}
}

func TestB279(t *testing.T) {
	alice, bob, charlie := newUser(t), newUser(t), newUser(t)
	room := alice.publicRoom()
	bob.join(room)
	from := alice.now()
	to := from
	var named []string
	for _, act := range []func(){
		func() { charlie.join(room) }, func() { bob.leave(room) }, func() { charlie.uploadDevice() },
	} {
		act()
		a := alice.sync(to, nil)
		for _, part := range []string{"changed", "left"} {
			for _, u := range a.list("device_lists", part) {
				named = append(named, u.str())
			}
		}
		to = a.str("next_batch")
	}
	a := alice.get("/v3/keys/changes?from=" + from + "&to=" + to).ok()
	for _, u := range []*user{bob, charlie} {
		whole := fmt.Sprint(a.at("changed"), a.at("left"))
		if !slices.Contains(named, u.id) || !slices.Contains(append(words(a.at("changed")), words(a.at("left"))...), u.id) {
			t.Errorf("%s: syncs named %v, /keys/changes %s", u.id, named, whole)
		}
	}
}

// words are the strings of an array.
func words(v value) []string {
	var all []string
	for _, e := range v.list() {
		all = append(all, e.str())
	}
	return all
}

func TestB281(t *testing.T) {
	alice, bob, _ := pair(t)
	since, bobs := alice.now(), bob.now()
	second := alice.login("")
	second.uploadDevice()
	for u, from := range map[*user]string{alice: since, bob: bobs} {
		a := u.changed(from, alice)
		if got := words(a.at("device_lists", "changed")); !slices.Equal(got, []string{alice.id}) || len(a.list("device_lists", "left")) != 0 {
			t.Errorf("%s: got %v", u.id, a.at("device_lists"))
		}
	}
}
