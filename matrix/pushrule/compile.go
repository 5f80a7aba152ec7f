package pushrule

import (
	"math"
	"strconv"
	"strings"

	"freehold.example/matrix/canon"
	"freehold.example/matrix/id"
)

// Program is a Ruleset made ready. It is not changed and may be used by many goroutines.
type Program struct{ rules []compiled }

// compiled is an enabled rule.
type compiled struct {
	static   []condition // the same for all users
	personal []condition // different for each
	legacy   bool
	result   Result
}

// Result is what a user hears of an event.
type Result struct {
	Notify    bool
	Highlight bool
	Sound     string // "" for none
	Kind      Kind   // of the rule that matched
	Rule      string // the rule that matched, or "" when none did
	Actions   []byte // of the rule, as they were set, for the tweaks that gateways know
}

// Default is the program of everybody who has changed nothing.
func Default() *Program { return defaultProgram }

var defaultProgram = (&Ruleset{}).compile()

// Compile makes the ruleset ready. Users who have changed nothing get the same Program, so that work done for one of
// them is done for all.
func (s *Ruleset) Compile() *Program {
	if s.untouched() {
		return defaultProgram
	}
	return s.compile()
}

func (s *Ruleset) compile() *Program {
	p := &Program{rules: make([]compiled, 0, 32)}
	for k := range kinds {
		p.addDefaults(s, k, true)
		for _, r := range s.own[k] {
			if r.Enabled {
				p.rules = append(p.rules, compileRule(k, r, nil))
			}
		}
		p.addDefaults(s, k, false)
	}
	return p
}

// compiledDefaults are the default rules as they are without changes, in the places they have in defaults.
var compiledDefaults = func() (all [kinds][]compiled) {
	for k := range kinds {
		for i := range defaults[k] {
			d := &defaults[k][i]
			all[k] = append(all[k], compileRule(k, d.rule(""), d))
		}
	}
	return all
}()

// addDefaults adds the default rules of a kind that are in force: those before the user's own, or those after.
func (p *Program) addDefaults(s *Ruleset, k Kind, first bool) {
	for i := range defaults[k] {
		d := &defaults[k][i]
		if d.first != first {
			continue
		}
		c, enabled := compiledDefaults[k][i], !d.off
		if at := s.change(k, d.id); at >= 0 {
			mine := &s.changed[k][at]
			if mine.enabled != nil {
				enabled = *mine.enabled
			}
			if mine.actions != nil {
				c.result = result(k, d.id, mine.actions)
			}
		}
		if enabled {
			p.rules = append(p.rules, c)
		}
	}
}

// compileRule compiles a rule. Of a default rule, d, the conditions still have their placeholders.
func compileRule(k Kind, r Rule, d *defaultRule) compiled {
	c := compiled{result: result(k, r.ID, r.Actions)}
	conditions, pattern := r.Conditions, r.Pattern
	if d != nil {
		c.legacy, conditions, pattern = d.legacy, []byte(d.conditions), d.pattern
	}
	switch k {
	case Content:
		if d != nil && pattern == "$LOCALPART" {
			c.personal = []condition{{op: opUserName}}
		} else {
			c.static = []condition{globCondition("content.body", pattern)}
		}
	case Room:
		c.static = []condition{{op: opIs, key: "room_id", value: string(canon.AppendString(nil, r.ID))}}
	case Sender:
		c.static = []condition{{op: opIs, key: "sender", value: string(canon.AppendString(nil, r.ID))}}
	default:
		for a := canon.OpenArray(conditions); ; {
			v, ok := a.Next()
			if !ok {
				break
			}
			if cond := compileCondition(v, d != nil); cond.op.personal() {
				c.personal = append(c.personal, cond)
			} else {
				c.static = append(c.static, cond)
			}
		}
	}
	return c
}

// result reads actions. Unknown and historical ones do nothing.
func result(k Kind, rule string, actions []byte) Result {
	r := Result{Kind: k, Rule: rule, Actions: actions}
	for a := canon.OpenArray(actions); ; {
		v, ok := a.Next()
		if !ok {
			return r
		}
		if string(v) == `"notify"` {
			r.Notify = true
		}
		tweak, _ := canon.String(canon.Get(v, "set_tweak"))
		value := canon.Get(v, "value")
		switch tweak {
		case "sound":
			r.Sound, _ = canon.String(value)
		case "highlight":
			r.Highlight = value == nil || string(value) == "true"
		}
	}
}

// op is what a condition looks at.
type op uint8

