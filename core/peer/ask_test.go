package peer

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/xmatrix"
)

// remote is another server, over TLS on loopback.
type remote struct {
	name   id.Server
	public map[id.Key]ed25519.PrivateKey // in use
	old    map[id.Key]ed25519.PrivateKey
	until  int64

	mu     sync.Mutex // guards all below
	status int        // that everything is answered with; 0: as it should
	asked  map[string]int
	says   string // the answer to what is not its keys
	seen   *http.Request
	body   []byte
}

func newRemote(t *testing.T, p *Peers) *remote {
	t.Helper()
	r := &remote{public: map[id.Key]ed25519.PrivateKey{"ed25519:a": private(1)}, old: map[id.Key]ed25519.PrivateKey{}, asked: map[string]int{}}
	s := httptest.NewTLSServer(r)
	t.Cleanup(s.Close)
	r.name = id.Server(s.Listener.Addr().String())
	p.requests = s.Client()
	return r
}

func private(n byte) ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = n
	return ed25519.NewKeyFromSeed(seed)
}

func text(k ed25519.PrivateKey) string {
	return base64.RawStdEncoding.EncodeToString(k.Public().(ed25519.PublicKey))
}

func (r *remote) document() []byte {
	var current, old []string
	for key, k := range r.public {
		current = append(current, fmt.Sprintf(`%q:{"key":%q}`, key, text(k)))
	}
	for key, k := range r.old {
		old = append(old, fmt.Sprintf(`%q:{"key":%q,"expired_ts":500}`, key, text(k)))
	}
	b := fmt.Appendf(nil, `{"server_name":%q,"valid_until_ts":%d,"verify_keys":{%s},"old_verify_keys":{%s}}`,
		r.name, r.until, strings.Join(current, ","), strings.Join(old, ","))
	for key, k := range r.public {
		var err error
		if b, err = event.SignJSON(b, string(r.name), key, k); err != nil {
			panic(err)
		}
	}
	return b
}

func (r *remote) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked[q.URL.Path]++
	r.seen = q
	r.body, _ = io.ReadAll(q.Body)
	switch {
	case r.status != 0:
		w.WriteHeader(r.status)
		fmt.Fprint(w, `{"errcode":"M_FORBIDDEN","error":"no"}`)
	case q.URL.Path == keyPath:
		_, _ = w.Write(r.document())
	default:
		fmt.Fprint(w, cmp.Or(r.says, `{"said":"yes"}`))
	}
}

func (r *remote) answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (r *remote) set(says string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.says = says
}

