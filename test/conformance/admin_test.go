package conformance

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// 28 Administration, server notices

// newAdmin registers an administrator with the shared secret.
func newAdmin(t *testing.T) *user { t.Helper(); return newAdminOf(t, nil) }

// newAdminOf is newAdmin on one of the servers that speak with others.
func newAdminOf(t *testing.T, h *house) *user {
	t.Helper()
	const path = "/_synapse/admin/v1/register"
	u := &user{t: t, password: "correct horse battery", house: h}
	name := fmt.Sprintf("admin%s-%d", run, count.Add(1))
	nonce := u.get(path).ok().str("nonce")
	mac := hmac.New(sha1.New, []byte(sharedSecret))
	mac.Write([]byte(strings.Join([]string{nonce, name, u.password, "admin"}, "\x00")))
	a := u.post(path, obj{
		"nonce": nonce, "username": name, "password": u.password, "admin": true, "mac": hex.EncodeToString(mac.Sum(nil)),
	}).ok()
	u.id, u.token, u.device = a.str("user_id"), a.str("access_token"), a.str("device_id")
	return u
}

const noticePath = "/_synapse/admin/v1/send_server_notice"

func notice(to *user, text string) obj {
	return obj{"user_id": to.id, "content": obj{"msgtype": "m.text", "body": text}}
}

func TestServerNotices(t *testing.T) {
	admin, bob := newAdmin(t), newUser(t)
	t.Run("B362", func(t *testing.T) {
		bob.post(noticePath, nil).fails(403, "M_FORBIDDEN")
		bob.post(noticePath, notice(bob, "me")).fails(403, "M_FORBIDDEN")
	})
	since := bob.now()
	sent := admin.post(noticePath, notice(bob, "first")).ok().str("event_id")
	var room string
	t.Run("B363", func(t *testing.T) {
		a := bob.soon(since, "the invitation", func(a *answer) bool { return len(a.keys("rooms", "invite")) == 1 })
		room = a.keys("rooms", "invite")[0]
		first := a.at("rooms", "invite", room, "invite_state", "events").list()[0]
		if got, want := first.str("sender"), "@_server:"+bob.server(); got != want {
			t.Errorf("got the sender %s, want %s", got, want)
		}
		tags := bob.get(path("/v3/user", bob.id, "rooms", room, "tags")).ok()
		if tags.at("tags", "m.server_notice").missing() {
			t.Errorf("the room is not tagged: %s", tags.raw)
		}
	})
	t.Run("B364", func(t *testing.T) {
		bob.post(path("/v3/rooms", room, "leave"), nil).fails(403, "M_CANNOT_LEAVE_SERVER_NOTICE_ROOM")
	})
	t.Run("B365", func(t *testing.T) {
		bob.join(room)
		bob.soon("", "the notice", func(a *answer) bool {
			for _, e := range a.timeline(room).list() {
				if e.str("event_id") == sent && e.str("content", "body") == "first" {
					return true
				}
			}
			return false
		})
		bob.put(path("/v3/rooms", room, "send", "m.room.message", "x"), obj{"msgtype": "m.text", "body": "reply"}).fails(403, "M_FORBIDDEN")
		bob.leave(room)
	})
	t.Run("B366", func(t *testing.T) {
		since := bob.now()
		admin.post(noticePath, notice(bob, "second")).ok()
		a := bob.soon(since, "the invitation", func(a *answer) bool { return len(a.keys("rooms", "invite")) == 1 })
		if got := a.keys("rooms", "invite")[0]; got != room {
			t.Errorf("got an invitation to %s, want %s", got, room)
		}
	})
	t.Run("B367", func(t *testing.T) {
		one := admin.put(noticePath+"/txn1", notice(bob, "once")).ok().str("event_id")
		if two := admin.put(noticePath+"/txn1", notice(bob, "once")).ok().str("event_id"); one != two {
			t.Errorf("got %s, then %s", one, two)
		}
	})
	admin.post(noticePath, obj{"user_id": "@nobody:" + bob.server(), "content": obj{}}).fails(404, "M_NOT_FOUND")
	admin.post(noticePath, obj{"user_id": bob.id}).fails(400, "M_BAD_JSON")
	admin.post(noticePath, obj{"content": obj{}}).fails(400, "M_MISSING_PARAM")
	nobody(t).post("/v3/register", obj{"username": "_server", "password": "correct horse", "auth": obj{"type": "m.login.dummy"}}).fails(400, "M_USER_IN_USE")
}

func TestB368(t *testing.T) {
	admin, alice := newAdmin(t), newUser(t)
	room := alice.createRoom(nil)
	for _, visibility := range []string{"public", "private"} {
		admin.put(path("/v3/directory/list/room", room), obj{"visibility": visibility}).ok()
		if got := alice.get(path("/v3/directory/list/room", room)).ok().str("visibility"); got != visibility {
			t.Errorf("got %s, want %s", got, visibility)
		}
	}
}
