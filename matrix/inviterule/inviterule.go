// Package inviterule decides who may invite a user: by her account data m.invite_permission_config
// (https://spec.matrix.org/v1.18/client-server-api/#invite-permission) and the finer org.matrix.msc4155.invite_permission_config
// (MSC4155).
package inviterule

import (
	"encoding/json"
	"strings"

	"freehold.example/matrix/id"
)

// The types of the account data that the rules are read from.
const (
	Type         = "m.invite_permission_config"
	TypeUnstable = "org.matrix.msc4155.invite_permission_config"
)

// Verdict is what becomes of an invitation.
type Verdict int

// The verdicts.
const (
	Allow  Verdict = iota
	Ignore         // the inviter is told that it was sent, and the user is not told at all
	Block          // the inviter is refused
)

// Rules are what one user has written. The zero value allows everybody.
type Rules struct {
	all    bool // nobody may invite
	tables [6][]string
}

// order is that of MSC4155: the first table that names the inviter decides.
var order = [6]struct {
	key     string
	server  bool
	verdict Verdict
}{
	{"allowed_users", false, Allow},
	{"ignored_users", false, Ignore},
	{"blocked_users", false, Block},
	{"allowed_servers", true, Allow},
	{"ignored_servers", true, Ignore},
	{"blocked_servers", true, Block},
}

// Parse reads the contents of the two types of account data; either may be nil. What is not of the right form counts as
// not written.
func Parse(stable, unstable []byte) Rules {
	var r Rules
	var whole struct {
		Default string `json:"default_action"`
	}
	r.all = json.Unmarshal(stable, &whole) == nil && whole.Default == "block"
	var fine map[string]json.RawMessage
	if json.Unmarshal(unstable, &fine) != nil {
		return r
	}
	for i, o := range order {
		var globs []any
		if json.Unmarshal(fine[o.key], &globs) != nil {
			continue
		}
		for _, g := range globs {
			if s, ok := g.(string); ok && s != "" {
				r.tables[i] = append(r.tables[i], s)
			}
		}
	}
	return r
}

// Of says what becomes of an invitation by this user.
func (r Rules) Of(inviter id.User) Verdict {
	if r.all {
		return Block
	}
	for i, o := range order {
		subject := string(inviter)
		if o.server {
			subject = string(inviter.Server())
		}
		for _, g := range r.tables[i] {
			if match(g, subject) {
				return o.verdict
			}
		}
	}
	return Allow
}

// match says whether a glob is the whole of s: * is any run of characters, ? is any one. It takes at most
// len(glob) x len(s) steps, and ids have 255 bytes.
func match(glob, s string) bool {
	g, at := 0, 0
	star, from := -1, 0 // the last * and where in s what follows it was tried
	text, pattern := []rune(s), []rune(strings.ToValidUTF8(glob, "\ufffd"))
	for at < len(text) {
		switch {
		case g < len(pattern) && pattern[g] == '*':
			star, from = g, at
			g++
		case g < len(pattern) && (pattern[g] == '?' || pattern[g] == text[at]):
			g++
			at++
		case star >= 0:
			from++
			g, at = star+1, from
		default:
			return false
		}
	}
	for g < len(pattern) && pattern[g] == '*' {
		g++
	}
	return g == len(pattern)
}
