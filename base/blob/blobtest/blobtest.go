// Package blobtest checks that an implementation of blob.Store keeps its contract.
package blobtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"freehold.example/base/blob"
)

// Run checks the store that open makes, empty, for each part. now is the clock that open was given to use; the suite
// moves it.
func Run(t *testing.T, open func(t *testing.T, now func() time.Time) blob.Store) {
	for _, part := range []struct {
		name string
		run  func(*testing.T, *fixture)
	}{
		{"put and read", putAndRead},
		{"sizes", sizes},
		{"same twice", sameTwice},
		{"clock goes back", clockGoesBack},
		{"broken reader", brokenReader},
		{"cancelled", cancelled},
		{"missing", missing},
		{"delete", remove},
		{"delete loses to put", deleteLosesToPut},
		{"open survives delete", openSurvivesDelete},
		{"walk", walk},
		{"at once", atOnce},
	} {
		t.Run(part.name, func(t *testing.T) {
			f := &fixture{t: t, time: time.Unix(1_800_000_000, 0)}
			f.store = open(t, f.now)
			part.run(t, f)
		})
	}
}

type fixture struct {
	t     *testing.T
	store blob.Store
	mu    sync.Mutex
	time  time.Time
}

func (f *fixture) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.time
}

func (f *fixture) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.time = f.time.Add(d)
}

func (f *fixture) put(content string) blob.Info {
	f.t.Helper()
	info, err := f.store.Put(f.t.Context(), strings.NewReader(content), int64(len(content)))
	if err != nil {
		f.t.Fatalf("put %q: %v", content, err)
	}
	return info
}

// all is what Walk shows.
func (f *fixture) all() []blob.Info {
	f.t.Helper()
	var all []blob.Info
	if err := f.store.Walk(f.t.Context(), func(i blob.Info) error { all = append(all, i); return nil }); err != nil {
		f.t.Fatalf("walk: %v", err)
	}
	return all
}

func putAndRead(t *testing.T, f *fixture) {
	const content = "some content"
	info := f.put(content)
	if want := blob.Hash(sha256.Sum256([]byte(content))); info.Hash != want || info.Size != int64(len(content)) {
		t.Errorf("got %s with %d bytes, want %s with %d", info.Hash, info.Size, want, len(content))
	}
	r, opened, err := f.store.Open(t.Context(), info.Hash)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if opened.Size != info.Size || opened.Hash != info.Hash {
		t.Errorf("got %+v, want %+v", opened, info)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != content {
		t.Errorf("got %q, %v, want %q", got, err, content)
	}
	if _, err := r.Seek(5, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != content[5:] {
		t.Errorf("got %q, %v after seeking, want %q", got, err, content[5:])
	}
	if got, err := f.store.Stat(t.Context(), info.Hash); err != nil || got.Size != info.Size || !got.Put.Equal(f.now()) {
		t.Errorf("got %+v, %v, want %d bytes put at %s", got, err, info.Size, f.now())
	}
}

func sizes(t *testing.T, f *fixture) {
	for _, tt := range []struct {
		size, limit int64
		want        error
	}{
		{0, 0, nil},
		{0, 10, nil},
		{1, 0, blob.ErrTooLarge},
		{1, -1, blob.ErrTooLarge},
		{100_000, 100_000, nil},
		{100_001, 100_000, blob.ErrTooLarge},
	} {
		r := &counter{r: io.LimitReader(zeros{}, tt.size)}
		info, err := f.store.Put(t.Context(), r, tt.limit)
		if !errors.Is(err, tt.want) || err == nil && info.Size != tt.size {
			t.Errorf("%d bytes, limit %d: got %+v, %v, want %v", tt.size, tt.limit, info, err, tt.want)
		}
		if r.n > max(tt.limit, 0)+1 {
			t.Errorf("%d bytes, limit %d: %d bytes were read", tt.size, tt.limit, r.n)
		}
	}
	if got := len(f.all()); got != 2 {
		t.Errorf("got %d blobs, want the empty one and the large one", got)
	}
}

func sameTwice(t *testing.T, f *fixture) {
	first := f.put("x")
	f.pass(time.Hour)
	second := f.put("x")
	if first.Hash != second.Hash || len(f.all()) != 1 {
		t.Errorf("got %d blobs, want one", len(f.all()))
	}
	if got, err := f.store.Stat(t.Context(), first.Hash); err != nil || !got.Put.Equal(f.now()) {
		t.Errorf("got %+v, %v, want the time of the second put, %s", got, err, f.now())
	}
}

// A clock that goes back must not make a blob look as if nobody had put it since.
func clockGoesBack(t *testing.T, f *fixture) {
	first := f.put("x")
	f.pass(-10 * 365 * 24 * time.Hour)
	f.put("x")
	got, err := f.store.Stat(t.Context(), first.Hash)
	if err != nil || !got.Put.After(first.Put) {
		t.Errorf("got %+v, %v, want it put after %s", got, err, first.Put)
	}
	if gone, err := f.store.Delete(t.Context(), first.Hash, first.Put.Add(1)); gone || err != nil {
		t.Errorf("got %v, %v, want it left alone", gone, err)
	}
}

func brokenReader(t *testing.T, f *fixture) {
	cause := errors.New("the line was cut")
	_, err := f.store.Put(t.Context(), io.MultiReader(strings.NewReader("half"), iotest.ErrReader(cause)), 100)
	if !errors.Is(err, cause) {
		t.Errorf("got %v, want %v", err, cause)
	}
	if all := f.all(); len(all) != 0 {
		t.Errorf("got %v left behind, want nothing", all)
	}
}

func cancelled(t *testing.T, f *fixture) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.store.Put(ctx, strings.NewReader("x"), 100); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want cancelled", err)
	}
	if all := f.all(); len(all) != 0 {
		t.Errorf("got %v left behind, want nothing", all)
	}
}

