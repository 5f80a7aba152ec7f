package keys

import (
	"bytes"
	"encoding/json"
	"maps"

	"freehold.example/matrix/canon"
	"freehold.example/matrix/fault"
)

// signatures is user -> algorithm:key -> signature. The names are those that a client sent; nothing is assumed of them.
type signatures map[string]map[string]string

// object is a signed JSON object taken apart (Appendices, "Signing JSON").
type object struct {
	members    map[string]json.RawMessage // all of them
	body       []byte                     // canonical, without signatures and unsigned: what is signed and compared
	signatures signatures                 // nil when there were none
}

// parseObject takes apart a JSON object of at most limit bytes. Its errors are faults.
func parseObject(raw json.RawMessage, limit int) (*object, error) {
	if len(raw) > limit {
		return nil, fault.Newf(fault.TooLarge, "A key may have at most %d bytes", limit)
	}
	var o object
	if err := json.Unmarshal(raw, &o.members); err != nil || o.members == nil {
		return nil, fault.New(fault.BadJSON, "A signed key must be a JSON object").Because(err)
	}
	if s, ok := o.members["signatures"]; ok {
		if err := json.Unmarshal(s, &o.signatures); err != nil {
			return nil, fault.New(fault.BadJSON, "signatures must be an object of objects of strings").Because(err)
		}
	}
	rest := maps.Clone(o.members)
	delete(rest, "signatures")
	delete(rest, "unsigned")
	plain, err := json.Marshal(rest)
	if err != nil {
		return nil, fault.New(fault.BadJSON, "A key is not valid JSON").Because(err)
	}
	o.body, err = canon.Canonical(plain, canon.Lenient)
	if err != nil {
		return nil, fault.New(fault.BadJSON, "A key has no canonical JSON form").Because(err)
	}
	return &o, nil
}

// read decodes a member, whose name is matched exactly; it says whether it was there.
func (o *object) read(name string, into any) (bool, error) {
	raw, ok := o.members[name]
	if !ok || bytes.Equal(raw, []byte("null")) {
		return false, nil
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return false, fault.Newf(fault.BadJSON, "%s has the wrong form", name).Because(err)
	}
	return true, nil
}

// need is read for members that must be there.
func (o *object) need(name string, into any) error {
	ok, err := o.read(name, into)
	if err == nil && !ok {
		err = fault.Newf(fault.BadJSON, "%s is missing", name)
	}
	return err
}

// join puts a stored object together again: body is canonical, sigs and unsigned are JSON or nothing.
func join(body, sigs, unsigned []byte) json.RawMessage {
	out := make([]byte, 0, len(body)+len(sigs)+len(unsigned)+len(`,"signatures":,"unsigned":`))
	out = append(out, bytes.TrimSuffix(body, []byte("}"))...)
	member := func(name string, value []byte) {
		if len(value) == 0 {
			return
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, '"')
		out = append(out, name...)
		out = append(out, `":`...)
		out = append(out, value...)
	}
	member("signatures", sigs)
	member("unsigned", unsigned)
	return append(out, '}')
}

// with returns the signatures and those of more; neither is changed.
func (s signatures) with(more signatures) signatures {
	if len(more) == 0 {
		return s
	}
	out := maps.Clone(s)
	if out == nil {
		out = make(signatures, len(more))
	}
	for user, sigs := range more {
		merged := maps.Clone(out[user])
		if merged == nil {
			merged = make(map[string]string, len(sigs))
		}
		maps.Copy(merged, sigs)
		out[user] = merged
	}
	return out
}
