package route_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// call is the caller in these tests; the token "good" is a user's.
type call struct{ user string }

func (c *call) LogValue() slog.Value { return slog.StringValue(c.user) }

func guard(r *http.Request, auth route.Auth) (*call, string, error) {
	token := r.Header.Get("Authorization")
	switch {
	case token == "Bearer good":
		return &call{user: "@a:b"}, "@a:b", nil
	case auth == route.None || auth == route.Optional && token == "":
		return &call{}, "192.0.2.1", nil
	case token == "":
		return nil, "", fault.New(fault.MissingToken, "Missing access token")
	}
	return nil, "", fault.New(fault.UnknownToken, "Unknown access token")
}

type echo struct {
	Room   id.Room               `path:"roomID"`
	Type   string                `path:"type"`
	Key    string                `path:"key"`
	From   string                `query:"from"`
	Limit  int                   `query:"limit"`
	Full   *bool                 `query:"full"`
	Via    []id.Server           `query:"via"`
	Match  string                `header:"If-Match"`
	Name   string                `json:"name"`
	Count  int64                 `json:"count"`
	User   id.User               `json:"user"`
	Nested *struct{ A []string } `json:"nested"`
}

func echoBack(_ context.Context, _ *call, r *echo) (*map[string]any, error) {
	out := map[string]any{"room": r.Room, "type": r.Type, "key": r.Key, "from": r.From, "limit": r.Limit, "name": r.Name}
	if r.Full != nil {
		out["full"] = *r.Full
	}
	if r.Via != nil {
		out["via"] = r.Via
	}
	if r.Match != "" {
		out["match"] = r.Match
	}
	return &out, nil
}

type rawRequest struct {
	Content json.RawMessage `body:"raw"`
	Txn     string          `path:"txn"`
}

type anything struct {
	All url.Values `query:"*"`
}

type mayLack struct {
	Content json.RawMessage `body:"raw,optional"`
}

type empty struct{}

func nothing(context.Context, *call, *empty) (*empty, error) { return &empty{}, nil }

type created struct{}

func (created) Status() int { return http.StatusCreated }

// newTable serves rows with the tests' guard and gives what is logged.
func newTable(t testing.TB, rows []route.Row[call], change ...func(*route.Config[call])) (*route.Table[call], *bytes.Buffer) {
	t.Helper()
	var logged bytes.Buffer
	c := route.Config[call]{Rows: rows, Guard: guard, CORS: true, Log: slog.New(slog.NewJSONHandler(&logged, nil))}
	for _, f := range change {
		f(&c)
	}
	table, err := route.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return table, &logged
}

