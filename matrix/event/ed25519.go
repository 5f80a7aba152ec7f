package event

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// VerifyEd25519 checks a signature. Beyond what crypto/ed25519 refuses (a scalar that is not reduced, so that nobody can
// turn one valid signature into another) it refuses public keys and commitments of small order and public keys that are
// not in their only encoding, for which libraries disagree about what is valid: the field's main library, libsodium,
// refuses them, and a server that took them could be made to see another room than the rest.
func VerifyEd25519(pub ed25519.PublicKey, message, signature []byte) bool {
	if !soundKey(pub) || len(signature) != ed25519.SignatureSize || smallOrder(signature[:32]) {
		return false
	}
	return ed25519.Verify(pub, message, signature)
}

func soundKey(pub ed25519.PublicKey) bool {
	return len(pub) == ed25519.PublicKeySize && canonicalPoint(pub) && !smallOrder(pub)
}

// canonicalPoint says whether the y coordinate is below 2^255-19.
func canonicalPoint(p []byte) bool {
	if p[0] < 0xed || p[31]&0x7f != 0x7f {
		return true
	}
	return slices.ContainsFunc(p[1:31], func(b byte) bool { return b != 0xff })
}

// smallOrders are the y coordinates of the eight points whose order divides 8, little-endian, in every encoding.
var smallOrders = [...]string{
	unhex("00" + strings.Repeat("00", 31)),                                    // 0: order 4
	unhex("01" + strings.Repeat("00", 31)),                                    // 1: the neutral element
	unhex("ec" + strings.Repeat("ff", 30) + "7f"),                             // -1: order 2
	unhex("ed" + strings.Repeat("ff", 30) + "7f"),                             // 0 again
	unhex("ee" + strings.Repeat("ff", 30) + "7f"),                             // 1 again
	unhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), // order 8
	unhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), // order 8
}

func unhex(s string) string {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic("bug: " + err.Error()) // a constant of this file
	}
	return string(b)
}

func smallOrder(p []byte) bool {
	var y [32]byte
	copy(y[:], p)
	y[31] &= 0x7f // the sign of x
	for i := range smallOrders {
		if string(y[:]) == smallOrders[i] {
			return true
		}
	}
	return false
}

// DecodeBase64 decodes unpadded base64, with padding or without (Appendices, "Unpadded Base64"), and in the URL-safe
// alphabet as well. Bits behind the last byte are not looked at: signatures and hashes are compared after decoding, and
// neither is covered by a signature in its encoded form.
func DecodeBase64(s string) ([]byte, error) {
	s = strings.TrimRight(s, "=")
	encoding := base64.RawStdEncoding
	if strings.ContainsAny(s, "-_") {
		encoding = base64.RawURLEncoding
	}
	if strings.ContainsAny(s, "\r\n") {
		return nil, fmt.Errorf("malformed base64")
	}
	b, err := encoding.DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("malformed base64")
	}
	return b, nil
}
