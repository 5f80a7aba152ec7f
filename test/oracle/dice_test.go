package oracle

import (
	"hash/fnv"
	"math/rand/v2"
)

// dice are what makes a case random. The same run's seed, kind and number of a case give the same case.
type dice struct{ *rand.Rand }

func newDice(seed uint64, kind string, n int) *dice {
	h := fnv.New64a()
	h.Write([]byte(kind))
	return &dice{rand.New(rand.NewPCG(seed, h.Sum64()+uint64(n)))}
}

func (d *dice) oneIn(n int) bool { return d.IntN(n) == 0 }

func pick[T any](d *dice, list ...T) T { return list[d.IntN(len(list))] }

// text is a string that tests how strings are written.
func (d *dice) text() string {
	const letters = "abcdefgh ABC019_-./:@#$!<>&'\"\\\b\t\n\f\r\x01\x1f\x7fäß€漢\u2028\u2029\ufeff\uffff😀𝄞"
	runes := []rune(letters)
	s := make([]rune, d.IntN(12))
	for i := range s {
		s[i] = runes[d.IntN(len(runes))]
	}
	return string(s)
}

// word is a string without anything special.
func (d *dice) word() string {
	s := make([]byte, 1+d.IntN(8))
	for i := range s {
		s[i] = "abcdefghijklmnopqrstuvwxyz"[d.IntN(26)]
	}
	return string(s)
}

// integer is one that canonical JSON has.
func (d *dice) integer() int64 {
	const most = 1<<53 - 1
	switch d.IntN(6) {
	case 0:
		return pick(d, int64(most), -most, most-1, 0, -1, 1)
	case 1:
		return d.Int64N(2*most+1) - most
	}
	return d.Int64N(200) - 50
}

// value is some JSON, all of it good in every room version.
func (d *dice) value(depth int) *tree {
	n := 8
	if depth <= 0 {
		n = 6
	}
	switch d.IntN(n) {
	case 0, 1:
		return str(d.text())
	case 2:
		return str(d.word())
	case 3, 4:
		return number(d.integer())
	case 5:
		return raw(pick(d, "true", "false", "null"))
	case 6:
		t := list()
		for range d.IntN(4) {
			t.items = append(t.items, d.value(depth-1))
		}
		return t
	}
	t := object()
	for range d.IntN(4) {
		t.set(d.key(), d.value(depth-1))
	}
	return t
}

func (d *dice) key() string {
	if d.oneIn(20) {
		return d.text()
	}
	return d.word()
}

// oddNumber is one that not every room version has, or that can be written in another way.
func (d *dice) oddNumber() *tree {
	return raw(pick(d, "1.5", "1.0", "0.0", "-0", "-0.0", "1e3", "1E3", "1e-3", "1e30", "1e400", "0e5", "9007199254740991",
		"9007199254740992", "-9007199254740992", "9223372036854775807", "9223372036854775808", "123456789012345678901234567890",
		"100.00", "1.5e300", "-1", "1e2", "0.1", "5e-324", "01", "+1", ".5", "1.", "0x10", "NaN"))
}

// odd is a value where another kind is wanted.
func (d *dice) odd() *tree {
	switch d.IntN(9) {
	case 0:
		return raw("null")
	case 1:
		return raw("true")
	case 2:
		return str(d.text())
	case 3:
		return number(d.integer())
	case 4:
		return d.oddNumber()
	case 5:
		return list()
	case 6:
		return object()
	case 7:
		return str(pick(d, "", "@", "@x", "@:a", "!x", "!x:a:b", "$", "$x:", "a\x00b", "\xff", "\xed\xa0\x80", "@a:b c", "!a:\x00"))
	}
	return d.value(2)
}

func newSeed() uint64 { return rand.Uint64() }
