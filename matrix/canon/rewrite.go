package canon

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"
)

// rewrite writes a valid value in canonical form.
func rewrite(src []byte, mode Mode) ([]byte, error) {
	w := writer{src: src, mode: mode, out: make([]byte, 0, len(src))}
	if err := w.value(); err != nil {
		return nil, err
	}
	return w.out, nil
}

// writer copies src, which was scanned and is valid, to out in canonical form.
type writer struct {
	src     []byte
	i       int
	mode    Mode
	out     []byte
	scratch []byte
}

// place is where a member was written to out.
type place struct{ start, key, end int }

func (w *writer) space() {
	for w.i < len(w.src) && (w.src[w.i] == ' ' || w.src[w.i] == '\n' || w.src[w.i] == '\t' || w.src[w.i] == '\r') {
		w.i++
	}
}

// token is the next byte after white space; it is not passed.
func (w *writer) token() byte {
	w.space()
	if w.i >= len(w.src) { // cannot be: src was scanned
		return 0
	}
	return w.src[w.i]
}

func (w *writer) value() error {
	switch w.token() {
	case '{':
		return w.object()
	case '[':
		return w.array()
	case '"':
		w.text()
		return nil
	}
	start := w.i
	for w.i < len(w.src) && strings.IndexByte(",]} \t\r\n", w.src[w.i]) < 0 {
		w.i++
	}
	word := w.src[start:w.i]
	if len(word) == 0 {
		return &Error{Offset: start, Reason: "not a value"} // cannot be: src was scanned
	}
	if c := word[0]; c == '-' || c >= '0' && c <= '9' {
		w.out, _ = appendNumber(w.out, word)
		return nil
	}
	w.out = append(w.out, word...)
	return nil
}

// text copies a string and returns where its text stands in out, quotation marks excluded.
func (w *writer) text() (start, end int) {
	n := stringEnd(w.src[w.i:])
	w.out = append(w.out, '"')
	start = len(w.out)
	w.out = appendText(w.out, w.src[w.i+1:w.i+n-1])
	end = len(w.out)
	w.out = append(w.out, '"')
	w.i += n
	return start, end
}

func (w *writer) array() error {
	w.i++
	w.out = append(w.out, '[')
	for {
		switch w.token() {
		case ']':
			w.i++
			w.out = append(w.out, ']')
			return nil
		case ',':
			w.i++
			w.out = append(w.out, ',')
		default:
			if err := w.value(); err != nil {
				return err
			}
		}
	}
}

// object copies the members as they come and puts them into order afterwards where they are not.
func (w *writer) object() error {
	w.i++
	w.out = append(w.out, '{')
	from := len(w.out)
	var members []place
	sorted := true
	for {
		switch w.token() {
		case '}':
			w.i++
			if !sorted {
				if err := w.sort(from, members); err != nil {
					return err
				}
			}
			w.out = append(w.out, '}')
			return nil
		case ',':
			w.i++
			continue
		}
		if len(members) > 0 {
			w.out = append(w.out, ',')
		}
		m := place{start: len(w.out)}
		_, m.key = w.text()
		w.token()
		w.i++ // the colon
		w.out = append(w.out, ':')
		if err := w.value(); err != nil {
			return err
		}
		m.end = len(w.out)
		if n := len(members); n > 0 {
			sorted = sorted && CompareKeys(w.key(members[n-1]), w.key(m)) < 0
		}
		members = append(members, m)
	}
}

func (w *writer) key(m place) []byte { return w.out[m.start+1 : m.key] }

// sort puts the members of the object that begins at from into order. Of equal keys the last stays, or it is an error.
func (w *writer) sort(from int, members []place) error {
	slices.SortStableFunc(members, func(a, b place) int { return CompareKeys(w.key(a), w.key(b)) })
	w.scratch = w.scratch[:0]
	for i, m := range members {
		if i+1 < len(members) && CompareKeys(w.key(m), w.key(members[i+1])) == 0 {
			if w.mode != Lenient {
				return &Error{Offset: w.i, Reason: "a key is given twice"}
			}
			continue
		}
		if len(w.scratch) > 0 {
			w.scratch = append(w.scratch, ',')
		}
		w.scratch = append(w.scratch, w.out[m.start:m.end]...)
	}
	w.out = append(w.out[:from], w.scratch...)
	return nil
}

// appendNumber appends a valid number in canonical form; see Lenient. ok is false when it is beyond a double.
func appendNumber(dst, text []byte) (_ []byte, ok bool) {
	if string(text) == "-0" {
		return append(dst, '0'), true
	}
	point := bytes.IndexByte(text, '.') >= 0
	exponent := bytes.ContainsAny(text, "eE")
	if !point && !exponent {
		return append(dst, text...), true
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return dst, false
	}
	if exponent && f == math.Trunc(f) && math.Abs(f) <= MaxInteger {
		return strconv.AppendInt(dst, int64(f), 10), true
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.AppendFloat(dst, f, 'e', -1, 64), true
	}
	from := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	if bytes.IndexByte(dst[from:], '.') < 0 {
		dst = append(dst, ".0"...)
	}
	return dst, true
}
