package pushrule

import (
	"bytes"

	"freehold.example/matrix/canon"
	"freehold.example/matrix/fault"
)

// maxStored is the longest a ruleset may be that is read, in bytes.
const maxStored = 4 << 20

// Parse reads what Stored wrote. It reads as well what JSON and Global give, of this server or another: default rules in
// it count as changes where they differ. Errors are faults.
func Parse(stored []byte) (*Ruleset, error) {
	if len(stored) == 0 {
		return new(Ruleset), nil
	}
	if len(stored) > maxStored {
		return nil, fault.New(fault.TooLarge, "The push rules are too large")
	}
	object, err := canon.Canonical(stored, canon.Lenient)
	if err != nil {
		return nil, fault.New(fault.NotJSON, "The push rules are not JSON").Because(err)
	}
	if global := canon.Get(object, "global"); global != nil {
		object = global
	}
	if object[0] != '{' {
		return nil, fault.New(fault.BadJSON, "Push rules are an object")
	}
	s := new(Ruleset)
	for k := range kinds {
		list := canon.Get(object, k.String())
		if list == nil {
			continue
		}
		if list[0] != '[' {
			return nil, fault.New(fault.BadJSON, "The push rules of a kind are a list")
		}
		if err := s.parseKind(k, list); err != nil {
			return nil, err
		}
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Ruleset) parseKind(k Kind, list []byte) error {
	seen := map[string]bool{}
	for a := canon.OpenArray(list); ; {
		v, ok := a.Next()
		if !ok {
			return nil
		}
		name, ok := canon.String(canon.Get(v, "rule_id"))
		if !ok || name == "" || len(name) > maxRuleID || seen[name] {
			return fault.New(fault.BadJSON, "A push rule has an id of its own")
		}
		seen[name] = true
		enabled := string(canon.Get(v, "enabled")) != "false"
		if name[0] == '.' {
			if err := s.parseChange(k, name, v, enabled); err != nil {
				return err
			}
			continue
		}
		if k == PostContent {
			continue // no user has rules of her own there
		}
		r, err := parseRule(k, v)
		if err != nil {
			return err
		}
		if len(s.own[k]) == MaxRules {
			return fault.New(fault.BadJSON, "There are too many push rules")
		}
		r.ID, r.Enabled = name, enabled
		s.own[k] = append(s.own[k], r)
	}
}

// parseChange reads how a default rule differs. Rules that are no defaults here are passed over.
func (s *Ruleset) parseChange(k Kind, name string, v []byte, enabled bool) error {
	d := findDefault(k, name)
	if d == nil {
		return nil
	}
	c := change{id: d.id}
	if canon.Get(v, "enabled") != nil && enabled == d.off {
		c.enabled = &enabled
	}
	if list := canon.Get(v, "actions"); list != nil {
		actions, err := parseActions(list)
		if err != nil {
			return err
		}
		if !bytes.Equal(actions, []byte(d.actions)) {
			c.actions = actions
		}
	}
	if c.enabled != nil || c.actions != nil {
		s.changed[k] = append(s.changed[k], c)
	}
	return nil
}

// Stored is the ruleset as it is kept: the user's own rules in full and of the default ones what was changed. It is nil
// when nothing was.
func (s *Ruleset) Stored() []byte {
	if s.untouched() {
		return nil
	}
	dst := []byte{'{'}
	for k := range kinds {
		if len(s.own[k])+len(s.changed[k]) == 0 {
			continue
		}
		if len(dst) > 1 {
			dst = append(dst, ',')
		}
		dst = append(canon.AppendString(dst, k.String()), ':', '[')
		for _, c := range s.changed[k] {
			dst = append(c.append(dst), ',')
		}
		for i := range s.own[k] {
			dst = append(s.own[k][i].Append(dst, k), ',')
		}
		dst[len(dst)-1] = ']'
	}
	return append(dst, '}')
}

func (c *change) append(dst []byte) []byte {
	dst = append(dst, '{')
	if c.actions != nil {
		dst = append(append(append(dst, `"actions":`...), c.actions...), ',')
	}
	if c.enabled != nil {
		dst = append(appendBool(append(dst, `"enabled":`...), *c.enabled), ',')
	}
	return append(canon.AppendString(append(dst, `"rule_id":`...), c.id), '}')
}

// untouched says that the user has changed nothing.
func (s *Ruleset) untouched() bool {
	for k := range kinds {
		if len(s.own[k])+len(s.changed[k]) > 0 {
			return false
		}
	}
	return true
}
