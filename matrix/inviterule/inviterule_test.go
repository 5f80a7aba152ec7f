package inviterule

import (
	"path"
	"strings"
	"testing"
	"time"

	"freehold.example/matrix/id"
)

func TestRules(t *testing.T) {
	const mallory = "@mallory:evil.example"
	for _, tt := range []struct {
		stable, unstable string
		inviter          id.User
		want             Verdict
	}{
		{``, ``, mallory, Allow},
		{`{}`, `{}`, mallory, Allow},
		{`null`, `null`, mallory, Allow},
		{`[]`, `5`, mallory, Allow},
		{`{"default_action":"block"}`, ``, mallory, Block},
		{`{"default_action":"block"}`, `{"allowed_users":["*"]}`, mallory, Block},
		{`{"default_action":"allow"}`, ``, mallory, Allow},
		{`{"default_action":7}`, ``, mallory, Allow},
		{``, `{"blocked_users":null,"ignored_servers":null}`, mallory, Allow},
		{``, `{"blocked_users":["@mallory:evil.example"]}`, mallory, Block},
		{``, `{"blocked_users":[5,null,{},"","@mallory:*"]}`, mallory, Block},
		{``, `{"blocked_users":"@mallory:evil.example"}`, mallory, Allow},
		{``, `{"ignored_users":["@mal*"]}`, mallory, Ignore},
		{``, `{"ignored_users":["mal*"]}`, mallory, Allow},
		{``, `{"blocked_servers":["evil.example"]}`, mallory, Block},
		{``, `{"blocked_servers":["evil"]}`, mallory, Allow},
		{``, `{"ignored_servers":["*.example"]}`, mallory, Ignore},
		{``, `{"ignored_servers":["evil.exampl?"]}`, mallory, Ignore},
		{``, `{"allowed_users":["@mallory:*"],"blocked_users":["@mallory:*"],"ignored_users":["*"],"blocked_servers":["*"]}`, mallory, Allow},
		{``, `{"allowed_servers":["evil.example"],"blocked_users":["@mallory:*"]}`, mallory, Block},
		{``, `{"allowed_servers":["evil.example"],"blocked_servers":["*"]}`, mallory, Allow},
		{``, `{"allowed_servers":["good.example"],"blocked_servers":["*"]}`, mallory, Block},
		{``, `{"ignored_users":["*"],"blocked_users":["*"]}`, mallory, Ignore},
	} {
		if got := Parse([]byte(tt.stable), []byte(tt.unstable)).Of(tt.inviter); got != tt.want {
			t.Errorf("%s, %s: got %d, want %d", tt.stable, tt.unstable, got, tt.want)
		}
	}
}

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		glob, s string
		want    bool
	}{
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"*", "abc", true},
		{"a*c", "abbbc", true},
		{"a*c", "ac", true},
		{"a*c", "acb", false},
		{"?", "ü", true},
		{"??", "ü", false},
		{"*a*b*", "xxaxxbxx", true},
		{"*a*b", "ab", true},
		{"a**b", "ab", true},
		{"*b?", "abab", false},
		{"*a?", "abab", true},
		{"@user-?*", "@user-1", true},
		{"@user-?*", "@user-", false},
		{`a[b]\c`, `a[b]\c`, true},
		{"\xff", "\xff", true},
	} {
		if got := match(tt.glob, tt.s); got != tt.want {
			t.Errorf("%q, %q: got %v", tt.glob, tt.s, got)
		}
	}
	began := time.Now()
	if match(strings.Repeat("*a", 1000)+"b", strings.Repeat("a", 255)) {
		t.Error("matches")
	}
	if took := time.Since(began); took > 20*time.Second { // less than a millisecond; without bound it is for ever
		t.Errorf("took %v", took)
	}
}

// Against path.Match, which has the same * and ? where there is no slash, bracket or backslash.
func FuzzMatch(f *testing.F) {
	f.Add("a*b?c", "axxbyc")
	f.Fuzz(func(t *testing.T, glob, s string) {
		match(glob, s) // ends, whatever it is given
		if len(glob)+len(s) > 60 || strings.ContainsAny(glob, `[\`) || strings.Contains(s, "/") {
			return
		}
		glob, s = strings.ToValidUTF8(glob, "."), strings.ToValidUTF8(s, ".")
		if got := match(glob, s); got != must(path.Match(glob, s)) {
			t.Errorf("%q, %q: got %v", glob, s, got)
		}
	})
}

func must(ok bool, err error) bool { return ok && err == nil }

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"default_action":"block"}`), []byte(`{"blocked_users":["*"]}`), "@a:b")
	f.Fuzz(func(_ *testing.T, stable, unstable []byte, inviter string) {
		Parse(stable, unstable).Of(id.User(inviter))
	})
}
