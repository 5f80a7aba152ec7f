package crash

import (
	"context"
	"testing"
	"time"

	"freehold.example/test/harness"
)

// An account is closed, and the server is killed while its user is being taken out of her rooms: after the start she leaves
// the rest of them by itself.
func TestKillDuringDeparture(t *testing.T) {
	const rooms = 60
	harness.Engines(t, func(t *testing.T, e harness.Engine) {
		s := harness.Start(t, e, quiet)
		c := newClient(t, s.URL)
		bob, alice := c.register(t, "bob"), c.register(t, "alice")
		var in []string
		for range rooms {
			var made struct {
				ID string `json:"room_id"`
			}
			c.must(t, bob, "POST", "/_matrix/client/v3/createRoom", map[string]any{"preset": "public_chat"}, &made)
			c.must(t, alice, "POST", roomPath(made.ID, "join"), nil, nil)
			in = append(in, made.ID)
		}
		left := func() (n int) {
			t.Helper()
			for _, room := range in {
				var content struct{ Membership string }
				c.must(t, bob, "GET", roomPath(room, "state/m.room.member/@alice:house.example"), nil, &content)
				if content.Membership == "leave" {
					n++
				}
			}
			return n
		}
		auth := map[string]any{"type": "m.login.password", "password": "the password of alice", "identifier": map[string]string{
			"type": "m.id.user", "user": "alice",
		}}
		answered := make(chan struct{})
		go func() { // ends with the server
			defer close(answered)
			_, _ = c.call(context.Background(), alice, "POST", "/_matrix/client/v3/account/deactivate", map[string]any{"auth": auth}, nil)
		}()
		for end := time.Now().Add(time.Minute); ; { // until she has begun
			if status, _ := c.call(t.Context(), alice, "GET", "/_matrix/client/v3/account/whoami", nil, nil); status == 401 {
				break
			}
			if time.Now().After(end) {
				t.Fatal("the account was not closed")
			}
		}
		s.Kill()
		<-answered
		s.Start()
		first := left()
		for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
			if n := left(); n == rooms {
				break
			} else if time.Now().After(end) {
				t.Fatalf("she is still in %d of %d rooms", rooms-n, rooms)
			}
		}
		t.Logf("she had left %d of %d rooms when that was first looked at", first, rooms)
	})
}
