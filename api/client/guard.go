package client

import (
	"net/http"
	"net/netip"
	"strings"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/matrix/fault"
)

// Guard knows who makes a request by its access token (Client-Server API, "Using access tokens"). Tokens in the query are
// not taken: they end up in logs.
func (a *API) Guard(r *http.Request, auth route.Auth) (*Call, string, error) {
	c := &Call{Remote: remote(r), UserAgent: r.UserAgent()}
	key := limit.Addr(c.Remote)
	if auth == route.None {
		return c, key, nil
	}
	token, ok := bearer(r)
	switch {
	case !ok && auth == route.Optional:
		return c, key, nil
	case !ok:
		return c, key, fault.New(fault.MissingToken, "This needs an access token")
	}
	s, err := a.Accounts.Authenticate(r.Context(), token)
	if err != nil {
		return c, key, err
	}
	c.Session, key = s, string(s.User)
	if s.Locked && !logsOut(r) {
		return c, key, fault.New(fault.UserLocked, "This account has been locked").With("soft_logout", true)
	}
	if auth == route.Admin && !s.Admin {
		return c, key, fault.New(fault.Forbidden, "This is for administrators of this server")
	}
	a.Accounts.Seen(s, c.Remote, c.UserAgent)
	return c, key, nil
}

// logsOut says whether the request is one that a locked account may make. The whole path counts: its last segment may be a
// transaction id.
func logsOut(r *http.Request) bool {
	switch r.URL.EscapedPath() {
	case "/_matrix/client/v3/logout", "/_matrix/client/v3/logout/all", "/_matrix/client/r0/logout", "/_matrix/client/r0/logout/all":
		return true
	}
	return false
}

func bearer(r *http.Request) (string, bool) {
	const scheme = "Bearer "
	h := r.Header.Get("Authorization")
	if len(h) <= len(scheme) || !strings.EqualFold(h[:len(scheme)], scheme) {
		return "", false
	}
	return strings.TrimSpace(h[len(scheme):]), true
}

// remote is the caller's address. Behind a reverse proxy on this machine it is the one that the proxy names last; nobody
// else is believed.
func remote(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{} // a Unix socket, or a test
	}
	addr := peer.Addr().Unmap().WithZone("")
	if !addr.IsLoopback() {
		return addr
	}
	forwarded := r.Header.Values("X-Forwarded-For")
	if len(forwarded) == 0 {
		return addr
	}
	last := forwarded[len(forwarded)-1]
	last = strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])
	if named, err := netip.ParseAddr(last); err == nil {
		return named.Unmap().WithZone("")
	}
	return addr
}
