package conformance

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"image"
	"image/color"
	"image/gif"
	_ "image/jpeg" // thumbnails
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

// Beyond the lines of section 21: what files may do to who opens them, and what may be asked for of them.

// withHeaders makes a GET with further headers, "Name: value", and follows no redirect.
func (u *user) withHeaders(path string, headers ...string) *answer {
	u.t.Helper()
	req, err := http.NewRequestWithContext(u.context(), "GET", base+path, nil)
	if err != nil {
		u.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+u.token)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		u.t.Fatal(err)
	}
	defer resp.Body.Close()
	a := &answer{t: u.t, asked: "GET " + path, status: resp.StatusCode, header: resp.Header}
	if a.raw, err = io.ReadAll(resp.Body); err != nil {
		u.t.Fatal(err)
	}
	return a
}

func TestMediaRanges(t *testing.T) {
	alice := newUser(t)
	body := []byte("0123456789abcdefghij")
	p := "/_matrix/client/v1/media/download/" + alice.uploadMedia("x", "text/plain", body)
	for _, tt := range []struct {
		asked  string
		status int
		want   string // "" for no matter
		of     string // Content-Range
	}{
		{"bytes=0-4", 206, "01234", "bytes 0-4/20"},
		{"bytes=5-", 206, "56789abcdefghij", "bytes 5-19/20"},
		{"bytes=-3", 206, "hij", "bytes 17-19/20"},
		{"bytes=-300", 206, string(body), "bytes 0-19/20"},
		{"bytes=18-99999999999", 206, "ij", "bytes 18-19/20"},
		{"bytes=20-", 416, "", "bytes */20"},
		{"bytes=99999999999999999999-", 416, "", "bytes */20"},
		{"bytes=-0", 416, "", "bytes */20"},
		{"bytes=5-2", 200, string(body), ""}, // what is malformed has not been asked for
		{"bytes=a-b", 200, string(body), ""},
		{"bytes=--1", 200, string(body), ""},
		{"bytes=+1-2", 200, string(body), ""},
		{"bytes=", 200, string(body), ""},
		{"lines=1-2", 200, string(body), ""},
		{"bytes=" + strings.Repeat("0-0,", 5000) + "0-0", 200, string(body), ""},
		{"bytes=0-,0-,0-", 200, string(body), ""}, // more than the whole
	} {
		a := alice.withHeaders(p, "Range: "+tt.asked)
		if a.status != tt.status || tt.want != "" && string(a.raw) != tt.want || a.header.Get("Content-Range") != tt.of {
			t.Errorf("%.40s: got %d %q %q, want %d %q %q", tt.asked, a.status, a.header.Get("Content-Range"), a.raw, tt.status, tt.of, tt.want)
		}
		if a.status >= 400 && !bytes.Contains(a.raw, []byte(`"errcode"`)) {
			t.Errorf("%.40s: got %s", tt.asked, a.raw)
		}
		if a.status < 400 && (a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("Content-Security-Policy") == "") {
			t.Errorf("%.40s: not safe: %v", tt.asked, a.header)
		}
	}
	several := alice.withHeaders(p, "Range: bytes=0-1,5-6")
	if several.status != 206 || !strings.HasPrefix(several.header.Get("Content-Type"), "multipart/byteranges") ||
		several.header.Get("X-Content-Type-Options") != "nosniff" || bytes.Count(several.raw, []byte("Content-Range: ")) != 2 {
		t.Errorf("two ranges: got %d %v", several.status, several.header)
	}
	tag := alice.withHeaders(p).header.Get("ETag")
	if a := alice.withHeaders(p, "If-None-Match: "+tag); a.status != 304 || len(a.raw) != 0 {
		t.Errorf("the same again: got %d", a.status)
	}
	if a := alice.withHeaders(p, "Range: bytes=0-1", `If-Range: "other"`); a.status != 200 || len(a.raw) != len(body) {
		t.Errorf("a part of another file: got %d", a.status)
	}
}

