package event

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"sync"

	"filippo.io/edwards25519"
)

// PreparedKey is a public key of which multiples were worked out beforehand, some 80 KB, so that checking a signature takes half
// the time. It takes exactly the signatures that VerifyEd25519 takes: that asks whether [S]B - [k]A is written as R, which has one
// answer however the point is reached, and here it is reached by adding up multiples instead of doubling. (Checking many
// signatures at once by a random sum would be faster still, and would take some that libsodium refuses.) Nothing here takes a constant time:
// signatures and keys are no secrets.
type PreparedKey struct {
	public [ed25519.PublicKeySize]byte
	minus  multiples // of -A
}

// PrepareKey works the multiples out, which takes about as long as three signatures; nil for a key of which no signature is taken.
func PrepareKey(pub ed25519.PublicKey) *PreparedKey {
	if !soundKey(pub) {
		return nil
	}
	point, err := new(edwards25519.Point).SetBytes(pub)
	if err != nil {
		return nil
	}
	return &PreparedKey{public: [ed25519.PublicKeySize]byte(pub), minus: multiplesOf(point.Negate(point), 4)}
}

// Verify is VerifyEd25519.
func (p *PreparedKey) Verify(message, signature []byte) bool {
	if len(signature) != ed25519.SignatureSize || smallOrder(signature[:32]) {
		return false
	}
	if _, err := edwards25519.NewScalar().SetCanonicalBytes(signature[32:]); err != nil {
		return false
	}
	h := sha512.New()
	h.Write(signature[:32])
	h.Write(p.public[:])
	h.Write(message)
	k, err := edwards25519.NewScalar().SetUniformBytes(h.Sum(make([]byte, 0, sha512.Size)))
	if err != nil {
		return false
	}
	r := edwards25519.NewIdentityPoint()
	p.minus.add(r, k.Bytes())
	ofBase().add(r, signature[32:])
	return bytes.Equal(r.Bytes(), signature[:32])
}

// ofBase are the multiples of the base point, 660 KB.
var ofBase = sync.OnceValue(func() multiples { return multiplesOf(edwards25519.NewGeneratorPoint(), 8) })

// multiples are those of a point by which any other is a sum of a few: m[i][d] is the (d+1)*2^(i*width)th.
type multiples [][]edwards25519.Point

// multiplesOf works them out for digits of so many bits, 4 or 8.
func multiplesOf(p *edwards25519.Point, width int) multiples {
	m := make(multiples, 256/width)
	next := new(edwards25519.Point).Set(p)
	for i := range m {
		m[i] = make([]edwards25519.Point, 1<<(width-1))
		m[i][0].Set(next)
		for d := 1; d < len(m[i]); d++ {
			m[i][d].Add(&m[i][d-1], next)
		}
		half := &m[i][len(m[i])-1]
		next.Add(half, half)
	}
	return m
}

// add adds the multiple by a canonical scalar to a point. A digit above half of its range is one negative, and one more of the
// next; the scalar is below 2^253, so that the last has room.
func (m multiples) add(to *edwards25519.Point, scalar []byte) {
	width, half := 256/len(m), len(m[0])
	carry := 0
	for i := range m {
		digit := int(scalar[i*width/8])>>(i*width%8)&(2*half-1) + carry
		if carry = 0; digit > half {
			digit, carry = digit-2*half, 1
		}
		switch {
		case digit > 0:
			to.Add(to, &m[i][digit-1])
		case digit < 0:
			to.Subtract(to, &m[i][-digit-1])
		}
	}
}
