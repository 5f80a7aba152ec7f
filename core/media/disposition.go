package media

import (
	"mime"
	"strings"
)

// inline are the types that may be shown in place (same chapter, "Serving inline content").
var inline = map[string]bool{
	"text/css": true, "text/plain": true, "text/csv": true, "application/json": true, "application/ld+json": true,
	"image/jpeg": true, "image/gif": true, "image/png": true, "image/apng": true, "image/webp": true, "image/avif": true,
	"video/mp4": true, "video/webm": true, "video/ogg": true, "video/quicktime": true, "audio/mp4": true,
	"audio/webm": true, "audio/aac": true, "audio/mpeg": true, "audio/ogg": true, "audio/wave": true, "audio/wav": true,
	"audio/x-wav": true, "audio/x-pn-wav": true, "audio/flac": true, "audio/x-flac": true,
}

// Disposition is the Content-Disposition of a file: whether it may be shown in place, and its name. One beyond plain ASCII is also given as RFC 5987 has it, for which
// the first form stands in where that is not understood.
func (f *File) Disposition() string {
	kind := "attachment"
	if base, _, _ := strings.Cut(f.ContentType, ";"); inline[strings.ToLower(strings.TrimSpace(base))] {
		kind = "inline"
	}
	if f.Name == "" {
		return kind
	}
	// mime quotes, escapes, and writes filename*= with percent encoding when it must. It refuses nothing of a clean name.
	return mime.FormatMediaType(kind, map[string]string{"filename": f.Name})
}
