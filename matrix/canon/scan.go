package canon

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// scanner checks one JSON value and finds out on the way whether it is canonical.
type scanner struct {
	src     []byte
	i       int
	depth   int
	mode    Mode
	dirty   bool // src is valid but not canonical
	clean   bool // the result of scan: src was canonical
	collect bool // take down the members of the outermost object
	members []Member
}

// scan checks src and returns it without the white space around it.
func (s *scanner) scan() ([]byte, error) {
	s.space()
	start := s.i
	if err := s.value(); err != nil {
		return nil, err
	}
	end := s.i
	s.space()
	if s.i != len(s.src) {
		return nil, s.fail("more after the value")
	}
	s.clean = !s.dirty
	return s.src[start:end], nil
}

func (s *scanner) fail(reason string) error { return s.failAt(s.i, reason) }

func (s *scanner) failAt(at int, reason string) error { return &Error{Offset: at, Reason: reason} }

// space skips white space; there is none in canonical JSON, other than around the whole.
func (s *scanner) space() {
	for s.i < len(s.src) {
		switch s.src[s.i] {
		case ' ', '\t', '\n', '\r':
			s.i++
			s.dirty = s.dirty || s.depth > 0
		default:
			return
		}
	}
}

func (s *scanner) value() error {
	if s.i >= len(s.src) {
		return s.fail("ends in the middle of a value")
	}
	switch c := s.src[s.i]; {
	case c == '"':
		_, err := s.text()
		return err
	case c == '{':
		return s.object()
	case c == '[':
		return s.array()
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	case c == 't':
		return s.word("true")
	case c == 'f':
		return s.word("false")
	case c == 'n':
		return s.word("null")
	}
	return s.fail("not a value")
}

func (s *scanner) word(w string) error {
	if len(s.src)-s.i < len(w) || string(s.src[s.i:s.i+len(w)]) != w {
		return s.fail("not a value")
	}
	s.i += len(w)
	return nil
}

// enter goes into an object or array, and says whether it is empty.
func (s *scanner) enter(closing byte) (empty bool, err error) {
	if s.depth++; s.depth > MaxNesting {
		return false, s.fail("nested too deep")
	}
	s.i++
	s.space()
	if s.i < len(s.src) && s.src[s.i] == closing {
		s.i++
		s.depth--
		return true, nil
	}
	return false, nil
}

// next goes past the comma to the next element, or past the closing bracket.
func (s *scanner) next(closing byte) (done bool, err error) {
	s.space()
	if s.i >= len(s.src) {
		return false, s.fail("ends in the middle of a value")
	}
	switch s.src[s.i] {
	case ',':
		s.i++
		s.space()
		return false, nil
	case closing:
		s.i++
		s.depth--
		return true, nil
	}
	return false, s.fail("neither a comma nor the end")
}

func (s *scanner) array() error {
	done, err := s.enter(']')
	for !done && err == nil {
		if err = s.value(); err == nil {
			done, err = s.next(']')
		}
	}
	return err
}

func (s *scanner) object() error {
	done, err := s.enter('}')
	var last []byte
	first := true
	for !done && err == nil {
		at := s.i
		if at >= len(s.src) || s.src[at] != '"' {
			return s.fail("not a key")
		}
		key, err := s.text()
		if err != nil {
			return err
		}
		if !first && !s.dirty {
			if err := s.order(last, key, at); err != nil {
				return err
			}
		}
		first, last = false, key
		s.space()
		if s.i >= len(s.src) || s.src[s.i] != ':' {
			return s.fail("no colon after the key")
		}
		s.i++
		s.space()
		if err := s.value(); err != nil {
			return err
		}
		if s.collect && s.depth == 1 {
			s.members = append(s.members, Member{raw: s.src[at:s.i:s.i], key: len(key)})
		}
		if done, err = s.next('}'); err != nil {
			return err
		}
	}
	return err
}

