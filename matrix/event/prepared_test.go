package event

import (
	"crypto/ed25519"
	"crypto/sha512"
	"encoding/hex"
	"math/rand/v2"
	"slices"
	"testing"

	"filippo.io/edwards25519"
)

// TestPreparedKey: a prepared key takes what VerifyEd25519 takes and nothing else, also where libraries disagree: keys and
// commitments with a part of small order, encodings that are not the only one, scalars that are not reduced.
func TestPreparedKey(t *testing.T) {
	dice := rand.NewChaCha8([32]byte{7})
	random := rand.New(dice)
	var eighths []*edwards25519.Point // the points of small order
	for _, y := range smallOrders {
		for _, sign := range []byte{0, 0x80} {
			b := []byte(y)
			b[31] |= sign
			if p, err := new(edwards25519.Point).SetBytes(b); err == nil {
				eighths = append(eighths, p)
			}
		}
	}
	order, err := hex.DecodeString("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
	if err != nil {
		t.Fatal(err)
	}
	scalar := func() *edwards25519.Scalar {
		var b [64]byte
		_, _ = dice.Read(b[:])
		s, err := edwards25519.NewScalar().SetUniformBytes(b[:])
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	taken := map[string]int{}
	for n := range 1600 {
		message := make([]byte, random.IntN(200))
		_, _ = dice.Read(message)
		secret, commitment := scalar(), scalar()
		a := new(edwards25519.Point).ScalarBaseMult(secret)
		r := new(edwards25519.Point).ScalarBaseMult(commitment)
		kind := []string{"plain", "mixed key", "mixed commitment", "both mixed", "key of small order", "scalar not reduced", "bit", "no point"}[n%8]
		switch kind {
		case "mixed key", "both mixed":
			a.Add(a, eighths[random.IntN(len(eighths))])
		case "key of small order":
			a = eighths[random.IntN(len(eighths))]
		}
		if kind == "mixed commitment" || kind == "both mixed" {
			r.Add(r, eighths[random.IntN(len(eighths))])
		}
		pub := ed25519.PublicKey(a.Bytes())
		h := sha512.Sum512(slices.Concat(r.Bytes(), pub, message))
		k, err := edwards25519.NewScalar().SetUniformBytes(h[:])
		if err != nil {
			t.Fatal(err)
		}
		signature := slices.Concat(r.Bytes(), edwards25519.NewScalar().MultiplyAdd(k, secret, commitment).Bytes())
		switch kind {
		case "scalar not reduced":
			carry := 0
			for i := range order {
				carry += int(signature[32+i]) + int(order[i])
				signature[32+i] = byte(carry)
				carry >>= 8
			}
		case "bit":
			whole := [][]byte{signature, pub, message}[random.IntN(3)]
			if len(whole) > 0 {
				whole[random.IntN(len(whole))] ^= 1 << random.IntN(8)
			}
		case "no point":
			_, _ = dice.Read(pub)
		}
		want := VerifyEd25519(pub, message, signature)
		p := PrepareKey(pub)
		got := p != nil && p.Verify(message, signature)
		if got != want {
			t.Fatalf("%s: key %x, message %x, signature %x: got %v, want %v", kind, pub, message, signature, got, want)
		}
		if want {
			taken[kind]++
		}
	}
	if taken["plain"] != 200 || taken["mixed key"] == 0 || taken["mixed key"] == 200 || taken["both mixed"] == 0 || taken["scalar not reduced"] != 0 {
		t.Errorf("these were taken: %v", taken)
	}
	p := PrepareKey(ed25519.NewKeyFromSeed(make([]byte, 32)).Public().(ed25519.PublicKey))
	if p.Verify(nil, nil) || p.Verify(nil, make([]byte, 63)) {
		t.Error("a short signature is taken")
	}
}

// TestMultiples: the digits at the ends of their range, and the largest scalar there is.
func TestMultiples(t *testing.T) {
	base := edwards25519.NewGeneratorPoint()
	for _, width := range []int{4, 8} {
		m := multiplesOf(base, width)
		for _, text := range []string{
			"0000000000000000000000000000000000000000000000000000000000000000",
			"8888888888888888888888888888888888888888888888888888888888888808",
			"8080808080808080808080808080808080808080808080808080808080808008",
			"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff0f",
			"7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f0f",
			"ecd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010",
		} {
			b, err := hex.DecodeString(text)
			if err != nil {
				t.Fatal(err)
			}
			s, err := edwards25519.NewScalar().SetCanonicalBytes(b)
			if err != nil {
				t.Fatal(err)
			}
			got := edwards25519.NewIdentityPoint()
			m.add(got, b)
			if want := new(edwards25519.Point).ScalarBaseMult(s); got.Equal(want) != 1 {
				t.Errorf("width %d, %s: got another point", width, text)
			}
		}
	}
}

func BenchmarkPreparedKey(b *testing.B) {
	_, e, _, s := benchEvent(b)
	form := e.signedForm()
	signature := ed25519.Sign(s.Private, form)
	p := PrepareKey(s.Private.Public().(ed25519.PublicKey))
	b.ReportAllocs()
	for b.Loop() {
		if !p.Verify(form, signature) {
			b.Fatal("not verified")
		}
	}
}

func BenchmarkPrepareKey(b *testing.B) {
	_, _, _, s := benchEvent(b)
	pub := s.Private.Public().(ed25519.PublicKey)
	for b.Loop() {
		PrepareKey(pub)
	}
}
