// Package xmatrix is how homeservers prove to each other who sends a request: the Authorization header of the scheme
// X-Matrix (https://spec.matrix.org/v1.19/server-server-api/#request-authentication).
package xmatrix

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"

	"freehold.example/matrix/canon"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

// Scheme begins the header.
const Scheme = "X-Matrix"

// maxHeader bounds a header: two server names, a key and a signature need less than a quarter of it.
const maxHeader = 4096

// Request is what is signed of a request. Names are those of the servers themselves, from before any delegation.
type Request struct {
	Method      string
	URI         string // path and query as they are sent, beginning with /_matrix
	Origin      id.Server
	Destination id.Server
	Content     []byte // the body, JSON; nil for none
}

// Authorization is the header: whose request it claims to be.
type Authorization struct {
	Origin      id.Server
	Destination id.Server // "" from servers of before version 1.3
	Key         id.Key
	Signature   string // base64, unpadded
}

// Sign makes the header for a request of the signer's server, which is taken as its origin. An error means that the content
// is not JSON.
func (r Request) Sign(s event.Signer) (string, error) {
	r.Origin = s.Server
	object, err := r.object()
	if err != nil {
		return "", err
	}
	signed, err := event.SignJSON(object, string(s.Server), s.Key, s.Private)
	if err != nil {
		return "", err
	}
	signature, _ := canon.String(canon.Get(canon.Get(canon.Get(signed, "signatures"), string(s.Server)), string(s.Key)))
	// Without spaces round the commas and with quotation marks: older servers know no other form.
	return fmt.Sprintf(`%s origin="%s",destination="%s",key="%s",sig="%s"`, Scheme, s.Server, r.Destination, s.Key, signature), nil
}

// Verify checks that the origin signed the request with its key. The caller has seen that the key is the origin's, and that
// the destination is this server. Errors wrap event.ErrSignature, but for a content that is not JSON.
func (a Authorization) Verify(r Request, key ed25519.PublicKey) error {
	r.Origin = a.Origin
	object, err := r.object()
	if err != nil {
		return err
	}
	signatures := canon.AppendString([]byte(`,"signatures":{`), a.Origin)
	signatures = canon.AppendString(append(signatures, `:{`...), a.Key)
	signatures = canon.AppendString(append(signatures, ':'), a.Signature)
	object = append(append(object[:len(object)-1], signatures...), `}}}`...)
	return event.VerifyJSON(object, string(a.Origin), a.Key, key)
}

// object is the JSON that is signed.
func (r Request) object() ([]byte, error) {
	b := make([]byte, 0, 200+len(r.Content))
	b = append(b, '{')
	if r.Content != nil {
		content, err := canon.Canonical(r.Content, canon.Unique)
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, `"content":`...), content...), ',')
	}
	for i, m := range [][2]string{
		{"destination", string(r.Destination)}, {"method", r.Method}, {"origin", string(r.Origin)}, {"uri", r.URI},
	} {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(canon.AppendString(b, m[0]), ':')
		b = canon.AppendString(b, m[1])
	}
	return append(b, '}'), nil
}

// ErrOther answers Parse for a header of another scheme.
var ErrOther = errors.New("not an X-Matrix header")

// Parse reads the header as RFC 9110, section 11.4, has it, and as older servers write it: values with colons need no
// quotation marks. Unknown parameters are ignored; one that comes twice is an error.
func Parse(header string) (Authorization, error) {
	var a Authorization
	scheme, rest, _ := strings.Cut(header, " ")
	switch {
	case !strings.EqualFold(scheme, Scheme):
		return a, ErrOther
	case len(header) > maxHeader:
		return a, errors.New("the header is too long")
	}
	values := map[string]string{}
	for rest = trim(rest); rest != ""; {
		name, value, after, err := parameter(rest)
		if err != nil {
			return a, err
		}
		if _, twice := values[name]; twice {
			return a, fmt.Errorf("the parameter %q comes twice", name)
		}
		values[name] = value
		if rest = trim(after); rest == "" {
			break
		}
		if rest[0] != ',' {
			return a, errors.New("there is no comma between two parameters")
		}
		rest = trim(rest[1:])
	}
	var err error
	if a.Origin, err = id.ParseServer(values["origin"]); err != nil {
		return a, fmt.Errorf("origin: %w", err)
	}
	if to, named := values["destination"]; named {
		if a.Destination, err = id.ParseServer(to); err != nil {
			return a, fmt.Errorf("destination: %w", err)
		}
	}
	if a.Key, err = id.ParseKey(values["key"]); err != nil {
		return a, fmt.Errorf("key: %w", err)
	}
	if a.Signature = values["sig"]; a.Signature == "" {
		return a, errors.New("the parameter sig is missing")
	}
	return a, nil
}

// parameter takes the first name=value off. The name is given in lower case.
func parameter(s string) (name, value, rest string, err error) {
	name, rest, found := strings.Cut(s, "=")
	if name = strings.TrimRight(name, " \t"); !found || name == "" || strings.ContainsFunc(name, notInToken) {
		return "", "", "", errors.New("a parameter has no name")
	}
	name, rest = strings.ToLower(name), trim(rest)
	if !strings.HasPrefix(rest, `"`) {
		end := strings.IndexFunc(rest, func(r rune) bool { return r != ':' && r != '[' && r != ']' && r != '/' && r != '=' && notInToken(r) })
		if end < 0 {
			end = len(rest)
		}
		return name, rest[:end], rest[end:], nil
	}
	var out strings.Builder
	for i := 1; i < len(rest); i++ {
		switch rest[i] {
		case '"':
			return name, out.String(), rest[i+1:], nil
		case '\\':
			if i++; i == len(rest) {
				return "", "", "", fmt.Errorf("the parameter %q does not end", name)
			}
		}
		out.WriteByte(rest[i])
	}
	return "", "", "", fmt.Errorf("the parameter %q does not end", name)
}

func trim(s string) string { return strings.TrimLeft(s, " \t") }

// notInToken says whether RFC 9110, section 5.6.2, keeps a character out of tokens.
func notInToken(r rune) bool {
	switch {
	case r >= '0' && r <= '9', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z':
		return false
	}
	return !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}
