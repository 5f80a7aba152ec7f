package spec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// loaded is the specification, read once.
var loaded = sync.OnceValues(Load)

func load(t *testing.T) *Spec {
	t.Helper()
	s, err := loaded()
	if errors.Is(err, ErrMissing) && os.Getenv("MATRIX_SPEC") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const (
	frame = `"event_id":"$26RqwJMLw-yds1GAH_QxjHRC1Da9oasK0e5VLnck_45","sender":"@a:b.c","origin_server_ts":1`
	text  = `{"type":"m.room.message","content":{"msgtype":"m.text","body":"x"},` + frame + `}`
)

// inRoom is the text as it is outside of /sync.
var inRoom = strings.Replace(text, "{", `{"room_id":"!a:b.c",`, 1)

// inTimeline is an answer of /sync with one event in a timeline.
func inTimeline(event string) string {
	return `{"next_batch":"s1","rooms":{"join":{"!a:b.c":{"timeline":{"events":[` + event + `]}}}}}`
}

// What is right passes, and what is wrong in any one way is found: a check that finds nothing is no check.
func TestCheck(t *testing.T) {
	s := load(t)
	const room = "/_matrix/client/v3/rooms/%21a%3Ab.c"
	for _, tt := range []struct {
		name    string
		ours    bool
		method  string
		path    string
		request string
		status  int
		header  string // beyond the content type
		body    string
		want    string // a part of the only deviation; "" for none
	}{
		{name: "sync", path: "/_matrix/client/v3/sync", body: inTimeline(text)},
		{name: "old prefix", path: "/_matrix/client/r0/sync", body: `{}`, want: "missing property 'next_batch'"},
		{name: "a key is missing", path: "/_matrix/client/v3/sync", body: `{"rooms":{}}`, want: "| 200 |  | missing property 'next_batch'"},
		{name: "another type", path: "/_matrix/client/v3/sync", body: `{"next_batch":1}`, want: "/next_batch | got number, want string"},
		{name: "a slip of the pen", path: "/_matrix/client/v3/sync", body: `{"next_batch":"s","room":{}}`, want: "/room | not a documented key"},
		{
			name: "a slip of the pen below", path: "/_matrix/client/v3/sync",
			body: inTimeline(strings.Replace(text, "{", `{"unsigned":{"transactionid":"x"},`, 1)), want: "/timeline/events/*/unsigned/transactionid | not a documented key",
		},
		{name: "a key under a prefix", path: "/_matrix/client/v3/sync", body: `{"next_batch":"s","org.example.room":{}}`},
		{name: "null", path: "/_matrix/client/v3/sync", body: `{"next_batch":"s","rooms":null}`, want: "/rooms | got null"},
		{name: "no JSON", path: "/_matrix/client/v3/sync", body: `{"next_batch":`, want: "no JSON"},
		{name: "not UTF-8", path: "/_matrix/client/v3/sync", body: "{\"next_batch\":\"\xff\"}", want: "not UTF-8"},
		{name: "no content type", path: "/_matrix/client/v3/sync", header: "Content-Type: text/plain", body: `{"next_batch":"s"}`, want: `"text/plain"`},
		{
			name: "an event without an id", path: "/_matrix/client/v3/sync",
			body: inTimeline(`{"type":"x","content":{},"sender":"@a:b.c","origin_server_ts":1}`),
			want: "/rooms/join/*/timeline/events/* | missing property 'event_id'",
		},
		{
			name: "a message without a body", path: room + "/messages?dir=b",
			body: `{"start":"t","chunk":[` + strings.Replace(inRoom, `,"body":"x"`, "", 1) + `]}`,
			want: "event m.room.message | 200 | /content | missing property 'body'",
		},
		{
			name: "a redacted message without a body", path: "/_matrix/client/v3/sync",
			body: inTimeline(`{"type":"m.room.message","content":{},"unsigned":{"redacted_because":` + text + `},` + frame + `}`),
		},
		{
			name: "the content of a state event", path: "/_matrix/client/v3/sync",
			body: inTimeline(`{"type":"m.room.member","state_key":"@a:b.c","content":{"membership":"guest"},` + frame + `}`),
			want: "event m.room.member | 200 | /content/membership | none of",
		},
		{
			name: "a message of a type for state", path: "/_matrix/client/v3/sync",
			body: inTimeline(`{"type":"m.room.member","content":{},` + frame + `}`),
		},
		{
			name: "an event below an event", path: "/_matrix/client/v3/sync",
			body: inTimeline(strings.Replace(text, "{", `{"unsigned":{"m.relations":{"m.thread":{"latest_event":`+
				strings.Replace(text, `"sender":"@a:b.c"`, `"sender":"a"`, 1)+`}}},`, 1)),
			want: "event/sender |",
		},
		{
			name: "an account data event", path: "/_matrix/client/v3/sync",
			body: `{"next_batch":"s","account_data":{"events":[{"type":"m.direct","content":{"@a:b.c":"!a:b.c"}}]}}`,
			want: "event m.direct | 200 | /content/* | got string",
		},
		{
			name: "a stripped event without a sender", path: "/_matrix/client/v3/sync",
			body: `{"next_batch":"s","rooms":{"invite":{"!a:b.c":{"invite_state":{"events":[{"type":"m.room.name","state_key":"","content":{"name":"x"}}]}}}}}`,
			want: "/rooms/invite/*/invite_state/events/* | missing property 'sender'",
		},
		{name: "an identifier of another form", path: "/_matrix/client/v3/joined_rooms", body: `{"joined_rooms":["!a b"]}`, want: "/joined_rooms/* | no mx-room-id"},
		{name: "a state key that is empty", path: room + "/state/m.room.name", body: `{"name":"x"}`},

		{name: "another status", path: "/_matrix/client/v3/sync", status: 202, body: `{}`, want: "| 202 |  | this status is not documented"},
		{name: "a standard error", path: "/_matrix/client/v3/sync", status: 401, body: `{"errcode":"M_UNKNOWN_TOKEN","error":"x"}`},
		{name: "an error without a code", path: "/_matrix/client/v3/sync", status: 401, body: `{"error":"x"}`, want: "an error without"},
		{name: "an error without words", path: "/_matrix/client/v3/sync", status: 401, body: `{"errcode":"M_UNKNOWN_TOKEN"}`, want: "an error without"},
		{name: "an error with another status", path: "/_matrix/client/v3/sync", status: 404, body: `{"errcode":"M_UNKNOWN_TOKEN","error":"x"}`, want: "M_UNKNOWN_TOKEN is not standard with it"},
		{name: "an invented code", path: room + "/joined_members", status: 403, body: `{"errcode":"M_NOT_AT_HOME","error":"x"}`, want: "M_NOT_AT_HOME"},
		{name: "too fast, and not until when", path: "/_matrix/client/v3/search", method: "POST", status: 429, body: `{"errcode":"M_LIMIT_EXCEEDED","error":"x"}`, want: "no Retry-After"},
		{name: "too fast", path: "/_matrix/client/v3/search", method: "POST", status: 429, header: "Retry-After: 1", body: `{"errcode":"M_LIMIT_EXCEEDED","error":"x"}`},
		{
			name: "user-interactive authentication", path: "/_matrix/client/v3/delete_devices", method: "POST", status: 401,
			body: `{"session":"x","flows":[{"stages":["m.login.password"]}],"params":{}}`,
		},
		{
			name: "user-interactive authentication without stages", path: "/_matrix/client/v3/delete_devices", method: "POST", status: 401,
			body: `{"session":"x","flows":[{}],"params":{}}`, want: "/flows/* | missing property 'stages'",
		},

		{name: "a request", method: "PUT", path: room + "/typing/@a:b.c", request: `{"typing":true}`, body: `{}`},
		{name: "a request without a key", method: "PUT", path: room + "/typing/@a:b.c", request: `{}`, body: `{}`, want: "| request |  | missing property 'typing'"},
		{name: "a wrong request that is refused", method: "PUT", path: room + "/typing/@a:b.c", request: `{}`, status: 400, body: `{"errcode":"M_BAD_JSON","error":"x"}`},
		{name: "either form of a request", method: "POST", path: room + "/invite", request: `{"user_id":"@a:b.c"}`, body: `{}`},
		{name: "no form of a request", method: "POST", path: room + "/invite", request: `{}`, body: `{}`, want: "| request |  | missing property 'user_id'"},
		{name: "a parameter is missing", path: room + "/messages", body: `{"start":"t","chunk":[]}`, want: "?dir | missing"},
		{name: "a parameter is none of", path: room + "/messages?dir=x", body: `{"start":"t","chunk":[]}`, want: "?dir | none of"},
		{name: "a parameter is no number", path: room + "/messages?dir=b&limit=x", body: `{"start":"t","chunk":[]}`, want: "?limit | got string, want integer"},
		{name: "a segment of another form", path: "/_matrix/client/v3/rooms/x/joined_members", body: `{"joined":{}}`, want: "?roomId |"},

		{
			name: "a file", path: "/_matrix/client/v1/media/download/b.c/x",
			header: "Content-Type: text/plain\nContent-Disposition: inline", body: "bytes",
		},
		{name: "a file without disposition", path: "/_matrix/client/v1/media/download/b.c/x", header: "Content-Type: text/plain", body: "bytes", want: "header Content-Disposition | missing"},

		{name: "another path", path: "/_matrix/client/unstable/x", body: `{}`, want: "not in the specification"},
		{name: "another path, with an event", path: "/_synapse/x", status: 404, body: text, want: "an error without"},
		{name: "another path is not found", path: "/_matrix/client/unstable/x", status: 404, body: `{"errcode":"M_UNRECOGNIZED","error":"x"}`},
		{name: "another method", method: "PATCH", path: "/_matrix/client/v3/sync", status: 405, body: `{"errcode":"M_UNRECOGNIZED","error":"x"}`},

		{name: "a transaction", ours: true, method: "PUT", path: "/_matrix/app/v1/transactions/1", request: `{"events":[` + inRoom + `]}`},
		{name: "a transaction without events", ours: true, method: "PUT", path: "/_matrix/app/v1/transactions/1", request: `{}`, want: "| request |  | missing property 'events'"},
		{
			name: "a transaction with half an event", ours: true, method: "PUT", path: "/_matrix/app/v1/transactions/1",
			request: `{"events":[` + strings.Replace(inRoom, `"sender"`, `"x"`, 1) + `]}`, want: "| request | /events/* | missing property 'sender'",
		},
		{name: "a call that nobody knows", ours: true, path: "/_matrix/app/v1/x", want: "not in the specification"},
		{name: "a notification", ours: true, method: "POST", path: "/_matrix/push/v1/notify", request: `{"notification":{"devices":[]}}`},
		{name: "a notification of nothing", ours: true, method: "POST", path: "/_matrix/push/v1/notify", request: `{}`, want: "missing property 'notification'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := &Exchange{Ours: tt.ours, Method: tt.method, Status: tt.status, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(tt.body)}
			if x.Method == "" {
				x.Method = "GET"
			}
			if x.Status == 0 {
				x.Status = 200
			}
			if tt.request != "" {
				x.Request = []byte(tt.request)
			}
			for line := range strings.Lines(tt.header) {
				name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
				x.Header.Set(name, value)
			}
			path, query, _ := strings.Cut(tt.path, "?")
			x.Path = path
			var err error
			if x.Query, err = url.ParseQuery(query); err != nil {
				t.Fatal(err)
			}
			found, err := s.Check(x, nil)
			switch {
			case err != nil:
				t.Fatal(err)
			case tt.want == "" && len(found) > 0:
				t.Errorf("got %v, want none", found)
			case tt.want != "" && !strings.Contains(fmt.Sprint(found), tt.want):
				t.Errorf("got %v, want %q", found, tt.want)
			}
		})
	}
}

