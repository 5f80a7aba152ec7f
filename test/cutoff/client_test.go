package cutoff

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

type (
	obj  = map[string]any
	list = []any
)

// patience is how long anything may take that is to come in the end: far more than it needs, as the machine may be busy.
const patience = 60 * time.Second

// person is somebody with an account and one device.
type person struct {
	at       *site
	id       string
	password string
	device   string
	token    string
	refresh  string
	since    string // where the sync is
}

// answer is what a server said.
type answer struct {
	status int
	header http.Header
	raw    []byte
	json   obj
}

func (a *answer) str(key string) string { s, _ := a.json[key].(string); return s }

func (a *answer) has(text string) bool { return strings.Contains(string(a.raw), text) }

func (a *answer) String() string { return fmt.Sprintf("%d %.400s", a.status, a.raw) }

const (
	v1       = "/_matrix/client/v1"
	v3       = "/_matrix/client/v3"
	unstable = "/_matrix/client/unstable"
)

// path joins the parts of a path, each of which is escaped but the first.
func path(first string, parts ...string) string {
	for _, p := range parts {
		first += "/" + url.PathEscape(p)
	}
	return first
}

// do makes a request; body is bytes as they are, or JSON, or nil.
func (p *person) do(t testing.TB, method, path string, body any) *answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	a, err := p.try(ctx, method, path, body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func (p *person) try(ctx context.Context, method, path string, body any) (*answer, error) {
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		in = bytes.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return nil, err
		}
		in = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+p.at.clients()+path, in)
	if err != nil {
		return nil, err
	}
	if p.token != "" {
		req.Header.Set("Authorization", "Bearer "+p.token)
	}
	resp, err := p.at.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	a := &answer{status: resp.StatusCode, header: resp.Header}
	if a.raw, err = io.ReadAll(resp.Body); err != nil {
		return nil, err
	}
	_ = json.Unmarshal(a.raw, &a.json) // media is no JSON
	if p.at.answered != nil {
		p.at.answered(method, path, a)
	}
	return a, nil
}

// ok is do for what has to succeed.
func (p *person) ok(t testing.TB, method, path string, body any) *answer {
	t.Helper()
	a := p.do(t, method, path, body)
	if a.status != http.StatusOK {
		t.Fatalf("%s %s: got %s, want 200", method, path, a)
	}
	return a
}

func (p *person) get(t testing.TB, path string) *answer { t.Helper(); return p.ok(t, "GET", path, nil) }

func (p *person) post(t testing.TB, path string, body any) *answer {
	t.Helper()
	return p.ok(t, "POST", path, body)
}

func (p *person) put(t testing.TB, path string, body any) *answer {
	t.Helper()
	return p.ok(t, "PUT", path, body)
}

// signIn makes a device.
func (p *person) signIn(t testing.TB) {
	t.Helper()
	was := p.token
	p.token = ""
	a := p.do(t, "POST", v3+"/login", obj{
		"type": "m.login.password", "identifier": obj{"type": "m.id.user", "user": p.id}, "password": p.password, "refresh_token": true,
	})
	if a.status != http.StatusOK {
		p.token = was
		t.Fatalf("sign in: got %s", a)
	}
	p.token, p.device, p.refresh, p.since = a.str("access_token"), a.str("device_id"), a.str("refresh_token"), ""
}

// confirmed makes a request that wants the password, and gives it.
func (p *person) confirmed(t testing.TB, method, path string, body obj) *answer {
	t.Helper()
	a := p.do(t, method, path, body)
	if a.status != http.StatusUnauthorized {
		return a
	}
	body["auth"] = obj{"type": "m.login.password", "session": a.str("session"), "password": p.password, "identifier": obj{"type": "m.id.user", "user": p.id}}
	return p.ok(t, method, path, body)
}

var transactions atomic.Int64

// txn is a transaction id that was not used before.
func txn() string { return fmt.Sprintf("t%d-%d", transactions.Add(1), time.Now().UnixNano()) }

// send sends a message event and gives its id.
func (p *person) send(t testing.TB, room, kind string, content obj) string {
	t.Helper()
	return p.put(t, path(v3+"/rooms", room, "send", kind, txn()), content).str("event_id")
}

