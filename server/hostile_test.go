package server

import (
	"bytes"
	"cmp"
	"context"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"freehold.example/api/client"
	"freehold.example/base/route"
	"freehold.example/base/sqldb"
	"freehold.example/base/sqldb/sqldbtest"
	"freehold.example/core/schema"
	"freehold.example/matrix/id"
)

// house is a server in this process, which nobody listens to, with somebody at home: her room, an event, a picture.
type house struct {
	t       testing.TB
	s       *Server
	log     *output
	handler http.Handler
	rows    []route.Info

	user, token string
	names       map[string]string // of a path -> a value that is there
}

func newHouse(t testing.TB, change ...func(*Config)) *house {
	t.Helper()
	h := &house{t: t, log: new(output)}
	c := Defaults()
	c.DataDir, c.ListenClient, c.ListenFederation, c.PasswordHashing, c.Out = t.TempDir(), "127.0.0.1:0", "", "fast", h.log
	c.Registration, c.RateLimits, c.RegistrationSharedSecret = "open", false, "hostile secret"
	c.Federation = "off" // the names of servers in hostile paths are not to be looked for
	for _, f := range change {
		f(&c)
	}
	if c.DatabaseURL == "" {
		sqldbtest.Fill(t, schema.FS, c.DataDir)
	}
	var err error
	if h.s, err = New(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.s.Close(); err != nil {
			t.Error(err)
		}
		for line := range strings.Lines(h.log.String()) {
			if strings.Contains(line, `"level":"ERROR"`) && !strings.Contains(line, "M_NOT_YET_UPLOADED") {
				t.Errorf("the log has: %s", line)
			}
		}
	})
	h.handler = h.s.clients.http.Handler
	h.rows = h.handler.(*front).matrix.(*route.Table[client.Call]).Rows()
	h.moveIn()
	return h
}

var moved int

// moveIn makes a new user with a room.
func (h *house) moveIn() {
	h.t.Helper()
	moved++
	a := h.ok("POST", "/v3/register", fmt.Sprintf(`{"username":"u%d","password":"sesame sesame","device_id":"LAMP","auth":{"type":"m.login.dummy"}}`, moved))
	h.user, h.token = a["user_id"].(string), a["access_token"].(string)
	alias := fmt.Sprintf("house%d", moved)
	room := h.ok("POST", "/v3/createRoom", `{"preset":"public_chat","room_alias_name":"`+alias+`"}`)["room_id"].(string)
	event := h.ok("PUT", "/v3/rooms/"+url.PathEscape(room)+"/send/m.room.message/t", `{"msgtype":"m.text","body":"at home"}`)["event_id"].(string)
	h.ok("PUT", "/v3/user/"+h.user+"/account_data/m.kept", `{"kept":true}`)
	h.ok("PUT", "/v3/profile/"+h.user+"/displayname", `{"displayname":"At Home"}`)
	if err := h.s.accounts.SetAdmin(context.Background(), id.User(h.user), true); err != nil {
		h.t.Fatal(err)
	}
	h.names = map[string]string{
		"alias": "#" + alias + ":localhost", "deviceID": "LAMP", "eventID": event, "eventType": "m.room.message", "field": "displayname",
		"fileName": "name", "filterID": "1", "idpID": "github", "kind": "content", "mediaID": "none", "relType": "m.thread", "roomIDOrAlias": room,
		"roomID": room, "ruleID": "rule", "serverName": "localhost", "sessionID": "session", "stateKey": "key", "tag": "u.tag", "txnID": "txn",
		"type": "m.type", "userID": h.user, "version": "1",
	}
}

