package spec

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// keys reports the keys of an answer that no schema at their place names: slips of the pen, which a schema lets through, as
// it says nothing of them. Names under a prefix of their own ("org.matrix.msc…") are nobody's business.
func (c *check) keys(side, at string, schemas []node, v any) error {
	schemas, err := c.spec.flat(nil, schemas)
	if err != nil {
		return err
	}
	switch v := v.(type) {
	case []any:
		items := below(schemas, "items")
		if len(items) == 0 {
			return nil
		}
		for i, e := range v {
			if err := c.keys(side, fmt.Sprintf("%s/%d", at, i), items, e); err != nil {
				return err
			}
		}
	case map[string]any:
		if !slices.ContainsFunc(schemas, named) {
			return nil // any object
		}
		for k, e := range v {
			below, known, err := property(schemas, k)
			if err != nil {
				return err
			}
			if known {
				err = c.keys(side, at+"/"+escape(k), below, e)
			} else if !strings.Contains(k, ".") {
				c.report(side, pointer(strings.Split(at+"/"+escape(k), "/")[1:]), "not a documented key")
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// named says that a schema names keys.
func named(n node) bool { return n.value["properties"] != nil || n.value["patternProperties"] != nil }

// flat are schemas with those that they are composed of.
func (s *Spec) flat(all, schemas []node) ([]node, error) {
	for _, n := range schemas {
		n, err := s.follow(n)
		if err != nil {
			return nil, err
		}
		all = append(all, n)
		for _, key := range []string{"allOf", "oneOf", "anyOf"} {
			list, _ := n.value[key].([]any)
			for _, e := range list {
				if m, ok := e.(map[string]any); ok {
					if key != "allOf" && m["type"] == "object" && len(m) == 1 {
						m = map[string]any{"additionalProperties": true} // one choice is any object
					}
					if all, err = s.flat(all, []node{{file: n.file, value: m}}); err != nil {
						return nil, err
					}
				}
			}
		}
	}
	return all, nil
}

// below are the schemas under a key.
func below(schemas []node, key string) (all []node) {
	for _, n := range schemas {
		if m, ok := n.value[key].(map[string]any); ok {
			all = append(all, node{file: n.file, value: m})
		}
	}
	return all
}

// property are the schemas of a key's value. known says that the key may be there, be it as any.
func property(schemas []node, key string) (all []node, known bool, err error) {
	for _, n := range schemas {
		matched := false
		if properties, _ := n.value["properties"].(map[string]any); properties[key] != nil {
			matched = true
			if m, ok := properties[key].(map[string]any); ok {
				all = append(all, node{file: n.file, value: m})
			}
		}
		patterns, _ := n.value["patternProperties"].(map[string]any)
		for pattern, schema := range patterns {
			form, err := regexp.Compile(pattern)
			if err != nil {
				return nil, false, err
			}
			if form.MatchString(key) {
				matched = true
				if m, ok := schema.(map[string]any); ok {
					all = append(all, node{file: n.file, value: m})
				}
			}
		}
		switch more := n.value["additionalProperties"].(type) {
		case map[string]any:
			if !matched {
				all = append(all, node{file: n.file, value: more})
			}
			matched = true
		case bool:
			matched = matched || more
		}
		known = known || matched
	}
	return all, known, nil
}