// order compares a key with the one before it. Once the input is known not to be canonical this is left to rewrite,
// which sorts anyway.
func (s *scanner) order(last, key []byte, at int) error {
	switch c := CompareKeys(last, key); {
	case c > 0:
		s.dirty = true
	case c == 0:
		if s.mode != Lenient {
			return s.failAt(at, "a key is given twice")
		}
		s.dirty = true
	}
	return nil
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// plain is the number of bytes at the start of b that stand for themselves in a string: printable ASCII other than the
// quotation mark and the backslash.
func plain(b []byte) int {
	n := 0
	for len(b)-n >= 8 {
		w := binary.LittleEndian.Uint64(b[n:])
		quote := w ^ ones*'"'
		slash := w ^ ones*'\\'
		// The high bit of a byte is set where the byte is, in turn: zero after the xor, below 0x20, or not ASCII. A borrow
		// can set bits above the first such byte, never below it, and only the first counts.
		special := (quote-ones)&^quote | (slash-ones)&^slash | (w-ones*0x20)&^w | w
		if special &= highs; special != 0 {
			return n + bits.TrailingZeros64(special)/8
		}
		n += 8
	}
	for n < len(b) && b[n] >= 0x20 && b[n] != '"' && b[n] != '\\' && b[n] < utf8.RuneSelf {
		n++
	}
	return n
}

// text goes past a string and returns what stands between its quotation marks.
func (s *scanner) text() ([]byte, error) {
	s.i++
	start := s.i
	for {
		s.i += plain(s.src[s.i:])
		if s.i >= len(s.src) {
			return nil, s.fail("ends in the middle of a string")
		}
		switch c := s.src[s.i]; {
		case c == '"':
			s.i++
			return s.src[start : s.i-1], nil
		case c == '\\':
			_, n, canonical := unescape(s.src[s.i:])
			if n == 0 {
				return nil, s.fail("malformed escape, or half a surrogate pair")
			}
			s.dirty = s.dirty || !canonical
			s.i += n
		case c < 0x20:
			return nil, s.fail("a control character in a string")
		default:
			r, n := utf8.DecodeRune(s.src[s.i:])
			if r == utf8.RuneError && n == 1 {
				return nil, s.fail("invalid UTF-8")
			}
			s.i += n
		}
	}
}

// number goes past a number.
func (s *scanner) number() error {
	start := s.i
	if s.src[s.i] == '-' {
		s.i++
	}
	digits := s.digits()
	switch {
	case digits == 0:
		return s.fail("a number without digits")
	case digits > 1 && s.src[s.i-digits] == '0':
		return s.fail("a number with leading zeros")
	}
	whole := s.i
	fraction, exponent := false, false
	if s.i < len(s.src) && s.src[s.i] == '.' {
		s.i++
		fraction = true
		if s.digits() == 0 {
			return s.fail("a number without digits after the point")
		}
	}
	if s.i < len(s.src) && (s.src[s.i] == 'e' || s.src[s.i] == 'E') {
		s.i++
		exponent = true
		if s.i < len(s.src) && (s.src[s.i] == '+' || s.src[s.i] == '-') {
			s.i++
		}
		if s.digits() == 0 {
			return s.fail("a number without digits in the exponent")
		}
	}
	text := s.src[start:s.i]
	if s.mode == Strict {
		switch {
		case fraction || exponent:
			return s.failAt(start, "a number that is not an integer")
		case string(text) == "-0":
			return s.failAt(start, "minus zero")
		case !inRange(s.src[whole-digits : whole]):
			return s.failAt(start, "an integer beyond 2^53-1")
		}
		return nil
	}
	if fraction || exponent || string(text) == "-0" {
		canonical, ok := appendNumber(nil, text)
		if !ok {
			return s.failAt(start, "a number too large for a double")
		}
		s.dirty = s.dirty || !bytes.Equal(text, canonical)
	}
	return nil
}

func (s *scanner) digits() int {
	start := s.i
	for s.i < len(s.src) && s.src[s.i] >= '0' && s.src[s.i] <= '9' {
		s.i++
	}
	return s.i - start
}

// inRange says whether digits without a leading zero are at most 2^53-1 = 9007199254740991.
func inRange(digits []byte) bool {
	const largest = "9007199254740991"
	return len(digits) < len(largest) || len(digits) == len(largest) && string(digits) <= largest
}
