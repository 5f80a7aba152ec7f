package canon_test

import (
	"testing"

	"freehold.example/matrix/canon"
)

func TestGet(t *testing.T) {
	object := []byte(`{"\"":0,"a":"x","b":{"a":1},"c":[1,{"d":"]}"}],"d":null}`)
	for key, want := range map[string]string{
		"a": `"x"`, "b": `{"a":1}`, "c": `[1,{"d":"]}"}]`, "d": `null`, "e": "", "": "", `\"`: "0",
	} {
		if got := canon.Get(object, key); string(got) != want {
			t.Errorf("%q: got %s, want %s", key, got, want)
		}
	}
	for _, other := range []string{``, `{}`, `[]`, `"a"`, `1`, `null`, `{`, `{"a`, `{"a"`, `{"a":`} {
		if got := canon.Get([]byte(other), "a"); len(got) > 0 {
			t.Errorf("%s: got %s", other, got)
		}
	}
	o := canon.Open(object)
	if m, ok := o.Next(); !ok || m.Name() != `"` || string(m.Key()) != `\"` {
		t.Errorf("first member: got %s, %v", m.Raw(), ok)
	}
}

func TestArray(t *testing.T) {
	a := canon.OpenArray([]byte(`["a,]",[1,[2]],{"b":[3]},4,null]`))
	for _, want := range []string{`"a,]"`, `[1,[2]]`, `{"b":[3]}`, `4`, `null`} {
		if got, ok := a.Next(); !ok || string(got) != want {
			t.Errorf("got %s, %v, want %s", got, ok, want)
		}
	}
	if got, ok := a.Next(); ok {
		t.Errorf("got %s after the end", got)
	}
	for _, other := range []string{``, `[]`, `{}`, `"a"`, `1`} {
		none := canon.OpenArray([]byte(other))
		if got, ok := none.Next(); ok {
			t.Errorf("%s: got %s", other, got)
		}
	}
}

func TestString(t *testing.T) {
	for _, c := range []struct {
		in, want string
		ok       bool
	}{
		{`"a"`, "a", true},
		{`""`, "", true},
		{`"\"\\\n\u0000é"`, "\"\\\n\x00é", true},
		{`1`, "", false},
		{`null`, "", false},
		{`{}`, "", false},
		{``, "", false},
		{`"`, "", false},
		{`"a`, "", false},
	} {
		if got, ok := canon.String([]byte(c.in)); got != c.want || ok != c.ok {
			t.Errorf("%s: got %q, %v, want %q, %v", c.in, got, ok, c.want, c.ok)
		}
	}
}

func TestInteger(t *testing.T) {
	for _, c := range []struct {
		in   string
		want int64
		ok   bool
	}{
		{"0", 0, true},
		{"-1", -1, true},
		{"9007199254740991", 1<<53 - 1, true},
		{"9223372036854775807", 1<<63 - 1, true},
		{"-9223372036854775808", -1 << 63, true},
		{"9223372036854775808", 0, false},
		{"-9223372036854775809", 0, false},
		{"99999999999999999999", 0, false},
		{"1.0", 0, false},
		{"1e3", 0, false},
		{`"1"`, 0, false},
		{"", 0, false},
		{"-", 0, false},
		{"null", 0, false},
	} {
		if got, ok := canon.Integer([]byte(c.in)); got != c.want || ok != c.ok {
			t.Errorf("%s: got %d, %v, want %d, %v", c.in, got, ok, c.want, c.ok)
		}
	}
}

func TestAppendString(t *testing.T) {
	for in, want := range map[string]string{
		"": `""`, "a": `"a"`, "é\u2028😀": "\"é\u2028😀\"", "<&>/": `"<&>/"`, "\x00\x1f\x7f": "\"\\u0000\\u001f\x7f\"",
		"\b\t\n\f\r\"\\": `"\b\t\n\f\r\"\\"`, "a\xffb": "\"a\ufffdb\"", "\xed\xa0\x80": "\"\ufffd\ufffd\ufffd\"", "\xe2\x82": "\"\ufffd\ufffd\"",
	} {
		got := canon.AppendString([]byte("x"), in)
		if string(got) != "x"+want {
			t.Errorf("%q: got %s, want %s", in, got[1:], want)
		}
		if b, err := canon.Canonical(got[1:], canon.Strict); err != nil || string(b) != want {
			t.Errorf("%q: %s is not canonical: %v", in, got, err)
		}
	}
}
