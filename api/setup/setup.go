// Package setup makes the first administrator's account. The web app asks it in JSON; in a program without the app it has
// pages of its own, and one at the root that says what this server is and how to connect to it.
//
// The account page opens with a token that is made when the server starts without accounts. Only the token's hash is
// kept, in memory; it is of no use once there is an account, however that was made.
package setup

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"

	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/core/account"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Config is what the pages need.
type Config struct {
	Accounts   *account.Accounts
	ServerName id.Server
	PublicURL  string // where clients reach this server; "": where the browser did
	Program    string // how the operator calls this program; "" is freehold
}

// Pages serves them.
type Pages struct {
	Config

	mu    sync.Mutex         // held while the first account is made: there is only one first
	token *[sha256.Size]byte // hash of the token; nil when none was made
}

// New makes the pages.
func New(c Config) *Pages { return &Pages{Config: c} }

// Token makes the token with which the first account can be made, in place of any made before. ok is false when there
// are accounts already.
func (p *Pages) Token(ctx context.Context) (token string, ok bool, err error) {
	n, err := p.Accounts.Count(ctx)
	if err != nil || n > 0 {
		return "", false, err
	}
	token = rand.Text()
	hash := sha256.Sum256([]byte(token))
	p.mu.Lock()
	p.token = &hash
	p.mu.Unlock()
	return token, true, nil
}

// Path is the path and query of the page that the token opens.
func Path(token string) string { return "/setup?token=" + url.QueryEscape(token) }

// Call is a browser's; it is not told apart from any other.
type Call struct{}

// Guard counts by address.
func Guard(r *http.Request, _ route.Auth) (*Call, string, error) {
	return &Call{}, limit.Addr(route.Peer(r)), nil
}

// Rows lists the pages.
func (p *Pages) Rows() []route.Row[Call] {
	return append(p.answerRows(), []route.Row[Call]{
		{Method: http.MethodGet, Path: "/", Limit: limit.Read, Serve: route.Raw(p.home)},
		{Method: http.MethodGet, Path: "/setup", Limit: limit.Read, Serve: route.Raw(p.form)},
		{Method: http.MethodPost, Path: "/setup", Limit: limit.Register, Body: 16 << 10, Serve: route.Raw(p.create)},
	}...)
}

// home says what this server is.
func (p *Pages) home(w http.ResponseWriter, r *http.Request, _ *Call, _ route.Params) error {
	n, err := p.Accounts.Count(r.Context())
	if err != nil {
		return err
	}
	return p.write(w, r, http.StatusOK, &page{Name: "home", First: n == 0})
}

// form shows the form to who has the token.
func (p *Pages) form(w http.ResponseWriter, r *http.Request, _ *Call, _ route.Params) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	token := r.URL.Query().Get("token")
	switch ok, err := p.open(r.Context(), token); {
	case err != nil:
		return err
	case !ok:
		return p.write(w, r, http.StatusForbidden, &page{Name: "closed"})
	}
	return p.write(w, r, http.StatusOK, &page{Name: "form", Token: token, Insecure: insecure(r)})
}

// create makes the account.
func (p *Pages) create(w http.ResponseWriter, r *http.Request, _ *Call, _ route.Params) error {
	if err := r.ParseForm(); err != nil {
		return fault.New(fault.BadJSON, "The form could not be read").Because(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	f := r.PostForm
	switch ok, err := p.open(r.Context(), f.Get("token")); {
	case err != nil:
		return err
	case !ok:
		return p.write(w, r, http.StatusForbidden, &page{Name: "closed"})
	}
	user, problem, err := p.make(r.Context(), f.Get("name"), f.Get("password"), f.Get("again"))
	switch {
	case err != nil:
		return err
	case problem != "":
		return p.write(w, r, http.StatusUnprocessableEntity, &page{
			Name: "form", Token: f.Get("token"), User: f.Get("name"), Problem: problem, Insecure: insecure(r),
		})
	}
	p.token = nil
	return p.write(w, r, http.StatusOK, &page{Name: "done", User: string(user)})
}

// open says whether the token makes the first account still. p.mu is held.
func (p *Pages) open(ctx context.Context, token string) (bool, error) {
	hash := sha256.Sum256([]byte(token))
	if p.token == nil || subtle.ConstantTimeCompare(hash[:], p.token[:]) != 1 {
		return false, nil
	}
	n, err := p.Accounts.Count(ctx)
	if err != nil {
		return false, fmt.Errorf("count accounts: %w", err)
	}
	return n == 0, nil
}

// make makes the administrator's account, or says which of the form's problems stands in the way.
func (p *Pages) make(ctx context.Context, name, password, again string) (id.User, problem, error) {
	switch {
	case name == "":
		return "", badName, nil
	case password != again:
		return "", notTheSame, nil
	}
	if p.Accounts.CheckPassword(password) != nil {
		return "", weak, nil
	}
	user, err := p.Accounts.Create(ctx, name, password, true)
	switch f, ok := errors.AsType[*fault.Fault](err); {
	case ok && f.Code == fault.UserInUse:
		return "", taken, nil
	case ok && f.Code == fault.InvalidUsername:
		return "", badName, nil
	}
	return user, "", err
}

// insecure says whether others on the way could read what is typed.
func insecure(r *http.Request) bool {
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		return false
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	addr, err := netip.ParseAddr(host)
	return host != "localhost" && (err != nil || !addr.IsLoopback())
}
