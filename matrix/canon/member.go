package canon

import "bytes"

// Member is one member of a canonical object. It shares memory with the object.
type Member struct {
	raw []byte // "key":value
	key int    // length of the key without its quotation marks
}

// Raw is the member as it stands in the object, "key":value.
func (m Member) Raw() []byte { return m.raw }

// Key is the key as it stands between its quotation marks, canonical escapes included; Name has its meaning. A key
// without characters that need an escape can be compared as it is.
func (m Member) Key() []byte { return m.raw[1 : 1+m.key] }

// Name is the key's meaning.
func (m Member) Name() string { return string(decode(m.Key())) }

// Value is the value as canonical JSON.
func (m Member) Value() []byte { return m.raw[m.key+3:] }

// Object goes through the members of an object in canonical JSON. It trusts its input: given other bytes it ends early or
// gives wrong members, but it does not panic.
type Object struct{ rest []byte }

// Open begins at the first member.
func Open(object []byte) Object {
	if len(object) < 2 || object[0] != '{' {
		return Object{}
	}
	return Object{rest: object[1:]}
}

// Next is the next member, until there is none.
func (o *Object) Next() (Member, bool) {
	b := o.rest
	if len(b) > 0 && b[0] == ',' {
		b = b[1:]
	}
	if len(b) == 0 || b[0] != '"' {
		return Member{}, false
	}
	key := stringEnd(b)
	if key+1 >= len(b) || b[key] != ':' {
		return Member{}, false
	}
	end := key + 1 + valueEnd(b[key+1:])
	o.rest = b[end:]
	return Member{raw: b[:end:end], key: key - 2}, true
}

// Get is the value of a key of a canonical object, or nil. The key must not need an escape.
func Get(object []byte, key string) []byte {
	for o := Open(object); ; {
		m, ok := o.Next()
		if !ok {
			return nil
		}
		if string(m.Key()) == key {
			return m.Value()
		}
	}
}

// Array goes through the elements of an array in canonical JSON, which it trusts as Object does.
type Array struct{ rest []byte }

// OpenArray begins at the first element.
func OpenArray(array []byte) Array {
	if len(array) < 2 || array[0] != '[' {
		return Array{}
	}
	return Array{rest: array[1:]}
}

// Next is the next element, until there is none.
func (a *Array) Next() ([]byte, bool) {
	b := a.rest
	if len(b) > 0 && b[0] == ',' {
		b = b[1:]
	}
	if len(b) == 0 || b[0] == ']' {
		return nil, false
	}
	end := valueEnd(b)
	a.rest = b[end:]
	return b[:end:end], end > 0
}

// String is the meaning of a canonical JSON string, quotation marks included in the input. ok is false for another value.
func String(value []byte) (s string, ok bool) {
	if len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
		return "", false
	}
	return string(decode(value[1 : len(value)-1])), true
}

// Integer is the value of a canonical JSON number. ok is false for another value, a fraction, or beyond 64 bits.
func Integer(value []byte) (n int64, ok bool) {
	digits, negative := value, false
	if len(digits) > 0 && digits[0] == '-' {
		digits, negative = digits[1:], true
	}
	if len(digits) == 0 || len(digits) > 19 {
		return 0, false
	}
	var u uint64 // 19 digits fit
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		u = u*10 + uint64(c-'0')
	}
	switch {
	case negative && u <= 1<<63:
		return -int64(u), true
	case !negative && u < 1<<63:
		return int64(u), true
	}
	return 0, false
}

// stringEnd is the length of the valid string at the start of b, quotation marks included.
func stringEnd(b []byte) int {
	for i := 1; i < len(b); {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return len(b)
		}
		end := i + n
		slashes := 0
		for end-1-slashes >= i && b[end-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return end + 1
		}
		i = end + 1
	}
	return len(b)
}

// valueEnd is the length of the canonical value at the start of b.
func valueEnd(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	switch b[0] {
	case '"':
		return stringEnd(b)
	case '{', '[':
		depth := 0
		for i := 0; i < len(b); i++ {
			switch b[i] {
			case '"':
				i += stringEnd(b[i:]) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
		return len(b)
	}
	for i, c := range b {
		if c == ',' || c == '}' || c == ']' {
			return i
		}
	}
	return len(b)
}
