package pushrule

import (
	"strings"
	"unicode/utf8"
)

// Matching is linear in the length of the text, whatever the pattern: a pattern is cut at its stars, each piece is
// looked for once, at its first place after the piece before. A piece without ? is a plain search; one with ? is a
// search that keeps the places where it may have begun as the bits of one word.

// maxPiece is how many characters a piece with a ? may have.
const maxPiece = 64

// glob is a pattern, compiled: * is any run of characters, ? is any one (Appendices, "Glob-style matching"). Case does
// not count: both pattern and text are lower case.
type glob struct{ pieces []piece }

// piece is what stands between two stars.
type piece struct {
	literal string // when bits is nil
	bits    map[rune]uint64
	any     uint64 // where the ? are
	length  int    // in characters; with bits
}

// compileGlob gives the pattern, or false when a piece with a ? is too long.
func compileGlob(pattern string) (*glob, bool) {
	g := new(glob)
	for s := range strings.SplitSeq(strings.ToLower(pattern), "*") {
		if !strings.Contains(s, "?") {
			g.pieces = append(g.pieces, piece{literal: s})
			continue
		}
		p := piece{bits: map[rune]uint64{}}
		for _, r := range s {
			if p.length == maxPiece {
				return nil, false
			}
			if r == '?' {
				p.any |= 1 << p.length
			} else {
				p.bits[r] |= 1 << p.length
			}
			p.length++
		}
		g.pieces = append(g.pieces, p)
	}
	return g, true
}

// match says whether the pattern is the whole of s.
func (g *glob) match(s string) bool {
	if len(g.pieces) == 1 {
		end, ok := g.pieces[0].prefix(s)
		return ok && end == len(s)
	}
	end, ok := g.pieces[0].prefix(s)
	if !ok {
		return false
	}
	s = s[end:]
	for i := range g.pieces[1 : len(g.pieces)-1] {
		_, end := g.pieces[i+1].find(s, 0, nil, nil)
		if end < 0 {
			return false
		}
		s = s[end:]
	}
	return g.pieces[len(g.pieces)-1].suffix(s)
}

// within says whether the pattern is a part of t that begins and ends at a word boundary.
func (g *glob) within(t *text) bool {
	last := len(g.pieces) - 1
	if last == 0 {
		start, _ := g.pieces[0].find(t.s, 0, t.boundary, t.boundary)
		return start >= 0
	}
	_, at := g.pieces[0].find(t.s, 0, t.boundary, nil)
	for i := 1; i < last && at >= 0; i++ {
		_, at = g.pieces[i].find(t.s, at, nil, nil)
	}
	if at < 0 {
		return false
	}
	_, end := g.pieces[last].find(t.s, at, nil, t.boundary)
	return end >= 0
}

// prefix says whether s begins with the piece, and where it ends there.
func (p *piece) prefix(s string) (end int, ok bool) {
	if p.bits == nil {
		return len(p.literal), strings.HasPrefix(s, p.literal)
	}
	for i := range p.length {
		r, n := utf8.DecodeRuneInString(s[end:])
		if n == 0 || (p.any|p.bits[r])&(1<<i) == 0 {
			return 0, false
		}
		end += n
	}
	return end, true
}

// suffix says whether s ends with the piece.
func (p *piece) suffix(s string) bool {
	if p.bits == nil {
		return strings.HasSuffix(s, p.literal)
	}
	for i := p.length - 1; i >= 0; i-- {
		r, n := utf8.DecodeLastRuneInString(s)
		if n == 0 || (p.any|p.bits[r])&(1<<i) == 0 {
			return false
		}
		s = s[:len(s)-n]
	}
	return true
}

// find gives the first place of the piece in s from the byte from on that begins and ends where begin and end allow it
// (nil allows all), or -1, -1.
func (p *piece) find(s string, from int, begin, end func(int) bool) (start, stop int) {
	if p.bits != nil {
		return p.findBits(s, from, begin, end)
	}
	for i := from; i <= len(s); i++ {
		n := strings.Index(s[i:], p.literal)
		if n < 0 {
			break
		}
		i += n
		if (begin == nil || begin(i)) && (end == nil || end(i+len(p.literal))) {
			return i, i + len(p.literal)
		}
		if begin != nil {
			for i+1 < len(s) && !begin(i+1) {
				i++
			}
		}
	}
	return -1, -1
}

// findBits is the Shift-And search: bit i of state says that the last i+1 characters are the first i+1 of the piece.
func (p *piece) findBits(s string, from int, begin, end func(int) bool) (start, stop int) {
	var state uint64
	var starts [maxPiece]int // where each of the last characters began
	done := uint64(1) << (p.length - 1)
	for i, count := from, 0; i < len(s); count++ {
		r, n := utf8.DecodeRuneInString(s[i:])
		starts[count%maxPiece] = i
		state <<= 1
		if begin == nil || begin(i) {
			state |= 1
		}
		state &= p.any | p.bits[r]
		i += n
		if state&done != 0 && (end == nil || end(i)) {
			return starts[(count+1-p.length)%maxPiece], i
		}
	}
	return -1, -1
}

// text is a lower-case text to search for words.
type text struct {
	s     string
	words map[string]struct{} // made for long texts when first asked for
}

// longText is from how many bytes on a text's words are collected, so that many names can be ruled out quickly.
const longText = 1 << 10

// boundary says whether a word may begin or end at byte i: one of the characters beside it is no letter, digit or
// underscore.
func (t *text) boundary(i int) bool {
	return i <= 0 || i >= len(t.s) || !wordByte(t.s[i-1]) || !wordByte(t.s[i])
}

func wordByte(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_' || 'A' <= c && c <= 'Z'
}

// says tells whether name, in lower case, is a part of the text that begins and ends at a word boundary.
func (t *text) says(name string) bool {
	if name == "" || len(name) > len(t.s) {
		return false
	}
	if len(t.s) >= longText {
		if w := firstWord(name); w != "" {
			if t.words == nil {
				t.words = words(t.s)
			}
			if _, ok := t.words[w]; !ok {
				return false
			}
		}
	}
	p := piece{literal: name}
	start, _ := p.find(t.s, 0, t.boundary, t.boundary)
	return start >= 0
}

// firstWord is the first run of word characters of s, or "".
func firstWord(s string) string {
	i := 0
	for i < len(s) && !wordByte(s[i]) {
		i++
	}
	j := i
	for j < len(s) && wordByte(s[j]) {
		j++
	}
	return s[i:j]
}

// words are all runs of word characters of s.
func words(s string) map[string]struct{} {
	set := map[string]struct{}{}
	for s != "" {
		w := firstWord(s)
		if w == "" {
			break
		}
		set[w] = struct{}{}
		s = s[strings.Index(s, w)+len(w):]
	}
	return set
}
