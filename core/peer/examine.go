package peer

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"freehold.example/matrix/id"
)

// Step is one step on the way to another server, tried out.
type Step struct {
	Name string `json:"step"` // in one word or two
	OK   bool   `json:"ok"`
	Text string `json:"text"`         // what is so
	Do   string `json:"do,omitempty"` // what to do about it
}

// Examine goes the way to a server step by step, as for the first time: whether there is to be traffic, where it is, whether it
// can be connected to, its certificate, its keys, and a signed request, which is a transaction with nothing in it. The last of the
// steps is the one that failed, if one did.
func (p *Peers) Examine(ctx context.Context, server id.Server) []Step {
	e := &examination{Peers: p, server: server}
	for _, step := range []func(context.Context) bool{e.allowed, e.discovery, e.connection, e.keysOf, e.request} {
		if !step(ctx) {
			break
		}
	}
	return e.steps
}

type examination struct {
	*Peers
	server id.Server
	route  Route
	steps  []Step
}

func (e *examination) good(name, format string, args ...any) bool {
	e.steps = append(e.steps, Step{Name: name, OK: true, Text: fmt.Sprintf(format, args...)})
	return true
}

func (e *examination) bad(name string, err error) bool {
	text, do := Plain(err)
	e.steps = append(e.steps, Step{Name: name, Text: text, Do: do})
	return false
}

func (e *examination) allowed(context.Context) bool {
	const name = "settings"
	switch {
	case e.server == e.Signer.Server:
		e.steps = append(e.steps, Step{Name: name, Text: "That is this server itself.", Do: "Name another, or ask there about this one."})
		return false
	case e.Allowed != nil && !e.Allowed(e.server):
		e.steps = append(e.steps, Step{Name: name, Text: "The settings keep this server from speaking with it.", Do: "See federation and federation_allowed."})
		return false
	}
	return e.good(name, "This server may speak with it.")
}

func (e *examination) discovery(ctx context.Context) bool {
	const name = "discovery"
	known, err := e.Route(ctx, e.server)
	fresh, _, found := e.discover(ctx, e.server)
	switch {
	case found == nil:
		e.route = fresh
		e.route.Last = known.Last
		return e.good(name, "It is at %s, by %s.", fresh.Place(), fresh.How)
	case errors.Is(found, errCutOff) && (err != nil || !strings.HasPrefix(known.How, byDocument)):
		e.route = fresh
		return e.good(name, "It is at %s, by %s. Whether a .well-known document says otherwise cannot be asked for: %v", fresh.Place(), fresh.How, found)
	case err == nil:
		e.route = known
		text, _ := Plain(found)
		return e.good(name, "It was at %s, by %s, when that was last found out; now: %s", known.Place(), known.How, text)
	}
	return e.bad(name, found)
}

// Place is where a route leads, for people.
func (r Route) Place() string {
	if len(r.Places) > 0 {
		return strings.Join(r.Places, ", ")
	}
	return joinPort(r.Name, r.Port)
}

// connection connects and looks at the certificate.
func (e *examination) connection(ctx context.Context) bool {
	const name, second = "connection", "certificate"
	began := e.Now()
	at := joinPort(e.route.Name, e.route.Port)
	conn, err := e.way.DialContext(e.route.reach(ctx), "tcp", at)
	if _, unknown := errors.AsType[*net.DNSError](err); unknown && e.route.Last != "" {
		e.route.Places = []string{e.route.Last}
		conn, err = e.way.DialContext(e.route.reach(ctx), "tcp", at)
	}
	if err != nil {
		return e.bad(name, err)
	}
	defer func() { _ = conn.Close() }() // it was only to see
	e.good(name, "%s is connected to, in %v.", conn.RemoteAddr(), e.Now().Sub(began).Round(time.Millisecond))

	var leaf *x509.Certificate
	config := trusting(func(c *x509.Certificate) error { leaf = c; return nil })
	config.ServerName = e.route.Name
	secure := tls.Client(conn, config)
	ctx, cancel := context.WithTimeout(ctx, keyTimeout)
	defer cancel()
	if err := secure.HandshakeContext(ctx); err != nil {
		return e.bad(second, err)
	}
	chain := x509.NewCertPool()
	for _, c := range secure.ConnectionState().PeerCertificates[1:] {
		chain.AddCert(c)
	}
	until := leaf.NotAfter.Format(time.DateOnly)
	_, err = leaf.Verify(x509.VerifyOptions{DNSName: e.route.Name, Roots: e.Roots, Intermediates: chain, CurrentTime: e.Now()})
	if err == nil {
		return e.good(second, "It is from %s and good until %s.", issuer(leaf), until)
	}
	if why := e.prove(ctx, e.server, e.route); why != nil {
		return e.bad(second, &UnprovenError{Authority: err, Key: why})
	}
	return e.good(second, "No authority stands for it, and the server's own signing key does.")
}

func issuer(c *x509.Certificate) string {
	if len(c.Issuer.Organization) > 0 {
		return c.Issuer.Organization[0]
	}
	if c.Issuer.CommonName != "" {
		return c.Issuer.CommonName
	}
	return "somebody without a name"
}

func (e *examination) keysOf(ctx context.Context) bool {
	const name = "keys"
	resp, err := e.do(ctx, e.requests, e.server, e.route, func(r Route) (*http.Request, error) {
		return http.NewRequestWithContext(r.reach(ctx), http.MethodGet, r.url(keyPath), nil)
	})
	if err != nil {
		return e.bad(name, err)
	}
	body, err := readAll(resp)
	if err != nil {
		return e.bad(name, err)
	}
	if resp.StatusCode != http.StatusOK {
		return e.bad(name, refusal(e.server, resp.StatusCode, body))
	}
	d, err := readDocument(e.server, body, e.Now())
	if err != nil {
		e.steps = append(e.steps, Step{Name: name, Text: fmt.Sprintf("What it publishes of its keys cannot be used: %v.", err), Do: "Is that the server of this name?"})
		return false
	}
	var now []string
	for key, k := range d.keys {
		if k.Expired == 0 {
			now = append(now, string(key))
		}
	}
	slices.Sort(now)
	return e.good(name, "It signs with %s; %d that it signed with before.", strings.Join(now, ", "), len(d.keys)-len(now))
}

func (e *examination) request(ctx context.Context) bool {
	const name = "signed request"
	began := e.Now()
	err := e.Ask(ctx, Question{
		Server: e.server, Method: http.MethodPut, Path: "/_matrix/federation/v1/send/doctor-" + rand.Text(), Now: true,
		Content: map[string]any{"origin": e.Signer.Server, "origin_server_ts": began.UnixMilli(), "pdus": []struct{}{}, "edus": []struct{}{}},
	}, nil)
	var no *AnswerError
	switch {
	case err == nil:
		return e.good(name, "It takes what this server has signed, after %v.", e.Now().Sub(began).Round(time.Millisecond))
	case errors.As(err, &no) && (no.Status == 401 || no.Status == 403):
		e.steps = append(e.steps, Step{
			Name: name, Text: fmt.Sprintf("It does not take what this server has signed: %d %s", no.Status, no.Text),
			Do: fmt.Sprintf("It may not know this server's keys, for want of a way here: ask there whether https://%s%s can be reached "+
				"(listen_federation, well_known_server, the certificate), and whether it may speak with this server.", e.Signer.Server, keyPath),
		})
		return false
	}
	return e.bad(name, err)
}

func readAll(resp *http.Response) ([]byte, error) {
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}
