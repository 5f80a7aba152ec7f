// Package remote is another homeserver for tests, scripted: it has keys, users and rooms of its own, answers what servers ask
// each other, records what it is sent, and misbehaves when it is told to. It decides nothing by itself and keeps everything in
// memory; what the server under test sends it is checked (signatures, hashes, authorisation rules) and is an error of the
// test when it is wrong.
//
//	r := remote.New(t)                        // listens with TLS; its name is r.Name, "127.0.0.1:port"
//	s := startServer(t, remote.CAFile(t))     // FREEHOLD_TLS_CA of the server under test: every remote's certificate is from it
//	sut := r.Meet("a.example", s.FederationAddr())
//
//	robin := r.User("robin")
//	room := r.NewRoom("12", robin)            // public; alice joins it through her own server
//	alice.join(room.ID, r.Name)
//	room.Send(robin, "m.room.message", remote.Text("hello")) // made, signed, sent in a transaction, and it was accepted
//	e := r.WaitPDU(func(e *event.Event) bool { return e.Sender() == alice.id })
//
//	theirs := sut.Join(aliceRoom, robin)      // make_join, send_join: from now on a room like the others
//	theirs.Send(robin, "m.room.message", remote.Text("hello"))
//
//	left := room.Make(robin, "m.room.message", remote.Text("left"), remote.After(old))   // a fork; not sent
//	right := room.Make(robin, "m.room.message", remote.Text("right"), remote.After(old))
//	sut.Transaction(nil, right, left).OK()
//
//	r.Hook("GET /_matrix/federation/v1/make_join/", remote.Fail(500, "M_UNKNOWN"))
//	r.Hook("PUT /_matrix/federation/v1/send/", remote.Times(2, remote.Drop()))
package remote

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
	"freehold.example/matrix/xmatrix"
)

// Server is one scripted homeserver. Its methods may be called from any goroutine, but those that fail the test only from the
// test's own.
type Server struct {
	Name id.Server
	// Lenient keeps quiet about events of others that are not allowed, and requests that are signed by nobody known. Set it
	// before anybody asks.
	Lenient bool
	// OmitMembers answers send_join without members where the other server takes that. On by default.
	OmitMembers bool
	// Fluent says in answer to transactions that it knows what a poke of Freehold's is (package wake).
	Fluent atomic.Bool

	t     testing.TB
	http  *http.Server
	mux   *http.ServeMux
	names atomic.Int64 // transactions and whatever needs a name of its own
	asked atomic.Int64

	mu     sync.Mutex // guards what follows, and the rooms
	signer event.Signer
	old    map[id.Key]oldKey
	until  time.Time // valid_until_ts of the keys
	others map[id.Server]*Subject
	rooms  map[id.Room]*Room
	people map[id.User]*Person
	alias  map[id.Alias]id.Room
	files  map[string][]byte
	hooks  []*hook
	news   chan struct{} // closed and made anew when something was heard
	heard  []Transaction
	pdus   []json.RawMessage
	edus   []EDU
	calls  map[string]int // method and path -> how often it was asked
	invite []Invitation
}

type oldKey struct {
	public  ed25519.PublicKey
	expired int64
}

// New starts a scripted server, which ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	l, err := listen()
	if err != nil {
		t.Fatal(err)
	}
	return start(t, l, id.Server(l.Addr().String()), id.Key("ed25519:"+rand.Text()[:8]))
}

// taken are the ports that servers of New have had in this process. Of some hundred a few would be given out twice, and who has spoken with the
// first, which is gone, does not ask the second until it is its turn again.
var taken sync.Map

func listen() (net.Listener, error) {
	for {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		if _, had := taken.LoadOrStore(l.Addr().String(), true); !had {
			return l, nil
		}
		if err := l.Close(); err != nil {
			return nil, err
		}
	}
}

// On is New on a listener of the caller's, by any name. What comes in over it is TCP; TLS is added here.
func On(t testing.TB, l net.Listener, name id.Server) *Server {
	t.Helper()
	return start(t, l, name, "ed25519:r1")
}

func start(t testing.TB, l net.Listener, name id.Server, key id.Key) *Server {
	t.Helper()
	s := &Server{
		Name: name, OmitMembers: true, t: t,
		old: map[id.Key]oldKey{}, until: time.Now().Add(24 * time.Hour),
		others: map[id.Server]*Subject{}, rooms: map[id.Room]*Room{}, people: map[id.User]*Person{}, alias: map[id.Alias]id.Room{},
		files: map[string][]byte{}, news: make(chan struct{}), calls: map[string]int{},
	}
	s.signer = newSigner(t, name, key)
	certificate, err := certificateFor(name.Host())
	if err != nil {
		t.Fatal(err)
	}
	s.mux = s.routes()
	s.http = &http.Server{
		Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: time.Minute,
		ErrorLog: log.New(io.Discard, "", 0), // a hook's dropped connections
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.http.Serve(tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{certificate}})) // it was closed
	}()
	t.Cleanup(func() {
		_ = s.http.Close() // whoever waits for it is told so by the connection
		<-done
	})
	return s
}

