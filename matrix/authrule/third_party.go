package authrule

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"strings"

	"freehold.example/matrix/canon"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

// maxSignatureTrials bounds the signature checks that one invitation can ask for: two events of 65 kB have room for
// hundreds of signatures and hundreds of keys, which to try with each other takes seconds. Real ones have one signature
// and two keys.
const maxSignatureTrials = 256

// ThirdParty is a parsed m.room.third_party_invite event.
type ThirdParty struct {
	Sender id.User
	Keys   []ed25519.PublicKey // public_key and those of public_keys, as far as they are well-formed
}

// ParseThirdParty parses the content of an m.room.third_party_invite event. It takes anything; without keys nobody can
// use the invitation.
func ParseThirdParty(sender id.User, content []byte) *ThirdParty {
	t := &ThirdParty{Sender: sender}
	t.add(canon.Get(content, "public_key"))
	for list := canon.OpenArray(canon.Get(content, "public_keys")); ; {
		entry, ok := list.Next()
		if !ok {
			return t
		}
		t.add(canon.Get(entry, "public_key"))
	}
}

func (t *ThirdParty) add(value []byte) {
	s, _ := canon.String(value)
	if key := decode64(s); len(key) == ed25519.PublicKeySize {
		t.Keys = append(t.Keys, key)
	}
}

// decode64 takes both alphabets, as m.room.third_party_invite says, padded or not.
func decode64(s string) []byte {
	s = strings.TrimRight(s, "=")
	encoding := base64.RawStdEncoding
	if strings.ContainsAny(s, "-_") {
		encoding = base64.RawURLEncoding
	}
	b, err := encoding.DecodeString(s)
	if err != nil {
		return nil
	}
	return b
}

// SignedInvite is the third_party_invite of an m.room.member event: an identity server's word that the user invited is
// the one behind the address that the room invited.
type SignedInvite struct {
	User  string // signed.mxid
	Token string // signed.token

	signed   []byte // the object signed, nil where there is none
	hasUser  bool
	hasToken bool
}

// parseSignedInvite parses the value of third_party_invite.
func parseSignedInvite(value []byte) *SignedInvite {
	inv := &SignedInvite{signed: canon.Get(value, "signed")}
	if inv.signed == nil {
		return inv
	}
	inv.User, inv.hasUser = canon.String(canon.Get(inv.signed, "mxid"))
	inv.Token, inv.hasToken = canon.String(canon.Get(inv.signed, "token"))
	return inv
}

// thirdPartyInvite is the rules on an invitation with third_party_invite.
func (m *membership) thirdPartyInvite() error {
	group, inv := m.n.invite+".1", m.m.ThirdParty
	if m.s.Membership(m.target) == Ban {
		return refuse(group, ".1", "%s is banned", m.target)
	}
	if inv.signed == nil {
		return refuse(group, ".2", "third_party_invite has no signed")
	}
	if !inv.hasUser || !inv.hasToken {
		return refuse(group, ".3", "signed has no mxid or no token")
	}
	if inv.User != string(m.target) {
		return refuse(group, ".4", "the invitation is for %s, not for %s", inv.User, m.target)
	}
	invited := m.s.ThirdParty[inv.Token]
	if invited == nil {
		return refuse(group, ".5", "the room has no third-party invitation with this token")
	}
	if invited.Sender != m.sender {
		return refuse(group, ".6", "the third-party invitation was sent by %s", invited.Sender)
	}
	if !signedByAny(inv.signed, invited.Keys) {
		return refuse(group, ".8", "no signature is by a key of the third-party invitation")
	}
	return nil
}

// signedByAny says whether any signature on the JSON object is by any of the keys.
func signedByAny(signed []byte, keys []ed25519.PublicKey) bool {
	message := unsigned(signed)
	trials := 0
	for servers := canon.Open(canon.Get(signed, "signatures")); ; {
		server, ok := servers.Next()
		if !ok {
			return false
		}
		for signatures := canon.Open(server.Value()); ; {
			entry, ok := signatures.Next()
			if !ok {
				break
			}
			if !bytes.HasPrefix(entry.Key(), []byte("ed25519:")) {
				continue
			}
			encoded, _ := canon.String(entry.Value())
			signature := decode64(encoded)
			if len(signature) != ed25519.SignatureSize {
				continue
			}
			for _, key := range keys {
				if trials++; trials > maxSignatureTrials {
					return false
				}
				if event.VerifyEd25519(key, message, signature) {
					return true
				}
			}
		}
	}
}

// unsigned is what a signature on a JSON object is of: the object, canonical as it comes, without its signatures and its
// unsigned part (Appendices, "Signing JSON").
func unsigned(object []byte) []byte {
	b := append(make([]byte, 0, len(object)), '{')
	for o := canon.Open(object); ; {
		entry, ok := o.Next()
		if !ok {
			return append(b, '}')
		}
		if key := string(entry.Key()); key == "signatures" || key == "unsigned" {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(b, entry.Raw()...)
	}
}