// TestAsk: a request is signed so that the other side can tell whose it is, and one that fails is not repeated at once.
func TestAsk(t *testing.T) {
	c := clockAt(time.UnixMilli(1e12))
	p := peers(t, sqldbtest.SQLite(t, schema.FS), c, noRecords)
	r := newRemote(t, p)
	ask := func(now bool) error {
		var out struct{ Said string }
		err := p.Ask(t.Context(), Question{
			Server: r.name, Method: http.MethodPut, Path: "/_matrix/federation/v1/send/%C3%A4?x=1", Content: map[string]any{"é": 1}, Now: now,
		}, &out)
		if err == nil && out.Said != "yes" {
			t.Errorf("got %+v", out)
		}
		return err
	}
	if err := ask(false); err != nil {
		t.Fatal(err)
	}
	a, err := xmatrix.Parse(r.seen.Header.Get("Authorization"))
	if err != nil {
		t.Fatal(err)
	}
	signed := xmatrix.Request{Method: r.seen.Method, URI: r.seen.RequestURI, Destination: r.name, Content: r.body}
	if err := a.Verify(signed, p.Signer.Private.Public().(ed25519.PublicKey)); err != nil || a.Origin != "here.test" || a.Destination != r.name {
		t.Errorf("%+v: %v", a, err)
	}
	if r.seen.Host != string(r.name) {
		t.Errorf("the Host is %s", r.seen.Host)
	}

	r.answer(403)
	var no *AnswerError
	for range 2 { // it is there: nothing to wait for
		if err := ask(false); !errors.As(err, &no) || no.Status != 403 || no.Code != "M_FORBIDDEN" {
			t.Errorf("got %v", err)
		}
	}
	r.answer(503)
	if err := ask(false); !errors.As(err, &no) || no.Status != 503 {
		t.Errorf("got %v", err)
	}
	var wait *WaitError
	if err := ask(false); !errors.As(err, &wait) || !errors.As(err, &no) || wait.Until.Sub(c.Now()) > 3*time.Second {
		t.Errorf("got %v", err)
	}
	r.answer(0)
	if err := ask(false); !errors.As(err, &wait) {
		t.Errorf("got %v", err)
	}
	p.Alive(r.name)
	if err := ask(false); err != nil {
		t.Errorf("after a sign of life: %v", err)
	}
	r.answer(502)
	for range 30 {
		_ = ask(true) // somebody waits for it
	}
	r.answer(0)
	c.pass(15*time.Minute + time.Second) // the longest wait
	if err := ask(false); err != nil {
		t.Errorf("after the longest wait: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Ask(ctx, Question{Server: r.name, Method: "GET", Path: "/_matrix/x"}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := ask(false); err != nil {
		t.Errorf("after a caller gave up: %v", err)
	}
}

// TestKeys: a key is fetched once, kept with the time it is for, and used on while its server is away.
func TestKeys(t *testing.T) {
	sqldbtest.Each(t, schema.FS, func(t *testing.T, db *sqldb.DB) {
		c := clockAt(time.UnixMilli(1e12))
		p := peers(t, db, c, noRecords)
		r := newRemote(t, p)
		r.until = c.Now().Add(24 * time.Hour).UnixMilli()
		r.old["ed25519:old"] = private(9)
		day := func(n int) int64 { return c.Now().Add(time.Duration(n) * 24 * time.Hour).UnixMilli() }
		want := func(key id.Key, at int64, private ed25519.PrivateKey, stale bool, asked int) {
			t.Helper()
			k, err := p.Key(t.Context(), r.name, key, at)
			if err != nil || !k.Public.Equal(private.Public()) || k.Stale != stale || r.asked[keyPath] != asked {
				t.Errorf("got %+v, %v after %d questions, want %d", k, err, r.asked[keyPath], asked)
			}
		}
		want("ed25519:a", c.Now().UnixMilli(), private(1), false, 1)
		want("ed25519:a", 7, private(1), false, 1)
		want("ed25519:old", 7, private(9), false, 1)
		k, _ := p.Key(t.Context(), r.name, "ed25519:old", 7)
		if !k.SignedAt(499) || k.SignedAt(500) {
			t.Errorf("an old key is good for another time: %+v", k)
		}
		if _, err := p.Key(t.Context(), r.name, "ed25519:none", 7); !errors.Is(err, ErrNoKey) {
			t.Errorf("got %v", err)
		}

		// A new key is in use, and the old one is not mentioned any more: it stays good for what it signed.
		r.public = map[id.Key]ed25519.PrivateKey{"ed25519:b": private(2)}
		r.until = day(30)
		want("ed25519:b", c.Now().UnixMilli(), private(2), false, 3)
		if k, err := p.Key(t.Context(), r.name, "ed25519:a", 7); err != nil || k.Expired != c.Now().UnixMilli() {
			t.Errorf("a key that is gone: %+v, %v", k, err)
		}
		if k, _ := p.Key(t.Context(), r.name, "ed25519:b", 7); k.ValidUntil != day(7) {
			t.Errorf("the key is valid for %s", time.UnixMilli(k.ValidUntil).Sub(c.Now()))
		}

		// The server is away, and this one has been started anew.
		requests := p.requests
		p = peers(t, db, c, noRecords)
		p.requests = requests
		r.answer(500)
		want("ed25519:b", day(6), private(2), false, 3)
		want("ed25519:b", day(8), private(2), true, 4)
		want("ed25519:b", day(8), private(2), true, 4) // it is not asked again at once
		if b, err := p.Document(t.Context(), r.name); err != nil || !strings.Contains(string(b), "ed25519:b") {
			t.Errorf("the document is %q, %v", b, err)
		}

		// It is back, and says so itself, with a key that nobody knows.
		r.answer(0)
		r.public = map[id.Key]ed25519.PrivateKey{"ed25519:c": private(3)}
		want("ed25519:c", day(8), private(3), false, 5)
		if p.waiting(r.name) != nil {
			t.Error("it still waits for its turn")
		}
	})
}

// TestKeysGivenUp: who waits for keys that another asked for asks himself when that one gives up.
func TestKeysGivenUp(t *testing.T) {
	p := peers(t, sqldbtest.SQLite(t, schema.FS), clockAt(time.UnixMilli(1000)), nil)
	r := newRemote(t, p)
	r.until = 2000
	other := &fetching{done: make(chan struct{}), err: context.Canceled}
	p.calls[r.name] = other
	time.AfterFunc(20*time.Millisecond, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.calls, r.name)
		close(other.done)
	})
	if err := p.FetchKeys(t.Context(), r.name); err != nil || r.asked[keyPath] != 1 {
		t.Errorf("the keys are not had: %v; asked %v", err, r.asked)
	}
}