func (p *person) say(t testing.TB, room, text string) string {
	t.Helper()
	return p.send(t, room, "m.room.message", obj{"msgtype": "m.text", "body": text})
}

// room makes one and gives its id.
func (p *person) room(t testing.TB, how obj) string {
	t.Helper()
	return p.post(t, v3+"/createRoom", how).str("room_id")
}

func (p *person) join(t testing.TB, room string, via ...string) {
	t.Helper()
	q := url.Values{"server_name": via, "via": via}
	p.post(t, path(v3+"/join", room)+"?"+q.Encode(), obj{})
}

// begin is a sync from which later ones go on.
func (p *person) begin(t testing.TB) *answer {
	t.Helper()
	a := p.get(t, v3+"/sync?timeout=0")
	p.since = a.str("next_batch")
	return a
}

// until goes on syncing until something that has come has all of some texts, and gives that answer.
func (p *person) until(t testing.TB, texts ...string) *answer {
	t.Helper()
	left := texts
	for end := time.Now().Add(patience); ; {
		a := p.get(t, v3+"/sync?timeout=2000&since="+url.QueryEscape(p.since))
		p.since = a.str("next_batch")
		var missing []string
		for _, text := range left {
			if !a.has(text) {
				missing = append(missing, text)
			}
		}
		if left = missing; len(left) == 0 {
			return a
		}
		if time.Now().After(end) {
			t.Fatalf("%s has not been told of %q", p.id, left)
		}
	}
}

// eventually waits until something is so.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not after %s", what, patience)
		}
	}
}

// texts are the bodies of the newest messages of a room, the newest first.
func (p *person) texts(t testing.TB, room string, limit int) (all []string) {
	t.Helper()
	chunk, _ := p.get(t, fmt.Sprintf("%s?dir=b&limit=%d", path(v3+"/rooms", room, "messages"), limit)).json["chunk"].(list)
	for _, e := range chunk {
		event, _ := e.(obj)
		content, _ := event["content"].(obj)
		if text, ok := content["body"].(string); ok {
			all = append(all, text)
		}
	}
	return all
}

// A device's keys are made from its name: nothing is encrypted with them here, but all that is signed is signed well.

func unpadded(b []byte) string { return base64.RawStdEncoding.EncodeToString(b) }

func keyOf(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func public(k ed25519.PrivateKey) string { return unpadded(k.Public().(ed25519.PublicKey)) }

// signed adds a signature to an object of ASCII, whose form as encoding/json writes it is canonical.
func signed(o obj, k ed25519.PrivateKey, user, name string) obj {
	text, err := json.Marshal(o)
	if err != nil {
		panic(err) // test data of our own
	}
	o["signatures"] = obj{user: obj{"ed25519:" + name: unpadded(ed25519.Sign(k, text))}}
	return o
}

func (p *person) key() ed25519.PrivateKey { return keyOf(p.id + p.device) }

// publishKeys uploads what a device tells of itself, and some one-time keys.
func (p *person) publishKeys(t testing.TB) {
	t.Helper()
	once := obj{}
	for i := range 5 {
		once[fmt.Sprintf("signed_curve25519:%s%d", txn(), i)] = signed(obj{"key": public(keyOf(fmt.Sprint(p.device, "once", i)))}, p.key(), p.id, p.device)
	}
	p.post(t, v3+"/keys/upload", obj{"one_time_keys": once, "device_keys": signed(obj{
		"user_id": p.id, "device_id": p.device, "algorithms": list{"m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"},
		"keys": obj{"ed25519:" + p.device: public(p.key()), "curve25519:" + p.device: public(keyOf("curve" + p.device))},
	}, p.key(), p.id, p.device)})
}

// knows says whether one device sees another's keys.
func (p *person) knows(t testing.TB, other *person) bool {
	t.Helper()
	return p.post(t, v3+"/keys/query", obj{"device_keys": obj{other.id: list{}}}).has(public(other.key()))
}

// toDevice sends a message to one device.
func (p *person) toDevice(t testing.TB, to *person, kind string, content obj) {
	t.Helper()
	p.put(t, path(v3+"/sendToDevice", kind, txn()), obj{"messages": obj{to.id: obj{to.device: content}}})
}
