package appservice

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"freehold.example/base/dial"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// desk is one of services with these registrations, each at its own address.
func desk(t *testing.T, now func() time.Time, at map[string]http.Handler) *Desk {
	t.Helper()
	files := map[string]string{}
	for name, h := range at {
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		files[name+".yaml"] = strings.NewReplacer("IRC Bridge", name, "as-secret", "as-"+name, "_irc_bot", "_"+name, "http://127.0.0.1:1234", server.URL).
			Replace(irc + "protocols: [irc, " + name + "]\n")
	}
	all, err := Load(folder(t, files), "a.test")
	if err != nil {
		t.Fatal(err)
	}
	line, err := NewLine(dial.New(dial.Config{Now: now}), now)
	if err != nil {
		t.Fatal(err)
	}
	return NewDesk(all, line, now)
}

// answers answers by path; what is not there is 404.
type answers map[string]string

func (a answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	to := r.URL.EscapedPath()
	if r.URL.RawQuery != "" {
		to += "?" + r.URL.RawQuery
	}
	body, ok := a[to]
	if r.Header.Get("Authorization") != "Bearer hs-secret" {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	if !ok {
		w.WriteHeader(http.StatusNotFound)
	}
	_, _ = w.Write([]byte(body))
}

func TestAskForUserAndAlias(t *testing.T) {
	d := desk(t, time.Now, map[string]http.Handler{
		"one": answers{"/_matrix/app/v1/users/@_irc_a:a.test": "{}", "/_matrix/app/v1/rooms/%23_irc_%2Fa%3F:a.test": "{}"},
		"two": answers{"/users/@_irc_b:a.test": "{}"}, // by the older path
	})
	for user, want := range map[id.User]bool{
		"@_irc_a:a.test": true, "@_irc_b:a.test": true, "@_irc_c:a.test": false, "@else:a.test": false, "@_irc_a:b.test": false,
	} {
		if made, err := d.User(t.Context(), user, nil); err != nil || made != want {
			t.Errorf("%s: got %t %v", user, made, err)
		}
	}
	one, _ := d.services.ByToken("as-one")
	if made, err := d.User(t.Context(), "@_irc_a:a.test", one); err != nil || made {
		t.Errorf("a service was asked what it wants to know: %t %v", made, err)
	}
	for alias, want := range map[id.Alias]bool{"#_irc_/a?:a.test": true, "#_irc_b:a.test": false, "#else:a.test": false} {
		if made, err := d.Alias(t.Context(), alias, nil); err != nil || made != want {
			t.Errorf("%s: got %t %v", alias, made, err)
		}
	}
}

// A service that is down costs who asks a moment, once; a person who asks for an alias is told.
func TestAskWhoIsDown(t *testing.T) {
	var clock atomic.Int64
	clock.Store(time.Now().UnixNano())
	now := func() time.Time { return time.Unix(0, clock.Load()) }
	var asked atomic.Int32
	d := desk(t, now, map[string]http.Handler{"one": http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked.Add(1)
		panic(http.ErrAbortHandler)
	})})
	_, err := d.Alias(t.Context(), "#_irc_a:a.test", nil)
	if !fault.Is(err, fault.ConnectionTimeout) || asked.Load() < tries {
		t.Errorf("got %v after %d tries", err, asked.Load())
	}
	before := asked.Load()
	if made, err := d.User(t.Context(), "@_irc_a:a.test", nil); made || err != nil {
		t.Errorf("got %t %v", made, err)
	}
	if asked.Load() != before {
		t.Error("it is asked again at once")
	}
	clock.Add(int64(sulk + time.Second))
	_, _ = d.User(t.Context(), "@_irc_a:a.test", nil)
	if asked.Load() == before {
		t.Error("it is never asked again")
	}
}

