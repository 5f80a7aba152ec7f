package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"freehold.example/base/blob"
	"freehold.example/base/bus"
	"freehold.example/base/sqldb"
	"freehold.example/core/media"
	"freehold.example/test/harness"
)

// uploaders upload until the server is killed, some the same bytes, some to ids that they have reserved, and ask for
// thumbnails.
type uploaders struct {
	t      *testing.T
	client *client
	tokens []string

	mu   sync.Mutex
	kept map[string][]byte // by server and id: what was acknowledged
}

// upload is one request with a body; a connection that breaks off is no error.
func (u *uploaders) upload(ctx context.Context, token, method, path string, body []byte) (uri string, ok bool) {
	req, err := http.NewRequestWithContext(ctx, method, u.client.base+path, bytes.NewReader(body))
	if err != nil {
		u.t.Error(err)
		return "", false
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "image/png")
	resp, err := u.client.http.Do(req)
	if err != nil {
		return "", false
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", false
	}
	if resp.StatusCode != http.StatusOK {
		u.t.Errorf("%s %s: %s %s", method, path, resp.Status, text)
		return "", false
	}
	var answer struct {
		URI string `json:"content_uri"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		u.t.Error(err)
	}
	return strings.TrimPrefix(answer.URI, "mxc://"), true
}

func (u *uploaders) run(ctx context.Context, n int, seed uint64) {
	random := rand.New(rand.NewPCG(seed, uint64(n)))
	token := u.tokens[n]
	for ctx.Err() == nil {
		body := make([]byte, random.IntN(1<<(6+random.IntN(15))))
		for i := range body {
			body[i] = byte(random.Uint32())
		}
		switch random.IntN(4) {
		case 0:
			body = body[:random.IntN(20)%(len(body)+1)]
			clear(body) // that somebody else uploads too
		case 1:
			m := image.NewGray(image.Rect(0, 0, 100+random.IntN(100), 100))
			m.Set(random.IntN(100), random.IntN(100), color.White)
			var b bytes.Buffer
			if err := png.Encode(&b, m); err != nil {
				u.t.Error(err)
			}
			body = b.Bytes()
		}
		var at string
		var ok bool
		if random.IntN(3) == 0 {
			if at, ok = u.upload(ctx, token, "POST", "/_matrix/media/v1/create", nil); !ok {
				return
			}
			if _, ok = u.upload(ctx, token, "PUT", "/_matrix/media/v3/upload/"+at, body); !ok {
				return // it may have arrived
			}
		} else if at, ok = u.upload(ctx, token, "POST", "/_matrix/media/v3/upload", body); !ok {
			return
		}
		u.mu.Lock()
		u.kept[at] = body
		u.mu.Unlock()
		if bytes.HasPrefix(body, []byte("\x89PNG")) {
			_, _ = u.client.call(ctx, token, "GET", "/_matrix/client/v1/media/thumbnail/"+at+"?width=32&height=32", nil, nil)
		}
	}
}

// The server is killed while people upload. Each row has its file with the right bytes, what was acknowledged can be
// downloaded, the quotas are the sums of what is there, and what the interrupted uploads have left goes away.
func TestKillDuringUploads(t *testing.T) {
	harness.Engines(t, func(t *testing.T, e harness.Engine) {
		rounds, random := max(crashes(t)/2, 2), chance(t)
		if e == harness.Postgres {
			rounds = max(rounds/5, 2)
		}
		s := harness.Start(t, e, quiet)
		u := &uploaders{t: t, client: newClient(t, s.URL), kept: map[string][]byte{}}
		for n := range 8 {
			u.tokens = append(u.tokens, u.client.register(t, fmt.Sprint("uploader", n)))
		}
		orphans, seen := 0, map[string]bool{}
		for range rounds {
			ctx, stop := context.WithCancel(context.Background())
			var wg sync.WaitGroup
			for n := range u.tokens {
				seed := random.Uint64()
				wg.Go(func() { u.run(ctx, n, seed) })
			}
			time.Sleep(20*time.Millisecond + upTo(random, 150*time.Millisecond))
			s.Kill()
			stop()
			wg.Wait()
			orphans += auditMedia(t, s)
			s.Start()
			if left, err := os.ReadDir(filepath.Join(s.Dir, "media", "incoming")); err != nil || len(left) > 0 {
				t.Errorf("after the start %d unfinished uploads are there, %v", len(left), err)
			}
			for at, want := range u.kept {
				if seen[at] && random.IntN(10) > 0 {
					continue
				}
				seen[at] = true
				var got []byte
				u.client.must(t, u.tokens[0], "GET", "/_matrix/client/v1/media/download/"+at, nil, &got)
				if !bytes.Equal(got, want) {
					t.Errorf("%s: got %d bytes, want %d", at, len(got), len(want))
				}
			}
			if t.Failed() {
				t.FailNow()
			}
		}
		t.Logf("%d crashes, %d files acknowledged, %d times bytes without a row were left and cleaned up", rounds, len(u.kept), orphans)
		s.Stop()
		auditMedia(t, s)
	})
}

// auditMedia looks at what a killed server has left, and cleans a copy of it, a day and two days later. It counts the files
// that no row named.
func auditMedia(t *testing.T, s *harness.Server) (orphans int) {
	t.Helper()
	ctx := context.Background()
	c := sqldb.Config{URL: s.DatabaseURL}
	if c.URL == "" {
		c.Dir = t.TempDir()
		copyData(t, s.Dir, c.Dir)
		defer os.RemoveAll(c.Dir)
	}
	db, err := sqldb.Open(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(s.Dir, "media"))); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	now := time.Now()
	clock := func() time.Time { return now }
	files, err := blob.Open(dir, clock)
	if err != nil {
		t.Fatal(err)
	}
	m, err := media.New(media.Config{DB: db, Blobs: files, Bus: new(bus.Local), Server: "house.example", Now: clock, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	audit := func(when string) {
		t.Helper()
		problems, err := m.Audit(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			t.Errorf("%s: %s", when, p)
		}
	}
	audit("after the crash")
	for range 2 {
		now = now.Add(25 * time.Hour)
		n, err := m.Clean(ctx)
		if err != nil {
			t.Fatal(err)
		}
		orphans += n
	}
	audit("after cleaning")
	var total, stored int64
	err = db.Read(ctx, func(tx *sqldb.Tx) error {
		_, total, err = media.Referenced(tx)
		return err
	})
	if err == nil {
		err = files.Walk(ctx, func(i blob.Info) error { stored += i.Size; return nil })
	}
	if err != nil || total != stored {
		t.Errorf("after cleaning: %d bytes are referred to, %d are there, %v", total, stored, err)
	}
	return orphans
}
