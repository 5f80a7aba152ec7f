package keys

import (
	"bytes"
	"encoding/json"
	"testing"

	"freehold.example/matrix/canon"
)

// Whatever is taken apart and put together again is the same object, but for unsigned.
func FuzzObject(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"signatures":{}}`, `{"a":1,"signatures":{"@a:b":{"ed25519:x":"y"}},"unsigned":{"z":0}}`,
		`{"signatures":null}`, `{"signatures":{"@a:b":1}}`, `[]`, `null`, `{"a":1e400}`, `{"a":"\ud800"}`, `{"a":1,"a":2}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		o, err := parseObject(in, MaxDeviceKeys)
		if err != nil {
			return
		}
		whole := join(o.body, raw(o.signatures), nil)
		again, err := parseObject(whole, 2*len(whole))
		if err != nil {
			t.Fatalf("%s: %v", whole, err)
		}
		if !bytes.Equal(again.body, o.body) {
			t.Errorf("got body %s, want %s", again.body, o.body)
		}
		if c, err := canon.Canonical(o.body, canon.Lenient); err != nil || !bytes.Equal(c, o.body) {
			t.Errorf("body %s is not canonical: %v", o.body, err)
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(o.body, &members); err != nil || members["signatures"] != nil || members["unsigned"] != nil {
			t.Errorf("body %s: %v", o.body, err)
		}
	})
}