// Every schema of the client-server API compiles, and none finds fault with the specification's own examples.
func TestEverySchema(t *testing.T) {
	s := load(t)
	for _, o := range s.ops {
		for status := range o.content {
			schema, err := s.child(o.node, "responses", status, "content", "application/json", "schema")
			if err == nil && schema.value != nil {
				_, err = s.schema(schema)
			}
			if err != nil {
				t.Errorf("%s %s: %v", o.name(), status, err)
			}
		}
		schema, err := s.child(o.node, "requestBody", "content", "application/json", "schema")
		if err == nil && schema.value != nil {
			_, err = s.schema(schema)
		}
		if err != nil {
			t.Errorf("%s: %v", o.name(), err)
		}
	}
}

// fake is a testing.TB that counts what it is told.
type fake struct {
	testing.TB
	mu   sync.Mutex
	told []string
}

func (f *fake) Errorf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = append(f.told, fmt.Sprintf(format, args...))
}

// A deviation fails the test that asked, or the end of the run; one that is listed fails nothing until it is gone.
func TestWatch(t *testing.T) {
	s := load(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.Copy(io.Discard, r.Body)
		switch r.URL.Path {
		case "/_matrix/client/v3/joined_rooms":
			_, _ = io.WriteString(w, `{}`)
		case "/_matrix/client/v3/sync":
			_, _ = io.WriteString(w, inTimeline(strings.Replace(text, `"x"`, `5`, 1)))
		default:
			_, _ = io.WriteString(w, `{"event_id":"$26RqwJMLw-yds1GAH_QxjHRC1Da9oasK0e5VLnck_45"}`)
		}
	}))
	defer server.Close()
	const line = "GET /_matrix/client/v3/joined_rooms | 200 | | missing property * | whole | why\n"
	for _, tt := range []struct {
		name   string
		all    string // below which everything must be seen
		list   string
		ask    []string
		within bool
		told   int
		end    string
	}{
		{name: "nothing was asked", end: "not one answer"},
		{name: "it fails its test", ask: []string{"/joined_rooms", "/joined_rooms"}, within: true, told: 2},
		{name: "it fails the run", ask: []string{"/joined_rooms"}, end: "missing property 'joined_rooms'"},
		{name: "it is listed", list: line, ask: []string{"/joined_rooms"}},
		{name: "it is listed and gone", list: line, ask: []string{"/rooms/!a:b.c/send/m.room.message/1"}, end: "did not show"},
		{name: "a content as the client sent it", ask: []string{"/rooms/!a:b.c/send/m.room.message/1", "/sync"}},
		{name: "everything was seen", all: "/_matrix/client/v3/sync", ask: []string{"/rooms/!a:b.c/send/m.room.message/1", "/sync"}},
		{name: "not everything was seen", all: "/_matrix/client/v3/sync", ask: []string{"/rooms/!a:b.c/send/m.room.message/1"}, end: "/sync | never"},
		{name: "a content that nobody sent", ask: []string{"/sync"}, end: "event m.room.message | 200 | /content/body"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, err := newWatch(s, []byte(tt.list))
			if err != nil {
				t.Fatal(err)
			}
			client := &http.Client{Transport: w.Transport(http.DefaultTransport, server.URL)}
			told := &fake{TB: t}
			for _, path := range tt.ask {
				ctx := t.Context()
				if tt.within {
					ctx = Within(ctx, told)
				}
				method, body := "GET", ""
				if strings.Contains(path, "/send/") {
					method, body = "PUT", `{"msgtype":"m.text","body":5}`
				}
				fetch(t, ctx, client, method, server.URL+"/_matrix/client/v3"+path, body)
			}
			if len(told.told) != tt.told {
				t.Errorf("the test was told %v, want %d", told.told, tt.told)
			}
			var all []string
			if tt.all != "" {
				all = append(all, tt.all)
			}
			err = w.End("whole", all...)
			if (err == nil) != (tt.end == "") || err != nil && !strings.Contains(err.Error(), tt.end) {
				t.Errorf("at the end: got %v, want %q", err, tt.end)
			}
		})
	}
}

