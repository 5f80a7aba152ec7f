package event

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"freehold.example/matrix/canon"
	"freehold.example/matrix/id"
)

// Signer is a server's signing key.
type Signer struct {
	Server  id.Server
	Key     id.Key // ed25519:name
	Private ed25519.PrivateKey
}

// ErrSignature is what the error of Verify and VerifyJSON wraps when a signature is missing, malformed or wrong.
var ErrSignature = errors.New("no valid signature")

const algorithm = "ed25519:"

// Verify checks the signature that server made with one of its keys. Whether the key was valid at the event's time
// (version.EnforceKeyValidity), and whose signatures the event needs, is for the caller.
func (e *Event) Verify(server id.Server, key id.Key, pub ed25519.PublicKey) error {
	return e.VerifyBy(server, key, func(message, signature []byte) bool { return VerifyEd25519(pub, message, signature) })
}

// VerifyBy is Verify with what checks the signature in the place of the public key.
func (e *Event) VerifyBy(server id.Server, key id.Key, valid func(message, signature []byte) bool) error {
	return verify(e.signedForm(), canon.Get(e.bytes, "signatures"), string(server), key, valid)
}

// Signatures are the servers that signed the event and the ed25519 keys they did it with. Other algorithms and names
// that are no server's are left out. That a signature is there does not say that it is valid.
func (e *Event) Signatures() map[id.Server][]id.Key {
	all := make(map[id.Server][]id.Key)
	for o := canon.Open(canon.Get(e.bytes, "signatures")); ; {
		entity, ok := o.Next()
		if !ok {
			return all
		}
		server, err := id.ParseServer(entity.Name())
		if err != nil {
			continue
		}
		for keys := canon.Open(entity.Value()); ; {
			m, ok := keys.Next()
			if !ok {
				break
			}
			if key, err := id.ParseKey(m.Name()); err == nil && strings.HasPrefix(string(key), algorithm) {
				all[server] = append(all[server], key)
			}
		}
	}
}

// Signers are the servers whose valid signatures the event needs to be taken at all: its sender's, except where it turns an
// invitation by e-mail or telephone into one for a user, which another server may do; in room versions 1 and 2 the one
// named in its id; and that of the user who vouches for a restricted join (Server-Server API, "Validating hashes and
// signatures on received events"; v8, rule 4.2).
func (e *Event) Signers() []id.Server {
	var servers []id.Server
	need := func(s id.Server) {
		if !slices.Contains(servers, s) {
			servers = append(servers, s)
		}
	}
	membership, _ := canon.String(canon.Get(e.content, "membership"))
	if e.typ != typeMember || membership != "invite" || canon.Get(e.content, "third_party_invite") == nil {
		need(e.sender.Server())
	}
	if e.version.EventIDServerSigns {
		need(e.id.Server())
	}
	if e.version.RestrictedJoin && e.typ == typeMember && membership == "join" {
		via, _ := canon.String(canon.Get(e.content, "join_authorised_via_users_server"))
		if user, err := id.ParseUser(via); err == nil {
			need(user.Server())
		}
	}
	return servers
}

// Sign returns the event with one more signature, or with the signer's earlier one under the same key replaced.
func (e *Event) Sign(s Signer) (*Event, error) {
	return e.WithSignature(s.Server, s.Key, sign(e.signedForm(), s))
}

// WithSignature returns the event with a signature that somebody else has made, in base64, which is not looked at.
func (e *Event) WithSignature(server id.Server, key id.Key, signature string) (*Event, error) {
	var space [typicalMembers]canon.Member
	members := e.members(space[:0])
	n := *e
	n.bytes = make([]byte, 0, len(e.bytes)+200)
	n.bytes = append(n.bytes, '{')
	for i, m := range members {
		if i > 0 {
			n.bytes = append(n.bytes, ',')
		}
		if string(m.Key()) == "signatures" {
			n.bytes = append(n.bytes, `"signatures":`...)
			n.bytes = appendSignatures(n.bytes, m.Value(), string(server), key, signature)
			continue
		}
		n.bytes = append(n.bytes, m.Raw()...)
	}
	n.bytes = append(n.bytes, '}')
	if len(n.bytes) > MaxSize {
		return nil, tooLarge("%d bytes of canonical JSON", len(n.bytes))
	}
	n.content = canon.Get(n.bytes, "content")
	return &n, nil
}

