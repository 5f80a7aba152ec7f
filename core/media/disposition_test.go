package media_test

import (
	"mime"
	"strings"
	"testing"

	"freehold.example/core/media"
)

// Whatever a file is called, the header is one line that says exactly that.
func FuzzDisposition(f *testing.F) {
	for _, name := range []string{"a.txt", "☃", `"; filename="b`, "\r\nX: y", "a\x00b", "%41", "*=utf-8''x", `\`, "\xff\xfe", "a/../b"} {
		f.Add("image/png", name)
	}
	f.Fuzz(func(t *testing.T, contentType, name string) {
		name = media.CleanName(name)
		got := (&media.File{ContentType: contentType, Name: name}).Disposition()
		if strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%q: got %q, which is no header", name, got)
		}
		kind, params, err := mime.ParseMediaType(got)
		if err != nil || params["filename"] != name || kind != "inline" && kind != "attachment" || len(params) > 1 {
			t.Errorf("%q: got %q, read as %v, %v", name, got, params, err)
		}
	})
}

func TestDisposition(t *testing.T) {
	for contentType, want := range map[string]string{
		"image/png": "inline", "IMAGE/PNG": "inline", "text/plain; charset=utf-8": "inline", " text/css ;x": "inline",
		"image/svg": "attachment", "image/svg+xml": "attachment", "text/html": "attachment", "text/html;text/plain": "attachment",
		"application/xhtml+xml": "attachment", "": "attachment", ";": "attachment", "image/png,text/html": "attachment",
	} {
		if got := (&media.File{ContentType: contentType}).Disposition(); got != want {
			t.Errorf("%q: got %s, want %s", contentType, got, want)
		}
	}
}