func fetch(t *testing.T, ctx context.Context, client *http.Client, method, url, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
}

func TestListNeedsReasons(t *testing.T) {
	for _, bad := range []string{"GET /x | 200 | | y | conformance |", "GET /x | 200 | y | conformance | why"} {
		if _, err := readList([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	if _, err := readList(deviationsText); err != nil {
		t.Error(err)
	}
}

// Through the proxy an answer comes as the server writes it, and a server that breaks off breaks off.
func TestProxy(t *testing.T) {
	w, err := newWatch(load(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	more := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"next_`)
		_ = http.NewResponseController(w).Flush() // the client tells
		<-more
		if r.URL.Path == "/broken" {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, `batch":5}`)
	}))
	defer server.Close()
	told := &fake{TB: t}
	proxy := w.Serve(told, server.URL)
	for _, path := range []string{"/_matrix/client/v3/sync", "/broken"} {
		resp, err := http.Get(proxy + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		first := make([]byte, 7)
		if _, err := io.ReadFull(resp.Body, first); err != nil || string(first) != `{"next_` {
			t.Fatalf("before the server has said all: got %q, %v", first, err)
		}
		select {
		case more <- struct{}{}:
		case <-time.After(time.Minute):
			t.Fatal("the server does not wait")
		}
		rest, err := io.ReadAll(resp.Body)
		if (err != nil) != (path == "/broken") {
			t.Errorf("%s: got %q, %v", path, rest, err)
		}
	}
	if len(told.told) != 1 || !strings.Contains(told.told[0], "/next_batch | got number") {
		t.Errorf("the test was told %q, want of the number", told.told)
	}
	server.Close()
	if resp, err := http.Get(proxy + "/x"); err == nil {
		resp.Body.Close()
		t.Errorf("a server that is down: got %s, want no answer", resp.Status)
	}
}
