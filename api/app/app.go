// Package app serves the web app that is embedded in the program: files that were compressed when it was built, and its one
// page for every address that a person may see.
package app

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

// policy lets the page run what this server sends, and talk to nobody else. WebAssembly is the encryption; styles are
// files, and blob: is pictures that were decrypted in the browser.
const policy = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; " +
	"object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// elsewhere is the folder of the page from which another homeserver is used: its policy lets it talk to any, and everything
// else is as strict. A browser forbids a page that came by https to ask by http. Who does not go there never has it.
const (
	elsewhere       = "elsewhere"
	elsewherePolicy = policy + "; connect-src 'self' https: http:"
)

// page is the document that is served for every address that is no file.
const page = "index.html"

// App is the files of one build. It never changes. What is in them stays where it is, which is the program, and is not read before somebody
// wants it: in memory it would be a quarter of what an idle server takes.
type App struct {
	source fs.FS
	files  map[string]*file // by path without a leading slash
}

// file is one file in the forms it can be sent in.
type file struct {
	kind      string                 // media type
	tag       func() (string, error) // stands for the content, whatever the form; worked out once
	plain     *form                  // nil when there is br and gz
	br, gz    *form
	unchanged bool // its name has its content's hash in it
}

// form is one file of the build.
type form struct {
	name string
	size int64
}

// New reads a build. There is no app when files has none, or only hidden ones: then New gives nil.
func New(files fs.FS) (*App, error) {
	a := &App{source: files, files: map[string]*file{}}
	if err := a.each(func(f *form) error { a.add(f); return nil }); err != nil {
		return nil, fmt.Errorf("read the web app: %w", err)
	}
	if len(a.files) == 0 {
		return nil, nil
	}
	for name, f := range a.files {
		if (f.br == nil) != (f.gz == nil) {
			return nil, fmt.Errorf("read the web app: %s is there in one compressed form only", name)
		}
	}
	if a.files[page] == nil {
		return nil, errors.New("read the web app: it has no " + page)
	}
	return a, nil
}

// each calls fn with all files of the build, in lexical order.
func (a *App) each(fn func(*form) error) error {
	return fs.WalkDir(a.source, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") {
			return err
		}
		about, err := d.Info()
		if err != nil {
			return err
		}
		return fn(&form{name, about.Size()})
	})
}

// copy writes a file of the build.
func (a *App) copy(w io.Writer, name string) error {
	f, err := a.source.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

// add takes in a file of the build.
func (a *App) add(at *form) {
	base, ext := at.name, path.Ext(at.name)
	if ext == ".br" || ext == ".gz" {
		base = strings.TrimSuffix(at.name, ext)
	}
	f := a.files[base]
	if f == nil {
		f = &file{kind: kindOf(base), unchanged: strings.HasPrefix(base, "assets/")}
		a.files[base] = f
	}
	switch ext {
	case ".br":
		f.br = at
	case ".gz":
		f.gz = at
	default:
		f.plain = at
	}
	if ext != ".gz" { // one of br and plain is there always
		f.tag = sync.OnceValues(func() (string, error) {
			sum := sha256.New()
			err := a.copy(sum, at.name)
			return hex.EncodeToString(sum.Sum(nil)[:8]), err
		})
	}
}

// kindOf does not ask the machine's table of types, which differs between machines.
func kindOf(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".wasm":
		return "application/wasm"
	case ".svg":
		return "image/svg+xml"
	case ".webmanifest":
		return "application/manifest+json"
	case ".json":
		return "application/json"
	case ".png":
		return "image/png"
	case ".woff2":
		return "font/woff2"
	}
	return "application/octet-stream"
}

// Hash is the SHA-256 of the build, in hex; two builds of the same sources have the same. Errors: the build cannot be read.
func (a *App) Hash() (string, error) {
	sum := sha256.New()
	err := a.each(func(f *form) error {
		fmt.Fprintf(sum, "%s %d\n", f.name, f.size)
		return a.copy(sum, f.name)
	})
	return hex.EncodeToString(sum.Sum(nil)), err
}

// Serves says whether a request is for the app: one that reads, and not below a path that belongs to Matrix or to the
// server itself. There may be no App.
func (a *App) Serves(r *http.Request) bool {
	if a == nil || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	return !strings.HasPrefix(r.URL.Path, "/_") && !strings.HasPrefix(r.URL.Path, "/.well-known/")
}

func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	f := a.files[name]
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	switch {
	case f == nil && strings.HasPrefix(name, "assets/"): // of another build
		h.Set("Cache-Control", "no-store")
		http.Error(w, "There is no such file in this version", http.StatusNotFound)
		return
	case f == nil || name == page:
		f = a.files[page]
		h.Set("Referrer-Policy", "no-referrer") // addresses may have a token in them
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Permissions-Policy", "browsing-topics=()")
	}
	h.Set("Content-Security-Policy", policy) // a worker has the one that it came with
	if f == a.files[page] && (name == elsewhere || strings.HasPrefix(name, elsewhere+"/")) {
		h.Set("Content-Security-Policy", elsewherePolicy)
	}
	h.Set("Content-Type", f.kind)
	if f.unchanged {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		h.Set("Cache-Control", "no-cache")
	}
	a.send(w, r, f)
}

// send writes the smallest form that the browser takes.
func (a *App) send(w http.ResponseWriter, r *http.Request, f *file) {
	tag, err := f.tag()
	var body []byte // of what is not sent as it lies in the program
	h := w.Header()
	chosen := f.plain
	if f.br != nil {
		h.Set("Vary", "Accept-Encoding")
		switch accept := r.Header.Get("Accept-Encoding"); {
		case takes(accept, "br"):
			chosen = f.br
			tag += "-br"
			h.Set("Content-Encoding", "br")
		case takes(accept, "gzip"):
			chosen = f.gz
			tag += "-gz"
			h.Set("Content-Encoding", "gzip")
		case err == nil:
			body, err = a.unzip(f.gz.name)
		}
	}
	if err != nil {
		http.Error(w, "The web app in this program cannot be read", http.StatusInternalServerError)
		return
	}
	tag = `"` + tag + `"`
	h.Set("ETag", tag)
	if strings.Contains(r.Header.Get("If-None-Match"), tag) {
		h.Del("Content-Type")
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	size := int64(len(body))
	if chosen != nil {
		size = chosen.size
	}
	h.Set("Content-Length", strconv.FormatInt(size, 10))
	switch { // a browser may have gone
	case r.Method == http.MethodHead:
	case chosen != nil:
		_ = a.copy(w, chosen.name)
	default:
		_, _ = w.Write(body)
	}
}

// takes says whether an Accept-Encoding header allows a form.
func takes(accept, form string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		name, params, _ := strings.Cut(part, ";")
		if strings.TrimSpace(name) == form {
			weight, ok := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
			q, err := strconv.ParseFloat(weight, 64)
			return !ok || err == nil && q > 0
		}
	}
	return false
}

// unzip is for the rare client that takes no compression; the file was compressed by our own build.
func (a *App) unzip(name string) ([]byte, error) {
	gz, err := fs.ReadFile(a.source, name)
	if err != nil {
		return nil, err
	}
	z, err := gzip.NewReader(bytes.NewReader(gz))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}