// TestForgedKeys: keys that the server itself has not signed are not its keys.
func TestForgedKeys(t *testing.T) {
	now := time.UnixMilli(1e12)
	r := &remote{name: "far.test", public: map[id.Key]ed25519.PrivateKey{"ed25519:a": private(1), "ed25519:b": private(2)}, until: 2e12}
	good := r.document()
	d, err := readDocument("far.test", good, now)
	if err != nil || len(d.keys) != 2 {
		t.Fatalf("got %+v, %v", d, err)
	}
	if _, err := readDocument("other.test", good, now); err == nil {
		t.Error("the keys of another server were taken")
	}
	changed := []byte(strings.Replace(string(good), text(private(2)), text(private(3)), 1))
	if d, err := readDocument("far.test", changed, now); err == nil {
		t.Errorf("got %+v for a document that was changed", d.keys)
	}
	unsigned := fmt.Sprintf(`{"server_name":"far.test","valid_until_ts":1,"verify_keys":{"ed25519:a":{"key":%q},"x25519:b":{"key":"AAAA"}}}`, text(private(1)))
	if d, err := readDocument("far.test", []byte(unsigned), now); err == nil {
		t.Errorf("got %+v without a signature", d.keys)
	}
}

// TestAskRead: an answer that breaks off is a failure of its server, one that cannot be used is not, and a refusal is not read.
func TestAskRead(t *testing.T) {
	c := clockAt(time.UnixMilli(1e12))
	p := peers(t, sqldbtest.SQLite(t, schema.FS), c, noRecords)
	r := newRemote(t, p)
	r.until = 1e12 + 1e6
	r.set(`{"a":1}`)
	bad := errors.New("it makes no sense")
	short := 0
	ask := func(err error) error {
		return p.Ask(t.Context(), Question{Server: r.name, Method: "GET", Path: "/_matrix/x", Read: func(from io.Reader) error {
			b, broken := io.ReadAll(from)
			if string(b) != `{"a":1}` {
				short++
			}
			return cmp.Or(broken, err)
		}}, nil)
	}
	if err := ask(nil); err != nil || short != 0 {
		t.Fatal(err)
	}
	if err := ask(bad); !errors.Is(err, bad) {
		t.Errorf("got %v", err)
	}
	if err := ask(nil); err != nil {
		t.Errorf("after an answer that made no sense: %v", err)
	}
	r.answer(http.StatusForbidden)
	if err := ask(bad); errors.Is(err, bad) || err == nil {
		t.Errorf("a refusal: got %v", err)
	}
	r.answer(0)
	p.requests = &http.Client{Transport: breaking{p.requests.Transport}}
	if err := ask(nil); !errors.Is(err, io.ErrUnexpectedEOF) || short != 1 {
		t.Errorf("an answer that breaks off: got %v", err)
	}
	if wait := (*WaitError)(nil); !errors.As(ask(nil), &wait) {
		t.Error("the server is asked again at once")
	}
}

// breaking cuts answers off.
type breaking struct{ http.RoundTripper }

func (b breaking) RoundTrip(q *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(q)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(io.LimitReader(resp.Body, 3), iotest.ErrReader(io.ErrUnexpectedEOF)), resp.Body}
	}
	return resp, err
}
