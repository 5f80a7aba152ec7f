package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
	"freehold.example/test/remote"
)

// 30 Federation: surface and keys

// nameless takes away what says who asks.
func nameless(q *http.Request) { q.Header.Del("Authorization") }

// published is the key object of S, as bytes and decoded.
func published(t *testing.T) (s *house, raw []byte, object map[string]any) {
	t.Helper()
	s = first(t)
	raw = s.meet(remote.New(t)).Do("GET", "/_matrix/key/v2/server", nil, nameless).OK().Body
	if err := json.Unmarshal(raw, &object); err != nil {
		t.Fatal(err)
	}
	return s, raw, object
}

var unpaddedBase64 = regexp.MustCompile(`^[A-Za-z0-9+/]+$`)

func TestB373(t *testing.T) {
	s, _, object := published(t)
	if object["server_name"] != string(s.name) {
		t.Errorf("server_name: %v", object["server_name"])
	}
	if until, _ := object["valid_until_ts"].(float64); int64(until) <= time.Now().UnixMilli() {
		t.Errorf("valid_until_ts: %v", object["valid_until_ts"])
	}
	keys, _ := object["verify_keys"].(map[string]any)
	old, isOld := object["old_verify_keys"].(map[string]any)
	if len(keys) == 0 || !isOld {
		t.Fatalf("got %v", object)
	}
	for name, k := range keys {
		key, _ := k.(map[string]any)["key"].(string)
		if !strings.HasPrefix(name, "ed25519:") || !unpaddedBase64.MatchString(key) {
			t.Errorf("%s: %v", name, k)
		}
		if _, both := old[name]; both {
			t.Errorf("%s is both in use and old", name)
		}
	}
	for name, k := range old {
		key, _ := k.(map[string]any)["key"].(string)
		if _, is := k.(map[string]any)["expired_ts"].(float64); !is || !unpaddedBase64.MatchString(key) {
			t.Errorf("%s: %v", name, k)
		}
	}
}

func TestB374(t *testing.T) { // and B375
	s, raw, object := published(t)
	signatures, _ := object["signatures"].(map[string]any)
	own, _ := signatures[string(s.name)].(map[string]any)
	keys, _ := object["verify_keys"].(map[string]any)
	if len(signatures) != 1 || len(own) != len(keys) {
		t.Fatalf("signatures %v for the keys %v", signatures, keys)
	}
	for name, signature := range own {
		k, known := keys[name].(map[string]any)
		if !known || strings.Contains(name, ".") || !unpaddedBase64.MatchString(signature.(string)) {
			t.Errorf("%s: %v", name, signature)
			continue
		}
		public, err := event.DecodeBase64(k["key"].(string))
		if err != nil {
			t.Fatal(err)
		}
		if err := event.VerifyJSON(raw, string(s.name), id.Key(name), public); err != nil {
			t.Error(err)
		}
	}
	t.Run("B375", func(t *testing.T) {
		delete(object, "signatures")
		canonical := new(bytes.Buffer)
		encode := json.NewEncoder(canonical)
		encode.SetEscapeHTML(false)
		if err := encode.Encode(object); err != nil { // sorted and compact: there is nothing but ASCII in it and whole numbers
			t.Fatal(err)
		}
		without := regexp.MustCompile(`"signatures":\{"[^"]+":\{[^}]*\}\},?`).ReplaceAll(raw, nil)
		var numbers map[string]json.Number
		_ = json.Unmarshal(raw, &numbers) // the rest is no number
		want := strings.TrimSpace(strings.Replace(canonical.String(), fmt.Sprint(object["valid_until_ts"]), numbers["valid_until_ts"].String(), 1))
		if string(without) != want {
			t.Errorf("got  %s\nwant %s", without, want)
		}
	})
}

// B376: a name with a port is where the server is; core/peer has the other ways by test.
func TestB376(t *testing.T) {
	s, r := first(t), remote.New(t)
	r.Set(r.User("robin"), remote.Person{DisplayName: "Robin"})
	alice := s.newUser(t)
	if name := alice.get(path("/v3/profile", string(r.User("robin")))).ok().str("displayname"); name != "Robin" {
		t.Errorf("got %q", name)
	}
	for call := range r.Calls() {
		if strings.Contains(call, ".well-known") {
			t.Errorf("asked %s", call)
		}
	}
	began := time.Now()
	if a := alice.get(path("/v3/profile", "@x:localhost")); a.status < 400 || time.Since(began) > within { // nothing listens on port 8448
		t.Errorf("localhost: got %s after %v", a.raw, time.Since(began))
	}
}

// B377: an authority that S trusts is enough, and one that nobody stands for is not spoken with.
func TestB377(t *testing.T) {
	s, r := first(t), remote.New(t)
	r.Set(r.User("robin"), remote.Person{DisplayName: "Robin"})
	alice := s.newUser(t)
	alice.get(path("/v3/profile", string(r.User("robin")))).ok()
	asked := make(chan string, 100)
	stranger := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		asked <- q.URL.Path
		_, _ = w.Write([]byte(`{"displayname":"a stranger"}`))
	}))
	defer stranger.Close()
	alice.get(path("/v3/profile", "@x:"+stranger.Listener.Addr().String())).fails(502)
	close(asked)
	for p := range asked {
		if p != "/_matrix/key/v2/server" { // by which it could prove who it is
			t.Errorf("the stranger was asked %s", p)
		}
	}
}

