package crash

import (
	"net/http"
	"testing"
	"time"

	"freehold.example/test/harness"
)

// TestB557: of the events that a client left behind, those that fall due while the server is down are sent promptly after
// its start, and the others at their time.
func TestB557(t *testing.T) {
	s := harness.Start(t, harness.SQLite)
	c := newClient(t, s.URL)
	token := c.register(t, "alice")
	var room struct {
		ID string `json:"room_id"`
	}
	c.must(t, token, http.MethodPost, "/_matrix/client/v3/createRoom", struct{}{}, &room)
	state := func(key string) string { return roomPath(room.ID, "state/org.test/"+key) }
	began := time.Now()
	c.must(t, token, http.MethodPut, state("due")+"?org.matrix.msc4140.delay=300", struct{}{}, nil)
	c.must(t, token, http.MethodPut, state("later")+"?org.matrix.msc4140.delay=4000", struct{}{}, nil)
	s.Kill()
	time.Sleep(400 * time.Millisecond)
	s.Start()
	sent := func(key string) bool {
		status, err := c.call(t.Context(), token, http.MethodGet, state(key), nil, nil)
		if err != nil && status != http.StatusNotFound {
			t.Fatal(err)
		}
		return status == http.StatusOK
	}
	wait := func(key string, atMost time.Duration) {
		t.Helper()
		for end := time.Now().Add(atMost); !sent(key); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s was not sent within %v", key, atMost)
			}
		}
	}
	wait("due", 10*time.Second)
	if sent("later") && time.Since(began) < 4*time.Second {
		t.Error("an event was sent before its time")
	}
	wait("later", 30*time.Second)
}