func newSigner(t testing.TB, name id.Server, key id.Key) event.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return event.Signer{Server: name, Key: key, Private: private}
}

// User is the id of a user of this server. It need not be made known.
func (s *Server) User(localpart string) id.User { return id.NewUser(localpart, s.Name) }

// Signer is the key that this server signs with now.
func (s *Server) Signer() event.Signer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.signer
}

// Rotate replaces the signing key; the one of before is published as an old one, and its signer returned.
func (s *Server) Rotate() event.Signer {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.signer
	s.old[was.Key] = oldKey{was.Private.Public().(ed25519.PublicKey), time.Now().UnixMilli()}
	s.signer = newSigner(s.t, s.Name, id.Key(fmt.Sprintf("ed25519:r%d", len(s.old)+1)))
	return was
}

// ValidUntil sets until when the published keys are valid; a day from the start otherwise.
func (s *Server) ValidUntil(until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until = until
}

// Close ends the server before the test ends: from now on nobody answers at its address.
func (s *Server) Close() { _ = s.http.Close() }

// Asked is how often a path was asked for, "GET /_matrix/key/v2/server", without its query.
func (s *Server) Asked(methodAndPath string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[methodAndPath]
}

// Calls are all requests so far: how often each method and path was asked for.
func (s *Server) Calls() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.calls)
}

// maxBody bounds what is read of a request.
const maxBody = 64 << 20

// serve counts a request, checks its signature and hands it to a hook or to the route.
func (s *Server) serve(w http.ResponseWriter, q *http.Request) {
	s.asked.Add(1)
	body, err := io.ReadAll(http.MaxBytesReader(w, q.Body, maxBody))
	if err != nil {
		return
	}
	q.Body = io.NopCloser(bytes.NewReader(body))
	s.mu.Lock()
	s.calls[q.Method+" "+q.URL.Path]++
	hooks := s.hooks
	s.mu.Unlock()
	if header := q.Header.Get("Authorization"); header != "" && !strings.HasPrefix(q.URL.Path, "/_matrix/key/") {
		if err := s.verify(q, header, body); err != nil && !s.Lenient {
			s.t.Errorf("%s: %s %s is not signed well: %v", s.Name, q.Method, q.URL.Path, err)
			fail(w, http.StatusUnauthorized, "M_FORBIDDEN", err.Error())
			return
		}
	}
	defer func() {
		if why := recover(); why != nil {
			if err, is := why.(error); !is || !errors.Is(err, http.ErrAbortHandler) {
				s.t.Errorf("%s: %s %s: %v\n%s", s.Name, q.Method, q.URL.Path, why, debug.Stack())
			}
			panic(http.ErrAbortHandler)
		}
	}()
	next := http.Handler(s.mux)
	for _, h := range hooks {
		next = h.before(next)
	}
	next.ServeHTTP(w, q)
}

// verify checks a request's signature with the key of the server it says it is from, if that is one we have met.
func (s *Server) verify(q *http.Request, header string, body []byte) error {
	a, err := xmatrix.Parse(header)
	if err != nil {
		return err
	}
	if a.Destination != s.Name {
		return fmt.Errorf("it is for %q", a.Destination)
	}
	s.mu.Lock()
	other := s.others[a.Origin]
	s.mu.Unlock()
	if other == nil {
		return nil // another remote of the test
	}
	key, err := other.key(a.Key)
	if err != nil {
		return err
	}
	signed := xmatrix.Request{Method: q.Method, URI: q.URL.RequestURI(), Destination: s.Name}
	if len(body) > 0 {
		signed.Content = body
	}
	return a.Verify(signed, key)
}

// origin is who makes a request.
func origin(q *http.Request) id.Server {
	a, err := xmatrix.Parse(q.Header.Get("Authorization"))
	if err != nil {
		return ""
	}
	return a.Origin
}

func fail(w http.ResponseWriter, status int, code, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"errcode": code, "error": text}) // to a server that may be gone
}

func say(w http.ResponseWriter, answer any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // to a server that may be gone
}

// keys answers /_matrix/key/v2/server.
func (s *Server) keys(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	signer := s.signer
	encode := base64.RawStdEncoding.EncodeToString
	old := map[id.Key]any{}
	for key, o := range s.old {
		old[key] = map[string]any{"key": encode(o.public), "expired_ts": o.expired}
	}
	object, err := json.Marshal(map[string]any{
		"server_name": s.Name, "valid_until_ts": s.until.UnixMilli(), "old_verify_keys": old,
		"verify_keys": map[id.Key]any{signer.Key: map[string]any{"key": encode(signer.Private.Public().(ed25519.PublicKey))}},
	})
	s.mu.Unlock()
	if err == nil {
		object, err = event.SignJSON(object, string(s.Name), signer.Key, signer.Private)
	}
	if err != nil {
		s.t.Errorf("%s: its keys: %v", s.Name, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(object) // to a server that may be gone
}

// lookup is version.Lookup for versions that a test names.
func lookup(name string) (*version.Version, error) {
	v, ok := version.Lookup(name)
	if !ok {
		return nil, fmt.Errorf("no room version %q", name)
	}
	return v, nil
}

var errUnknown = errors.New("not known here")
