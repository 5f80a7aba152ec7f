package event

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"testing"

	"freehold.example/matrix/canon"
	"freehold.example/matrix/version"
)

// specKey is the signing key of Appendices, "Cryptographic Test Vectors".
func specKey(tb testing.TB) Signer {
	tb.Helper()
	seed, err := base64.RawStdEncoding.DecodeString("YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1")
	if err != nil {
		tb.Fatal(err)
	}
	return Signer{Server: "domain", Key: "ed25519:1", Private: ed25519.NewKeyFromSeed(seed)}
}

func TestSpecJSONSigning(t *testing.T) {
	s := specKey(t)
	for _, c := range []struct{ in, want string }{
		{`{}`, `{"signatures":{"domain":{"ed25519:1":"K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ"}}}`},
		{`{"one": 1, "two": "Two"}`, `{"one":1,"signatures":{"domain":{"ed25519:1":"KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw"}},"two":"Two"}`},
	} {
		got, err := SignJSON([]byte(c.in), "domain", s.Key, s.Private)
		if err != nil || string(got) != c.want {
			t.Errorf("SignJSON(%s): got %s, %v, want %s", c.in, got, err, c.want)
			continue
		}
		if err := VerifyJSON(got, "domain", s.Key, s.Private.Public().(ed25519.PublicKey)); err != nil {
			t.Errorf("VerifyJSON(%s): got %v", got, err)
		}
	}
}

// The events of the specification lack fields that every event has by now, so that Build and Parse would refuse them.
// Their hashes and signatures are checked below the surface.
func TestSpecEventSigning(t *testing.T) {
	s := specKey(t)
	v, _ := version.Lookup("1")
	for _, c := range []struct{ in, typ, hash, signature string }{
		{
			`{"room_id":"!x:domain","sender":"@a:domain","origin":"domain","origin_server_ts":1000000,"signatures":{},"hashes":{},
			"type":"X","content":{},"prev_events":[],"auth_events":[],"depth":3,"unsigned":{"age_ts":1000000}}`, "X",
			"5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos",
			"KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg",
		},
		{
			`{"content":{"body":"Here is the message content"},"event_id":"$0:domain","origin":"domain","origin_server_ts":1000000,
			"type":"m.room.message","room_id":"!r:domain","sender":"@u:domain","signatures":{},"unsigned":{"age_ts":1000000}}`,
			"m.room.message", "onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g",
			"Wm+VzmOUOz08Ds+0NTWb1d4CZrVsJSikkeRxh6aCcUwu6pNC78FunoD7KNWzqFn241eYHYMGCA5McEiVPdhzBA",
		},
	} {
		_, members, err := canon.Members([]byte(c.in), canon.Strict, nil)
		if err != nil {
			t.Fatal(err)
		}
		e := &Event{version: v, typ: c.typ, bytes: appendObject(nil, members, isStored)}
		sum := sha256.Sum256(appendObject(nil, e.members(nil), isHashed))
		hash := base64.RawStdEncoding.EncodeToString(sum[:])
		if hash != c.hash {
			t.Errorf("content hash of %s: got %s, want %s", c.in, hash, c.hash)
		}
		e.bytes = appendWith(nil, e.bytes, "hashes", func(dst, _ []byte) []byte {
			return append(dst, `{"sha256":"`+hash+`"}`...)
		})
		if got := sign(e.signedForm(), s); got != c.signature {
			t.Errorf("signature of %s: got %s, want %s", c.in, got, c.signature)
		}
	}
}