func TestProtocols(t *testing.T) {
	const irc = `"user_fields":["nick"],"location_fields":[],"icon":"mxc://a/b","field_types":{}`
	one := answers{
		"/_matrix/app/v1/thirdparty/protocol/irc": `{` + irc + `,"instances":[{"network_id":"n1","desc":"N","fields":{}},{"desc":"nameless"}]}`,
		"/_matrix/app/v1/thirdparty/protocol/one": `[]`,
	}
	d := desk(t, time.Now, map[string]http.Handler{
		"one": one,
		"two": answers{
			"/_matrix/app/unstable/thirdparty/protocol/irc": `{"icon":"other","instances":[{"network_id":"n2","desc":"M","fields":{}}]}`,
			"/_matrix/app/v1/thirdparty/protocol/two":       `{}`,
		},
	})
	got, err := d.Protocols(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"irc":{"field_types":{},"icon":"mxc://a/b","instances":[{"desc":"N","fields":{},"instance_id":"one|n1","network_id":"n1"},` +
		`{"desc":"M","fields":{},"instance_id":"two|n2","network_id":"n2"}],"location_fields":[],"user_fields":["nick"]},"two":{"instances":[]}}`
	if raw, err := json.Marshal(got); err != nil || string(raw) != want {
		t.Errorf("got %s\nwant %s", raw, want)
	}
	if service, network := ParseInstance("one|n|1"); service != "one" || network != "n|1" {
		t.Errorf("got %q %q", service, network)
	}
	clear(one) // what was said of late is not asked for again
	if _, err := d.Protocol(t.Context(), "irc"); err != nil {
		t.Error(err)
	}
	if _, err := d.Protocol(t.Context(), "xmpp"); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v, want M_NOT_FOUND", err)
	}
}

func TestFindInNetworks(t *testing.T) {
	const user, place = `{"userid":"@_irc_a:a.test","protocol":"irc","fields":{"nick":"a"}}`, `{"alias":"#_irc_a:a.test","protocol":"irc","fields":{}}`
	d := desk(t, time.Now, map[string]http.Handler{
		"one": answers{
			"/_matrix/app/v1/thirdparty/user/irc?nick=a%26b&server=x":              `[` + user + `,{"userid":"@b:a.test"},7]`,
			"/_matrix/app/v1/thirdparty/user?userid=%40_irc_a%3Aa.test":            `[` + user + `]`,
			"/_matrix/app/v1/thirdparty/location/irc?channel=c":                    `[` + place + `]`,
			"/_matrix/app/unstable/thirdparty/location?alias=%23_irc_a%3Aa.test":   `[` + place + `]`,
			"/_matrix/app/v1/thirdparty/location/one?channel=never":                `{}`,
			"/_matrix/app/v1/thirdparty/user/..%2F..%2Fv1%2Fusers?nick=escaped":    `[` + user + `]`,
			"/_matrix/app/v1/thirdparty/location/irc?channel=wrong+kind+of+answer": `[` + user + `]`,
		},
		"two": answers{"/_matrix/app/v1/thirdparty/user/irc?nick=a%26b&server=x": `[` + user + `]`},
	})
	strs := func(found []json.RawMessage, err error) []string {
		var out []string
		for _, f := range found {
			out = append(out, string(f))
		}
		if f, ok := errors.AsType[*fault.Fault](err); ok {
			return append(out, string(f.Code))
		}
		if err != nil {
			t.Error(err)
		}
		return out
	}
	ctx := t.Context()
	for name, c := range map[string]struct{ got, want []string }{
		"users":        {strs(d.Users(ctx, "irc", url.Values{"nick": {"a&b"}, "server": {"x"}})), []string{user, user}},
		"user":         {strs(d.UsersOf(ctx, "@_irc_a:a.test")), []string{user}},
		"places":       {strs(d.Locations(ctx, "irc", url.Values{"channel": {"c"}})), []string{place}},
		"place":        {strs(d.LocationsOf(ctx, "#_irc_a:a.test")), []string{place}},
		"nothing":      {strs(d.Users(ctx, "irc", url.Values{"nick": {"b"}})), []string{"M_NOT_FOUND"}},
		"no list":      {strs(d.Locations(ctx, "one", url.Values{"channel": {"never"}})), []string{"M_NOT_FOUND"}},
		"other kind":   {strs(d.Locations(ctx, "irc", url.Values{"channel": {"wrong kind of answer"}})), []string{"M_NOT_FOUND"}},
		"no protocol":  {strs(d.Users(ctx, "../../v1/users", url.Values{"nick": {"escaped"}})), []string{"M_NOT_FOUND"}},
		"not UTF-8":    {strs(d.Users(ctx, "irc", url.Values{"nick": {"\xff"}})), []string{"M_INVALID_PARAM"}},
		"far too much": {strs(d.Users(ctx, "irc", url.Values{"nick": {strings.Repeat("x", maxQuery)}})), []string{"M_INVALID_PARAM"}},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
