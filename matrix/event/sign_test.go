package event

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

func TestSignVerify(t *testing.T) {
	s := specKey(t)
	pub := s.Private.Public().(ed25519.PublicKey)
	other := Signer{Server: "a.other:8448", Key: "ed25519:k_2", Private: ed25519.NewKeyFromSeed(make([]byte, 32))}
	otherPub := other.Private.Public().(ed25519.PublicKey)
	for _, v := range version.All() {
		e := built(t, v, s, `{"body":"x"}`)
		both, err := e.Sign(other)
		if err != nil {
			t.Fatal(err)
		}
		if both.ID() != e.ID() || string(both.Content()) != string(e.Content()) || string(e.Bytes()) == string(both.Bytes()) {
			t.Errorf("version %s: signing changed the event, or did not", v.ID)
		}
		parsed, err := Parse(v, both.Bytes())
		if err != nil || parsed.Redacted() {
			t.Fatalf("version %s: %v, redacted %v", v.ID, err, parsed.Redacted())
		}
		same(t, v, parsed, both)
		for _, c := range []struct {
			server id.Server
			key    id.Key
			pub    ed25519.PublicKey
			ok     bool
		}{
			{s.Server, s.Key, pub, true},
			{other.Server, other.Key, otherPub, true},
			{s.Server, s.Key, otherPub, false},
			{s.Server, other.Key, otherPub, false},
			{other.Server, s.Key, pub, false},
			{"third", s.Key, pub, false},
			{s.Server, s.Key, pub[:31], false},
			{s.Server, s.Key, nil, false},
			{s.Server, "rsa:1", pub, false},
		} {
			err := parsed.Verify(c.server, c.key, c.pub)
			if (err == nil) != c.ok || err != nil && !errors.Is(err, ErrSignature) {
				t.Errorf("version %s, %s %s: got %v, want ok %v", v.ID, c.server, c.key, err, c.ok)
			}
		}
		all := parsed.Signatures()
		if len(all) != 2 || all[s.Server][0] != s.Key || all[other.Server][0] != other.Key {
			t.Errorf("version %s: got signatures %v", v.ID, all)
		}
		if again, err := both.Sign(other); err != nil || string(again.Bytes()) != string(both.Bytes()) {
			t.Errorf("version %s: signed again: got %s, %v, want no change", v.ID, again.Bytes(), err)
		}
	}
}

// TestTampered changes each part of an event and looks at what is left of it.
func TestTampered(t *testing.T) {
	s := specKey(t)
	pub := s.Private.Public().(ed25519.PublicKey)
	v := version.Default()
	e := built(t, v, s, `{"body":"original"}`)
	for _, c := range []struct {
		old, new           string
		redacted, verified bool
	}{
		{`original`, `changed!`, true, true},             // not signed, but hashed: redacted
		{`"type":"t"`, `"type":"t","zzz":1`, true, true}, // the same for what is added
		{`"depth":12`, `"depth":13`, true, false},        // signed
		{`"sender":"@a:domain"`, `"sender":"@b:domain"`, true, false},
		{`"type":"t"`, `"type":"u"`, true, false},
		{`"ed25519:1":"`, `"ed25519:1":"AAAA`, false, false},             // the signature itself
		{`"ed25519:1":"`, `"ed25519:2":"`, false, false},                 // its key
		{`"domain":{"ed25519:1"`, `"domaim":{"ed25519:1"`, false, false}, // its server
	} {
		raw := strings.Replace(string(e.Bytes()), c.old, c.new, 1)
		if raw == string(e.Bytes()) {
			t.Fatalf("%s is not in %s", c.old, raw)
		}
		got, err := Parse(v, []byte(raw))
		if err != nil {
			t.Errorf("%s: %v", c.new, err)
			continue
		}
		if got.Redacted() != c.redacted {
			t.Errorf("%s: got redacted %v, want %v", c.new, got.Redacted(), c.redacted)
		}
		if err := got.Verify(s.Server, s.Key, pub); (err == nil) != c.verified {
			t.Errorf("%s: got %v, want verified %v", c.new, err, c.verified)
		}
		if c.redacted && string(got.Content()) != `{}` {
			t.Errorf("%s: got content %s", c.new, got.Content())
		}
	}
}

