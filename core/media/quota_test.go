package media

import (
	"context"
	"io"
	"strings"
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
