package setup

import (
	"context"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"freehold.example/base/route"
	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/account"
	"freehold.example/core/schema"
)

const good = "correct horse battery staple"

func newPages(t *testing.T, db *sqldb.DB) (*Pages, http.Handler) {
	t.Helper()
	accounts, err := account.New(account.Config{DB: db, ServerName: "house.example", FastHashing: true, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	p := New(Config{Accounts: accounts, ServerName: "house.example"})
	table, err := route.New(route.Config[Call]{Rows: p.Rows(), Guard: Guard})
	if err != nil {
		t.Fatal(err)
	}
	return p, table
}

func newToken(t *testing.T, p *Pages) string {
	t.Helper()
	token, ok, err := p.Token(t.Context())
	if err != nil || !ok || len(token) < 20 {
		t.Fatalf("got token %q, %v, %v", token, ok, err)
	}
	return token
}

func get(h http.Handler, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func post(h http.Handler, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "http://localhost:8008/setup", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func filled(token, name, password, again string) url.Values {
	return url.Values{"token": {token}, "name": {name}, "password": {password}, "again": {again}}
}

func TestFirstAccount(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		p, h := newPages(t, db)
		token := newToken(t, p)
		if w := get(h, Path(token)); w.Code != 200 || !strings.Contains(w.Body.String(), `name="again"`) || !strings.Contains(w.Body.String(), token) {
			t.Fatalf("the form: got %d %s", w.Code, w.Body)
		}
		w := post(h, filled(token, "alice", good, good))
		if w.Code != 200 || !strings.Contains(w.Body.String(), "@alice:house.example") || !strings.Contains(w.Body.String(), "http://localhost:8008") {
			t.Fatalf("the answer: got %d %s", w.Code, w.Body)
		}
		if admin, err := p.Accounts.IsAdmin(t.Context(), "@alice:house.example"); err != nil || !admin {
			t.Errorf("got admin %v, %v", admin, err)
		}
		// Single use, for reading too.
		if w := get(h, Path(token)); w.Code != http.StatusForbidden {
			t.Errorf("the form again: got %d", w.Code)
		}
		if w := post(h, filled(token, "mallory", good, good)); w.Code != http.StatusForbidden {
			t.Errorf("a second account: got %d", w.Code)
		}
		if _, ok, err := p.Token(t.Context()); ok || err != nil {
			t.Errorf("a token although there is an account: %v, %v", ok, err)
		}
	})
}

func TestWrongTokens(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		p, h := newPages(t, db)
		for _, token := range []string{"", "x"} {
			if w := get(h, Path(token)); w.Code != http.StatusForbidden {
				t.Errorf("before any token was made, with %q: got %d", token, w.Code)
			}
		}
		old := newToken(t, p)
		token := newToken(t, p)
		for _, wrong := range []string{"", old, token[1:], token + "A", strings.ToLower(token)} {
			if w := post(h, filled(wrong, "mallory", good, good)); w.Code != http.StatusForbidden {
				t.Errorf("with %q: got %d", wrong, w.Code)
			}
		}
		// An account that was made in another way closes the page.
		if _, err := p.Accounts.Create(t.Context(), "bob", good, false); err != nil {
			t.Fatal(err)
		}
		if w := post(h, filled(token, "mallory", good, good)); w.Code != http.StatusForbidden {
			t.Errorf("after the first account: got %d", w.Code)
		}
	})
}

// A form that is not right is shown again, with what was typed but the passwords, and the link stays good.
func TestMistakesInTheForm(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		p, h := newPages(t, db)
		token := newToken(t, p)
		tests := []struct{ name, password, again, want string }{
			{"", good, good, english.NameBad},
			{"not a name", good, good, english.NameBad},
			{`"><script>`, good, good, english.NameBad},
			{"alice", "abc", "abc", english.Weak},
			{"alice", good, good + "x", english.NotTheSame},
		}
		for _, tt := range tests {
			w := post(h, filled(token, tt.name, tt.password, tt.again))
			body := html.UnescapeString(w.Body.String())
			if w.Code != http.StatusUnprocessableEntity || !strings.Contains(body, tt.want) {
				t.Errorf("%q: got %d without %q", tt.name, w.Code, tt.want)
			}
			if strings.Contains(w.Body.String(), good) || strings.Contains(w.Body.String(), "<script") {
				t.Errorf("%q: the page repeats what it must not: %s", tt.name, w.Body)
			}
		}
		if w := post(h, filled(token, "alice", good, good)); w.Code != 200 {
			t.Errorf("in the end: got %d", w.Code)
		}
	})
}

