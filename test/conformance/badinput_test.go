package conformance

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// Bad input: every route of docs/routes.md is given bodies, identifiers and parameters that no client sends. It answers with
// an error of the caller's making, in the form of one, or as if nothing were wrong; it never fails itself.

// badBodies are bodies of every wrong kind.
func badBodies() []string {
	deep := 10_000
	members := []string{
		"user", "type", "identifier", "password", "auth", "device_keys", "one_time_keys", "messages", "content", "membership",
		"user_id", "name", "topic", "invite", "creation_content", "initial_state", "preset", "power_level_content_override",
		"room_alias_name", "reason", "presence", "typing", "timeout", "filter", "room", "devices", "device_id", "displayname",
		"avatar_url", "actions", "conditions", "pattern", "enabled", "m.read", "m.fully_read", "order", "visibility", "search_term",
		"limit", "since", "signatures", "master_key", "rooms", "sessions", "algorithm", "auth_data", "version", "refresh_token",
		"username", "new_password", "room_id", "aliases", "alias", "alt_aliases", "users", "event_id", "token", "query", "key", "value",
	}
	every := func(v string) string {
		var b strings.Builder
		for i, m := range members {
			fmt.Fprintf(&b, `%s%q:%s`, []string{",", "{"}[btoi(i == 0)], m, v)
		}
		return b.String() + "}"
	}
	return []string{
		``, `null`, `[]`, `"text"`, `5`, `true`, `{`, `{}{}`, `{"a"}`, "{\"a\":\"\x81\"}", "\xff\xfe{\x00}\x00", `{"a":NaN}`,
		strings.Repeat(`{"a":`, deep) + `1` + strings.Repeat(`}`, deep), strings.Repeat(`[`, deep),
		`{"a":` + strings.Repeat(`[`, deep) + strings.Repeat(`]`, deep) + `}`,
		every(`null`), every(`{}`), every(`[]`), every(`[null]`), every(`""`), every(`"\u0000"`), every(`"\ud800"`), every(`-1`), every(`1.5`),
		every(`1e400`), every(`99999999999999999999`), every(`true`), every(`{"":{"":[{}]}}`), every(`[[{"type":5}]]`), every(`{"@a:b":{"c":5}}`),
		every(`"@a:b"`), every(`[{"type":"","state_key":5,"content":[]}]`), every(`{"type":"m.login.password","user":{}}`),
		`{"membership":"join","membership":"ban"}`, `{"a":"` + strings.Repeat("x", 100_000) + `"}`,
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

var (
	routeRow = regexp.MustCompile("^\\| ([A-Z]+) \\| `([^`]+)` \\|")
	pathName = regexp.MustCompile(`\{([A-Za-z0-9]+)\??\}`)
)

// routes lists method and path of every endpoint of the program.
func routes(t *testing.T) (list [][2]string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/routes.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		// What servers ask is signed, and attacked in server/siege_test.go.
		if m := routeRow.FindStringSubmatch(line); m != nil && !strings.HasPrefix(m[2], "/_matrix/federation/") && !strings.HasPrefix(m[2], "/_matrix/key/") {
			list = append(list, [2]string{m[1], m[2]})
		}
	}
	if len(list) < 100 {
		t.Fatalf("docs/routes.md has only %d routes", len(list))
	}
	return list
}

// settle is fails and ok together: no failure of the server's own, and errors in their form.
func settle(t *testing.T, a *answer, sent string) {
	t.Helper()
	if len(sent) > 200 {
		sent = sent[:200] + "..."
	}
	switch {
	case a.status >= 500:
		t.Errorf("%s with %q: got %d %s", a.asked, sent, a.status, a.raw)
	case a.status == 401 && a.isList("flows"): // asks for another stage, which is no error
	case a.status >= 400 && (a.errcode == "" || a.str("error") == ""):
		t.Errorf("%s with %q: %d without errcode and error: %s", a.asked, sent, a.status, a.raw)
	}
}

func TestBadBodies(t *testing.T) {
	bodies := badBodies()
	for _, r := range routes(t) {
		method, pattern := r[0], r[1]
		if method == "GET" {
			continue
		}
		t.Run(method+" "+pattern, func(t *testing.T) {
			alice := newUser(t)
			room := alice.createRoom(nil)
			sent := alice.send(room, "text")
			good := map[string]string{
				"roomID": room, "roomIDOrAlias": room, "eventID": sent, "userID": alice.id, "type": "m.room.message", "txnID": "1",
				"deviceID": alice.device, "kind": "content", "ruleID": "rule", "receiptType": "m.read", "alias": "#a:" + alice.server(),
			}
			at := pathName.ReplaceAllStringFunc(pattern, func(name string) string {
				v := good[strings.Trim(name, "{?}")]
				if v == "" {
					v = "x"
				}
				return strings.TrimPrefix(path("", v), "/")
			})
			for _, body := range bodies {
				a := alice.do(method, at, body)
				settle(t, a, body)
				if a.errcode == "M_UNKNOWN_TOKEN" { // the one before logged out
					alice = newUser(t)
				}
			}
		})
	}
}

func TestBadPaths(t *testing.T) {
	bad := []string{
		"", "x", "%20", "..", "%2e%2e", "%2F", "a%2Fb", "%00", "%ff", "%ED%A0%80", "!", "!:", "!a", "!a:b:c:d", "!%00:b", "@", "@:",
		"@a", "@a:", "@A b:c", "#", "#:", "$", "$a", "$%00", "-1", "%F0%9F%98%80", strings.Repeat("a", 300), "!" + strings.Repeat("a", 3000) + ":b",
	}
	query := "?from=x&to=s-1&dir=%00&limit=-5&filter=%7B%22limit%22%3A1e99%7D&ts=a&at=t1&since=s9999999999999999999&timeout=-1&user_id=%40a" +
		"&server=%00&membership=%00&q=1&width=-1&height=99999999999&method=x&version=%00&username=%00&set_presence=x&full_state=x&token=%00"
	for _, r := range routes(t) {
		t.Run(r[0]+" "+r[1], func(t *testing.T) {
			alice := newUser(t)
			for _, v := range bad {
				at := pathName.ReplaceAllString(r[1], strings.ReplaceAll(v, "$", "$$"))
				settle(t, alice.do(r[0], at+query, `{}`), "{}")
				settle(t, nobody(t).do(r[0], at, nil), "")
				if at == r[1] {
					break // nothing to vary
				}
			}
		})
	}
}
