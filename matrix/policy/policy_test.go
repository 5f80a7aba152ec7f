package policy

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"testing"

	"freehold.example/matrix/event"
	"freehold.example/matrix/version"
)

func TestParse(t *testing.T) {
	key := base64.RawStdEncoding.EncodeToString(make([]byte, ed25519.PublicKeySize))
	urlSafe := "6yhHGKhCiXTSEN2ksjV7kX_N6rBQZ3Xb-M7LlC6NS-s" // as the specification's example has it
	for content, want := range map[string]bool{
		fmt.Sprintf(`{"public_keys":{"ed25519":%q},"via":"policy.example.org"}`, key):                  true,
		fmt.Sprintf(`{"public_keys":{"ed25519":%q,"x":"y"},"via":"policy.example.org:8449"}`, urlSafe): true,
		`{}`:                           false,
		`{"via":"policy.example.org"}`: false,
		`{"public_keys":{"ed25519":"AAAA"},"via":"policy.example.org"}`:                 false,
		`{"public_keys":{"ed25519":7},"via":"policy.example.org"}`:                      false,
		`{"public_keys":[],"via":"policy.example.org"}`:                                 false,
		fmt.Sprintf(`{"public_keys":{"ed25519":%q},"via":7}`, key):                      false,
		fmt.Sprintf(`{"public_keys":{"ed25519":%q},"via":"not a server"}`, key):         false,
		fmt.Sprintf(`{"public_keys":{"ed25519":%q}}`, key):                              false,
		fmt.Sprintf(`{"public_keys":{"ed25519":%q},"via":"@user:policy.example"}`, key): false,
	} {
		if got, ok := Parse([]byte(content)); ok != want || ok && len(got.Key) != ed25519.PublicKeySize {
			t.Errorf("%s: got %v %+v", content, ok, got)
		}
	}
}

func TestJudges(t *testing.T) {
	empty, other := "", "x"
	for _, tt := range []struct {
		typ  string
		key  *string
		want bool
	}{
		{Type, &empty, false},
		{Type, &other, true},
		{Type, nil, true},
		{"m.room.member", &other, true},
		{"m.room.message", nil, true},
	} {
		if got := Judges(tt.typ, tt.key); got != tt.want {
			t.Errorf("%s %v: got %v", tt.typ, tt.key, got)
		}
	}
}

func TestVerify(t *testing.T) {
	v, _ := version.Lookup("11")
	private := func(n byte) ed25519.PrivateKey {
		seed := make([]byte, ed25519.SeedSize)
		seed[0] = n
		return ed25519.NewKeyFromSeed(seed)
	}
	e, err := event.Build(v, event.Draft{Room: "!r:a", Type: "m.room.message", Sender: "@u:a", Content: []byte(`{}`), Timestamp: 1},
		event.Signer{Server: "a", Key: "ed25519:1", Private: private(1)})
	if err != nil {
		t.Fatal(err)
	}
	s := Server{Name: "a", Key: private(2).Public().(ed25519.PublicKey)}
	if err := s.Verify(e); !errors.Is(err, event.ErrSignature) {
		t.Errorf("unsigned: got %v", err)
	}
	byPolicy, err := e.Sign(event.Signer{Server: "a", Key: Key, Private: private(2)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(byPolicy); err != nil {
		t.Error(err)
	}
	forged, err := e.Sign(event.Signer{Server: "a", Key: Key, Private: private(3)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(forged); !errors.Is(err, event.ErrSignature) {
		t.Errorf("forged: got %v", err)
	}
}
