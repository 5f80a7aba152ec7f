package oracle

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"freehold.example/matrix/canon"
)

// tree is a JSON value that can say what JSON should not: keys twice, numbers out of range, text that is no UTF-8.
type tree struct {
	kind  byte     // '{', '[', '"', or 0 for what stands for itself
	text  string   // of '"' the meaning, of 0 the bytes
	keys  []string // of '{', one for each item
	items []*tree
}

func str(s string) *tree           { return &tree{kind: '"', text: s} }
func raw(s string) *tree           { return &tree{text: s} }
func list(items ...*tree) *tree    { return &tree{kind: '[', items: items} }
func number(n int64) *tree         { return raw(fmt.Sprint(n)) }
func object() *tree                { return &tree{kind: '{'} }
func (t *tree) index(k string) int { return slices.Index(t.keys, k) }

// get is the value of a key, or nil.
func (t *tree) get(key string) *tree {
	if t == nil || t.kind != '{' {
		return nil
	}
	if i := t.index(key); i >= 0 {
		return t.items[i]
	}
	return nil
}

// set gives a key a value, in place of the one it had.
func (t *tree) set(key string, v *tree) *tree {
	if i := t.index(key); i >= 0 {
		t.items[i] = v
	} else {
		t.add(key, v)
	}
	return t
}

// add gives a key a value besides the one it has.
func (t *tree) add(key string, v *tree) {
	t.keys, t.items = append(t.keys, key), append(t.items, v)
}

func (t *tree) remove(key string) {
	if i := t.index(key); i >= 0 {
		t.keys, t.items = slices.Delete(t.keys, i, i+1), slices.Delete(t.items, i, i+1)
	}
}

func (t *tree) clone() *tree {
	c := *t
	c.keys = slices.Clone(t.keys)
	c.items = make([]*tree, len(t.items))
	for i, item := range t.items {
		c.items[i] = item.clone()
	}
	return &c
}

// parseTree reads JSON, nil where it is none.
func parseTree(text []byte) *tree {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	t, err := readTree(d)
	if err != nil {
		return nil
	}
	return t
}

func readTree(d *json.Decoder) (*tree, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case json.Delim:
		t := &tree{kind: byte(token)}
		for d.More() {
			if token == '{' {
				key, err := d.Token()
				if err != nil {
					return nil, err
				}
				t.keys = append(t.keys, key.(string))
			}
			item, err := readTree(d)
			if err != nil {
				return nil, err
			}
			t.items = append(t.items, item)
		}
		_, err := d.Token()
		return t, err
	case string:
		return str(token), nil
	case json.Number:
		return raw(token.String()), nil
	case bool:
		return raw(fmt.Sprint(token)), nil
	}
	return raw("null"), nil
}

// bytes writes the value compactly, in the order it has.
func (t *tree) bytes() []byte { return t.append(nil, nil) }

// styled writes the value with white space, order and escapes as the dice have it.
func (t *tree) styled(d *dice) []byte { return t.append(nil, d) }

func (t *tree) append(dst []byte, d *dice) []byte {
	dst = appendSpace(dst, d)
	switch t.kind {
	case '{', '[':
		order := make([]int, len(t.items))
		for i := range order {
			order[i] = i
		}
		if d != nil && t.kind == '{' && !t.twice() {
			d.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		}
		dst = append(dst, t.kind)
		for n, i := range order {
			if n > 0 {
				dst = append(dst, ',')
			}
			if t.kind == '{' {
				dst = appendSpace(appendText(appendSpace(dst, d), t.keys[i], d), d)
				dst = append(dst, ':')
			}
			dst = t.items[i].append(dst, d)
		}
		dst = append(dst, t.kind+2) // the closing bracket
	case '"':
		dst = appendText(dst, t.text, d)
	default:
		dst = append(dst, t.text...)
	}
	return appendSpace(dst, d)
}

// twice says whether a key is there twice: which of them counts depends on the order.
func (t *tree) twice() bool {
	sorted := slices.Sorted(slices.Values(t.keys))
	return len(slices.Compact(sorted)) < len(t.keys)
}

func appendSpace(dst []byte, d *dice) []byte {
	if d != nil && d.oneIn(20) {
		return append(dst, pick(d, " ", "\n", "\t", "\r\n ")...)
	}
	return dst
}

// appendText writes a string with the escapes of canonical JSON and, as the dice have it, with needless ones.
func appendText(dst []byte, s string, d *dice) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			dst = append(dst, s[i])
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < 0x20:
			if at := strings.IndexRune("\b\t\n\f\r", r); at >= 0 && (d == nil || !d.oneIn(3)) {
				dst = append(dst, '\\', "btnfr"[strings.IndexByte("\b\t\n\f\r", byte(r))])
			} else {
				dst = fmt.Appendf(dst, `\u%04x`, r)
			}
		case d != nil && d.oneIn(40) && r < 0x10000:
			dst = fmt.Appendf(dst, pick(d, `\u%04x`, `\u%04X`), r)
		case d != nil && r == '/' && d.oneIn(3):
			dst = append(dst, `\/`...)
		default:
			dst = append(dst, s[i:i+n]...)
		}
		i += n
	}
	return append(dst, '"')
}

// keyNeedsEscape says whether a key of the object cannot be written as it is.
func (t *tree) keyNeedsEscape() bool {
	return slices.ContainsFunc(t.keys, func(key string) bool {
		return strings.ContainsFunc(key, func(r rune) bool { return r < 0x20 || r == '"' || r == '\\' })
	})
}

// oddNumber says whether the value is a number that strict canonical JSON has not.
func (t *tree) oddNumber() bool {
	if t.kind != 0 || t.text == "true" || t.text == "false" || t.text == "null" {
		return false
	}
	n, err := strconv.ParseInt(t.text, 10, 64)
	return err != nil || n > canon.MaxInteger || n < -canon.MaxInteger || t.text == "-0"
}

// any says whether the value or one in it is such.
func (t *tree) any(is func(*tree) bool) bool {
	return t != nil && (is(t) || slices.ContainsFunc(t.items, func(item *tree) bool { return item.any(is) }))
}

// canonical writes the value as Appendices, "Canonical JSON", says.
func (t *tree) canonical() []byte {
	c := t.clone()
	c.sort()
	return c.bytes()
}

func (t *tree) sort() {
	order := make([]int, len(t.keys))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return strings.Compare(t.keys[a], t.keys[b]) }) // UTF-8 keeps the order of code points
	keys, items := slices.Clone(t.keys), slices.Clone(t.items)
	for to, from := range order {
		t.keys[to], t.items[to] = keys[from], items[from]
	}
	for _, item := range t.items {
		item.sort()
	}
}