func TestOnlyOneIsFirst(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		p, h := newPages(t, db)
		token := newToken(t, p)
		var wg sync.WaitGroup
		for _, name := range []string{"alice", "bob", "carol", "dave"} {
			wg.Go(func() { post(h, filled(token, name, good, good)) })
		}
		wg.Wait()
		if n, err := p.Accounts.Count(context.Background()); n != 1 || err != nil {
			t.Errorf("got %d accounts, %v, want 1", n, err)
		}
	})
}

func TestPagesLoadNothing(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		p, h := newPages(t, db)
		token := newToken(t, p)
		for _, target := range []string{"/", Path(token), "/setup"} {
			w := get(h, target)
			csp := w.Header().Get("Content-Security-Policy")
			for _, want := range []string{"default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
				if !strings.Contains(csp, want) {
					t.Errorf("%s: policy %q lacks %s", target, csp, want)
				}
			}
			if w.Header().Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("%s: the token leaves with the referrer", target)
			}
			body := w.Body.String()
			for _, bad := range []string{"<script", " style=", "onclick", "src=", "@import", "url("} {
				if strings.Contains(body, bad) {
					t.Errorf("%s: the page has %s", target, bad)
				}
			}
		}
	})
}

func TestLanguage(t *testing.T) {
	tests := []struct{ accept, want string }{
		{"", "en"},
		{"ru", "ru"},
		{"ru-RU,ru;q=0.9,en-US;q=0.8,en;q=0.7", "ru"},
		{"en-US,en;q=0.9,ru;q=0.8", "en"},
		{"de-DE,de;q=0.9,ru;q=0.5,en;q=0.4", "ru"},
		{"de", "en"},
		{"*", "en"},
		{"ru;q=0", "en"},
		{"ru;q=x, en;q=0.1", "en"},
		{";;,,=;q", "en"},
	}
	for _, tt := range tests {
		if got, _ := choose(tt.accept); got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.accept, got, tt.want)
		}
	}
}

// TestProgram has the pages name the program as the operator calls it, who may have no freehold on his PATH.
func TestProgram(t *testing.T) {
	p, h := newPages(t, sqldbtest.SQLite(t, schema.FS))
	for program, want := range map[string]string{"": ">freehold user add --admin alice<", "./freehold": ">./freehold user add --admin alice<"} {
		p.Program = program
		if body := get(h, Path("wrong")).Body.String(); !strings.Contains(body, want) {
			t.Errorf("program %q: got %s, want %s in it", program, body, want)
		}
	}
}

func TestInsecure(t *testing.T) {
	tests := []struct {
		host, proto string
		want        bool
	}{
		{"localhost:8008", "", false},
		{"127.0.0.1:8008", "", false},
		{"[::1]:8008", "", false},
		{"192.168.1.5:8008", "", true},
		{"matrix.example.org", "", true},
		{"matrix.example.org", "https", false},
	}
	for _, tt := range tests {
		r := httptest.NewRequest(http.MethodGet, "/setup", nil)
		r.Host = tt.host
		if tt.proto != "" {
			r.Header.Set("X-Forwarded-Proto", tt.proto)
		}
		if got := insecure(r); got != tt.want {
			t.Errorf("%s %s: got %v, want %v", tt.host, tt.proto, got, tt.want)
		}
	}
}

func FuzzAcceptLanguage(f *testing.F) {
	f.Add("ru-RU,ru;q=0.9,en-US;q=0.8,en;q=0.7")
	f.Add("*;q=NaN,en;q=-1")
	f.Fuzz(func(t *testing.T, accept string) {
		if lang, texts := choose(accept); texts == nil || lang != "en" && lang != "ru" {
			t.Errorf("got %q", lang)
		}
	})
}

// Every text is there in every language.
func TestTextsAreComplete(t *testing.T) {
	for _, lang := range []*texts{&english, &russian} {
		v := reflect.ValueOf(*lang)
		for i := range v.NumField() {
			if v.Field(i).String() == "" {
				t.Errorf("%s has no text", v.Type().Field(i).Name)
			}
		}
	}
}
