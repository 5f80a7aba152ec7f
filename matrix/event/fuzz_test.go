package event

import (
	"bytes"
	"encoding/json"
	"testing"

	"freehold.example/matrix/canon"
	"freehold.example/matrix/version"
)

// FuzzParse checks that no bytes make Parse panic, and that what it takes is stable: its bytes parse to the same event,
// redaction keeps the id and changes nothing the second time, and the form for clients is JSON.
func FuzzParse(f *testing.F) {
	s := specKey(f)
	for i, v := range version.All() {
		e := built(f, v, s, `{"membership":"join","redacts":"$x","third_party_invite":{"signed":{}},"a\"":[1,{"b":null}]}`)
		f.Add(uint8(i), e.Bytes())
		for _, typ := range []string{typeMember, typeCreate, typeRedaction, typePowerLevels} {
			b := bytes.Replace(e.Bytes(), []byte(`"type":"t"`), []byte(`"type":"`+typ+`"`), 1)
			f.Add(uint8(i), b)
			f.Add(uint8(i), bytes.Replace(b, []byte(`,"room_id":"!r:domain"`), nil, 1))
		}
	}
	f.Add(uint8(0), []byte(`{"auth_events":[],"content":{},"depth":1,"hashes":{"sha256":""},"signatures":{},"type":""}`))
	f.Fuzz(func(t *testing.T, n uint8, raw []byte) {
		v := version.All()[int(n)%12]
		e, err := Parse(v, raw)
		if err != nil {
			return
		}
		if b, err := canon.Canonical(e.Bytes(), mode(v)); err != nil || !bytes.Equal(b, e.Bytes()) {
			t.Fatalf("bytes are not canonical: %q, %v", e.Bytes(), err)
		}
		again, err := Parse(v, e.Bytes())
		if err != nil {
			t.Fatalf("%q: %v", e.Bytes(), err)
		}
		same(t, v, again, e)
		stored, err := Stored(v, e.ID(), e.Bytes(), nil)
		if err != nil {
			t.Fatalf("stored %q: %v", e.Bytes(), err)
		}
		same(t, v, stored, e)
		r, err := e.Redact()
		if err != nil {
			t.Fatalf("redact %q: %v", e.Bytes(), err)
		}
		twice, err := r.Redact()
		if err != nil {
			t.Fatalf("redact %q: %v", r.Bytes(), err)
		}
		same(t, v, twice, r)
		if parsed, err := Parse(v, r.Bytes()); err != nil || parsed.ID() != e.ID() {
			t.Fatalf("redacted %q: got %v, %v, want id %s", r.Bytes(), parsed, err, e.ID())
		}
		if r.ReferenceHash() != e.ReferenceHash() {
			t.Fatalf("%q: redaction changes the reference hash", e.Bytes())
		}
		for _, form := range []ClientForm{{}, {WithoutRoom: true, Unsigned: []byte(`{"age":1}`)}} {
			if b := e.AppendClient(nil, form); !json.Valid(b) {
				t.Fatalf("%q: form for clients is not JSON", b)
			}
		}
		if b := e.AppendStripped(nil); !json.Valid(b) {
			t.Fatalf("%q: stripped form is not JSON", b)
		}
		e.Signatures()
	})
}
