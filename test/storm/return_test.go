package storm

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"freehold.example/test/harness"
)

const returning = 300 // clients; `freehold-load -only storm` does it with 2,000, and its figures are in docs/performance.md

// Everybody comes back at the same moment after the server was killed, each with what his app knew, while somebody writes: nobody is
// lost, the server does not grow with their number, and the one who writes is served.
func TestEverybodyComesBack(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds of both processors")
	}
	s := harness.Start(t, harness.SQLite)
	c := newClient(s.URL)
	must := c.must(t)
	tokens, since := make([]string, returning+1), make([]string, returning)
	for i := range tokens {
		a := must("POST", "/v3/register", "", map[string]any{
			"username": fmt.Sprint("u", i), "password": "correct horse", "auth": map[string]string{"type": "m.login.dummy"},
		})
		tokens[i], _ = a["access_token"].(string)
	}
	writer := tokens[returning]
	room, _ := must("POST", "/v3/createRoom", writer, map[string]any{"preset": "public_chat"})["room_id"].(string)
	for i := range returning {
		must("POST", "/v3/join/"+url.PathEscape(room), tokens[i], map[string]any{})
	}
	for i := range returning {
		since[i], _ = must("GET", "/v3/sync?timeout=0", tokens[i], nil)["next_batch"].(string)
	}
	steady := c.memory(t)
	s.Kill()
	s.Start()

	var most, sent atomic.Int64
	ctx, end := context.WithCancel(t.Context())
	var beside, crowd sync.WaitGroup
	beside.Go(func() {
		for ctx.Err() == nil {
			most.Store(max(most.Load(), c.memory(t)))
			time.Sleep(100 * time.Millisecond)
		}
	})
	beside.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			status, _, out, err := c.do(t.Context(), "PUT", fmt.Sprintf("/v3/rooms/%s/send/m.room.message/w%d", room, n), writer, map[string]string{"msgtype": "m.text", "body": "still here"})
			if err != nil || status != 200 {
				t.Errorf("send: %d %v %v", status, out, err)
				return
			}
			sent.Add(1)
			time.Sleep(20 * time.Millisecond)
		}
	})
	apps := newClient(s.URL)
	took := make([]time.Duration, returning)
	gate := make(chan struct{})
	for i := range returning {
		crowd.Go(func() {
			<-gate
			began := time.Now()
			path := "/v3/sync?timeout=0"
			if i%10 != 0 { // an app that was opened anew knows nothing
				path += "&since=" + url.QueryEscape(since[i])
			}
			for {
				status, header, out, err := apps.do(t.Context(), "GET", path, tokens[i], nil)
				if err == nil && status == 429 && header.Get("Retry-After") != "" {
					ms, _ := out["retry_after_ms"].(float64)
					time.Sleep(time.Duration(ms) * time.Millisecond)
					continue
				}
				if err != nil || status != 200 || out["next_batch"] == nil {
					t.Errorf("%d comes back: %d %v %v", i, status, out, err)
				}
				took[i] = time.Since(began)
				return
			}
		})
	}
	close(gate)
	crowd.Wait()
	end()
	beside.Wait()
	slices.Sort(took)
	t.Logf("%d came back: median %s, p99 %s; %d messages meanwhile; %d MB resident before, at most %d MB",
		returning, took[returning/2], took[returning*99/100], sent.Load(), steady>>20, most.Load()>>20)
	if took[returning*99/100] > 30*time.Second { // with room for a machine that is slow; the figures are what is logged
		t.Errorf("the first sync took %s at p99", took[returning*99/100])
	}
	if sent.Load() == 0 {
		t.Error("nobody could write meanwhile")
	}
	if most.Load() > 2*steady {
		t.Errorf("the server grew from %d to %d MB", steady>>20, most.Load()>>20)
	}
}
