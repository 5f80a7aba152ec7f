package pushrule

import (
	"slices"
	"strings"

	"freehold.example/matrix/canon"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// What a user may have. Together they bound what one event can cost to evaluate for one user: some milliseconds.
const (
	// limit: push rules of one user | %d of at most 16 KiB, 256 KiB in all | refused
	MaxRules      = 500       // own rules, all kinds together
	maxRuleID     = 255       // bytes
	maxRuleBytes  = 16 << 10  // of a rule
	maxConditions = 20        // of a rule
	maxPattern    = 256       // bytes
	maxActions    = 20        // of a rule
	maxCostly     = 50        // patterns with a ? in all rules
	maxBytes      = 256 << 10 // of all that a user has changed; less than maxStored
)

// Put adds a rule of the user's own, or gives one a new meaning. body is the rule as in the request: actions, and
// conditions or pattern as the kind has them. A new rule is enabled, and the most important of its kind unless it is put
// right above the rule before, or right below the rule after. An old one keeps its place unless told otherwise, and stays
// enabled or not. Errors are faults.
func (s *Ruleset) Put(k Kind, rule, before, after string, body []byte) (*Ruleset, error) {
	if k >= kinds {
		return nil, notFound()
	}
	switch {
	case k == PostContent:
		return nil, fault.New(fault.InvalidParam, "Rules of the kind postcontent are the server's")
	case rule == "" || len(rule) > maxRuleID:
		return nil, fault.New(fault.InvalidParam, "A rule id has 1 to 255 bytes")
	case rule[0] == '.':
		return nil, fault.New(fault.InvalidParam, "Rule ids that begin with a dot are the server's")
	case strings.ContainsAny(rule, `/\`):
		return nil, fault.New(fault.InvalidParam, "A rule id has no slashes")
	}
	r, err := parseRule(k, body)
	if err != nil {
		return nil, err
	}
	r.ID, r.Enabled = rule, true

	t := s.clone()
	place, old := 0, t.index(k, rule)
	if old >= 0 {
		place, r.Enabled = old, t.own[k][old].Enabled
		t.own[k] = slices.Delete(t.own[k], old, old+1)
	}
	if beside := before; beside != "" || after != "" {
		if beside == "" {
			beside = after
		}
		if place = t.index(k, beside); place < 0 {
			return nil, fault.Newf(fault.Unknown, "before/after rule not found: %.255s", beside)
		}
		if before == "" {
			place++
		}
	}
	t.own[k] = slices.Insert(t.own[k], place, r)
	if err := t.check(); err != nil {
		return nil, err
	}
	return t, nil
}

// check says whether there are too many rules.
func (s *Ruleset) check() error {
	n, costly := 0, 0
	for _, rules := range s.own {
		n += len(rules)
		for _, r := range rules {
			costly += strings.Count(string(r.Conditions), "?") + strings.Count(r.Pattern, "?")
		}
	}
	if s.Size() > maxBytes {
		return fault.Newf(fault.TooLarge, "Push rules have %d bytes at most", maxBytes)
	}
	if n > MaxRules {
		return fault.Newf(fault.InvalidParam, "There can be %d push rules", MaxRules)
	}
	if costly > maxCostly {
		return fault.Newf(fault.InvalidParam, "There can be %d question marks in the patterns of push rules", maxCostly)
	}
	return nil
}

// Size is about how many bytes the rules take.
func (s *Ruleset) Size() (n int) {
	const each = 64 // for names and punctuation
	for k := range kinds {
		for _, r := range s.own[k] {
			n += each + len(r.ID) + len(r.Actions) + len(r.Conditions) + len(r.Pattern)
		}
		for _, c := range s.changed[k] {
			n += each + len(c.id) + len(c.actions)
		}
	}
	return n
}

// Delete removes one of the user's own rules. Default rules cannot be deleted, only disabled. Errors are faults.
func (s *Ruleset) Delete(k Kind, rule string) (*Ruleset, error) {
	if k >= kinds {
		return nil, notFound()
	}
	i := s.index(k, rule)
	if i < 0 {
		if findDefault(k, rule) != nil {
			return nil, fault.New(fault.InvalidParam, "A default rule cannot be deleted; it can be disabled")
		}
		return nil, notFound()
	}
	t := s.clone()
	t.own[k] = slices.Delete(t.own[k], i, i+1)
	return t, nil
}

// SetEnabled puts a rule in force or out of it. Errors are faults.
func (s *Ruleset) SetEnabled(k Kind, rule string, enabled bool) (*Ruleset, error) {
	return s.edit(k, rule, func(r *Rule) { r.Enabled = enabled }, func(c *change) { c.enabled = &enabled })
}

// SetActions changes what a rule does. actions is a JSON array; it is given back as it was set. Errors are faults.
func (s *Ruleset) SetActions(k Kind, rule string, actions []byte) (*Ruleset, error) {
	canonical, err := parseActions(actions)
	if err != nil {
		return nil, err
	}
	return s.edit(k, rule, func(r *Rule) { r.Actions = canonical }, func(c *change) { c.actions = canonical })
}

func (s *Ruleset) edit(k Kind, rule string, own func(*Rule), changed func(*change)) (*Ruleset, error) {
	if k >= kinds {
		return nil, notFound()
	}
	t := s.clone()
	if i := t.index(k, rule); i >= 0 {
		own(&t.own[k][i])
		return t, t.check()
	}
	if findDefault(k, rule) == nil {
		return nil, notFound()
	}
	i := t.change(k, rule)
	if i < 0 {
		i = len(t.changed[k])
		t.changed[k] = append(t.changed[k], change{id: rule})
	}
	changed(&t.changed[k][i])
	return t, t.check()
}

// CopyRoom gives the room to the rule that the room from has, as after an upgrade. ok is false when there is none, or to
// has one already, or there are too many rules.
func (s *Ruleset) CopyRoom(from, to id.Room) (copied *Ruleset, ok bool) {
	i := s.index(Room, string(from))
	if i < 0 || s.index(Room, string(to)) >= 0 {
		return s, false
	}
	t := s.clone()
	r := t.own[Room][i]
	r.ID = string(to)
	t.own[Room] = slices.Insert(t.own[Room], i, r)
	if t.check() != nil {
		return s, false
	}
	return t, true
}

// clone copies what an edit may change: the lists, not the bytes.
func (s *Ruleset) clone() *Ruleset {
	t := new(Ruleset)
	for k := range kinds {
		t.own[k] = slices.Clone(s.own[k])
		t.changed[k] = slices.Clone(s.changed[k])
	}
	return t
}

// parseRule reads the part of a rule that a request gives.
func parseRule(k Kind, body []byte) (Rule, error) {
	if len(body) > maxRuleBytes {
		return Rule{}, fault.Newf(fault.TooLarge, "A push rule has at most %d bytes", maxRuleBytes)
	}
	object, err := canon.Canonical(body, canon.Lenient)
	if err != nil {
		return Rule{}, fault.New(fault.NotJSON, "The push rule is not JSON").Because(err)
	}
	if object[0] != '{' {
		return Rule{}, fault.New(fault.BadJSON, "A push rule is an object")
	}
	var r Rule
	if r.Actions, err = parseActions(canon.Get(object, "actions")); err != nil {
		return Rule{}, err
	}
	switch k {
	case Content:
		pattern, ok := canon.String(canon.Get(object, "pattern"))
		if !ok || len(pattern) > maxPattern {
			return Rule{}, fault.Newf(fault.BadJSON, "A content rule has a pattern of up to %d bytes", maxPattern)
		}
		r.Pattern = pattern
	case Override, Underride:
		if r.Conditions, err = parseConditions(canon.Get(object, "conditions")); err != nil {
			return Rule{}, err
		}
	default: // the rule's id says what it asks for
	}
	return r, nil
}

// parseActions checks a list of actions and copies it. The historical actions are kept: what is set is given back.
func parseActions(list []byte) ([]byte, error) {
	list, err := canon.Canonical(list, canon.Lenient)
	if err != nil || list[0] != '[' || len(list) > maxRuleBytes {
		return nil, fault.New(fault.BadJSON, "The actions of a push rule are a list").Because(err)
	}
	n := 0
	for a := canon.OpenArray(list); ; n++ {
		v, ok := a.Next()
		if !ok {
			break
		}
		switch s, isText := canon.String(v); {
		case isText && (s == "notify" || s == "dont_notify" || s == "coalesce"):
		case v[0] == '{' && isString(canon.Get(v, "set_tweak")):
		default:
			return nil, fault.Newf(fault.BadJSON, "%.100s is not an action of a push rule", v)
		}
	}
	if n > maxActions {
		return nil, fault.Newf(fault.BadJSON, "A push rule has at most %d actions", maxActions)
	}
	return slices.Clone(list), nil
}

// parseConditions checks a list of conditions and copies it. Conditions of an unknown kind are kept; they never match.
func parseConditions(list []byte) ([]byte, error) {
	if list == nil {
		return []byte("[]"), nil
	}
	if list[0] != '[' {
		return nil, fault.New(fault.BadJSON, "The conditions of a push rule are a list")
	}
	n := 0
	for a := canon.OpenArray(list); ; n++ {
		v, ok := a.Next()
		if !ok {
			break
		}
		if v[0] != '{' || !isString(canon.Get(v, "kind")) {
			return nil, fault.New(fault.BadJSON, "A condition of a push rule is an object with a kind")
		}
		if c := compileCondition(v, false); c.op == opNever && known(v) {
			return nil, fault.Newf(fault.BadJSON, "The condition %.200s lacks something or has it wrong", v)
		}
	}
	if n > maxConditions {
		return nil, fault.Newf(fault.BadJSON, "A push rule has at most %d conditions", maxConditions)
	}
	return slices.Clone(list), nil
}

func isString(v []byte) bool { return len(v) > 0 && v[0] == '"' }
