package canon

import (
	"bytes"
	"cmp"
	"unicode/utf16"
	"unicode/utf8"
)

// short is the letter of the short escape of a control character, the quotation mark or the backslash, or 0.
func short(r rune) byte {
	switch r {
	case '\b':
		return 'b'
	case '\t':
		return 't'
	case '\n':
		return 'n'
	case '\f':
		return 'f'
	case '\r':
		return 'r'
	case '"', '\\':
		return byte(r)
	}
	return 0
}

// unescape reads the escape at the start of b: its character, its length (0: malformed), and whether canonical JSON would
// write that character with this very escape.
func unescape(b []byte) (r rune, n int, canonical bool) {
	if len(b) < 2 {
		return 0, 0, false
	}
	switch b[1] {
	case '"', '\\':
		return rune(b[1]), 2, true
	case 'b':
		return '\b', 2, true
	case 't':
		return '\t', 2, true
	case 'n':
		return '\n', 2, true
	case 'f':
		return '\f', 2, true
	case 'r':
		return '\r', 2, true
	case '/':
		return '/', 2, false
	case 'u':
	default:
		return 0, 0, false
	}
	r, lower := hex4(b)
	switch {
	case r < 0:
		return 0, 0, false
	case !utf16.IsSurrogate(r):
		return r, 6, lower && r < 0x20 && short(r) == 0
	}
	low, _ := hex4(b[6:])
	if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
		return 0, 0, false
	}
	return r, 12, false
}

// hex4 reads \uXXXX at the start of b; it is negative when there is none. lower says that no digit is a capital.
func hex4(b []byte) (r rune, lower bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return -1, false
	}
	lower = true
	for _, c := range b[2:6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
			lower = false
		default:
			return -1, false
		}
		r = r<<4 | rune(c)
	}
	return r, lower
}

const hexDigits = "0123456789abcdef"

// AppendString appends s as a canonical JSON string. Invalid UTF-8 in it becomes U+FFFD.
func AppendString[T ~string | ~[]byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
			if r == utf8.RuneError && n == 1 {
				dst = append(append(dst, s[from:i]...), "\uFFFD"...)
				from = i + 1
			}
			i += n
			continue
		}
		dst = appendEscape(append(dst, s[from:i]...), rune(c))
		i++
		from = i
	}
	return append(append(dst, s[from:]...), '"')
}

// appendEscape appends the canonical escape of a control character, a quotation mark or a backslash.
func appendEscape(dst []byte, r rune) []byte {
	if c := short(r); c != 0 {
		return append(dst, '\\', c)
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&15])
}

// appendText appends a valid string, given without its quotation marks, in canonical form.
func appendText(dst, text []byte) []byte {
	for len(text) > 0 {
		i := bytes.IndexByte(text, '\\')
		if i < 0 {
			return append(dst, text...)
		}
		dst = append(dst, text[:i]...)
		r, n, canonical := unescape(text[i:])
		switch {
		case n == 0: // cannot be in a string that was scanned
			return append(dst, text[i:]...)
		case canonical:
			dst = append(dst, text[i:i+n]...)
		case r < 0x20 || r == '"' || r == '\\':
			dst = appendEscape(dst, r)
		default:
			dst = utf8.AppendRune(dst, r)
		}
		text = text[i+n:]
	}
	return dst
}

// decode is the meaning of a valid string given without its quotation marks. Without escapes in it nothing is copied.
func decode(text []byte) []byte {
	i := bytes.IndexByte(text, '\\')
	if i < 0 {
		return text
	}
	var dst []byte
	for i >= 0 {
		r, n, _ := unescape(text[i:])
		if n == 0 { // cannot be in a string that was scanned
			break
		}
		dst = utf8.AppendRune(append(dst, text[:i]...), r)
		text = text[i+n:]
		i = bytes.IndexByte(text, '\\')
	}
	return append(dst, text...)
}

// CompareKeys orders two keys in canonical form, as Member.Key gives them: by code point, which is the order of their UTF-8
// bytes (Appendices, "Canonical JSON").
func CompareKeys(a, b []byte) int {
	if bytes.IndexByte(a, '\\') < 0 && bytes.IndexByte(b, '\\') < 0 {
		return bytes.Compare(a, b)
	}
	for len(a) > 0 && len(b) > 0 {
		x, n := first(a)
		y, m := first(b)
		if x != y {
			return cmp.Compare(x, y)
		}
		a, b = a[n:], b[m:]
	}
	return cmp.Compare(len(a), len(b))
}

// first is the first byte that canonical text means, and the length of what stands for it. Only ASCII is escaped there.
func first(text []byte) (c byte, n int) {
	if text[0] != '\\' {
		return text[0], 1
	}
	r, n, _ := unescape(text)
	if n == 0 { // cannot be in canonical text
		return '\\', 1
	}
	return byte(r), n
}
