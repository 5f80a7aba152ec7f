package setup

import (
	"bytes"
	"cmp"
	"crypto/rand"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
)

//go:embed page.html
var pageHTML string

var templates = template.Must(template.New("page").Parse(pageHTML))

// page is what a template shows.
type page struct {
	Name     string // of the template's part: home, form, done or closed
	Token    string
	User     string // as typed into the form, or the whole id when it has been made
	Problem  problem
	Insecure bool // the page came unencrypted over a network
	First    bool // there is no account yet

	Lang       string
	T          *texts
	ServerName string
	Program    string // what the operator types to call this program
	URL        string // the homeserver's address to type into a client
	Min        int    // characters of a password
	Nonce      string
}

// problem is why the form was not taken.
type problem string

const (
	badName    problem = "name"
	taken      problem = "taken"
	weak       problem = "weak"
	notTheSame problem = "again"
)

// OfName says whether it is the name that has to be typed again.
func (v *page) OfName() bool { return v.Problem == badName || v.Problem == taken }

// OfPassword says whether it is the password.
func (v *page) OfPassword() bool { return v.Problem == weak || v.Problem == notTheSame }

// write answers with a page that loads nothing, runs nothing and sends its form nowhere else.
func (p *Pages) write(w http.ResponseWriter, r *http.Request, status int, v *page) error {
	v.Lang, v.T = choose(r.Header.Get("Accept-Language"))
	v.ServerName, v.URL, v.Min, v.Nonce = string(p.ServerName), p.url(r), p.Accounts.MinPassword, rand.Text()
	v.Program = cmp.Or(p.Program, "freehold")
	var b bytes.Buffer
	if err := templates.Execute(&b, v); err != nil {
		return fmt.Errorf("show page %s: %w", v.Name, err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", v.Lang)
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	h.Set("Vary", "Accept-Language")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'nonce-"+v.Nonce+"'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer") // the address has the token in it
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // a browser that has gone
	return nil
}

// url is the address to type into a client.
func (p *Pages) url(r *http.Request) string {
	if p.PublicURL != "" {
		return p.PublicURL
	}
	scheme := "http"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// choose picks the language a browser prefers of those there are; English when it says nothing.
func choose(accept string) (lang string, t *texts) {
	best := 0.0
	lang, t = "en", &english
	for part := range strings.SplitSeq(accept, ",") {
		tag, params, _ := strings.Cut(part, ";")
		primary, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
		q := 1.0
		if v, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			parsed, err := strconv.ParseFloat(v, 64)
			if err != nil {
				continue
			}
			q = parsed
		}
		if q <= best {
			continue
		}
		switch primary {
		case "en", "*":
			best, lang, t = q, "en", &english
		case "ru":
			best, lang, t = q, "ru", &russian
		}
	}
	return lang, t
}
