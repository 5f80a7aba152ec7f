package canon_test

import (
	"bytes"
	"encoding/json"
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
			members(t, out, mode)
		}
	})
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