// No file may run anything where it is shown, whatever its uploader says that it is.
func TestMediaIsHarmless(t *testing.T) {
	alice := newUser(t)
	for typ, want := range map[string]string{
		"text/html": "attachment", "text/html;charset=utf-8": "attachment", "TEXT/HTML": "attachment", "image/svg+xml": "attachment",
		"application/xhtml+xml": "attachment", "text/xml": "attachment", "application/pdf": "attachment", "text/javascript": "attachment",
		"image/png, text/html": "attachment", "image/png\ttext/html": "attachment", "application/x-shockwave-flash": "attachment", "x": "attachment", "*/*": "attachment",
		"image/jpeg": "inline", "video/mp4": "inline", "audio/ogg; codecs=opus": "inline", "image/avif": "inline",
	} {
		a := alice.uploadAs(typ, []byte("<script>alert(1)</script>"))
		if a.status == 400 { // refused
			continue
		}
		got := alice.withHeaders("/_matrix/client/v1/media/download/" + strings.TrimPrefix(a.str("content_uri"), "mxc://"))
		kind, _, _ := strings.Cut(got.header.Get("Content-Disposition"), ";")
		csp := got.header.Get("Content-Security-Policy")
		if kind != want || got.header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(csp, "sandbox") ||
			!strings.Contains(csp, "default-src 'none'") || got.header.Get("Cross-Origin-Resource-Policy") != "cross-origin" {
			t.Errorf("%s: got %v, want %s", typ, got.header, want)
		}
	}
	for _, name := range []string{"a\r\nSet-Cookie: x=y", "../../etc/passwd", `"; x="`, "\u202egnp.exe", strings.Repeat("n", 5000), "%00", "\x00"} {
		a := alice.uploadNamed(name, []byte("x"))
		got := alice.withHeaders("/_matrix/client/v1/media/download/" + strings.TrimPrefix(a.str("content_uri"), "mxc://"))
		d := got.header.Get("Content-Disposition")
		if got.status != 200 || got.header.Get("Set-Cookie") != "" || strings.ContainsAny(d, "\r\n") || strings.Contains(d, "/etc") || len(d) > 4000 {
			t.Errorf("the name %.20q: got %d %.200q", name, got.status, d)
		}
	}
}

func (u *user) uploadAs(typ string, body []byte) *answer {
	u.t.Helper()
	return u.rawUpload("/_matrix/media/v3/upload", typ, body)
}

func (u *user) uploadNamed(name string, body []byte) *answer {
	u.t.Helper()
	return u.rawUpload("/_matrix/media/v3/upload?filename="+url.QueryEscape(name), "image/png", body).ok()
}

func (u *user) rawUpload(path, typ string, body []byte) *answer {
	u.t.Helper()
	req, err := http.NewRequestWithContext(u.context(), "POST", base+path, bytes.NewReader(body))
	if err != nil {
		u.t.Fatal(err)
	}
	req.Header["Content-Type"] = []string{typ}
	req.Header.Set("Authorization", "Bearer "+u.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		u.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		u.t.Fatal(err)
	}
	a := &answer{t: u.t, asked: "POST " + path, status: resp.StatusCode, header: resp.Header, raw: raw}
	_ = json.Unmarshal(raw, &a.v) // what is no JSON has no values
	return a
}

// An id leads to a file of this server or nowhere, and says the same of what is not there and of what may not be.
func TestMediaNamesLeadNowhere(t *testing.T) {
	alice := newUser(t)
	at := alice.uploadMedia("x", "text/plain", []byte("secret"))
	server, media, _ := strings.Cut(at, "/")
	for _, p := range []string{
		server + "/..%2f..%2fserver_name", server + "/%2e%2e", server + "/..", server + "/%2Fetc%2Fpasswd", server + "/" + media + "%00", server + "/" + media + "%20",
		server + "/" + strings.ToUpper(media) + "x", "..%2f" + server + "/" + media, "127.0.0.1%2f..%2f" + server + "/" + media, "%5b::1%5d:80/" + media,
		"other.example/" + media, server + "/", "/" + media, server + "/" + strings.Repeat("a", 5000), server + "/incoming", server + "/%F0%9F%98%80",
	} {
		for _, what := range []string{"download/", "thumbnail/"} {
			a := alice.withHeaders("/_matrix/client/v1/media/" + what + p + "?width=32&height=32")
			if a.status != 404 && a.status != 400 || bytes.Contains(a.raw, []byte("secret")) || bytes.Contains(a.raw, []byte("house.example\n")) {
				t.Errorf("%s%.60s: got %d %.100s", what, p, a.status, a.raw)
			}
		}
	}
	for _, p := range []string{server + "/nosuchmedia", "other.example/nosuchmedia"} {
		alice.get("/v1/media/download/"+p).fails(404, "M_NOT_FOUND")
	}
	bob := newUser(t)
	bob.put("/_matrix/media/v3/upload/"+at, []byte("mine now")).fails(403, "M_FORBIDDEN")
	bob.put("/_matrix/media/v3/upload/other.example/"+media, []byte("mine now")).fails(404, "M_NOT_FOUND")
	reserved := strings.TrimPrefix(alice.post("/_matrix/media/v1/create", nil).ok().str("content_uri"), "mxc://")
	bob.put("/_matrix/media/v3/upload/"+reserved, []byte("mine now")).fails(403, "M_FORBIDDEN")
}

