package canon_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"freehold.example/matrix/canon"
)

func FuzzCanonical(f *testing.F) {
	for _, seed := range []string{
		`{}`, ` {"b":1, "a":[true,null,"\u00e9\/\n\u001F"]} `, `{"a":1,"a":2}`, `[1.50,-0,1e10,1e-7,123456789012345678901234567890]`,
		`"\ud83d\ude00"`, `"\ud800"`, `{"\\":1,"\"":2,"A":3,"\n":4}`, "\"\xff\"", strings.Repeat("[", 600), `{"a`, `-`, `{"a":{"y":1,"x":{}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		for _, mode := range []canon.Mode{canon.Strict, canon.Lenient, canon.Unique} {
			before := bytes.Clone(src)
			out, err := canon.Canonical(src, mode)
			if !bytes.Equal(before, src) {
				t.Fatalf("mode %d changed its input %q to %q", mode, before, src)
			}
			if err != nil {
				if mode == canon.Lenient {
					if _, err := canon.Canonical(src, canon.Strict); err == nil {
						t.Fatalf("%q: strict takes what lenient refuses", src)
					}
				}
				continue
			}
			if !json.Valid(src) || !json.Valid(out) {
				t.Fatalf("mode %d took %q and gave %q: not JSON", mode, src, out)
			}
			again, err := canon.Canonical(out, mode)
			if err != nil || !bytes.Equal(again, out) {
				t.Fatalf("mode %d: got %q, %v from the canonical %q", mode, again, err, out)
			}
			if in, out := meaning(t, src), meaning(t, out); !reflect.DeepEqual(in, out) {
				t.Fatalf("mode %d: %q means %v, and its canonical form %v", mode, src, in, out)
			}
			members(t, out, mode)
		}
	})
}

// meaning is what encoding/json reads.
func meaning(t *testing.T, src []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(src, &v); err != nil && !strings.Contains(err.Error(), "depth") {
		var number *json.UnmarshalTypeError
		if errors.As(err, &number) { // an integer beyond a double
			return nil
		}
		t.Fatalf("%q: %v", src, err)
	}
	return v
}

// members checks that an object's members put together again are the object.
func members(t *testing.T, object []byte, mode canon.Mode) {
	t.Helper()
	if object[0] != '{' {
		return
	}
	b, ms, err := canon.Members(object, mode, nil)
	if err != nil || !bytes.Equal(b, object) {
		t.Fatalf("Members of %q: got %q, %v", object, b, err)
	}
	joined := []byte{'{'}
	o := canon.Open(object)
	for i, m := range ms {
		if i > 0 {
			joined = append(joined, ',')
		}
		joined = append(joined, m.Raw()...)
		same, ok := o.Next()
		if !ok || !bytes.Equal(same.Raw(), m.Raw()) || !bytes.Equal(same.Key(), m.Key()) || !bytes.Equal(same.Value(), m.Value()) {
			t.Fatalf("member %d of %q: got %q, want %q", i, object, same.Raw(), m.Raw())
		}
	}
	if joined = append(joined, '}'); !bytes.Equal(joined, object) {
		t.Fatalf("members of %q: got %q together", object, joined)
	}
}

func TestMarshal(t *testing.T) {
	for _, c := range []struct {
		in   any
		want string
	}{
		{map[string]any{"b": 1, "a": "<é>", "é": nil}, `{"a":"<é>","b":1,"é":null}`},
		{struct {
			B int    `json:"b"`
			A string `json:"a,omitempty"`
		}{1, "\n"}, `{"a":"\n","b":1}`},
		{json.RawMessage(` [ 1 ] `), `[1]`},
	} {
		if got, err := canon.Marshal(c.in); err != nil || string(got) != c.want {
			t.Errorf("%v: got %s, %v, want %s", c.in, got, err, c.want)
		}
	}
	for _, bad := range []any{1.5, 1 << 53, map[string]any{"a": func() {}}} {
		if got, err := canon.Marshal(bad); err == nil {
			t.Errorf("%v: got %s", bad, got)
		}
	}
}

// TestNoCopy checks that canonical input is given back as it is, without an allocation.
func TestNoCopy(t *testing.T) {
	src := []byte(` {"a":[1,{"b":"é\n"}],"c":null}` + "\n")
	got, err := canon.Canonical(src, canon.Strict)
	if err != nil || &got[0] != &src[1] {
		t.Errorf("got %s, %v, want the same memory", got, err)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = canon.Canonical(src, canon.Strict) }); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}

// TestOrder compares the order of keys with that of what they mean.
func TestOrder(t *testing.T) {
	meanings := []string{
		"", "\x00", "\x00a", "\t", "\n", "\x1f", " ", "!", "\"", "\"a", "#", "[", "\\", "\\\\", "\\n", "]", "a", "a\n", "a ", "a\"", "aa",
		"\x7f", "é", "\uffff", "😀",
	}
	for _, a := range meanings {
		for _, b := range meanings {
			x, y := canon.AppendString(nil, a), canon.AppendString(nil, b)
			if got, want := canon.CompareKeys(x[1:len(x)-1], y[1:len(y)-1]), strings.Compare(a, b); got != want {
				t.Errorf("%s and %s: got %d, want %d", x, y, got, want)
			}
		}
	}
}

func benchInput() []byte {
	return []byte(`{"algorithm":"m.megolm.v1.aes-sha2","ciphertext":"` + strings.Repeat("AwgAEnACgAkLmt6q", 50) +
		`","device_id":"JLAFKJWSCS","list":[1,2,3,{"a":"b"}],"sender_key":"IlRMeOPX2e0MurIyfWEucYBRVOEEUMrOHqn/8mLqMjA"}`)
}

func BenchmarkCanonical(b *testing.B) {
	in := benchInput()
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := canon.Canonical(in, canon.Strict); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRewrite(b *testing.B) {
	in := append([]byte(`{"z": 1, "a":`), append(benchInput(), '}')...)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := canon.Canonical(in, canon.Strict); err != nil {
			b.Fatal(err)
		}
	}
}