// do makes a request of this user's. A path that does not begin with "/_" or "/." is below /_matrix/client.
func (h *house) do(ctx context.Context, method, target, token string, body []byte) *httptest.ResponseRecorder {
	if !strings.HasPrefix(target, "/_") && !strings.HasPrefix(target, "/.") {
		target = "/_matrix/client" + target
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://localhost"+target, bytes.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	r.RequestURI, r.RemoteAddr = target, "192.0.2.1:1" // what the listener adds
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return h.serve(r)
}

// serve hands a request to the server as its listener would. The end of the request's context is the client going away, so it
// must be a cancelled one, not one with a deadline.
func (h *house) serve(r *http.Request) (w *httptest.ResponseRecorder) {
	w = httptest.NewRecorder()
	defer func() {
		p := recover()
		if err, ok := p.(error); p != nil && (!ok || !errors.Is(err, http.ErrAbortHandler) || r.Context().Err() == nil) {
			panic(p) // only an answer nobody waits for may be cut off
		}
	}()
	h.handler.ServeHTTP(w, r)
	return w
}

func (h *house) ok(method, target, body string) map[string]any {
	h.t.Helper()
	w := h.do(context.Background(), method, target, h.token, []byte(body))
	var a map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &a); w.Code != 200 || err != nil {
		h.t.Fatalf("%s %s: got %d %s", method, target, w.Code, w.Body)
	}
	return a
}

var segmentName = regexp.MustCompile(`\{([A-Za-z0-9]+)\??\}`)

// path fills in the names of a row's path.
func (h *house) path(pattern string) string {
	return segmentName.ReplaceAllStringFunc(pattern, func(name string) string {
		return url.PathEscape(cmp.Or(h.names[strings.Trim(name, "{?}")], "x"))
	})
}