// SignJSON signs any JSON object for an entity, a server or a user, as Appendices, "Signing JSON" says, and returns it in
// canonical form with the signature added. signatures and unsigned that it has already are kept.
func SignJSON(object []byte, entity string, key id.Key, private ed25519.PrivateKey) ([]byte, error) {
	_, members, err := canon.Members(object, canon.Unique, nil)
	if err != nil {
		return nil, invalid("%v", err)
	}
	bare, signatures := withoutSignatures(members)
	if err := checkSignatures(signatures); signatures != nil && err != nil {
		return nil, err
	}
	signature := sign(bare, Signer{Key: key, Private: private})
	out := append(make([]byte, 0, len(object)+200), '{')
	done := false
	for _, m := range members {
		last := canon.CompareKeys(m.Key(), []byte("signatures"))
		if last >= 0 && !done {
			out = appendComma(out)
			out = append(out, `"signatures":`...)
			out = appendSignatures(out, signatures, entity, key, signature)
			done = true
		}
		if last != 0 {
			out = append(appendComma(out), m.Raw()...)
		}
	}
	if !done {
		out = append(appendComma(out), `"signatures":`...)
		out = appendSignatures(out, signatures, entity, key, signature)
	}
	return append(out, '}'), nil
}

// VerifyJSON checks the signature that entity made with key on any JSON object (Appendices, "Checking for a Signature").
// An object with a key given twice is refused, so that what was verified is what any parser reads.
func VerifyJSON(object []byte, entity string, key id.Key, pub ed25519.PublicKey) error {
	_, members, err := canon.Members(object, canon.Unique, nil)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	bare, signatures := withoutSignatures(members)
	return verify(bare, signatures, entity, key, func(message, signature []byte) bool { return VerifyEd25519(pub, message, signature) })
}

// withoutSignatures splits an object into what is signed and the value of signatures.
func withoutSignatures(members []canon.Member) (bare, signatures []byte) {
	bare = append(bare, '{')
	for _, m := range members {
		switch string(m.Key()) {
		case "signatures":
			signatures = m.Value()
		case "unsigned":
		default:
			bare = append(appendComma(bare), m.Raw()...)
		}
	}
	return append(bare, '}'), signatures
}

// appendComma appends a comma unless dst ends where an object begins.
func appendComma(dst []byte) []byte {
	if dst[len(dst)-1] != '{' {
		return append(dst, ',')
	}
	return dst
}

func sign(message []byte, s Signer) string {
	return base64.RawStdEncoding.EncodeToString(ed25519.Sign(s.Private, message))
}

// appendSignatures appends the value of signatures with one signature added.
func appendSignatures(dst, old []byte, entity string, key id.Key, signature string) []byte {
	return appendWith(dst, old, entity, func(dst, keys []byte) []byte {
		return appendWith(dst, keys, string(key), func(dst, _ []byte) []byte {
			return canon.AppendString(dst, signature)
		})
	})
}

// appendWith appends the object old with one key set to what value appends; value is given the key's old value, if any.
func appendWith(dst, old []byte, key string, value func(dst, old []byte) []byte) []byte {
	name := canon.AppendString(nil, key)
	dst = append(dst, '{')
	done := false
	set := func(old []byte) {
		dst = append(append(appendComma(dst), name...), ':')
		dst = value(dst, old)
		done = true
	}
	for o := canon.Open(old); ; {
		m, ok := o.Next()
		if !ok {
			break
		}
		switch c := canon.CompareKeys(m.Key(), name[1:len(name)-1]); {
		case c == 0:
			set(m.Value())
			continue
		case c > 0 && !done:
			set(nil)
		}
		dst = append(appendComma(dst), m.Raw()...)
	}
	if !done {
		set(nil)
	}
	return append(dst, '}')
}

// checkSignatures says whether signatures is an object of objects of strings.
func checkSignatures(signatures []byte) error {
	if len(signatures) == 0 || signatures[0] != '{' {
		return invalid("signatures: not an object")
	}
	for o := canon.Open(signatures); ; {
		entity, ok := o.Next()
		if !ok {
			return nil
		}
		if entity.Value()[0] != '{' {
			return invalid("signatures: an entry is not an object")
		}
		for keys := canon.Open(entity.Value()); ; {
			m, ok := keys.Next()
			if !ok {
				break
			}
			if m.Value()[0] != '"' {
				return invalid("signatures: a signature is not a string")
			}
		}
	}
}

// verify checks entity's signature of message.
func verify(message, signatures []byte, entity string, key id.Key, valid func(message, signature []byte) bool) error {
	if !strings.HasPrefix(string(key), algorithm) {
		return fmt.Errorf("%w: the algorithm of key %s is not known", ErrSignature, key)
	}
	keys := lookup(signatures, entity)
	text, ok := canon.String(lookup(keys, string(key)))
	if !ok {
		return fmt.Errorf("%w: none by %s with key %s", ErrSignature, entity, key)
	}
	signature, err := DecodeBase64(text)
	if err != nil {
		return fmt.Errorf("%w: by %s with key %s: %w", ErrSignature, entity, key, err)
	}
	if !valid(message, signature) {
		return fmt.Errorf("%w: wrong one by %s with key %s", ErrSignature, entity, key)
	}
	return nil
}

// lookup is canon.Get for a key that may need escapes.
func lookup(object []byte, key string) []byte {
	name := canon.AppendString(nil, key)
	return canon.Get(object, string(name[1:len(name)-1]))
}
