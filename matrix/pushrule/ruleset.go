// Package pushrule decides which events a user hears of, and how loudly (Client-Server API, "Push Rules").
//
// A Ruleset is what one user has changed, and nothing else: her own rules, and where she differs from the defaults. So a
// default rule that is new reaches old users too. Compile turns it into a Program; most users have changed nothing and
// share one. An event is flattened once, the part of a program that is the same for all its users is done once, and what
// is left for each user is her name.
package pushrule

import (
	"bytes"
	"slices"

	"freehold.example/matrix/canon"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Kind is a kind of rule. The kinds are tried in their order.
type Kind uint8

// The kinds.
const (
	Override Kind = iota
	Content
	PostContent // of MSC4306: the server's rules about threads, no user's own
	Room
	Sender
	Underride

	kinds
)

var kindNames = [kinds]string{"override", "content", "postcontent", "room", "sender", "underride"}

// String is the kind as it stands in paths and rulesets.
func (k Kind) String() string {
	if k < kinds {
		return kindNames[k]
	}
	return "unknown"
}

// ParseKind reads a kind from a path. Others are a fault, M_INVALID_PARAM.
func ParseKind(s string) (Kind, error) {
	if i := slices.Index(kindNames[:], s); i >= 0 {
		return Kind(i), nil
	}
	return 0, fault.New(fault.InvalidParam, "There is no such kind of push rule")
}

// Rule is one rule as clients see it.
type Rule struct {
	ID         string
	Default    bool // one of the server's, not the user's own
	Enabled    bool
	Actions    []byte // canonical JSON array, as it was given
	Conditions []byte // canonical JSON array; for override, postcontent and underride only
	Pattern    string // for content only
}

// Append appends the rule as JSON.
func (r *Rule) Append(dst []byte, k Kind) []byte {
	dst = append(dst, `{"actions":`...)
	dst = append(dst, r.Actions...)
	if k == Override || k == PostContent || k == Underride {
		dst = append(append(dst, `,"conditions":`...), r.Conditions...)
	}
	dst = appendBool(append(dst, `,"default":`...), r.Default)
	dst = appendBool(append(dst, `,"enabled":`...), r.Enabled)
	if k == Content {
		dst = canon.AppendString(append(dst, `,"pattern":`...), r.Pattern)
	}
	dst = canon.AppendString(append(dst, `,"rule_id":`...), r.ID)
	return append(dst, '}')
}

func appendBool(dst []byte, b bool) []byte {
	if b {
		return append(dst, "true"...)
	}
	return append(dst, "false"...)
}

// Ruleset is what one user has changed. The zero value is nothing: the defaults. It is never changed itself, edits make
// a new one, so it may be used by many goroutines.
type Ruleset struct {
	own     [kinds][]Rule   // in their order, most important first
	changed [kinds][]change // of default rules
}

// change is what a user has made of a default rule.
type change struct {
	id      string
	enabled *bool
	actions []byte // nil for as they are
}

// Threads says whether it may make a difference which threads the user has subscribed to: Occasion.Thread and
// Reader.Subscribed are looked at only then.
func (s *Ruleset) Threads() bool {
	for k := range kinds {
		for _, c := range s.changed[k] {
			if k == PostContent && c.enabled != nil && *c.enabled {
				return true
			}
		}
		for i := range s.own[k] {
			if s.own[k][i].Enabled && bytes.Contains(s.own[k][i].Conditions, []byte(threadSubscription)) {
				return true
			}
		}
	}
	return false
}

// Rules are all rules of a kind as this user sees them, most important first: the master rule, her own, the defaults.
func (s *Ruleset) Rules(user id.User, k Kind) []Rule {
	out := make([]Rule, 0, len(s.own[k])+len(defaults[k]))
	for i := range defaults[k] {
		d := &defaults[k][i]
		if !d.first {
			continue
		}
		out = append(out, s.shown(d, user, k))
	}
	out = append(out, s.own[k]...)
	for i := range defaults[k] {
		if d := &defaults[k][i]; !d.first {
			out = append(out, s.shown(d, user, k))
		}
	}
	return out
}

// shown is a default rule with the user's changes.
func (s *Ruleset) shown(d *defaultRule, user id.User, k Kind) Rule {
	r := d.rule(user)
	if i := s.change(k, d.id); i >= 0 {
		c := s.changed[k][i]
		if c.enabled != nil {
			r.Enabled = *c.enabled
		}
		if c.actions != nil {
			r.Actions = c.actions
		}
	}
	return r
}

// change is the place of the change of a default rule, or -1.
func (s *Ruleset) change(k Kind, rule string) int {
	return slices.IndexFunc(s.changed[k], func(c change) bool { return c.id == rule })
}

// index is the place of one of the user's own rules, or -1.
func (s *Ruleset) index(k Kind, rule string) int {
	return slices.IndexFunc(s.own[k], func(r Rule) bool { return r.ID == rule })
}

// Rule is one rule, or a fault, M_NOT_FOUND.
func (s *Ruleset) Rule(user id.User, k Kind, rule string) (Rule, error) {
	if k >= kinds {
		return Rule{}, notFound()
	}
	if i := s.index(k, rule); i >= 0 {
		return s.own[k][i], nil
	}
	if d := findDefault(k, rule); d != nil {
		return s.shown(d, user, k), nil
	}
	return Rule{}, notFound()
}

func notFound() error { return fault.New(fault.NotFound, "The push rule was not found") }

// JSON is all rules as this user sees them: the answer to GET /pushrules/ and the content of m.push_rules.
func (s *Ruleset) JSON(user id.User) []byte {
	return append(s.append([]byte(`{"global":`), user), '}')
}

// Global is all rules as this user sees them: the answer to GET /pushrules/global/.
func (s *Ruleset) Global(user id.User) []byte { return s.append(nil, user) }

func (s *Ruleset) append(dst []byte, user id.User) []byte {
	dst = append(dst, '{')
	for _, k := range []Kind{Content, Override, PostContent, Room, Sender, Underride} { // canonical order
		if k != Content {
			dst = append(dst, ',')
		}
		dst = append(canon.AppendString(dst, k.String()), ':', '[')
		for i, r := range s.Rules(user, k) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = r.Append(dst, k)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}
