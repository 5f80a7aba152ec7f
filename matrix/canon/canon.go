// Package canon is Matrix's canonical JSON (Appendices, "Canonical JSON"): the one encoding of a value that is hashed,
// signed and stored.
//
// Checking is one pass over the bytes that allocates nothing; input that is canonical already is recognised by it and
// given back as it is, which is the usual case between servers. Only other input is written anew.
package canon

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Mode is how strict to be with the input. The output is canonical in every mode, apart from the numbers that Lenient
// and Unique let through.
//
// Every mode refuses what has no single meaning in UTF-8: invalid UTF-8 and surrogates without their other half. Every
// mode refuses NaN, infinities and nesting deeper than MaxNesting.
type Mode int

const (
	// Strict is canonical JSON as events of room version 6 and later must keep to it: integers within ±(2^53-1), no
	// fractions, exponents or -0, and no key twice in an object. White space, key order and needless escapes are
	// mended, not refused.
	Strict Mode = iota
	// Lenient is for events of room versions 1 to 5, which "servers MUST NOT strictly enforce". Of a key that is given
	// twice the last counts. Integers of any length are kept digit by digit, but -0 becomes 0. Other numbers are written
	// as Python writes a double, since that is what nearly all servers of these rooms have hashed: 1.50 is 1.5, 1e-5 is
	// 1e-05; except that a number written with an exponent whose value is an integer within ±(2^53-1) becomes that
	// integer, as in the specification's example (1e10).
	Lenient
	// Unique is Lenient, but refuses a key that is given twice. It is for signed objects other than events (device keys,
	// server keys): their bytes may be read by another parser, which must not see another value than was verified.
	Unique
)

// MaxNesting is how deep objects and arrays may stand in each other.
const MaxNesting = 512

// MaxInteger is the largest integer of strict canonical JSON; the smallest is its negative.
const MaxInteger = 1<<53 - 1

// Error says what is wrong with the input and where.
type Error struct {
	Offset int // in bytes
	Reason string
}

// Error says both.
func (e *Error) Error() string { return fmt.Sprintf("JSON at byte %d: %s", e.Offset, e.Reason) }

// Canonical checks src, one JSON value, and returns it in canonical form. The result may share memory with src. The
// error is an *Error.
func Canonical(src []byte, mode Mode) ([]byte, error) {
	s := scanner{src: src, mode: mode}
	v, err := s.scan()
	if err != nil || s.clean {
		return v, err
	}
	return rewrite(v, mode)
}

// Members is Canonical for an object that is to be taken apart: it appends the object's members to dst, in canonical
// order. They share memory with the canonical bytes. Input that is not an object is an error.
func Members(src []byte, mode Mode, dst []Member) ([]byte, []Member, error) {
	s := scanner{src: src, mode: mode, members: dst, collect: true}
	v, err := s.scan()
	switch {
	case err != nil:
		return nil, nil, err
	case len(v) == 0 || v[0] != '{':
		return nil, nil, &Error{Reason: "not an object"}
	case s.clean:
		return v, s.members, nil
	}
	if v, err = rewrite(v, mode); err != nil {
		return nil, nil, err
	}
	for o := Open(v); ; {
		m, ok := o.Next()
		if !ok {
			return v, dst, nil
		}
		dst = append(dst, m)
	}
}

// Marshal encodes v by encoding/json and makes the result canonical in the strict sense.
func Marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return Canonical(buf.Bytes(), Strict)
}
