package event

import (
	"crypto/ed25519"
	"crypto/sha256"
	"strings"
	"testing"

	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// benchEvent is an encrypted message as it goes between servers: two previous events, three auth events, some 500 bytes of
// ciphertext.
func benchEvent(b *testing.B) (*version.Version, *Event, Draft, Signer) {
	b.Helper()
	v, ok := version.Lookup("11")
	if !ok {
		b.Fatal("no version 11")
	}
	s := specKey(b)
	s.Server = "matrix.example.org"
	one := id.Event("$CD66HAED5npg6074c6pDtLKalHjVfYb2q4Q3LZgrW6o")
	d := Draft{
		Room: "!jEsUZKDJdhlrceRyVU:example.org", Type: "m.room.encrypted", Sender: "@somebody:matrix.example.org",
		Content: []byte(`{"algorithm":"m.megolm.v1.aes-sha2","ciphertext":"` + strings.Repeat("AwgAEnACgAkLmt6q", 32) +
			`","device_id":"JLAFKJWSCS","sender_key":"IlRMeOPX2e0MurIyfWEucYBRVOEEUMrOHqn/8mLqMjA","session_id":"X3lUlvLELLYxeTx4yOVu6UDpasGEVO0Jbu+QFnm0cKQ"}`),
		Prev: []id.Event{one, one}, Auth: []id.Event{one, one, one}, Depth: 1234, Timestamp: 1700000000000,
	}
	e, err := Build(v, d, s)
	if err != nil {
		b.Fatal(err)
	}
	return v, e, d, s
}

// BenchmarkParseVerify is all that an arriving event costs before the authorisation rules. It is to be compared with
// BenchmarkBareCrypto, the part of it that no implementation can leave out.
func BenchmarkParseVerify(b *testing.B) {
	v, e, _, s := benchEvent(b)
	pub := s.Private.Public().(ed25519.PublicKey)
	raw := []byte(strings.TrimSuffix(string(e.Bytes()), "}") + `,"unsigned":{"age":1234}}`)
	b.ReportAllocs()
	for b.Loop() {
		got, err := Parse(v, raw)
		if err != nil {
			b.Fatal(err)
		}
		if err := got.Verify(s.Server, s.Key, pub); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBareCrypto(b *testing.B) {
	_, e, _, s := benchEvent(b)
	pub := s.Private.Public().(ed25519.PublicKey)
	form := e.signedForm()
	signature := ed25519.Sign(s.Private, form)
	b.ReportAllocs()
	for b.Loop() {
		content := sha256.Sum256(e.Bytes())
		reference := sha256.Sum256(form)
		if content == reference || !ed25519.Verify(pub, form, signature) {
			b.Fatal("not verified")
		}
	}
}

func BenchmarkParse(b *testing.B) {
	v, e, _, _ := benchEvent(b)
	b.SetBytes(int64(len(e.Bytes())))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(v, e.Bytes()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBuild is what making an event costs; BenchmarkBareSign is the part of it that is the signature.
func BenchmarkBuild(b *testing.B) {
	v, _, d, s := benchEvent(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Build(v, d, s); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBareSign(b *testing.B) {
	_, e, _, s := benchEvent(b)
	form := e.signedForm()
	for b.Loop() {
		ed25519.Sign(s.Private, form)
	}
}

func BenchmarkStored(b *testing.B) {
	v, e, _, _ := benchEvent(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Stored(v, e.ID(), e.Bytes(), nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendClient(b *testing.B) {
	_, e, _, _ := benchEvent(b)
	buf := make([]byte, 0, 4096)
	unsigned := []byte(`{"age":1234}`)
	b.ReportAllocs()
	for b.Loop() {
		buf = e.AppendClient(buf[:0], ClientForm{Unsigned: unsigned})
	}
}