func TestSignJSON(t *testing.T) {
	s := specKey(t)
	pub := s.Private.Public().(ed25519.PublicKey)
	const entity = `@a"\ö:domain`
	first, err := SignJSON([]byte(`{ "z": 1, "unsigned": {"n": "x"}, "signatures": {"zz": {"ed25519:1": "x"}}, "a": [] }`), entity, s.Key, s.Private)
	if err != nil {
		t.Fatal(err)
	}
	second, err := SignJSON(first, entity, "ed25519:0", s.Private)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(second), `{"a":[],"signatures":{"@a\"\\ö:domain":{"ed25519:0":"`) ||
		!strings.HasSuffix(string(second), `},"zz":{"ed25519:1":"x"}},"unsigned":{"n":"x"},"z":1}`) {
		t.Errorf("got %s", second)
	}
	for _, key := range []id.Key{"ed25519:0", "ed25519:1"} {
		if err := VerifyJSON(second, entity, key, pub); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
	loose := strings.NewReplacer(`"a":[]`, ` "a" : [ ] `, `"n":"x"`, `"n":"other"`).Replace(string(second))
	if err := VerifyJSON([]byte(loose), entity, "ed25519:0", pub); err != nil {
		t.Errorf("written differently: %v", err)
	}
	padded := strings.Replace(string(first), `"},"zz"`, `=="},"zz"`, 1)
	if err := VerifyJSON([]byte(padded), entity, s.Key, pub); err != nil {
		t.Errorf("padded base64: %v", err)
	}
	for _, bad := range []string{
		strings.Replace(string(second), `"z":1`, `"z":2`, 1),
		strings.Replace(string(second), `"z":1`, `"z":1,"z":1`, 1),
		strings.Replace(string(second), `"z":1`, `"z":1,"y":1`, 1),
		`{}`, `[]`, ``, `{"signatures":[]}`, `{"signatures":{"@a\"\\ö:domain":"x"}}`, `{"signatures":{"@a\"\\ö:domain":{"ed25519:0":1}}}`,
		`{"signatures":{"@a\"\\ö:domain":{"ed25519:0":"*"}}}`, `{"signatures":{"@a\"\\ö:domain":{"ed25519:0":""}}}`,
	} {
		if err := VerifyJSON([]byte(bad), entity, "ed25519:0", pub); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: got %v, want an ErrSignature", bad, err)
		}
	}
	for _, bad := range []string{``, `[]`, `{"a":1,"a":1}`, `{"signatures":1}`, `{"signatures":{"a":1}}`} {
		if got, err := SignJSON([]byte(bad), entity, s.Key, s.Private); err == nil {
			t.Errorf("%s: got %s", bad, got)
		}
	}
}

