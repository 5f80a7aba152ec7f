package blob_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"freehold.example/base/blob"
	"freehold.example/base/blob/blobtest"
)

func TestFiles(t *testing.T) {
	blobtest.Run(t, func(t *testing.T, now func() time.Time) blob.Store {
		s, err := blob.Open(filepath.Join(t.TempDir(), "media", "blobs"), now)
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

func TestFilesReopen(t *testing.T) {
	root := t.TempDir()
	s, err := blob.Open(root, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.Put(t.Context(), strings.NewReader("kept"), 10)
	if err != nil {
		t.Fatal(err)
	}
	// What an interrupted Put and a stranger leave.
	incoming := filepath.Join(root, "incoming", ".tmp-123")
	for _, name := range []string{incoming, filepath.Join(root, "README"), filepath.Join(root, info.Hash.String())} {
		if err := os.WriteFile(name, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if s, err = blob.Open(root, time.Now); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(incoming); !os.IsNotExist(err) {
		t.Errorf("got %v, want the interrupted upload gone", err)
	}
	n := 0
	if err := s.Walk(t.Context(), func(i blob.Info) error {
		n++
		if i.Hash != info.Hash {
			t.Errorf("got %s, want %s", i.Hash, info.Hash)
		}
		return nil
	}); err != nil || n != 1 {
		t.Errorf("got %d blobs, %v, want 1", n, err)
	}
	if _, err := s.Stat(t.Context(), info.Hash); err != nil {
		t.Error(err)
	}
	h := info.Hash.String()
	if fi, err := os.Stat(filepath.Join(root, h[:2], h[2:4], h)); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want a file for the owner alone", fi, err)
	}
}

func TestParseHash(t *testing.T) {
	good := strings.Repeat("0123456789abcdef", 4)
	if h, err := blob.ParseHash(good); err != nil || h.String() != good {
		t.Errorf("got %s, %v, want %s", h, err, good)
	}
	for _, bad := range []string{
		"", "ab", good + "00", good[1:], strings.ToUpper(good), "../" + good[3:], "g" + good[1:],
		strings.Repeat("../", 21) + "x", good[:63] + "\x00",
	} {
		if h, err := blob.ParseHash(bad); err == nil {
			t.Errorf("%q: got %s, want an error", bad, h)
		}
	}
}