func missing(t *testing.T, f *fixture) {
	h := blob.Hash{1, 2, 3}
	if r, _, err := f.store.Open(t.Context(), h); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("open: got %v, %v, want not found", r, err)
	}
	if _, err := f.store.Stat(t.Context(), h); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("stat: got %v, want not found", err)
	}
	if done, err := f.store.Delete(t.Context(), h, f.now()); done || err != nil {
		t.Errorf("delete: got %v, %v, want false, nil", done, err)
	}
}

func remove(t *testing.T, f *fixture) {
	a, b := f.put("a"), f.put("b")
	f.pass(time.Hour)
	if done, err := f.store.Delete(t.Context(), a.Hash, f.now()); !done || err != nil {
		t.Fatalf("got %v, %v, want true", done, err)
	}
	if _, err := f.store.Stat(t.Context(), a.Hash); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("got %v, want not found", err)
	}
	if all := f.all(); len(all) != 1 || all[0].Hash != b.Hash {
		t.Errorf("got %v, want only b", all)
	}
	if again := f.put("a"); again.Hash != a.Hash {
		t.Errorf("got %s, want %s", again.Hash, a.Hash)
	}
}

func deleteLosesToPut(t *testing.T, f *fixture) {
	info := f.put("a")
	f.pass(time.Hour)
	mark := f.now()
	f.pass(time.Hour)
	f.put("a")
	if done, err := f.store.Delete(t.Context(), info.Hash, mark); done || err != nil {
		t.Errorf("got %v, %v, want that the later put wins", done, err)
	}
	if _, err := f.store.Stat(t.Context(), info.Hash); err != nil {
		t.Error(err)
	}
}

func openSurvivesDelete(t *testing.T, f *fixture) {
	info := f.put("still here")
	r, _, err := f.store.Open(t.Context(), info.Hash)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if done, err := f.store.Delete(t.Context(), info.Hash, f.now().Add(time.Second)); !done || err != nil {
		t.Fatalf("got %v, %v, want true", done, err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != "still here" {
		t.Errorf("got %q, %v", got, err)
	}
}

func walk(t *testing.T, f *fixture) {
	want := map[blob.Hash]bool{}
	for i := range 50 {
		want[f.put(fmt.Sprint(i)).Hash] = true
	}
	all := f.all()
	for _, i := range all {
		if !want[i.Hash] || i.Size == 0 || !i.Put.Equal(f.now()) {
			t.Errorf("got %+v, which was not put", i)
		}
	}
	if len(all) != len(want) {
		t.Errorf("got %d blobs, want %d", len(all), len(want))
	}
	if !slices.IsSortedFunc(all, func(a, b blob.Info) int { return bytes.Compare(a.Hash[:], b.Hash[:]) }) {
		t.Error("the blobs are out of order")
	}
	stop := errors.New("enough")
	n := 0
	err := f.store.Walk(t.Context(), func(blob.Info) error { n++; return stop })
	if !errors.Is(err, stop) || n != 1 {
		t.Errorf("got %v after %d blobs, want to stop after one", err, n)
	}
}

func atOnce(t *testing.T, f *fixture) {
	content := bytes.Repeat([]byte("x"), 50_000)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5 {
				info, err := f.store.Put(t.Context(), bytes.NewReader(content), int64(len(content)))
				if err != nil {
					t.Error(err)
					return
				}
				// Before everything put so far: never allowed to succeed.
				if done, err := f.store.Delete(t.Context(), info.Hash, f.now()); done || err != nil {
					t.Errorf("got %v, %v, want false", done, err)
				}
				r, _, err := f.store.Open(t.Context(), info.Hash)
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content) {
					t.Errorf("got %d bytes, %v", len(got), err)
				}
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(f.all()); n != 1 {
		t.Errorf("got %d blobs, want 1", n)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}
