package conformance

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"freehold.example/test/remote"
)

func TestB292(t *testing.T) {
	s, s2 := first(t), second(t)
	alice, bob := s.newUser(t), s2.newUser(t)
	for _, name := range mediaNames {
		at := alice.uploadMedia(name, "image/png", []byte("x"))
		disposition(t, bob.get("/v1/media/download/"+at).ok(), name)
	}
}

func TestB294(t *testing.T) {
	s, s2 := first(t), second(t)
	alice, bob := s.newUser(t), s2.newUser(t)
	at := alice.uploadMedia("view.png", "image/png", picture(t))
	for _, p := range []string{"/v1/media/download/" + at, "/v1/media/download/" + at + "/other.png", "/_matrix/media/v3/download/" + at} {
		a := bob.get(p).ok()
		if !bytes.Equal(a.raw, picture(t)) || a.header.Get("Content-Type") != "image/png" {
			t.Errorf("%s: got %d bytes of %s", p, len(a.raw), a.header.Get("Content-Type"))
		}
	}
	bob.get("/v1/media/thumbnail/" + at + "?width=32&height=32&method=scale").ok()
	bob.get("/_matrix/media/v3/download/"+alice.uploadMedia("x", "text/plain", []byte("x"))+"?allow_remote=false").fails(404, "M_NOT_FOUND")
	bob.get("/v1/media/download/"+string(s.name)+"/NoSuchFile").fails(404, "M_NOT_FOUND")
}

// A server of before authenticated media is asked as it knows it.
func TestB295B296(t *testing.T) {
	s, r := first(t), remote.New(t)
	alice := s.newUser(t)
	r.Hook("/_matrix/key/", remote.Fail(http.StatusNotFound, "M_NOT_FOUND"))
	r.Hook("/_matrix/federation/v1/media/", func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		http.Error(w, "what?", http.StatusBadRequest)
	})
	r.Hook("/_matrix/media/v3/download/", func(w http.ResponseWriter, q *http.Request, _ http.Handler) {
		if q.Header.Get("Authorization") != "" {
			t.Error("an old server is sent a signature")
		}
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, "an old file")
	})
	a := alice.get("/v1/media/download/" + string(r.Name) + "/old").ok()
	if string(a.raw) != "an old file" {
		t.Errorf("got %q", a.raw)
	}
}

func TestB299(t *testing.T) {
	s, r := first(t), remote.New(t)
	alice, at := s.newUser(t), s.meet(r)
	file := alice.uploadMedia("view.png", "image/png", picture(t))
	const size = "?method=scale&width=32&height=32"
	want := alice.get("/v1/media/thumbnail/" + file + size).ok()
	_, name, _ := strings.Cut(file, "/")
	got := at.Do("GET", "/_matrix/federation/v1/media/thumbnail/"+name+size, nil).OK()
	boundary, _, _ := strings.Cut(strings.TrimPrefix(string(got.Body), "--"), "\r\n")
	parts := multipart.NewReader(bytes.NewReader(got.Body), boundary)
	for {
		part, err := parts.NextPart()
		if err != nil {
			t.Fatalf("no picture like that of a client: %v", err)
		}
		body, err := io.ReadAll(part)
		if err == nil && part.Header.Get("Content-Type") == "image/png" && bytes.Equal(body, want.raw) {
			return
		}
	}
}