const (
	opNever        op = iota // unknown or malformed
	opGlob                   // a property matches a pattern as a whole
	opWord                   // content.body has a match of a pattern at word boundaries
	opIs                     // a property is exactly a value
	opContains               // a list has exactly a value
	opMembers                // the number of members compares
	opPower                  // the sender may notify so many
	opName                   // content.body has the user's display name
	opUserName               // content.body has the local part of the user's id
	opUserState              // the state key is the user's id
	opMentioned              // m.mentions has the user's id
	opSubscribed             // the event is in a thread, to which the user has subscribed
	opUnsubscribed           // it is in another
)

func (o op) personal() bool { return o >= opName }

// condition is a condition, compiled.
type condition struct {
	op     op
	key    string // path of a property, or what sender_notification_permission asks for
	value  string // canonical JSON
	glob   *glob
	lo, hi int // number of members, both included
}

// compileCondition reads a condition of a default rule, where $USER stands for the user's id, or of a user's own.
func compileCondition(v []byte, isDefault bool) condition {
	kind, _ := canon.String(canon.Get(v, "kind"))
	key, hasKey := canon.String(canon.Get(v, "key"))
	value := canon.Get(v, "value")
	switch kind {
	case "event_match":
		pattern, ok := canon.String(canon.Get(v, "pattern"))
		switch {
		case !ok || !hasKey || len(pattern) > maxPattern:
			return condition{}
		case isDefault && pattern == "$USER":
			return condition{op: opUserState}
		}
		return globCondition(key, pattern)
	case "event_property_is", "event_property_contains":
		switch {
		case !hasKey || !scalar(value):
			return condition{}
		case isDefault && string(value) == `"$USER"`:
			return condition{op: opMentioned}
		case kind == "event_property_is":
			return condition{op: opIs, key: clean(key), value: string(value)}
		}
		return condition{op: opContains, key: clean(key), value: string(value)}
	case "contains_display_name":
		return condition{op: opName}
	case "room_member_count":
		is, ok := canon.String(canon.Get(v, "is"))
		if !ok {
			return condition{}
		}
		return memberCondition(is)
	case "sender_notification_permission":
		if hasKey {
			return condition{op: opPower, key: key}
		}
	case threadSubscription:
		switch string(canon.Get(v, "subscribed")) {
		case "true":
			return condition{op: opSubscribed}
		case "false":
			return condition{op: opUnsubscribed}
		}
	}
	return condition{}
}

// threadSubscription is the kind of the condition of MSC4306.
const threadSubscription = "io.element.msc4306.thread_subscription"

// known says whether the condition is of a kind that this server knows.
func known(v []byte) bool {
	kind, _ := canon.String(canon.Get(v, "kind"))
	switch kind {
	case "event_match", "event_property_is", "event_property_contains", "contains_display_name", "room_member_count",
		"sender_notification_permission", threadSubscription:
		return true
	}
	return false
}

// globCondition reads event_match. In content.body the pattern is looked for between words.
func globCondition(key, pattern string) condition {
	g, ok := compileGlob(pattern)
	if !ok {
		return condition{}
	}
	if key = clean(key); key == "content.body" {
		return condition{op: opWord, glob: g}
	}
	return condition{op: opGlob, key: key, glob: g}
}

// clean writes a path with no more escapes than it needs, as Flatten does.
func clean(path string) string {
	var out []byte
	for _, name := range canon.SplitPath(path) {
		out = canon.AppendPath(out, name)
	}
	return string(out)
}

// scalar says whether v is a string, an integer, a boolean or null.
func scalar(v []byte) bool {
	if len(v) == 0 {
		return false
	}
	if v[0] == '-' || '0' <= v[0] && v[0] <= '9' {
		n, ok := canon.Integer(v)
		return ok && -canon.MaxInteger <= n && n <= canon.MaxInteger
	}
	return v[0] != '{' && v[0] != '['
}

// memberCondition reads the is of room_member_count: a number with ==, <, >, >= or <= before it, or nothing.
func memberCondition(is string) condition {
	digits := strings.TrimLeft(is, "<>=")
	n, err := strconv.ParseUint(digits, 10, 31)
	if err != nil {
		return condition{}
	}
	c := condition{op: opMembers, lo: 0, hi: math.MaxInt}
	switch is[:len(is)-len(digits)] {
	case "", "==":
		c.lo, c.hi = int(n), int(n)
	case "<":
		c.hi = int(n) - 1
	case "<=":
		c.hi = int(n)
	case ">":
		c.lo = int(n) + 1
	case ">=":
		c.lo = int(n)
	default:
		return condition{}
	}
	return c
}

// Reader is the user a Program is asked for.
type Reader struct {
	User        id.User
	DisplayName string // in the room; "" for none
	Subscribed  bool   // to the thread that the event is in
}
