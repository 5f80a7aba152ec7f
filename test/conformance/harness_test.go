// Package conformance checks the running program over plain HTTP against the numbered lines of behaviours.md: TestB107, or
// a subtest B107, is the line B107. All tests share one server and make their own users and rooms.
//
// FREEHOLD_CONFORMANCE_URL names a server that runs already (registration open, rate limits off, URL previews on and
// loopback among the inside networks, the shared secret as in sharedSecret, the application service as in registration);
// FREEHOLD_DATABASE_URL is handed on to the one that is started otherwise.
package conformance

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"freehold.example/test/harness"
)

const (
	sharedSecret = "conformance" // FREEHOLD_REGISTRATION_SHARED_SECRET
	// within is what behaviours.md means by "soon", which is five seconds, on a machine that has other things to do.
	within = 20 * time.Second
)

var (
	// base is the address of the server under test, without a slash at the end.
	base string
	// run makes the names of users new on a server that has seen an earlier run.
	run   = fmt.Sprintf("%x", time.Now().UnixNano())
	count atomic.Int64
)

func TestMain(m *testing.M) {
	flag.Parse() // for testing.Verbose
	if err := openWatch(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if base = strings.TrimSuffix(os.Getenv("FREEHOLD_CONFORMANCE_URL"), "/"); base != "" {
		os.Exit(watched(m))
	}
	services, err := os.MkdirTemp("", "freehold-services")
	if err == nil {
		err = os.WriteFile(filepath.Join(services, "conformance.yaml"), []byte(registration), 0o600)
	}
	if err == nil {
		err = openBridge(services)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	server, end, err := harness.Shared(
		"FREEHOLD_APPSERVICES_DIR="+services,
		"FREEHOLD_REGISTRATION_SHARED_SECRET="+sharedSecret,
		"FREEHOLD_DATABASE_URL="+os.Getenv("FREEHOLD_DATABASE_URL"),
		"FREEHOLD_URL_PREVIEWS=on", "FREEHOLD_INSIDE_NETWORKS=127.0.0.0/8,::1/128", // the pages are of this machine
	)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	base = server.URL
	code := watched(m)
	if code != 0 && testing.Verbose() {
		fmt.Fprintf(os.Stderr, "the end of the server's log:\n%s\n", server.Log(12_000))
	}
	for _, line := range troubles(server.Log(256 << 20)) {
		fmt.Fprint(os.Stderr, "the server's log has: ", line)
		code = 1
	}
	if err := end(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	code = max(code, closeHouses())
	harness.Clean()
	_ = os.RemoveAll(services)
	os.Exit(code)
}

// troubles are the lines of a log that no test may cause: what went wrong inside the server, and what the race detector
// found where the server was built with it.
func troubles(log string) (lines []string) {
	for line := range strings.Lines(log) {
		failed := strings.Contains(line, `"level":"ERROR"`) && !strings.Contains(line, "M_NOT_YET_UPLOADED") && // 504 by specification
			!strings.Contains(line, `"status":502`) // of another server
		if failed || strings.Contains(line, "DATA RACE") {
			lines = append(lines, line)
		}
	}
	return lines
}

// user is one session of an account. The zero token is nobody.
type user struct {
	t        *testing.T
	id       string
	token    string
	device   string
	password string
	params   string // added to every path: whom an application service acts as
	house    *house // whose user; nil: of the server at base
}

// nobody makes requests without a token.
func nobody(t *testing.T) *user { return &user{t: t} }

// newUser registers an account with a name that nobody has.
func newUser(t *testing.T) *user {
	t.Helper()
	return registered(&user{t: t, password: "correct horse battery"})
}

func registered(u *user) *user {
	u.t.Helper()
	a := u.do("POST", "/v3/register", obj{
		"username": fmt.Sprintf("u%s-%d", run, count.Add(1)), "password": u.password,
		"auth": obj{"type": "m.login.dummy"},
	}).ok()
	u.id, u.token, u.device = a.str("user_id"), a.str("access_token"), a.str("device_id")
	return u
}

// login is another session of the account; device may be empty, for a new one.
func (u *user) login(device string) *user {
	u.t.Helper()
	body := obj{
		"type": "m.login.password", "password": u.password,
		"identifier": obj{"type": "m.id.user", "user": u.id},
	}
	if device != "" {
		body["device_id"] = device
	}
	a := (&user{t: u.t, house: u.house}).do("POST", "/v3/login", body).ok()
	return &user{t: u.t, id: u.id, token: a.str("access_token"), device: a.str("device_id"), password: u.password, house: u.house}
}

// server is the server's name.
func (u *user) server() string {
	_, server, _ := strings.Cut(u.id, ":")
	return server
}

// path is a path of the client-server API whose segments are escaped: path("/v3/rooms", room, "state", "m.room.name", "").
func path(prefix string, segments ...string) string {
	for _, s := range segments {
		prefix += "/" + strings.ReplaceAll(url.PathEscape(s), ":", "%3A")
	}
	return prefix
}

// do makes a request. A path that does not begin with "/_" is below /_matrix/client. body is nil for none, a string or
// []byte as it is, and otherwise written as JSON.
func (u *user) do(method, path string, body any) *answer {
	u.t.Helper()
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(b)
	case []byte:
		in = bytes.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			u.t.Fatal(err)
		}
		in = bytes.NewReader(text)
	}
	if !strings.HasPrefix(path, "/_") {
		path = "/_matrix/client" + path
	}
	if u.params != "" {
		separator := "?"
		if strings.Contains(path, "?") {
			separator = "&"
		}
		path += separator + u.params
	}
	to, client := base, http.DefaultClient
	if u.house != nil {
		to, client = u.house.url, u.house.client
	}
	req, err := http.NewRequestWithContext(u.context(), method, to+path, in)
	if err != nil {
		u.t.Fatal(err)
	}
	if u.token != "" {
		req.Header.Set("Authorization", "Bearer "+u.token)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := client.Do(req)
	if err != nil {
		u.t.Fatal(err)
	}
	defer resp.Body.Close()
	a := &answer{t: u.t, asked: method + " " + path, status: resp.StatusCode, header: resp.Header}
	if a.raw, err = io.ReadAll(resp.Body); err != nil {
		u.t.Fatalf("%s: %v", a.asked, err)
	}
	_ = json.Unmarshal(a.raw, &a.v) // what is no JSON has no values
	a.errcode = a.str("errcode")
	return a
}

func (u *user) get(path string) *answer            { u.t.Helper(); return u.do("GET", path, nil) }
func (u *user) put(path string, body any) *answer  { u.t.Helper(); return u.do("PUT", path, body) }
func (u *user) post(path string, body any) *answer { u.t.Helper(); return u.do("POST", path, body) }

// createRoom makes a room and returns its id; body may be nil.
func (u *user) createRoom(body obj) string {
	u.t.Helper()
	if body == nil {
		body = obj{}
	}
	return u.post("/v3/createRoom", body).ok().str("room_id")
}

// publicRoom makes a room that everybody may join.
func (u *user) publicRoom() string { u.t.Helper(); return u.createRoom(obj{"preset": "public_chat"}) }

func (u *user) join(room string) { u.t.Helper(); u.post(path("/v3/rooms", room, "join"), nil).ok() }

func (u *user) leave(room string) { u.t.Helper(); u.post(path("/v3/rooms", room, "leave"), nil).ok() }

// about does to other what verb says: "invite", "kick", "ban", "unban".
func (u *user) about(verb, room string, other *user) *answer {
	u.t.Helper()
	return u.post(path("/v3/rooms", room, verb), obj{"user_id": other.id})
}

func (u *user) invite(room string, other *user) { u.t.Helper(); u.about("invite", room, other).ok() }

// send sends a text and returns the event's id.
func (u *user) send(room, text string) string {
	u.t.Helper()
	return u.sendEvent(room, "m.room.message", obj{"msgtype": "m.text", "body": text})
}

// sendEvent sends an event and returns its id.
func (u *user) sendEvent(room, typ string, content any) string {
	u.t.Helper()
	txn := fmt.Sprint("t", count.Add(1))
	return u.put(path("/v3/rooms", room, "send", typ, txn), content).ok().str("event_id")
}

// setState sends a state event and returns its id.
func (u *user) setState(room, typ, key string, content any) string {
	u.t.Helper()
	return u.put(path("/v3/rooms", room, "state", typ, key), content).ok().str("event_id")
}

// state is the content of a state event as the user sees it now.
func (u *user) state(room, typ, key string) *answer {
	u.t.Helper()
	return u.get(path("/v3/rooms", room, "state", typ, key))
}

// sync asks once, without waiting. since may be empty, filter nil; params are further parameters, "full_state=true".
func (u *user) sync(since string, filter any, params ...string) *answer {
	u.t.Helper()
	q := url.Values{}
	if since != "" {
		q.Set("since", since)
	}
	if filter != nil {
		text, err := json.Marshal(filter)
		if err != nil {
			u.t.Fatal(err)
		}
		q.Set("filter", string(text))
	}
	for _, p := range params {
		k, v, _ := strings.Cut(p, "=")
		q.Set(k, v)
	}
	return u.get("/v3/sync?" + q.Encode()).ok()
}

// now is the user's position: the next_batch of a sync that asks for nothing.
func (u *user) now() string {
	u.t.Helper()
	none := obj{"not_types": list{"*"}}
	return u.sync("", obj{"presence": none, "account_data": none, "room": obj{"rooms": list{}}}).str("next_batch")
}

// soon syncs on from since (empty: from an initial sync) until seen says yes to an answer, which it returns. When that
// takes too long the test fails; what says what it was that did not come.
func (u *user) soon(since, what string, seen func(*answer) bool) *answer {
	u.t.Helper()
	return u.soonWith(since, nil, what, seen)
}

// soonWith is soon with a filter.
func (u *user) soonWith(since string, filter any, what string, seen func(*answer) bool) *answer {
	u.t.Helper()
	for end := time.Now().Add(within); ; {
		a := u.sync(since, filter, "timeout=1000")
		if seen(a) {
			return a
		}
		if time.Now().After(end) {
			u.t.Fatalf("%s did not come within %v; the last answer was %s", what, within, a.raw)
		}
		since = a.str("next_batch")
	}
}

// obj and list are JSON.
type (
	obj  map[string]any
	list []any
)

// answer is what the server said.
type answer struct {
	value
	t       *testing.T
	asked   string // method and path
	status  int
	errcode string
	header  http.Header
	raw     []byte
}

// ok fails the test unless the status is 200.
func (a *answer) ok() *answer {
	a.t.Helper()
	if a.status != http.StatusOK {
		a.t.Fatalf("%s: got %d %s, want 200", a.asked, a.status, a.raw)
	}
	return a
}

// fails checks the status, the errcode where one is given, and that the body is an error's.
func (a *answer) fails(status int, errcode ...string) *answer {
	a.t.Helper()
	if a.status != status || len(errcode) > 0 && a.errcode != errcode[0] {
		a.t.Errorf("%s: got %d %s, want %d %s", a.asked, a.status, a.raw, status, strings.Join(errcode, ""))
	} else if a.errcode == "" || a.at("error").missing() {
		a.t.Errorf("%s: %d without errcode and error: %s", a.asked, a.status, a.raw)
	}
	return a
}

// value is a value of JSON, or nothing at all.
type value struct{ v any }

// at is the value below: keys of objects as strings, places in arrays as ints (-1 is the last).
func (v value) at(keys ...any) value {
	for _, k := range keys {
		var next any
		switch k := k.(type) {
		case string:
			m, _ := v.v.(map[string]any)
			next = m[k]
		case int:
			l, _ := v.v.([]any)
			if k < 0 {
				k += len(l)
			}
			if k >= 0 && k < len(l) {
				next = l[k]
			}
		}
		v = value{next}
	}
	return v
}

// missing says that there is no such value, or null.
func (v value) missing() bool { return v.v == nil }

func (v value) str(keys ...any) string  { s, _ := v.at(keys...).v.(string); return s }
func (v value) num(keys ...any) float64 { n, _ := v.at(keys...).v.(float64); return n }
func (v value) flag(keys ...any) bool   { b, _ := v.at(keys...).v.(bool); return b }

// has says that an object has the key, be it with null.
func (v value) has(key string) bool {
	m, _ := v.v.(map[string]any)
	_, ok := m[key]
	return ok
}

// isString, isList, isNumber say what kind of value is there.
func (v value) isString(keys ...any) bool { _, ok := v.at(keys...).v.(string); return ok }
func (v value) isList(keys ...any) bool   { _, ok := v.at(keys...).v.([]any); return ok }
func (v value) isNumber(keys ...any) bool { _, ok := v.at(keys...).v.(float64); return ok }

// list is the elements of an array.
func (v value) list(keys ...any) []value {
	l, _ := v.at(keys...).v.([]any)
	values := make([]value, len(l))
	for i, e := range l {
		values[i] = value{e}
	}
	return values
}

// keys are those of an object, sorted.
func (v value) keys(keys ...any) []string {
	m, _ := v.at(keys...).v.(map[string]any)
	var names []string
	for k := range m {
		names = append(names, k)
	}
	slices.Sort(names)
	return names
}

// all is the string at key of every element of an array: all("event_id").
func (v value) all(key string) []string {
	var all []string
	for _, e := range v.list() {
		all = append(all, e.str(key))
	}
	return all
}

// find is the first element of an array of events with this type and, if one is given, this state key.
func (v value) find(typ string, stateKey ...string) value {
	for _, e := range v.list() {
		if e.str("type") == typ && (len(stateKey) == 0 || e.has("state_key") && e.str("state_key") == stateKey[0]) {
			return e
		}
	}
	return value{}
}

// String is the value as JSON with sorted keys, for comparisons and messages.
func (v value) String() string {
	text, err := json.Marshal(v.v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// equals says that the value is this JSON.
func (v value) equals(want any) bool {
	text, err := json.Marshal(want)
	if err != nil {
		return false
	}
	var parsed any
	_ = json.Unmarshal(text, &parsed) // our own text
	return v.String() == value{parsed}.String()
}

// joined, left, invited, knocked are the parts of a sync about a room.
func (a *answer) joined(room string) value  { return a.at("rooms", "join", room) }
func (a *answer) left(room string) value    { return a.at("rooms", "leave", room) }
func (a *answer) invited(room string) value { return a.at("rooms", "invite", room) }
func (a *answer) knocked(room string) value { return a.at("rooms", "knock", room) }

// timeline are the events of a joined room's timeline.
func (a *answer) timeline(room string) value { return a.joined(room).at("timeline", "events") }

// membership says that a joined room's timeline has the member event.
func (a *answer) membership(room string, of *user, membership string) bool {
	for _, e := range a.timeline(room).list() {
		if e.str("type") == "m.room.member" && e.str("state_key") == of.id && e.str("content", "membership") == membership {
			return true
		}
	}
	return false
}
