package authrule

import (
	"bytes"
	"encoding/json"
)

// object walks the members of a JSON object in their order. It takes anything without panicking: what is no object has
// no members. Content comes canonical from matrix/event, so only the shape that is asked for is looked at; keys are
// compared byte for byte, which encoding/json's struct decoding does not do (it folds case).
type object struct {
	src  []byte
	at   int
	fine bool // src is an object as far as it was read
}

func newObject(src []byte) *object {
	o := &object{src: bytes.TrimSpace(src)}
	o.fine = len(o.src) >= 2 && o.src[0] == '{' && o.src[len(o.src)-1] == '}'
	o.at = 1
	return o
}

// next is the next member: its key, still in JSON's form, and the bytes of its value.
func (o *object) next() (key, value []byte, ok bool) {
	if !o.fine {
		return nil, nil, false
	}
	o.skip(' ', '\t', '\n', '\r', ',')
	if o.at >= len(o.src)-1 {
		return nil, nil, false
	}
	if o.src[o.at] != '"' {
		o.fine = false
		return nil, nil, false
	}
	key = o.value()
	o.skip(' ', '\t', '\n', '\r', ':')
	value = o.value()
	if len(value) == 0 {
		o.fine = false
		return nil, nil, false
	}
	return key, value, true
}

// element is the next element of an array, for which newArray set the walk up.
func (o *object) element() (value []byte, ok bool) {
	if !o.fine {
		return nil, false
	}
	o.skip(' ', '\t', '\n', '\r', ',')
	if o.at >= len(o.src)-1 {
		return nil, false
	}
	value = o.value()
	o.fine = len(value) > 0
	return value, o.fine
}

func newArray(src []byte) *object {
	o := &object{src: bytes.TrimSpace(src)}
	o.fine = len(o.src) >= 2 && o.src[0] == '[' && o.src[len(o.src)-1] == ']'
	o.at = 1
	return o
}

func (o *object) skip(set ...byte) {
	for o.at < len(o.src) && bytes.IndexByte(set, o.src[o.at]) >= 0 {
		o.at++
	}
}

// value takes one JSON value off the source.
func (o *object) value() []byte {
	start, depth := o.at, 0
	for o.at < len(o.src) {
		switch c := o.src[o.at]; c {
		case '"':
			o.quoted()
			if depth == 0 {
				return o.src[start:o.at]
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return o.src[start:o.at]
			}
			if depth--; depth == 0 {
				o.at++
				return o.src[start:o.at]
			}
		case ',', ':', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return o.src[start:o.at]
			}
		}
		o.at++
	}
	return o.src[start:o.at]
}

// quoted moves past a string whose opening quote is next.
func (o *object) quoted() {
	for o.at++; o.at < len(o.src); o.at++ {
		switch o.src[o.at] {
		case '\\':
			o.at++
		case '"':
			o.at++
			return
		}
	}
	o.at = len(o.src)
}

// member is the value of the named member, or nil; of several with that name the last, as with encoding/json. name must
// be one that JSON writes without escapes.
func member(src []byte, name string) []byte {
	var found []byte
	o := newObject(src)
	for {
		key, value, ok := o.next()
		if !ok {
			return found
		}
		if is(key, name) {
			found = value
		}
	}
}

// is says whether the key, in JSON's form, is name. A key with escapes is decoded first.
func is(key []byte, name string) bool {
	if len(key) == len(name)+2 && string(key[1:len(key)-1]) == name {
		return true
	}
	if len(key) <= len(name)+2 || bytes.IndexByte(key, '\\') < 0 {
		return false
	}
	s, ok := text(key)
	return ok && s == name
}

// text is the string that a JSON value is, if it is one.
func text(value []byte) (s string, ok bool) {
	if len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
		return "", false
	}
	inner := value[1 : len(value)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner), true
	}
	if json.Unmarshal(value, &s) != nil {
		return "", false
	}
	return s, true
}
