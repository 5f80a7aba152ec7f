package search

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The bounds of what is indexed of one event.
const (
	maxWord  = 40   // characters of a word; what comes after them is not looked at
	maxWords = 2000 // different words of an event
)

// words takes a text apart into folded words, each once, in the order of their first appearance: runs of letters and
// digits, and of scripts that are written without blanks each character. Both engines index exactly these, so that a
// search finds the same on either.
func words(text string, most int) []string {
	var list []string
	seen := map[string]bool{}
	var word strings.Builder
	length := 0
	end := func() {
		if w := word.String(); w != "" && !seen[w] && len(list) < most {
			seen[w] = true
			list = append(list, w)
		}
		word.Reset()
		length = 0
	}
	for _, r := range text {
		switch {
		case r == utf8.RuneError:
			end()
		case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar):
			end()
			word.WriteRune(r)
			end()
		case unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r) && length > 0:
			if length < maxWord {
				word.WriteRune(fold(r))
			}
			length++
		default:
			end()
		}
	}
	end()
	return list
}

// fold makes one of the forms in which a character appears: simple case folding, as the smallest of its orbit.
func fold(r rune) rune {
	if r < utf8.RuneSelf {
		return unicode.ToLower(r)
	}
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	return unicode.ToLower(least)
}

// prefixLength is how long a word that is searched for must be to stand for the words that begin with it as well.
const prefixLength = 3

func isPrefix(word string) bool { return utf8.RuneCountInString(word) >= prefixLength }

// rank says how closely a text matches: the part of its words that were searched for, whole words more than beginnings.
// It is between 0 and 1.
func rank(text string, searched []string) float64 {
	all := words(text, maxWords)
	if len(all) == 0 || len(searched) == 0 {
		return 0
	}
	score := 0.0
	for _, s := range searched {
		switch {
		case slices.Contains(all, s):
			score++
		case isPrefix(s) && slices.ContainsFunc(all, func(w string) bool { return strings.HasPrefix(w, s) }):
			score += 0.5
		}
	}
	return score / float64(len(searched)) * (0.5 + 0.5*float64(len(searched))/float64(max(len(all), len(searched))))
}
