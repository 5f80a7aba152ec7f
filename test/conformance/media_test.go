package conformance

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// 21 Media

// uploadMedia uploads bytes and returns server and id of what they became.
func (u *user) uploadMedia(name, typ string, body []byte) (at string) {
	u.t.Helper()
	q := "/_matrix/media/v3/upload"
	if name != "" {
		q += "?filename=" + url.QueryEscape(name)
	}
	to := base
	if u.house != nil {
		to = u.house.url
	}
	req, err := http.NewRequestWithContext(u.context(), "POST", to+q, bytes.NewReader(body))
	if err != nil {
		u.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+u.token)
	req.Header.Set("Content-Type", typ)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		u.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, _ := io.ReadAll(resp.Body)
	_, uri, found := strings.Cut(string(raw), `"mxc://`)
	if resp.StatusCode != 200 || !found {
		u.t.Fatalf("upload: got %d %s", resp.StatusCode, raw)
	}
	return strings.TrimRight(uri, "\"}\n ")
}

func picture(t *testing.T) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 80, 60))
	for x := range 80 {
		m.Set(x, x%60, color.RGBA{uint8(x * 3), 100, 200, 255})
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestB285(t *testing.T) { // and B286
	alice := newUser(t)
	for _, typ := range []string{"image/png", "img/png", "application/octet-stream", "text/plain", "text/plain; charset=utf-8"} {
		for _, name := range []string{"", "a.bin"} {
			body := []byte("bytes of " + typ)
			a := alice.get("/v1/media/download/" + alice.uploadMedia(name, typ, body)).ok()
			want, _, _ := strings.Cut(typ, ";")
			got, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
			if !bytes.Equal(a.raw, body) || got != want {
				t.Errorf("%s: got %q of type %s", typ, a.raw, a.header.Get("Content-Type"))
			}
			if !strings.HasPrefix(typ, "text/") && a.header.Get("Content-Type") != typ {
				t.Errorf("got type %q, want %q", a.header.Get("Content-Type"), typ)
			}
		}
	}
}

func TestB287(t *testing.T) {
	alice := newUser(t)
	at := alice.uploadMedia("x", "image/png", []byte("x"))
	for _, p := range []string{at, "a/b", "%21/%2F", at + "/name", "x/y/z"} {
		nobody(t).get("/v1/media/download/" + p).fails(401)
	}
}

func TestB288(t *testing.T) {
	alice := newUser(t)
	body := picture(t)
	at := alice.uploadMedia("x.png", "image/png", body)
	if a := alice.get("/_matrix/media/v3/download/" + at).ok(); !bytes.Equal(a.raw, body) {
		t.Errorf("got %d bytes", len(a.raw))
	}
	alice.get("/_matrix/media/v3/thumbnail/" + at + "?width=32&height=32&method=scale").ok()
}

func TestB289(t *testing.T) {
	alice := newUser(t)
	for _, p := range []string{"/_matrix/media/v3/config", "/v1/media/config"} {
		if a := alice.get(p).ok(); !a.isNumber("m.upload.size") {
			t.Errorf("%s: got %s", p, a.raw)
		}
	}
}

var mediaNames = []string{"file.png", "name with spaces.png", "a;b;c.png", "☕🦊.png", "ünïcode €.png", `quo"te.png`}

// disposition checks how a download is to be shown and what it is called.
func disposition(t *testing.T, a *answer, name string) string {
	t.Helper()
	kind, params, err := mime.ParseMediaType(a.header.Get("Content-Disposition"))
	if err != nil || kind != "inline" && kind != "attachment" || params["filename"] != name {
		t.Errorf("got %q (%v), want the name %q", a.header.Get("Content-Disposition"), err, name)
	}
	return kind
}

// Beyond the lines: the paths of r0.6.1, which is among the versions.
func TestMediaBelowR0(t *testing.T) {
	alice := newUser(t)
	alice.get("/_matrix/media/r0/config").ok()
	at, found := strings.CutPrefix(alice.post("/_matrix/media/r0/upload", "a file").ok().str("content_uri"), "mxc://")
	if !found {
		t.Fatalf("got %q", at)
	}
	if a := alice.get("/_matrix/media/r0/download/" + at).ok(); string(a.raw) != "a file" {
		t.Errorf("got %s", a.raw)
	}
}

func TestB290(t *testing.T) {
	alice := newUser(t)
	for _, name := range mediaNames {
		at := alice.uploadMedia(name, "image/png", []byte("x"))
		disposition(t, alice.get("/v1/media/download/"+at).ok(), name)
	}
}

func TestB291(t *testing.T) {
	alice := newUser(t)
	at := alice.uploadMedia("first.png", "image/png", []byte("x"))
	for _, name := range mediaNames {
		disposition(t, alice.get("/v1/media/download/"+at+"/"+url.PathEscape(name)).ok(), name)
	}
}

func TestB293(t *testing.T) {
	alice := newUser(t)
	for typ, want := range map[string]string{
		"image/png": "inline", "Text/Plain; charset=utf-8": "inline", "image/svg": "attachment", "image/svg+xml": "attachment",
		"text/html": "attachment", "application/javascript": "attachment",
	} {
		at := alice.uploadMedia("x", typ, []byte("x"))
		if got := disposition(t, alice.get("/v1/media/download/"+at).ok(), "x"); got != want {
			t.Errorf("%s: got %s, want %s", typ, got, want)
		}
	}
}

func TestB297(t *testing.T) {
	alice := newUser(t)
	at := alice.uploadMedia("p.png", "image/png", picture(t))
	for _, prefix := range []string{"/v1/media/thumbnail/", "/_matrix/media/v3/thumbnail/"} {
		for _, method := range []string{"scale", "crop"} {
			a := alice.get(prefix + at + "?width=32&height=32&method=" + method).ok()
			typ := a.header.Get("Content-Type")
			m, _, err := image.Decode(bytes.NewReader(a.raw))
			if err != nil || typ != "image/png" && typ != "image/jpeg" || m.Bounds().Dx() > 80 {
				t.Errorf("%s%s: type %s, %v", prefix, method, typ, err)
			}
		}
	}
}

func TestB298(t *testing.T) {
	alice := newUser(t)
	at := alice.uploadMedia("p.png", "image/png", picture(t))
	nobody(t).get("/v1/media/thumbnail/" + at).fails(401)
}

func TestB300(t *testing.T) {
	alice := newUser(t)
	room := alice.createRoom(nil)
	uri := "mxc://" + alice.uploadMedia("p.png", "image/png", picture(t))
	want := alice.sendEvent(room, "m.room.message", obj{"msgtype": "m.file", "body": "p", "url": uri})
	alice.send(room, "without")
	a := alice.get(path("/v3/rooms", room, "messages") + "?dir=b&filter=" + url.QueryEscape(`{"contains_url":true}`)).ok()
	if got := a.at("chunk").all("event_id"); len(got) != 1 || got[0] != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestAsynchronousUpload(t *testing.T) {
	alice := newUser(t)
	at, found := strings.CutPrefix(alice.post("/_matrix/media/v1/create", nil).ok().str("content_uri"), "mxc://")
	if !found {
		t.Fatal("B301: no content_uri")
	}
	t.Run("B302", func(t *testing.T) {
		a := alice.get("/_matrix/media/v3/download/" + at + "?timeout_ms=500")
		if a.status != 504 || a.errcode != "M_NOT_YET_UPLOADED" || a.str("error") == "" {
			t.Errorf("got %d %s", a.status, a.raw)
		}
	})
	put := func(body []byte) *answer { return alice.put("/_matrix/media/v3/upload/"+at+"?filename=late.bin", body) }
	t.Run("B303", func(t *testing.T) {
		put([]byte("late")).ok()
		a := alice.get("/v1/media/download/" + at).ok()
		if string(a.raw) != "late" || disposition(t, a, "late.bin") == "" {
			t.Errorf("got %q", a.raw)
		}
	})
	t.Run("B304", func(t *testing.T) {
		for _, body := range [][]byte{[]byte("again"), {}} {
			put(body).fails(409, "M_CANNOT_OVERWRITE_MEDIA")
		}
	})
}
