package client

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"freehold.example/base/limit"
	"freehold.example/base/park"
	"freehold.example/base/route"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Guard knows who makes a request by its access token (Client-Server API, "Using access tokens"). Tokens in the query are
// not taken: they end up in logs.
func (a *API) Guard(r *http.Request, auth route.Auth) (*Call, string, error) {
	c := &Call{Remote: route.Remote(r), UserAgent: r.UserAgent()}
	key := limit.Addr(c.Remote)
	token, ok := bearer(r)
	if service, is := a.Services.ByToken(token); is {
		return a.serviceCall(r, c, service, auth)
	}
	if auth == route.None {
		return c, key, nil
	}
	switch {
	case !ok && auth == route.Optional:
		return c, key, nil
	case !ok:
		return c, key, fault.New(fault.MissingToken, "This needs an access token")
	}
	s, err := a.Accounts.Authenticate(r.Context(), token)
	if err != nil {
		if !park.Came(r.Context()) { // else the token was good when the request came
			err = a.unknownToken(c, err)
		}
		return c, key, err
	}
	c.Session, key = s, limit.Device(string(s.User), string(s.Device))
	if err := standing(s, r.Pattern); err != nil {
		return c, key, err
	}
	if auth == route.Admin && !s.Admin {
		return c, key, fault.New(fault.Forbidden, "This is for administrators of this server")
	}
	a.Accounts.Seen(s, c.Remote, c.UserAgent)
	a.looks(r)
	return c, key, nil
}

// looks takes note of the room that a request is about: what has happened there elsewhere is fetched before the rest. What
// clients ask for by themselves, in all rooms one after the other, counts as well, which does no harm.
func (a *API) looks(r *http.Request) {
	const room = "/rooms/{roomID}/"
	if a.Looked == nil || !strings.Contains(r.Pattern, room) {
		return
	}
	_, rest, _ := strings.Cut(r.URL.EscapedPath(), "/rooms/")
	name, _, _ := strings.Cut(rest, "/")
	if in, err := url.PathUnescape(name); err == nil && len(in) <= id.MaxLength {
		a.Looked(id.Room(in))
	}
}

// unknownToken counts the tokens that an address shows and nobody has. Only they are refused when there are too many: who
// has a good one is let in at the same address, and who had one hears of its end a minute at a time.
func (a *API) unknownToken(c *Call, err error) error {
	f, ok := errors.AsType[*fault.Fault](err)
	if !ok || f.Code != fault.UnknownToken {
		return err
	}
	if limited := a.Limits.Spend(limit.Token, limit.Addr(c.Remote), 1); limited != nil {
		return limited
	}
	return err
}

func bearer(r *http.Request) (string, bool) {
	const scheme = "Bearer "
	h := r.Header.Get("Authorization")
	if len(h) <= len(scheme) || !strings.EqualFold(h[:len(scheme)], scheme) {
		return "", false
	}
	return strings.TrimSpace(h[len(scheme):]), true
}
