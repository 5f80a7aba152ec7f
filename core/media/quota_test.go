package media

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"io"
	"strings"
	"sync"
	"testing"

	"freehold.example/base/blob"
	"freehold.example/matrix/fault"
)

func kept(t *testing.T, m *Media) (bytes int64) {
	t.Helper()
	err := m.Blobs.Walk(t.Context(), func(i blob.Info) error { bytes += i.Size; return nil })
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

// Uploads that do not announce their size were written in full before they were refused, and stayed for a day: whoever had
// used up his quota could fill the disk.
func TestRefusedUploadsDoNotReachTheDisk(t *testing.T) {
	each(t, Config{MaxUpload: 100, MaxUser: 120}, func(t *testing.T, m *Media, _ *clock) {
		unannounced := func(c string) Upload { return Upload{Body: strings.NewReader(strings.Repeat(c, 100)), Length: -1} }
		add(t, m, unannounced("a"))
		for _, c := range []string{"b", "c", "d"} {
			_, err := m.Add(t.Context(), alice, unannounced(c))
			wantFault(t, err, fault.Forbidden)
		}
		if got := kept(t, m); got != 100 {
			t.Errorf("got %d bytes on the disk, want 100", got)
		}
		i, _, err := m.Reserve(t.Context(), alice)
		if err != nil {
			t.Fatal(err)
		}
		wantFault(t, m.Fill(t.Context(), alice, i, unannounced("e")), fault.Forbidden)
		add(t, m, file("twenty bytes are lef"))
	})
}

// Uploads that are under way count, or as many could come at once as there are connections.
func TestUploadsAtOnceShareTheQuota(t *testing.T) {
	each(t, Config{MaxUpload: 100, MaxUser: 150}, func(t *testing.T, m *Media, _ *clock) {
		body, sender := io.Pipe()
		first := make(chan error)
		go func() {
			_, err := m.Add(context.WithoutCancel(t.Context()), alice, Upload{Body: body, Length: 100})
			first <- err
		}()
		if _, err := io.WriteString(sender, strings.Repeat("a", 50)); err != nil { // it has begun
			t.Fatal(err)
		}
		_, err := m.Add(t.Context(), alice, Upload{Body: strings.NewReader(strings.Repeat("b", 100)), Length: 100})
		wantFault(t, err, fault.Forbidden)
		_, err = m.Add(t.Context(), alice, Upload{Body: strings.NewReader(strings.Repeat("c", 100)), Length: -1})
		wantFault(t, err, fault.Forbidden)
		add(t, m, file("fifty fit"))
		if _, err := io.WriteString(sender, strings.Repeat("a", 50)); err != nil {
			t.Fatal(err)
		}
		sender.Close()
		if err := <-first; err != nil {
			t.Error(err)
		}
		if got := kept(t, m); got != 109 {
			t.Errorf("got %d bytes on the disk, want 109", got)
		}
		if len(m.coming.bytes) != 0 {
			t.Errorf("uploads are over, and %v are under way", m.coming.bytes)
		}
	})
}

// Of large pictures there is one in memory at a time, and a failed one makes way for the next.
func TestLargePicturesComeOneAtATime(t *testing.T) {
	each(t, Config{MaxPixels: 80_000, MaxAtOnce: 8}, func(t *testing.T, m *Media, _ *clock) {
		var picture bytes.Buffer
		if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 250, 250))); err != nil {
			t.Fatal(err)
		}
		broken := add(t, m, file(picture.String()[:picture.Len()-40]))
		whole := add(t, m, file(picture.String()))
		var wg sync.WaitGroup
		for _, size := range boxes[Crop][:2] {
			wg.Go(func() {
				_, err := m.Thumbnail(t.Context(), "s1", string(broken), Size{size.width, size.height, Crop, false}, 0)
				wantFault(t, err, fault.Unknown)
			})
			wg.Go(func() {
				f, err := m.Thumbnail(t.Context(), "s1", string(whole), Size{size.width, size.height, Crop, false}, 0)
				if err != nil {
					t.Error(err)
					return
				}
				f.Close()
			})
		}
		wg.Wait()
		if !m.large.TryLock() {
			t.Error("the place of the large picture was not given back")
		}
	})
}