// Ids that are reserved and not used are limited; those that are used make room.
func TestMediaPending(t *testing.T) {
	alice := newUser(t)
	var ids []string
	for range 100 {
		a := alice.post("/_matrix/media/v1/create", nil)
		if a.status != 200 {
			a.fails(429, "M_LIMIT_EXCEEDED")
			break
		}
		ids = append(ids, strings.TrimPrefix(a.str("content_uri"), "mxc://"))
		if !a.isNumber("unused_expires_at") {
			t.Errorf("got %s", a.raw)
		}
	}
	if len(ids) == 100 {
		t.Fatal("ids can be reserved without end")
	}
	alice.put("/_matrix/media/v3/upload/"+ids[0], []byte("x")).ok()
	alice.post("/_matrix/media/v1/create", nil).ok()
}

// A moving picture moves in its thumbnail when that is asked for, and only then; what claims too much is refused.
func TestMediaAnimated(t *testing.T) {
	alice := newUser(t)
	movie := gif.GIF{}
	for n := range 5 {
		frame := image.NewPaletted(image.Rect(0, 0, 200, 100), color.Palette{color.Black, color.White})
		frame.SetColorIndex(n, n, 1)
		movie.Image, movie.Delay = append(movie.Image, frame), append(movie.Delay, 10)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &movie); err != nil {
		t.Fatal(err)
	}
	at := alice.uploadMedia("movie.gif", "image/gif", b.Bytes())
	for q, want := range map[string]int{"&animated=true": 5, "&animated=false": 1, "": 1} {
		for _, size := range []int{96, 640} {
			a := alice.get("/v1/media/thumbnail/" + at + "?method=scale&width=" + strconv.Itoa(size) + "&height=" + strconv.Itoa(size) + q).ok()
			frames := 1
			if a.header.Get("Content-Type") == "image/gif" {
				all, err := gif.DecodeAll(bytes.NewReader(a.raw))
				if err != nil {
					t.Fatal(err)
				}
				frames = len(all.Image)
			} else if _, _, err := image.Decode(bytes.NewReader(a.raw)); err != nil {
				t.Error(err)
			}
			if frames != want || !strings.HasPrefix(a.header.Get("Content-Disposition"), "inline") {
				t.Errorf("%d%s: got %d frames, %v, want %d", size, q, frames, a.header, want)
			}
		}
	}
	bomb := bytes.Clone(b.Bytes())
	binary.LittleEndian.PutUint16(bomb[6:], 50_000)
	binary.LittleEndian.PutUint16(bomb[8:], 50_000)
	for _, q := range []string{"", "&animated=true"} {
		alice.get("/v1/media/thumbnail/"+alice.uploadMedia("bomb.gif", "image/gif", bomb)+"?width=32&height=32"+q).fails(413, "M_TOO_LARGE")
	}
	alice.get("/v1/media/thumbnail/"+alice.uploadMedia("t.txt", "image/png", []byte("no picture"))+"?width=32&height=32").fails(400, "M_UNKNOWN")
	alice.get("/v1/media/thumbnail/"+at+"?width=-1&height=32").fails(400, "M_INVALID_PARAM")
	alice.get("/v1/media/thumbnail/"+at+"?width=99999999999999999999&height=32").fails(400, "M_INVALID_PARAM")
}
