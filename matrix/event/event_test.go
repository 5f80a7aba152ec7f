package event

import (
	"bytes"
	"crypto/ed25519"
	"testing"

	"freehold.example/matrix/canon"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

func TestBuildParseStored(t *testing.T) {
	s := specKey(t)
	pub := s.Private.Public().(ed25519.PublicKey)
	for _, v := range version.All() {
		e := built(t, v, s, `{"body":"hé\u000a","msgtype":"m.text"}`)
		got, err := Parse(v, e.Bytes())
		if err != nil {
			t.Fatalf("version %s: %v: %s", v.ID, err, e.Bytes())
		}
		same(t, v, got, e)
		if err := got.Verify("domain", s.Key, pub); err != nil {
			t.Errorf("version %s: %v", v.ID, err)
		}
		stored, err := Stored(v, e.ID(), e.Bytes(), nil)
		if err != nil {
			t.Fatalf("version %s: %v", v.ID, err)
		}
		same(t, v, stored, e)
		if got.Redacted() || len(got.Signatures()["domain"]) != 1 {
			t.Errorf("version %s: got redacted %v, signatures %v", v.ID, got.Redacted(), got.Signatures())
		}
		r, err := got.Redact()
		if err != nil || r.ID() != e.ID() || string(r.Content()) != `{}` {
			t.Fatalf("version %s: redacted: got %v, %v", v.ID, r, err)
		}
		if err := r.Verify("domain", s.Key, pub); err != nil {
			t.Errorf("version %s: redacted: %v", v.ID, err)
		}
	}
}

// built is a state event of version v.
func built(tb testing.TB, v *version.Version, s Signer, content string) *Event {
	tb.Helper()
	key := "k\n\""
	prev := id.Event("$CD66HAED5npg6074c6pDtLKalHjVfYb2q4Q3LZgrW6o")
	d := Draft{
		Room: "!r:domain", Type: "t", StateKey: &key, Sender: "@a:domain", Content: []byte(content), Prev: []id.Event{prev},
		Auth: []id.Event{prev, prev}, Depth: 12, Timestamp: 1000000, Hashes: map[id.Event][32]byte{prev: {1}},
	}
	e, err := Build(v, d, s)
	if err != nil {
		tb.Fatalf("version %s: %v", v.ID, err)
	}
	return e
}

func same(t *testing.T, v *version.Version, got, want *Event) {
	t.Helper()
	gotKey, gotState := got.StateKey()
	wantKey, wantState := want.StateKey()
	if got.ID() != want.ID() || got.Room() != want.Room() || got.Sender() != want.Sender() || got.Type() != want.Type() ||
		gotKey != wantKey || gotState != wantState || got.Depth() != want.Depth() || got.Timestamp() != want.Timestamp() ||
		got.Redacts() != want.Redacts() || len(got.Prev()) != len(want.Prev()) || len(got.Auth()) != len(want.Auth()) ||
		!bytes.Equal(got.Content(), want.Content()) || !bytes.Equal(got.Bytes(), want.Bytes()) {
		t.Errorf("version %s: got %+v, want %+v", v.ID, got, want)
	}
	if b, err := canon.Canonical(got.Bytes(), mode(v)); err != nil || !bytes.Equal(b, got.Bytes()) {
		t.Errorf("version %s: bytes are not canonical: %s, %v", v.ID, got.Bytes(), err)
	}
}