func do(h http.Handler, method, target, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if body == "" {
		r.Body, r.ContentLength = http.NoBody, 0
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// errcode reads the errcode of an answer.
func errcode(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var body struct{ Errcode string }
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatalf("answer %q: %v", w.Body, err)
	}
	return body.Errcode
}

func apiRows() []route.Row[call] {
	return []route.Row[call]{
		{Method: "GET", Path: "/v3/versions", Serve: route.JSON(nothing)},
		{Method: "GET", Path: "/v3/fields", Serve: route.JSON(func(_ context.Context, _ *call, r *anything) (*url.Values, error) { return &r.All, nil })},
		{Method: "POST", Path: "/v3/login", Limit: limit.Login, Serve: route.JSON(nothing)},
		{Method: "GET", Path: "/v3/login", Serve: route.JSON(nothing)},
		{Method: "POST", Path: "/v3/account/made", Serve: route.JSON(func(context.Context, *call, *empty) (*created, error) { return &created{}, nil })},
		{Method: "GET", Path: "/v3/rooms/{roomID}/state/{type}/{key?}", Auth: route.User, Serve: route.JSON(echoBack)},
		{Method: "PUT", Path: "/v3/rooms/{roomID}/state/{type}/{key?}", Auth: route.User, Serve: route.JSON(echoBack)},
		{Method: "PUT", Path: "/v3/send/{txn}", Auth: route.User, Body: 100, Serve: route.JSON(func(_ context.Context, _ *call, r *rawRequest) (*route.Bytes, error) {
			b := route.Bytes(r.Content)
			return &b, nil
		})},
		{Method: "POST", Path: "/v3/join", Auth: route.User, Serve: route.JSON(func(_ context.Context, _ *call, r *mayLack) (*route.Bytes, error) {
			b := route.Bytes(`{"bytes":` + strconv.Itoa(len(r.Content)) + `}`)
			return &b, nil
		})},
		{Method: "GET", Path: "/v1/media/{server}/{media}", Auth: route.User, Serve: route.Raw(func(w http.ResponseWriter, _ *http.Request, _ *call, p route.Params) error {
			w.Header().Set("Content-Type", "text/plain")
			_, err := io.WriteString(w, p.Get("server")+" "+p.Get("media"))
			return err
		})},
		{Method: "GET", Path: "/v1/media/config", Auth: route.User, Serve: route.JSON(nothing)},
		{Method: "GET", Path: "/v1/panics", Serve: route.JSON(func(context.Context, *call, *empty) (*empty, error) { panic("secret of the house") })},
		{Method: "GET", Path: "/v1/breaks", Auth: route.User, Serve: route.JSON(func(context.Context, *call, *empty) (*empty, error) { return nil, errors.New("disk on fire") })},
		{Method: "POST", Path: "/v1/uia", Serve: route.JSON(func(context.Context, *call, *empty) (*empty, error) {
			return nil, fault.New("", "").WithStatus(http.StatusUnauthorized).With("flows", []string{})
		})},
	}
}

func TestRequestsAndAnswers(t *testing.T) {
	table, _ := newTable(t, apiRows(), func(c *route.Config[call]) { c.Aliases = map[string]string{"/r0": "/v3"} })
	const token = "Bearer good"
	tests := []struct {
		name, method, target, body string
		token                      string
		status                     int
		want                       string // the body, or an errcode
	}{
		{"no body", "GET", "/v3/versions", "", "", 200, `{}`},
		{"a body with GET", "GET", "/v3/versions", "{oops", "", 200, `{}`},
		{"the whole query", "GET", "/v3/fields?b=1&a=x%20y&b=2", "", "", 200, `{"a":["x y"],"b":["1","2"]}`},
		{"no query", "GET", "/v3/fields", "", "", 200, `{}`},
		{"HEAD of a GET", "HEAD", "/v3/versions", "", "", 200, `{}`},
		{"own status", "POST", "/v3/account/made", "", "", 201, `{}`},
		{"optional body", "POST", "/v3/login", "", "", 200, `{}`},
		{"alias", "GET", "/r0/login", "", "", 200, `{}`},
		{"not an alias", "GET", "/r00/login", "", "", 404, "M_UNRECOGNIZED"},
		{"unknown path", "GET", "/v3/loginx", "", token, 404, "M_UNRECOGNIZED"},
		{"unknown below", "GET", "/v3/login/x", "", "", 404, "M_UNRECOGNIZED"},
		{"unknown above", "GET", "/v3", "", "", 404, "M_UNRECOGNIZED"},
		{"root", "GET", "/", "", "", 404, "M_UNRECOGNIZED"},
		{"unknown method", "PUT", "/v3/login", "", "", 405, "M_UNRECOGNIZED"},
		{"odd method", "BREW", "/v3/login", "", "", 405, "M_UNRECOGNIZED"},

		{"no token", "GET", "/v3/rooms/!r:b/state/m.x/", "", "", 401, "M_MISSING_TOKEN"},
		{"bad token", "GET", "/v3/rooms/!r:b/state/m.x/", "", "Bearer bad", 401, "M_UNKNOWN_TOKEN"},
		{"token before odd ids", "GET", "/v3/rooms/%FF/state/m.x/?limit=x", "", "", 401, "M_MISSING_TOKEN"},
		{"empty key with slash", "GET", "/v3/rooms/!r:b/state/m.x/", "", token, 200, `{"from":"","key":"","limit":0,"name":"","room":"!r:b","type":"m.x"}`},
		{"empty key without", "GET", "/v3/rooms/!r:b/state/m.x", "", token, 200, `{"from":"","key":"","limit":0,"name":"","room":"!r:b","type":"m.x"}`},
		{"encoded slash", "GET", "/v3/rooms/%21r%3Ab/state/m.x/%2F", "", token, 200, `{"from":"","key":"/","limit":0,"name":"","room":"!r:b","type":"m.x"}`},
		{"dots", "GET", "/v3/rooms/!r:b/state/../..", "", token, 200, `{"from":"","key":"..","limit":0,"name":"","room":"!r:b","type":".."}`},
		{"decoded once", "GET", "/v3/rooms/!r:b/state/m.x/%2541", "", token, 200, `{"from":"","key":"%41","limit":0,"name":"","room":"!r:b","type":"m.x"}`},
		{"plus is plus", "GET", "/v3/rooms/!r:b/state/a+b/%E2%82%AC", "", token, 200, `{"from":"","key":"€","limit":0,"name":"","room":"!r:b","type":"a+b"}`},
		{"bad UTF-8 in path", "GET", "/v3/rooms/!r:b/state/m.x/%FF", "", token, 400, "M_INVALID_PARAM"},
		{"NUL in path", "GET", "/v3/rooms/!r:b/state/m.x/%00", "", token, 400, "M_INVALID_PARAM"},
		{"bad id in path", "GET", "/v3/rooms/oops/state/m.x/", "", token, 400, "M_INVALID_PARAM"},
		{"no id in path", "GET", "/v3/rooms//state/m.x/", "", token, 400, "M_INVALID_PARAM"},

		{"queries", "GET", "/v3/rooms/!r:b/state/m.x?from=%20s&limit=10&full=true&via=a&via=b.c", "", token, 200, `{"from":" s","full":true,"key":"","limit":10,"name":"","room":"!r:b","type":"m.x","via":["a","b.c"]}`},
		{"empty queries", "GET", "/v3/rooms/!r:b/state/m.x?from=&limit=&full=&via=", "", token, 200, `{"from":"","key":"","limit":0,"name":"","room":"!r:b","type":"m.x"}`},
		{"bad int", "GET", "/v3/rooms/!r:b/state/m.x?limit=ten", "", token, 400, "M_INVALID_PARAM"},
		{"bad id in query", "GET", "/v3/rooms/!r:b/state/m.x?via=a&via=%20", "", token, 400, "M_INVALID_PARAM"},
		{"bad UTF-8 in query", "GET", "/v3/rooms/!r:b/state/m.x?from=%FF", "", token, 400, "M_INVALID_PARAM"},

		{"body", "PUT", "/v3/rooms/!r:b/state/m.x", `{"name":"<n>","stray":[1]}`, token, 200, `{"from":"","key":"","limit":0,"name":"<n>","room":"!r:b","type":"m.x"}`},
		{"a body sets no path or query", "PUT", "/v3/rooms/!r:b/state/m.x", `{"Room":7,"room":"!x:y","Limit":"x","limit":3,"From":{}}`, token, 200, `{"from":"","key":"","limit":0,"name":"","room":"!r:b","type":"m.x"}`},
		{"empty body", "PUT", "/v3/rooms/!r:b/state/m.x", ``, token, 200, `{"from":"","key":"","limit":0,"name":"","room":"!r:b","type":"m.x"}`},
		{"spaces only", "PUT", "/v3/rooms/!r:b/state/m.x", " \n", token, 200, `{"from":"","key":"","limit":0,"name":"","room":"!r:b","type":"m.x"}`},
		{"not UTF-8", "PUT", "/v3/rooms/!r:b/state/m.x", "{\"name\":\"\x81\"}", token, 400, "M_NOT_JSON"},
		{"not JSON", "PUT", "/v3/rooms/!r:b/state/m.x", "{", token, 400, "M_NOT_JSON"},
		{"two values", "PUT", "/v3/rooms/!r:b/state/m.x", "{}{}", token, 400, "M_NOT_JSON"},
		{"NaN", "PUT", "/v3/rooms/!r:b/state/m.x", `{"count":NaN}`, token, 400, "M_NOT_JSON"},
		{"Infinity", "PUT", "/v3/rooms/!r:b/state/m.x", `{"x":-Infinity}`, token, 400, "M_NOT_JSON"},
		{"a string", "PUT", "/v3/rooms/!r:b/state/m.x", `"x"`, token, 400, "M_BAD_JSON"},
		{"null", "PUT", "/v3/rooms/!r:b/state/m.x", `null`, token, 400, "M_BAD_JSON"},
		{"wrong shape", "PUT", "/v3/rooms/!r:b/state/m.x", `{"name":7}`, token, 400, "M_BAD_JSON"},
		{"a fraction", "PUT", "/v3/rooms/!r:b/state/m.x", `{"count":1.1}`, token, 400, "M_BAD_JSON"},
		{"bad id in body", "PUT", "/v3/rooms/!r:b/state/m.x", `{"user":"oops"}`, token, 400, "M_INVALID_PARAM"},

		{"raw body", "PUT", "/v3/send/1", " {\"b\": 1.0,\"a\":\"\\u0000\"}\n", token, 200, `{"b": 1.0,"a":"\u0000"}`},
		{"raw string", "PUT", "/v3/send/1", `"x"`, token, 400, "M_BAD_JSON"},
		{"raw nothing", "PUT", "/v3/send/1", ``, token, 400, "M_NOT_JSON"},
		{"raw that may lack", "POST", "/v3/join", `{"a":1}`, token, 200, `{"bytes":7}`},
		{"raw that lacks", "POST", "/v3/join", ``, token, 200, `{"bytes":0}`},
		{"raw that may lack, an array", "POST", "/v3/join", `[]`, token, 400, "M_BAD_JSON"},
		{"raw not JSON", "PUT", "/v3/send/1", `{"a":Infinity}`, token, 400, "M_NOT_JSON"},
		{"raw not UTF-8", "PUT", "/v3/send/1", "{\"a\":\"\x81\"}", token, 400, "M_NOT_JSON"},
		{"too large", "PUT", "/v3/send/1", `{"a":"` + strings.Repeat("x", 100) + `"}`, token, 413, "M_TOO_LARGE"},

		{"own answer", "GET", "/v1/media/b/m", "", token, 200, "b m"},
		{"literal wins", "GET", "/v1/media/config", "", token, 200, "{}"},
		{"named after literal", "GET", "/v1/media/config/m", "", token, 200, "config m"},
		{"an error", "GET", "/v1/breaks", "", token, 500, "M_UNKNOWN"},
		{"a panic", "GET", "/v1/panics", "", "", 500, "M_UNKNOWN"},
		{"no errcode", "POST", "/v1/uia", "{}", "", 401, `{"flows":[]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			header := []string{"Content-Type", "application/json"}
			if tt.token != "" {
				header = append(header, "Authorization", tt.token)
			}
			w := do(table, tt.method, tt.target, tt.body, header...)
			if w.Code != tt.status {
				t.Errorf("got status %d, want %d; body %s", w.Code, tt.status, w.Body)
			}
			got := w.Body.String()
			if strings.HasPrefix(tt.want, "M_") {
				got = errcode(t, w)
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if ct := w.Header().Get("Content-Type"); ct != "application/json" && tt.want[0] != 'b' && tt.want[0] != 'c' {
				t.Errorf("got content type %q", ct)
			}
			if o := w.Header().Get("Access-Control-Allow-Origin"); o != "*" {
				t.Errorf("got allowed origin %q", o)
			}
		})
	}
}

// Nesting counts brackets that are open at once and stand for structure.
func TestNesting(t *testing.T) {
	table, _ := newTable(t, apiRows())
	for _, c := range []struct {
		body string
		deep bool
	}{
		{`{"nested":` + strings.Repeat(`[`, 511) + strings.Repeat(`]`, 511) + `}`, false},
		{`{"x":` + strings.Repeat(`[`, 512) + strings.Repeat(`]`, 512) + `}`, true},
		{`{"x":[` + strings.Repeat(`[],{},`, 5000) + `1]}`, false},
		{`{"x":"` + strings.Repeat(`[{`, 5000) + `"}`, false},
		{`{"x":"\\` + strings.Repeat(`[\"`, 5000) + `"}`, false},
		{`{"x\\":` + strings.Repeat(`{"a":`, 5000) + `1` + strings.Repeat(`}`, 5001), true},
	} {
		for path, method := range map[string]string{"/v3/join": "POST", "/v3/rooms/!r:b/state/m.x/k": "PUT"} { // raw, and decoded
			w := do(table, method, path, c.body, "Authorization", "Bearer good")
			if deep := strings.Contains(w.Body.String(), "nested more than"); deep != c.deep {
				t.Errorf("%s %.40s: got %d %s, want too deep: %v", path, c.body, w.Code, w.Body, c.deep)
			}
		}
	}
}

func TestOptionsNeedsNoToken(t *testing.T) {
	table, _ := newTable(t, apiRows())
	w := do(table, "OPTIONS", "/v3/send/1", "")
	if w.Code != http.StatusNoContent || w.Body.Len() > 0 {
		t.Errorf("got %d %q, want 204 and nothing", w.Code, w.Body)
	}
	for _, h := range []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers"} {
		if w.Header().Get(h) == "" {
			t.Errorf("no %s", h)
		}
	}
}

func TestAllowOfKnownPath(t *testing.T) {
	table, _ := newTable(t, apiRows())
	if got, want := do(table, "DELETE", "/v3/login", "").Header().Get("Allow"), "GET, HEAD, POST, OPTIONS"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTooManyRequests(t *testing.T) {
	now := time.Unix(0, 0)
	limits := limit.New(limit.Config{Rates: map[limit.Name]limit.Rate{limit.Login: {Burst: 1, Every: 1500 * time.Millisecond}}},
		func() time.Time { return now })
	table, _ := newTable(t, apiRows(), func(c *route.Config[call]) { c.Limits = limits })
	if w := do(table, "POST", "/v3/login", "{}"); w.Code != 200 {
		t.Fatalf("got %d, want 200", w.Code)
	}
	w := do(table, "POST", "/v3/login", "{}")
	want := `{"errcode":"M_LIMIT_EXCEEDED","error":"Too many requests","retry_after_ms":1500}`
	if w.Code != 429 || w.Body.String() != want || w.Header().Get("Retry-After") != "2" {
		t.Errorf("got %d %s after %q, want 429 %s after 2", w.Code, w.Body, w.Header().Get("Retry-After"), want)
	}
	now = now.Add(1500 * time.Millisecond)
	if w := do(table, "POST", "/v3/login", "{}"); w.Code != 200 {
		t.Errorf("after the wait: got %d, want 200", w.Code)
	}
}

// What is logged names the row, never what the caller sent.
func TestLogKeepsSecrets(t *testing.T) {
	table, logged := newTable(t, apiRows())
	do(table, "PUT", "/v3/rooms/!secretroom:b/state/secrettype?from=secretquery", `{"name":7,"secretkey":"secretvalue"}`, "Authorization", "Bearer good")
	do(table, "PUT", "/v3/rooms/secretroom/state/secrettype", `{"user":"secretuser"}`, "Authorization", "Bearer good")
	do(table, "GET", "/v3/secretpath", "", "Authorization", "Bearer secrettoken")
	do(table, "SECRET", "/v3/login", "")
	if strings.Contains(strings.ToLower(logged.String()), "secret") {
		t.Errorf("the log has what the caller sent: %s", logged)
	}
	var rec map[string]any
	if err := json.NewDecoder(logged).Decode(&rec); err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{"time", "id", "ms", "bytes"} {
		delete(rec, k)
	}
	want := map[string]any{
		"level": "INFO", "msg": "request", "method": "PUT", "route": "/v3/rooms/{roomID}/state/{type}/{key?}",
		"status": 400.0, "errcode": "M_BAD_JSON",
	}
	if diff := cmp.Diff(want, rec); diff != "" {
		t.Error(diff)
	}
}

// Who still waits when the server stops is told to try again; it is not our failure in the log.
func TestCancelled(t *testing.T) {
	rows := []route.Row[call]{{Method: "GET", Path: "/wait", Serve: route.JSON(func(ctx context.Context, _ *call, _ *empty) (*empty, error) {
		return nil, ctx.Err()
	})}}
	table, logged := newTable(t, rows)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	table.ServeHTTP(w, httptest.NewRequest("GET", "/wait", nil).WithContext(ctx))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if !strings.Contains(logged.String(), `"status":499`) || !strings.Contains(logged.String(), `"level":"INFO"`) {
		t.Errorf("got %s", logged)
	}
}

func TestPanicIsLoggedWithStack(t *testing.T) {
	table, logged := newTable(t, apiRows())
	w := do(table, "GET", "/v1/panics", "")
	if strings.Contains(w.Body.String(), "secret") {
		t.Errorf("the answer tells: %s", w.Body)
	}
	for _, want := range []string{"secret of the house", "route_test.go", w.Header().Get("X-Request-Id")} {
		if want == "" || !strings.Contains(logged.String(), want) {
			t.Errorf("the log lacks %q: %s", want, logged)
		}
	}
}

func TestCallerIsLoggedWhenWeFail(t *testing.T) {
	table, logged := newTable(t, apiRows())
	do(table, "GET", "/v1/media/config", "", "Authorization", "Bearer good")
	if strings.Contains(logged.String(), "@a:b") {
		t.Errorf("a success names its caller: %s", logged)
	}
	do(table, "GET", "/v1/breaks", "", "Authorization", "Bearer good")
	if !strings.Contains(logged.String(), `"caller":"@a:b"`) || !strings.Contains(logged.String(), "disk on fire") {
		t.Errorf("a failure does not say whose or why: %s", logged)
	}
}

func TestContradictionsAreRefused(t *testing.T) {
	ok := route.JSON(nothing)
	type unknownKind struct {
		C chan int `query:"c"`
	}
	type twice struct {
		A string `query:"a" json:"a"`
	}
	tests := []struct {
		name string
		rows []route.Row[call]
	}{
		{"no slash", []route.Row[call]{{Method: "GET", Path: "a", Serve: ok}}},
		{"odd method", []route.Row[call]{{Method: "get", Path: "/a", Serve: ok}}},
		{"serves nothing", []route.Row[call]{{Method: "GET", Path: "/a"}}},
		{"twice the same", []route.Row[call]{{Method: "GET", Path: "/a", Serve: ok}, {Method: "GET", Path: "/a", Serve: ok}}},
		{"name twice", []route.Row[call]{{Method: "GET", Path: "/{a}/{a}", Serve: route.Raw(func(http.ResponseWriter, *http.Request, *call, route.Params) error { return nil })}}},
		{"unnamed", []route.Row[call]{{Method: "GET", Path: "/{}", Serve: ok}}},
		{"path name without field", []route.Row[call]{{Method: "GET", Path: "/{a}", Serve: ok}}},
		{"field without path name", []route.Row[call]{{Method: "GET", Path: "/{roomID}/{type}", Serve: route.JSON(echoBack)}}},
		{"field of a kind that cannot be filled", []route.Row[call]{{Method: "GET", Path: "/a", Serve: route.JSON(func(context.Context, *call, *unknownKind) (*empty, error) { return nil, nil })}}},
		{"field from two places", []route.Row[call]{{Method: "GET", Path: "/a", Serve: route.JSON(func(context.Context, *call, *twice) (*empty, error) { return nil, nil })}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := route.New(route.Config[call]{Rows: tt.rows, Guard: guard}); err == nil {
				t.Error("got no error")
			}
		})
	}
}

func TestMetricsHaveBoundedLabels(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	m, err := route.NewMetrics(reg)
	if err != nil {
		t.Fatal(err)
	}
	table, _ := newTable(t, apiRows(), func(c *route.Config[call]) { c.Metrics = m })
	do(table, "GET", "/v1/media/a/b", "", "Authorization", "Bearer good")
	do(table, "GET", "/v1/media/c/d", "", "Authorization", "Bearer good")
	do(table, "ODD1", "/x", "")
	do(table, "ODD2", "/y", "")
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, metric := range families[0].GetMetric() {
		var labels []string
		for _, l := range metric.GetLabel() {
			labels = append(labels, l.GetName()+"="+l.GetValue())
		}
		got = append(got, strings.Join(labels, " "))
	}
	want := []string{"method=GET route=/v1/media/{server}/{media} status=2xx", "method= route=unknown status=4xx"}
	if diff := cmp.Diff(want, got); diff != "" && cmp.Diff([]string{want[1], want[0]}, got) != "" {
		t.Error(diff)
	}
}
