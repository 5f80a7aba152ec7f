package federation

import (
	"context"
	"errors"
	"net/http"
	"net/netip"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
	"freehold.example/matrix/xmatrix"
)

// Call is who makes a request.
type Call struct {
	Remote netip.Addr
	Origin id.Server // whose signature was seen; "" where none is asked for

	claim xmatrix.Authorization // what the header says, as long as nobody has looked
}

// Guard reads whose request it claims to be, and counts it by its address: whose it is shows when the body has been read.
func (a *API) Guard(r *http.Request, auth route.Auth) (*Call, string, error) {
	c := &Call{Remote: route.Remote(r)}
	key := limit.Addr(c.Remote)
	if auth != route.Server {
		return c, key, nil
	}
	header := r.Header.Values("Authorization")
	if len(header) == 0 {
		return c, key, unauthorized("The request is not signed: it has no Authorization header")
	}
	// Servers with several keys send a header for each; one that can be read is enough.
	var err error
	for _, h := range header[:min(len(header), maxSignatures)] {
		if c.claim, err = xmatrix.Parse(h); err == nil {
			break
		}
	}
	switch {
	case err != nil:
		return c, key, unauthorized("The Authorization header cannot be read").Because(err)
	case c.claim.Destination != "" && c.claim.Destination != a.Signer.Server:
		return c, key, unauthorized("The request is signed for another server")
	case c.claim.Origin == a.Signer.Server:
		return c, key, unauthorized("The request claims to be this server's own")
	case a.Peers.Allowed != nil && !a.Peers.Allowed(c.claim.Origin):
		return c, key, fault.New(fault.Forbidden, "This server does not talk to yours")
	}
	return c, key, nil
}

// maxSignatures is how many Authorization headers of a request are looked at.
const maxSignatures = 5

func unauthorized(text string) *fault.Fault {
	return fault.New(fault.Forbidden, text).WithStatus(http.StatusUnauthorized)
}

// Signed looks at the signature, with a key of the origin's that is in use now
// (https://spec.matrix.org/v1.19/server-server-api/#request-authentication). Whoever can sign is alive.
func (a *API) Signed(r *http.Request, c *Call, body []byte) (string, error) {
	if len(body) == 0 {
		body = nil
	}
	ctx := r.Context()
	now := a.Now().UnixMilli()
	key, err := a.Peers.Key(ctx, c.claim.Origin, c.claim.Key, now)
	switch {
	case errors.Is(err, context.Canceled):
		return "", err
	case err != nil:
		return "", unauthorized("The key that the request is signed with is not known").Because(err)
	case key.Expired != 0:
		if key, _ = a.Peers.Renewed(ctx, c.claim.Origin, c.claim.Key, key); key.Expired != 0 {
			return "", unauthorized("The key that the request is signed with is no longer in use")
		}
	}
	signed := xmatrix.Request{Method: r.Method, URI: r.RequestURI, Destination: a.Signer.Server, Content: body}
	err = c.claim.Verify(signed, key.Public)
	if errors.Is(err, event.ErrSignature) {
		if other, ok := a.Peers.Renewed(ctx, c.claim.Origin, c.claim.Key, key); ok {
			err = c.claim.Verify(signed, other.Public)
		}
	}
	switch {
	case errors.Is(err, event.ErrSignature):
		return "", unauthorized("The signature is wrong").Because(err)
	case err != nil:
		return "", fault.New(fault.NotJSON, "The body is not JSON that can be signed").Because(err)
	}
	c.Origin = c.claim.Origin
	a.Peers.Alive(c.Origin)
	return "server " + string(c.Origin), nil
}
