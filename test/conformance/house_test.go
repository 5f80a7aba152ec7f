package conformance

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"freehold.example/matrix/id"
	"freehold.example/test/harness"
	"freehold.example/test/remote"
)

// house is a server under test that speaks with others; the one at base does not. There are two, S and S2 of behaviours.md,
// which are started when a test first asks for them. A third server, R, is remote.New(t):
//
//	r, s := remote.New(t), first(t)
//	alice, at := s.newUser(t), s.meet(r)
//	room := alice.publicRoom()
//	at.Join(id.Room(room), r.User("robin"))
type house struct {
	name   id.Server // and address of the listener for other servers
	url    string
	client *http.Client
	server *harness.Server
	end    func() error
	dir    string
}

// houses are S and S2.
var houses = [2]func() (*house, error){sync.OnceValues(openHouse), sync.OnceValues(openHouse)}

// opened are the houses that were started; mu guards it.
var opened struct {
	mu  sync.Mutex
	all []*house
}

func openHouse() (*house, error) {
	dir, err := os.MkdirTemp("", "freehold-house-")
	if err != nil {
		return nil, err
	}
	name, env, err := harness.Federated(dir)
	if err != nil {
		return nil, err
	}
	services := filepath.Join(dir, "services")
	if err = os.Mkdir(services, 0o700); err == nil {
		err = os.WriteFile(filepath.Join(services, "conformance.yaml"), []byte(registration), 0o600)
	}
	if err != nil {
		return nil, err
	}
	h := &house{name: name, dir: dir}
	h.server, h.end, err = harness.Shared(append(env,
		"FREEHOLD_REGISTRATION_SHARED_SECRET="+sharedSecret, "FREEHOLD_APPSERVICES_DIR="+services)...)
	if err != nil {
		return nil, err
	}
	h.url = h.server.URL
	transport := http.DefaultTransport
	if watch != nil {
		transport = watch.Transport(transport, h.url)
	}
	h.client = &http.Client{Transport: transport}
	opened.mu.Lock()
	defer opened.mu.Unlock()
	opened.all = append(opened.all, h)
	return h, nil
}

// first and second are S and S2.
func first(t *testing.T) *house  { t.Helper(); return theHouse(t, 0) }
func second(t *testing.T) *house { t.Helper(); return theHouse(t, 1) }

func theHouse(t *testing.T, i int) *house {
	t.Helper()
	if os.Getenv("FREEHOLD_CONFORMANCE_URL") != "" {
		t.Skip("the servers that speak with others are this test's own")
	}
	h, err := houses[i]()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// newUser is newUser on this server.
func (h *house) newUser(t *testing.T) *user {
	t.Helper()
	return registered(&user{t: t, password: "correct horse battery", house: h})
}

// meet makes the server known to a remote.
func (h *house) meet(r *remote.Server) *remote.Subject { return r.Meet(h.name, string(h.name)) }

// closeHouses ends the houses, and says what went wrong in them.
func closeHouses() (code int) {
	for _, h := range opened.all {
		for _, line := range troubles(h.server.Log(256 << 20)) {
			fmt.Fprint(os.Stderr, "the log of a server that speaks with others has: ", line)
			code = 1
		}
		if code != 0 && testing.Verbose() {
			fmt.Fprintf(os.Stderr, "the end of its log:\n%s\n", h.server.Log(12_000))
		}
		if err := h.end(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		_ = os.RemoveAll(h.dir) // in the temporary directory
	}
	return code
}

// TestHouses: the two servers of the tests and a remote see each other.
func TestHouses(t *testing.T) {
	s, s2, r := first(t), second(t), remote.New(t)
	r.Set(r.User("robin"), remote.Person{DisplayName: "Robin"})
	alice, bob := s.newUser(t), s2.newUser(t)
	bob.put(path("/v3/profile", bob.id, "displayname"), obj{"displayname": "Bob"}).ok()
	if name := alice.get(path("/v3/profile", bob.id, "displayname")).ok().str("displayname"); name != "Bob" {
		t.Errorf("bob is %q", name)
	}
	if name := bob.get(path("/v3/profile", string(r.User("robin")))).ok().str("displayname"); name != "Robin" {
		t.Errorf("robin is %q", name)
	}
	if !strings.HasSuffix(alice.id, ":"+string(s.name)) {
		t.Errorf("alice is %s", alice.id)
	}
	s.meet(r).Do("GET", "/_matrix/federation/v1/query/profile?user_id="+strings.ReplaceAll(alice.id, "@", "%40"), nil).OK()
}
