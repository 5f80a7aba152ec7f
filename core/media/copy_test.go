package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"freehold.example/core/peer"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// away gives files of another server, each with its id as text, ten bytes long.
func away(asked *atomic.Int64) func(context.Context, id.Server, string, time.Duration) (*peer.File, error) {
	return func(_ context.Context, server id.Server, mediaID string, _ time.Duration) (*peer.File, error) {
		asked.Add(1)
		switch mediaID {
		case "lost":
			return nil, &peer.AnswerError{Server: server, Status: http.StatusNotFound, Code: fault.NotFound}
		case "later":
			return nil, &peer.AnswerError{Server: server, Status: http.StatusGatewayTimeout, Code: fault.NotYetUploaded}
		case "cut":
			return nil, errors.New("connection reset")
		}
		text := fmt.Sprintf("%10s", mediaID)
		body := io.NopCloser(strings.NewReader(text))
		return &peer.File{Reader: body, Closer: body, Length: int64(len(text)), ContentType: "text/plain", Name: mediaID + ".txt"}, nil
	}
}

func TestCopy(t *testing.T) {
	var asked atomic.Int64
	each(t, Config{Fetch: away(&asked), MaxRemote: 35}, func(t *testing.T, m *Media, c *clock) {
		asked.Store(0)
		read := func(mediaID string) (string, error) {
			f, err := m.Open(t.Context(), "s2", mediaID, 0)
			if err != nil {
				return "", err
			}
			defer f.Close()
			b, err := io.ReadAll(f)
			if f.ContentType != "text/plain" || f.Name != mediaID+".txt" {
				t.Errorf("got %q %q", f.ContentType, f.Name)
			}
			return strings.TrimSpace(string(b)), err
		}
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if got, err := read("one"); got != "one" || err != nil {
					t.Errorf("got %q, %v", got, err)
				}
			})
		}
		wg.Wait()
		if n := asked.Load(); n != 1 {
			t.Errorf("asked %d times for one file", n)
		}
		for mediaID, want := range map[string]fault.Code{"lost": fault.NotFound, "later": fault.NotYetUploaded, "cut": fault.ConnectionFailed, "a/b": fault.NotFound} {
			if _, err := read(mediaID); !fault.Is(err, want) {
				t.Errorf("%s: got %v, want %s", mediaID, err, want)
			}
		}

		// Three have room; the oldest goes for the fourth, unless it is evidence.
		if _, err := m.Quarantine(t.Context(), alice, copyID("s2", "one")); err != nil {
			t.Fatal(err)
		}
		if _, err := read("one"); !fault.Is(err, fault.NotFound) {
			t.Errorf("quarantined: got %v", err)
		}
		for _, mediaID := range []string{"two", "three", "four"} {
			c.add(time.Minute)
			if _, err := read(mediaID); err != nil {
				t.Error(mediaID, err)
			}
		}
		asked.Store(0)
		for _, mediaID := range []string{"three", "four", "two"} {
			if _, err := read(mediaID); err != nil {
				t.Error(mediaID, err)
			}
		}
		if n := asked.Load(); n != 1 {
			t.Errorf("asked %d times, want once for the one that went", n)
		}

		// Time takes all but the evidence.
		c.add(copyLife + time.Hour)
		if _, err := m.Clean(t.Context()); err != nil {
			t.Fatal(err)
		}
		if bytes, files, err := m.Usage(t.Context(), id.User(copies)); bytes != 10 || files != 1 || err != nil {
			t.Errorf("got %d bytes in %d files (%v), want those of the one in quarantine", bytes, files, err)
		}
	})
}

func TestCopyTooLarge(t *testing.T) {
	var asked atomic.Int64
	each(t, Config{Fetch: away(&asked), MaxUpload: 9}, func(t *testing.T, m *Media, _ *clock) {
		if _, err := m.Open(t.Context(), "s2", "one", 0); !fault.Is(err, fault.TooLarge) {
			t.Errorf("got %v", err)
		}
	})
}