// TestWeakKeys checks that keys and signatures are refused with which anything verifies, or with which libraries disagree.
func TestWeakKeys(t *testing.T) {
	message := []byte("m")
	zero := make([]byte, 32)
	for _, y := range smallOrders {
		for _, sign := range []byte{0, 0x80} {
			p := []byte(y)
			p[31] |= sign
			if VerifyEd25519(p, message, append(append([]byte(nil), p...), zero...)) {
				t.Errorf("key %x: taken", p)
			}
		}
	}
	neutral := append([]byte{1}, zero[1:]...)
	if signature := append(append([]byte(nil), neutral...), zero...); !ed25519.Verify(neutral, message, signature) {
		t.Error("crypto/ed25519 refuses keys of small order by now: the check here can go")
	} else if VerifyEd25519(neutral, message, signature) {
		t.Error("the neutral element is taken for a key")
	}

	s := specKey(t)
	pub := s.Private.Public().(ed25519.PublicKey)
	signature := ed25519.Sign(s.Private, message)
	if !VerifyEd25519(pub, message, signature) {
		t.Fatal("a good signature is refused")
	}
	if VerifyEd25519(pub, message, signature[:63]) || VerifyEd25519(pub, message, nil) {
		t.Error("a short signature is taken")
	}
	// The same signature with the group's order added to its scalar.
	order, err := hex.DecodeString("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
	if err != nil {
		t.Fatal(err)
	}
	forged := append([]byte(nil), signature...)
	carry := 0
	for i := range order {
		carry += int(forged[32+i]) + int(order[i])
		forged[32+i] = byte(carry)
		carry >>= 8
	}
	if VerifyEd25519(pub, message, forged) {
		t.Error("a signature changed into another one is taken")
	}
	// y = 2^255-18 stands for 1, and 2^255-3 for 16: no key's only encoding.
	for _, last := range []byte{0xee, 0xfd, 0xff} {
		p := make([]byte, 32)
		for i := range p {
			p[i] = 0xff
		}
		p[0], p[31] = last, 0x7f
		if canonicalPoint(p) {
			t.Errorf("%x is taken for canonical", p)
		}
	}
	if !canonicalPoint(pub) {
		t.Error("a good key is not canonical")
	}
}

func TestSigners(t *testing.T) {
	s := specKey(t)
	for _, c := range []struct{ version, typ, content, want string }{
		{"1", "t", `{}`, "a given"},
		{"2", "m.room.member", `{"membership":"invite","third_party_invite":{}}`, "given"},
		{"3", "t", `{}`, "a"},
		{"12", "t", `{"membership":"invite","third_party_invite":{}}`, "a"},
		{"12", "m.room.member", `{"membership":"invite"}`, "a"},
		{"12", "m.room.member", `{"membership":"invite","third_party_invite":{}}`, ""},
		{"12", "m.room.member", `{"membership":"join","third_party_invite":{}}`, "a"},
		{"7", "m.room.member", `{"membership":"join","join_authorised_via_users_server":"@u:via"}`, "a"},
		{"8", "m.room.member", `{"membership":"join","join_authorised_via_users_server":"@u:via"}`, "a via"},
		{"8", "m.room.member", `{"membership":"join","join_authorised_via_users_server":"@u:a"}`, "a"},
		{"8", "m.room.member", `{"membership":"leave","join_authorised_via_users_server":"@u:via"}`, "a"},
		{"8", "m.room.member", `{"membership":"join","join_authorised_via_users_server":["x"]}`, "a"},
	} {
		v, _ := version.Lookup(c.version)
		e, err := Build(v, Draft{Room: "!r:a", Type: c.typ, Sender: "@u:a", Content: []byte(c.content), ID: "$e:given"}, s)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, server := range e.Signers() {
			got = append(got, string(server))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("version %s, %s %s: got %q, want %q", c.version, c.typ, c.content, got, c.want)
		}
	}
}

func TestBase64(t *testing.T) {
	for _, c := range []struct {
		in, want string
		ok       bool
	}{
		{"", "", true},
		{"Zg", "f", true},
		{"Zm8", "fo", true},
		{"Zm9v", "foo", true},
		{"Zm9vYg", "foob", true},
		{"Zm9vYmE", "fooba", true},
		{"Zm9vYmFy", "foobar", true}, // the specification's examples
		{"Zg==", "f", true},
		{"Zm8=", "fo", true},
		{"+/8", "\xfb\xff", true},
		{"-_8", "\xfb\xff", true},
		{"Z", "", false},
		{"Zm9v\n", "", false},
		{"Zm 9v", "", false},
		{"+_8", "", false},
		{"Zg=g", "", false},
		{"é", "", false},
	} {
		got, err := DecodeBase64(c.in)
		if string(got) != c.want || (err == nil) != c.ok {
			t.Errorf("%q: got %q, %v, want %q, ok %v", c.in, got, err, c.want, c.ok)
		}
	}
}
