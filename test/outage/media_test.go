package outage

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"freehold.example/test/harness"
)

// source gives n bytes that no other source gives.
type source struct {
	n    int64
	seed byte
}

func (s *source) Read(b []byte) (int, error) {
	if s.n == 0 {
		return 0, io.EOF
	}
	b = b[:min(int64(len(b)), s.n)]
	for i := 0; i < len(b); i += 512 {
		b[i] = s.seed + byte(s.n)
	}
	s.n -= int64(len(b))
	return len(b), nil
}

// resident reads how much memory the server has, in bytes.
func resident(t *testing.T, base string) int64 {
	t.Helper()
	return int64(metric(t, base, "process_resident_memory_bytes"))
}

// metric reads one value of /metrics.
func metric(t *testing.T, base, name string) float64 {
	t.Helper()
	text := (&user{t: t, base: base}).ok("GET", "/metrics", nil).raw
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("there is no %s in /metrics", name)
	return 0
}

// Files go through the server and are never in it: eight at once, each larger than what the server may take of memory.
// FREEHOLD_MEDIA_MB is the size of each; the log tells the speed, which is no condition here, as the machine may be busy.
func TestLargeFilesTakeNoMemory(t *testing.T) {
	const atOnce, mayGrow = 8, 32 << 20
	size := int64(40)
	if text := os.Getenv("FREEHOLD_MEDIA_MB"); text != "" {
		var err error
		if size, err = strconv.ParseInt(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	size <<= 20
	s := harness.On(t, t.TempDir(), "FREEHOLD_MEDIA_MAX_FILE="+strconv.FormatInt(size, 10), "FREEHOLD_LOG_LEVEL=warn")
	s.Start()
	alice := register(t, s.URL, "alice")
	alice.ok("POST", "/_matrix/media/v3/upload", []byte("warm"))
	before := resident(t, s.URL)
	var most atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var watching, wg sync.WaitGroup
	watching.Go(func() {
		for ctx.Err() == nil {
			most.Store(max(most.Load(), resident(t, s.URL)))
			time.Sleep(20 * time.Millisecond)
		}
	})
	request := func(method, path string, body io.Reader) (int64, string) {
		req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, body)
		if err != nil {
			t.Error(err)
			return 0, ""
		}
		req.Header.Set("Authorization", "Bearer "+alice.token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Error(err)
			return 0, ""
		}
		defer resp.Body.Close()
		var head strings.Builder
		n, err := io.Copy(io.Discard, io.TeeReader(io.LimitReader(resp.Body, 500), &head))
		if err == nil {
			var more int64
			more, err = io.Copy(io.Discard, resp.Body)
			n += more
		}
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%s %s: %s %.200s, %v", method, path, resp.Status, head.String(), err)
		}
		return n, head.String()
	}
	var ids [atOnce]string
	used := func() float64 { return metric(t, s.URL, "process_cpu_seconds_total") }
	atFirst, began := used(), time.Now()
	for i := range atOnce {
		wg.Go(func() {
			_, answer := request("POST", "/_matrix/media/v3/upload", &source{size, byte(i * 31)})
			_, at, _ := strings.Cut(answer, "mxc://")
			ids[i], _, _ = strings.Cut(at, `"`)
		})
	}
	wg.Wait()
	up, between := time.Since(began), used()
	began = time.Now()
	for i := range atOnce {
		wg.Go(func() {
			if n, _ := request("GET", "/_matrix/client/v1/media/download/"+ids[i], nil); n != size {
				t.Errorf("got %d bytes, want %d", n, size)
			}
		})
	}
	wg.Wait()
	down, atLast := time.Since(began), used()
	stop()
	watching.Wait()
	speed := func(d time.Duration, cpu float64) string {
		megabytes := float64(atOnce*size) / 1e6
		return fmt.Sprintf("%.0f MB/s at %.2f ms of CPU per MB", megabytes/d.Seconds(), 1000*cpu/megabytes)
	}
	t.Logf("%d files of %d MiB: up %s, down %s; memory %d MB before, at most %d MB", atOnce, size>>20, speed(up, between-atFirst), speed(down, atLast-between), before>>20, most.Load()>>20)
	if grown := most.Load() - before; grown > mayGrow {
		t.Errorf("memory has grown by %d MB", grown>>20)
	}
	s.Stop()
}
