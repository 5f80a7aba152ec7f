package conformance

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Image packs, and the emoji that were used of late: the server keeps them as it keeps everything.
// https://spec.matrix.org/v1.19/client-server-api/#image-packs

// pack is an image pack with n images.
func pack(n int) obj {
	images := obj{}
	for i := range n {
		images[fmt.Sprintf("cat_%d", i)] = obj{
			"url": fmt.Sprintf("mxc://example.org/%024d", i), "body": "a waving cat",
			"info": obj{"mimetype": "image/png", "w": 512, "h": 512, "size": 20_000},
		}
	}
	return obj{"images": images, "pack": obj{"display_name": "Cats", "usage": list{"emoticon", "sticker"}}}
}

func TestImagePacks(t *testing.T) {
	alice, bob, room := pair(t)
	since := bob.now()
	for _, typ := range []string{"m.room.image_pack", "im.ponies.room_emotes"} { // and by the name it had before
		for key, n := range map[string]int{"": 1, "cats": 300} {
			alice.setState(room, typ, key, pack(n))
			if got := bob.state(room, typ, key).ok(); len(got.keys("images")) != n || got.str("pack", "display_name") != "Cats" {
				t.Errorf("%s %q: got %.200s", typ, key, got.raw)
			}
		}
	}
	alice.put(path("/v3/rooms", room, "state", "m.room.image_pack", "large"), pack(1000)).fails(413, "M_TOO_LARGE") // no event can be so large
	alice.sendEvent(room, "m.sticker", obj{"body": "a waving cat", "url": "mxc://example.org/cat", "info": obj{}})
	bob.soon(since, "the sticker", func(a *answer) bool { return !a.timeline(room).find("m.sticker").missing() })

	// Account data may be larger than an event.
	data := func(typ string) string { return path("/v3/user", alice.id, "account_data", typ) }
	for typ, content := range map[string]obj{
		"m.image_pack.rooms":    {"rooms": obj{room: obj{"": obj{}, "cats": obj{}}}},
		"im.ponies.emote_rooms": {"rooms": obj{room: obj{"": obj{}}}},
		"im.ponies.user_emotes": pack(1000),
	} {
		alice.put(data(typ), content).ok()
		if got := alice.get(data(typ)).ok(); !got.equals(content) {
			t.Errorf("%s: got %.200s", typ, got.raw)
		}
	}
	var packs []string
	for _, e := range alice.sync("", nil).list("account_data", "events") {
		if typ := e.str("type"); strings.Contains(typ, "image_pack") || strings.Contains(typ, "ponies") {
			packs = append(packs, typ)
		}
	}
	slices.Sort(packs)
	if want := []string{"im.ponies.emote_rooms", "im.ponies.user_emotes", "m.image_pack.rooms"}; !slices.Equal(packs, want) {
		t.Errorf("in sync: got %v, want %v", packs, want)
	}
}

func TestRecentEmoji(t *testing.T) {
	alice := newUser(t)
	other := alice.login("")
	since := other.now()
	var recent list
	for i := range 100 {
		recent = append(recent, obj{"emoji": fmt.Sprintf("mxc://example.org/emoji%d", i), "total": i})
	}
	alice.put(path("/v3/user", alice.id, "account_data", "m.recent_emoji"), obj{"recent_emoji": recent}).ok()
	a := other.soon(since, "the emoji", func(a *answer) bool { return !a.at("account_data", "events").find("m.recent_emoji").missing() })
	if got := a.at("account_data", "events").find("m.recent_emoji").at("content", "recent_emoji"); !got.equals(recent) {
		t.Errorf("got %s", got)
	}
}

// There are no guests here; whoever asks to be one is told so, and rooms say of themselves what they would allow.
func TestGuestAccess(t *testing.T) {
	for _, body := range []any{obj{}, obj{"initial_device_display_name": "x"}, obj{"username": "guest", "password": "correct horse battery", "auth": obj{"type": "m.login.dummy"}}} {
		nobody(t).post("/v3/register?kind=guest", body).fails(403, "M_GUEST_ACCESS_FORBIDDEN")
	}
	nobody(t).post("/v3/register?kind=king", obj{}).fails(400, "M_INVALID_PARAM")
	alice := newUser(t)
	if a := alice.get("/v3/account/whoami").ok(); a.flag("is_guest") {
		t.Errorf("got %s", a.raw)
	}
	room := alice.createRoom(obj{"preset": "private_chat"})
	if got := alice.state(room, "m.room.guest_access", "").ok().str("guest_access"); got != "can_join" {
		t.Errorf("private_chat: got %q", got)
	}
	alice.setState(room, "m.room.guest_access", "", obj{"guest_access": "forbidden"})
	if got := alice.state(room, "m.room.guest_access", "").ok().str("guest_access"); got != "forbidden" {
		t.Errorf("got %q", got)
	}
}