func TestB378(t *testing.T) {
	s, r := first(t), remote.New(t)
	r.ValidUntil(time.Now().Add(24 * time.Hour))
	at := s.meet(r)
	at.Do("GET", "/_matrix/federation/v1/query/profile?user_id="+strings.ReplaceAll(s.newUser(t).id, "@", "%40"), nil).OK()
	if n := r.Asked("GET /_matrix/key/v2/server"); n != 1 {
		t.Errorf("R was asked for its keys %d times", n)
	}
	at.Do("GET", "/_matrix/federation/v1/query/profile?user_id="+strings.ReplaceAll(s.newUser(t).id, "@", "%40"), nil).OK()
	if n := r.Asked("GET /_matrix/key/v2/server"); n != 1 {
		t.Errorf("R was asked for its keys %d times", n)
	}
	want := at.Do("GET", "/_matrix/key/v2/server", nil, nameless).OK()
	for _, p := range []string{"/", "/ed25519:x"} {
		var got, plain struct {
			Keys json.RawMessage `json:"verify_keys"`
		}
		at.Do("GET", "/_matrix/key/v2/server"+p, nil, nameless).OK().Decode(&got)
		want.Decode(&plain)
		if !bytes.Equal(got.Keys, plain.Keys) {
			t.Errorf("%s: %s", p, got.Keys)
		}
	}
}

// B379: who has joined a room asks nothing more.
func TestB379(t *testing.T) {
	s := first(t)
	r, room, robin := theirs(t, "10")
	alice := s.newUser(t)
	s.meet(r)
	alice.joinVia(string(room.ID), r.Name).ok()
	room.Send(robin, "m.room.message", remote.Text("hello"))
	alice.hears(room.ID, "hello")
	time.Sleep(time.Second)
	// B457 has state_ids; what is sent is no question.
	allowed := []string{"make_join/", "send_join/", "/_matrix/key/v2/server", "/state_ids/", "PUT /_matrix/federation/v1/send/"}
	for call, n := range r.Calls() {
		if !slices.ContainsFunc(allowed, func(part string) bool { return strings.Contains(call, part) }) {
			t.Errorf("R was asked %s, %d times", call, n)
		}
	}
}

func TestB384(t *testing.T) {
	g := newGuest(t, obj{"preset": "public_chat", "room_version": "10"})
	no := remote.Fail(http.StatusNotFound, "M_UNRECOGNIZED")
	for _, optional := range []string{"GET /_matrix/federation/v1/backfill/", "GET /_matrix/federation/v1/user/devices/", "POST /_matrix/federation/v1/user/keys/query", "GET /_matrix/federation/v1/query/profile"} {
		g.r.Hook(optional, no)
	}
	g.alice.post("/v3/keys/query", obj{"device_keys": obj{string(g.robin): list{}}}).ok()
	g.alice.get(path("/v3/profile", string(g.robin)))
	g.alice.get(path("/v3/rooms", string(g.room.ID), "messages") + "?dir=b&limit=100").ok()
	g.room.Send(g.robin, "m.room.message", remote.Text("all the same"))
	g.alice.hears(g.room.ID, "all the same")
	g.r.WaitEvent(id.Event(g.alice.send(string(g.room.ID), "for R")))
}

// A server that fell silent, and says nothing when it is back, is called, and sent what it has missed.
func TestSilentServerIsCalled(t *testing.T) {
	g := newGuest(t, obj{"preset": "public_chat", "room_version": "10"})
	g.r.WaitEvent(id.Event(g.alice.send(string(g.room.ID), "hello")))
	remove := g.r.Hook("PUT /_matrix/federation/v1/send/", remote.Drop())
	missed := id.Event(g.alice.send(string(g.room.ID), "missed"))
	time.Sleep(7 * time.Second) // it is tried again every few seconds, and would have to wait longer and longer
	for _, e := range g.r.EDUs() {
		if e.Type == "org.freehold.wakeup" {
			t.Error("a server that has never said that it knows what a poke is was sent one")
		}
	}
	g.r.Fluent.Store(true)
	remove()
	g.r.WaitEvent(missed)
	g.r.WaitEDU("org.freehold.wakeup", func(content json.RawMessage) bool { return strings.Contains(string(content), string(g.room.ID)) })
}

// Who is poked asks for what it lacks, and what goes before that.
func TestPoked(t *testing.T) {
	g := newGuest(t, obj{"preset": "public_chat", "room_version": "10"})
	g.room.Make(g.robin, "m.room.message", remote.Text("before the last")) // neither is sent
	last := g.room.Make(g.robin, "m.room.message", remote.Text("the last"))
	g.at.Transaction([]remote.EDU{remote.MakeEDU("org.freehold.wakeup", obj{"rooms": obj{string(g.room.ID): list{string(last.ID())}, "!elsewhere:" + string(g.r.Name): list{"$x"}}})}).OK()
	g.alice.hears(g.room.ID, "before the last")
	g.alice.hears(g.room.ID, "the last")
}