// errcode reads what an error's body says. It fails the test where that is not an error's.
func (h *house) errcode(w *httptest.ResponseRecorder) string {
	h.t.Helper()
	var a struct {
		Errcode string `json:"errcode"`
		Error   string `json:"error"`
		Flows   []any  `json:"flows"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || (a.Errcode == "" || a.Error == "") && a.Flows == nil {
		h.t.Errorf("got %d with %q, which is no error's body", w.Code, w.Body)
	}
	return a.Errcode
}

// keeps runs fn and says whether everything is in the database afterwards that was before, and nothing else. Only where something was
// written meanwhile is there anything to compare.
func (h *house) keeps(fn func()) bool {
	h.t.Helper()
	var at sqldb.Pos
	var before, after string
	err := h.s.db.Read(context.Background(), func(tx *sqldb.Tx) (err error) {
		if _, err = tx.High(); err != nil { // the snapshot is taken with the first statement
			return err
		}
		at = h.s.db.Committed()
		if fn(); h.s.db.Committed() != at {
			before, err = contents(tx)
		}
		return err
	})
	if err == nil && h.s.db.Committed() != at {
		err = h.s.db.Read(context.Background(), func(tx *sqldb.Tx) (err error) {
			after, err = contents(tx)
			return err
		})
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return before == after
}

// contents is everything in the database.
func contents(tx *sqldb.Tx) (string, error) {
	var b strings.Builder
	tables, err := tx.Tables()
	if err != nil {
		return "", err
	}
	for _, table := range tables {
		b.WriteString(table.Name)
		err = errors.Join(err, tx.Dump(table, func(row []any) error {
			for _, v := range row {
				// fmt looks at bytes one by one, which is slow under the race detector.
				switch v := v.(type) {
				case []byte:
					fmt.Fprintf(&b, " %d:", len(v))
					b.Write(v)
				case string:
					fmt.Fprintf(&b, " %d=", len(v))
					b.WriteString(v)
				default:
					fmt.Fprintf(&b, " %v", v)
				}
			}
			b.WriteByte('\n')
			return nil
		}))
	}
	return b.String(), err
}

// refused makes a request that must be answered with this status and errcode, and change nothing.
func (h *house) refused(method, target, body string, status int, errcodes ...string) {
	h.t.Helper()
	var w *httptest.ResponseRecorder
	kept := h.keeps(func() { w = h.do(context.Background(), method, target, h.token, []byte(body)) })
	if len(body) > 60 {
		body = body[:60] + "..."
	}
	if got := h.errcode(w); w.Code != status || !slices.Contains(errcodes, got) {
		h.t.Errorf("%s %s with %s: got %d %s, want %d %v", method, target, body, w.Code, w.Body, status, errcodes)
	}
	if !kept {
		h.t.Errorf("%s %s with %s: it was refused, and changed something", method, target, body)
	}
}

// jsonRows are those whose body is JSON.
func (h *house) jsonRows() (rows []route.Info) {
	for _, row := range h.rows {
		if row.Request != nil && row.Method != http.MethodGet && takesBody(row.Request) {
			rows = append(rows, row)
		}
	}
	return rows
}

// takesBody says whether something of a request struct comes from the body.
func takesBody(t reflect.Type) bool {
	if reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return true
	}
	for f := range t.Fields() {
		if _, raw := f.Tag.Lookup("body"); raw || jsonName(f) != "" {
			return true
		}
		if f.Anonymous && f.Type.Kind() == reflect.Struct && takesBody(f.Type) {
			return true
		}
	}
	return false
}

// jsonName is the key of the body that a field comes from, or "".
func jsonName(f reflect.StructField) string {
	for _, other := range []string{"path", "query", "header", "body"} {
		if _, ok := f.Tag.Lookup(other); ok {
			return ""
		}
	}
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "-" || !f.IsExported() || f.Anonymous && name == "" {
		return ""
	}
	if name == "" {
		return f.Name
	}
	return name
}

// Whatever is not JSON, not an object, or too large is refused by every row alike, before anything else is looked at.
func TestHostileBodies(t *testing.T) {
	h := newHouse(t)
	const deep = 10_000
	for _, row := range h.jsonRows() {
		t.Run(row.Method+" "+row.Path, func(t *testing.T) {
			h.t = t
			target := h.path(row.Path)
			for body, errcode := range map[string]string{
				`{`: "M_NOT_JSON", `{}{}`: "M_NOT_JSON", `{"a"}`: "M_NOT_JSON", `{'a':1}`: "M_NOT_JSON", "{\"a\":\"\x81\"}": "M_NOT_JSON",
				"{\"a\":\"\xed\xa0\x80\"}": "M_NOT_JSON", `{"a":NaN}`: "M_NOT_JSON", `{"a":Infinity}`: "M_NOT_JSON", `{"a":01}`: "M_NOT_JSON",
				`{"a":1,}`: "M_NOT_JSON", "\ufeff{}": "M_NOT_JSON", "{\"a\":\"\x00\"}": "M_NOT_JSON", `user=me`: "M_NOT_JSON",
				`[]`: "M_BAD_JSON", `"text"`: "M_BAD_JSON", `5`: "M_BAD_JSON", `true`: "M_BAD_JSON", `null`: "M_BAD_JSON",
				strings.Repeat(`{"a":`, deep) + `1` + strings.Repeat(`}`, deep):       "M_BAD_JSON",
				`{"a":` + strings.Repeat(`[`, deep) + strings.Repeat(`]`, deep) + `}`: "M_BAD_JSON",
				strings.Repeat(`[`, deep): "M_BAD_JSON",
			} {
				h.refused(row.Method, target, body, 400, errcode)
			}
			if row.Body <= 1<<20 {
				h.refused(row.Method, target, `{"a":"`+strings.Repeat("x", int(row.Body))+`"}`, 413, "M_TOO_LARGE")
			}
		})
	}
}

// leaf is a place in a request's body.
type leaf struct {
	path []string // "[]" stands for an element, "*" and a name for a member of any name
	t    reflect.Type
}

// leaves lists every place of a type, those of structs before their parts.
func leaves(t reflect.Type, at []string, depth int) (all []leaf) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if len(at) > 0 {
		all = append(all, leaf{slices.Clone(at), t})
	}
	p := reflect.PointerTo(t)
	if depth > 6 || p.Implements(reflect.TypeFor[json.Unmarshaler]()) || p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return all
	}
	switch t.Kind() {
	case reflect.Struct:
		for f := range t.Fields() {
			if f.Anonymous && f.Type.Kind() == reflect.Struct && f.Tag.Get("json") == "" {
				all = append(all, leaves(f.Type, at, depth+1)...)
			} else if name := jsonName(f); name != "" {
				all = append(all, leaves(f.Type, append(slices.Clone(at), name), depth+1)...)
			}
		}
	case reflect.Slice:
		all = append(all, leaves(t.Elem(), append(slices.Clone(at), "[]"), depth+1)...)
	case reflect.Map:
		key := "@a:b"
		if t.Key() == reflect.TypeFor[id.Room]() {
			key = "!a:b"
		}
		all = append(all, leaves(t.Elem(), append(slices.Clone(at), "*"+key), depth+1)...)
	}
	return all
}

// body is a body with value at the leaf, and nothing else.
func (l leaf) body(value string) string {
	for _, step := range slices.Backward(l.path) {
		if step == "[]" {
			value = "[" + value + "]"
		} else {
			value = fmt.Sprintf("{%q:%s}", strings.TrimPrefix(step, "*"), value)
		}
	}
	return value
}

// takes says whether a value of this kind of JSON may stand at the leaf; sure is false where the type itself decides.
func (l leaf) takes(kind string) (yes, sure bool) {
	p := reflect.PointerTo(l.t)
	if p.Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return true, false
	}
	if p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return kind == "string", kind != "string"
	}
	switch l.t.Kind() {
	case reflect.String:
		return kind == "string", true
	case reflect.Bool:
		return kind == "bool", true
	case reflect.Struct, reflect.Map:
		return kind == "object", true
	case reflect.Slice, reflect.Array:
		return kind == "array", true
	case reflect.Float64, reflect.Float32:
		return kind == "integer" || kind == "fraction", kind != "huge"
	case reflect.Interface:
		return true, false
	}
	return kind == "integer", true
}

// A field that is of the wrong type is refused wherever it is, whatever else the request says.
func TestHostileTypes(t *testing.T) {
	h := newHouse(t)
	values := map[string]string{
		"string": `"text"`, "bool": `true`, "object": `{"a":{}}`, "array": `[[[]]]`, "integer": `7`, "fraction": `1.5`,
		"huge": `99999999999999999999999`, "endless": `1e400`,
	}
	places := 0
	for _, row := range h.jsonRows() {
		t.Run(row.Method+" "+row.Path, func(t *testing.T) {
			h.t = t
			for _, l := range leaves(row.Request, nil, 0) {
				places++
				for kind, value := range values {
					target, body := h.path(row.Path), l.body(value)
					if yes, sure := l.takes(kind); !yes && sure {
						h.refused(row.Method, target, body, 400, "M_BAD_JSON")
						continue
					}
					w := h.do(t.Context(), row.Method, target, h.token, []byte(body))
					if w.Code >= 500 {
						t.Errorf("%s with %s: got %d %s", target, body, w.Code, w.Body)
					}
					if w.Code >= 400 && h.errcode(w) == "M_UNKNOWN_TOKEN" { // she has logged out
						h.moveIn()
					}
				}
				w := h.do(t.Context(), row.Method, h.path(row.Path), h.token, []byte(l.body(`null`)))
				if w.Code >= 500 {
					t.Errorf("null at %v: got %d %s", l.path, w.Code, w.Body)
				}
				if w.Code == http.StatusUnauthorized && h.errcode(w) == "M_UNKNOWN_TOKEN" {
					h.moveIn()
				}
			}
		})
	}
	if places < 100 {
		t.Errorf("only %d places were found", places)
	}
}

// No path, query or token makes the server fail, and what needs a token is refused without a good one.
func TestHostilePaths(t *testing.T) {
	h := newHouse(t)
	bad := []string{
		"", "x", "%20", "..", "%2e%2e", ".", "%2F", "a%2Fb", "%00", "a%00b", "%ff", "%ED%A0%80", "!", "!:", "!a", "!a:b:c:d", "!%00:b", "@", "@:",
		"@a", "@a:", "@A b:c", "#", "#:", "$", "$a", "$%00", "-1", "0", "99999999999999999999", "%F0%9F%98%80", "*", "%25", "%2525", ";", "a;b=c", "%0d%0aX:y",
		strings.Repeat("a", 300), "!" + strings.Repeat("a", 3000) + ":b", strings.Repeat("%F0%9F%98%80", 100),
	}
	queries := []string{
		"", "from=x&to=s-1&dir=%00&limit=-5", "limit=99999999999999999999&dir=b", "filter=%7B%22limit%22%3A1e99%7D", "filter=%7B", "filter=x",
		"since=s9999999999999999999", "since=s1_2_3", "timeout=-1", "ts=a&at=t1&user_id=%40a", "server=%00&membership=%00&q=1", "a=%zz&%=&&&==",
		"width=-1&height=99999999999&method=x", "width=5&height=5&method=scale&animated=x&timeout_ms=0", "version=%00&username=%00&set_presence=x&full_state=x",
		"limit=1&limit=2&from=&from=x", strings.Repeat("a=b&", 2000),
	}
	foreign := []string{"", "x", strings.Repeat("a", 5000), h.token + "x", h.token[:len(h.token)-1], strings.ToUpper(h.token), "null", "ü"}
	for _, row := range h.rows {
		t.Run(row.Method+" "+row.Path, func(t *testing.T) {
			h.t = t
			see := func(target, token string, body string) *httptest.ResponseRecorder {
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				patience := 200 * time.Millisecond // some wait for news
				if row.Auth >= route.User && token != h.token {
					patience = time.Minute // nobody waits who is not let in
				}
				defer time.AfterFunc(patience, leave).Stop()
				w := h.do(ctx, row.Method, target, token, []byte(body))
				if w.Code >= 500 && ctx.Err() == nil {
					t.Errorf("%s %s with %s: got %d %s", row.Method, target, body, w.Code, w.Body)
				} else if w.Code >= 400 {
					h.errcode(w)
				}
				return w
			}
			for _, token := range foreign {
				if row.Auth < route.User {
					see(h.path(row.Path), token, `{}`)
					continue
				}
				var w *httptest.ResponseRecorder
				if !h.keeps(func() { w = see(h.path(row.Path), token, `{}`) }) {
					t.Errorf("with the token %.50q: refused, and something changed", token)
				}
				if w.Code != http.StatusUnauthorized {
					t.Errorf("with the token %.50q: got %d %s", token, w.Code, w.Body)
				}
			}
			for i := range max(len(bad), len(queries)) {
				v, q := bad[i%len(bad)], queries[i%len(queries)]
				target := segmentName.ReplaceAllLiteralString(row.Path, v)
				w := see(target+"?"+q, h.token, `{}`)
				if w.Code == http.StatusUnauthorized && strings.Contains(w.Body.String(), "M_UNKNOWN_TOKEN") {
					h.moveIn()
				}
			}
			for _, method := range []string{"PATCH", "TRACE", "CONNECT", "PROPFIND", "get", ""} {
				if method == row.Method {
					continue
				}
				r := httptest.NewRequest("GET", h.path(row.Path), http.NoBody)
				r.Method = method
				w := httptest.NewRecorder()
				h.handler.ServeHTTP(w, r)
				if w.Code != http.StatusMethodNotAllowed && w.Code != http.StatusNotFound || h.errcode(w) != "M_UNRECOGNIZED" {
					t.Errorf("method %q: got %d %s", method, w.Code, w.Body)
				}
			}
		})
	}
}

// example is a body of the right types, from which fuzzing begins.
func (h *house) example(t reflect.Type, depth int) string {
	switch {
	case t.Kind() == reflect.Pointer:
		return h.example(t.Elem(), depth)
	case depth > 6:
		return "{}"
	case t == reflect.TypeFor[id.User]():
		return fmt.Sprintf("%q", h.user)
	case t == reflect.TypeFor[id.Room]():
		return fmt.Sprintf("%q", h.names["roomID"])
	case t == reflect.TypeFor[id.Event]():
		return fmt.Sprintf("%q", h.names["eventID"])
	case t == reflect.TypeFor[json.RawMessage]():
		return `{"msgtype":"m.text"}`
	}
	var parts []string
	switch t.Kind() {
	case reflect.Struct:
		for f := range t.Fields() {
			if name := jsonName(f); name != "" {
				parts = append(parts, fmt.Sprintf("%q:%s", name, h.example(f.Type, depth+1)))
			}
		}
		return "{" + strings.Join(parts, ",") + "}"
	case reflect.Map:
		return "{" + h.example(t.Key(), depth+1) + ":" + h.example(t.Elem(), depth+1) + "}"
	case reflect.Slice:
		return "[" + h.example(t.Elem(), depth+1) + "]"
	case reflect.String:
		return `"m.text"`
	case reflect.Bool:
		return "true"
	default:
		return "1"
	}
}

// FuzzRoutes sends anything to every row: the row's number, what stands for the names of its path, the query, the body.
func FuzzRoutes(f *testing.F) {
	h := newHouse(f)
	for i, row := range h.rows {
		names := segmentName.FindAllStringSubmatch(row.Path, -1)
		var values []string
		for _, n := range names {
			values = append(values, h.names[n[1]])
		}
		body := `{"a":1}`
		if row.Request != nil {
			body = h.example(row.Request, 0)
		}
		f.Add(uint16(i), strings.Join(values, "\n"), "limit=5&from=", body)
	}
	f.Fuzz(func(t *testing.T, n uint16, names, query, body string) {
		h.t = t
		defer time.AfterFunc(time.Minute, func() {
			all := make([]byte, 1<<20)
			panic(fmt.Sprintf("no answer to row %d, %q?%q with %q\n%s", n, names, query, body, all[:runtime.Stack(all, true)]))
		}).Stop()
		row := h.rows[int(n)%len(h.rows)]
		values := strings.Split(names, "\n")
		at := segmentName.ReplaceAllStringFunc(row.Path, func(string) string {
			v := values[0]
			if len(values) > 1 {
				values = values[1:]
			}
			return url.PathEscape(v)
		})
		u := &url.URL{Scheme: "http", Host: "localhost", RawQuery: query}
		u.RawPath = at
		var err error
		if u.Path, err = url.PathUnescape(at); err != nil {
			t.Fatal(err)
		}
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		defer time.AfterFunc(50*time.Millisecond, leave).Stop() // some wait for news
		r := (&http.Request{
			Method: row.Method, URL: u, Host: "localhost", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, RemoteAddr: "192.0.2.1:1",
			Header: http.Header{"Authorization": {"Bearer " + h.token}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
		}).WithContext(ctx)
		w := h.serve(r)
		switch {
		case ctx.Err() != nil:
		case w.Code >= 500 && !strings.Contains(w.Body.String(), "M_NOT_YET_UPLOADED"):
			t.Errorf("%s %s?%s with %q: got %d %s", row.Method, at, query, body, w.Code, w.Body)
		case w.Code >= 400:
			if h.errcode(w) == "M_UNKNOWN_TOKEN" || w.Code == http.StatusForbidden && strings.Contains(w.Body.String(), "M_USER_") {
				h.moveIn()
			}
		case w.Code >= 300 && row.Request != nil:
			t.Errorf("%s %s?%s with %q: got %d", row.Method, at, query, body, w.Code)
		case row.Request != nil && !json.Valid(w.Body.Bytes()):
			t.Errorf("%s %s?%s with %q: got %q, which is not JSON", row.Method, at, query, body, w.Body)
		}
	})
}
