package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"freehold.example/base/dial"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Route is where a server is and what it is called there
// (https://spec.matrix.org/v1.19/server-server-api/#resolving-server-names).
type Route struct {
	Host   string   `json:"host"`             // for the Host header, with a port where the specification has one
	Name   string   `json:"name"`             // whose certificate it must show: a host name, or an address without brackets
	Port   string   `json:"port"`             // of the URL
	Places []string `json:"places,omitempty"` // "host:port" to connect to in their order, where an SRV record says so
	How    string   `json:"how"`              // what led there, for people: "its name", ".well-known", ...
	Last   string   `json:"last,omitempty"`   // address and port at which it last answered
	Until  int64    `json:"until,omitempty"`  // milliseconds: when the certificate ends that it showed last and an authority stood for
}

// url is that of a path, which begins with a slash and is escaped.
func (r Route) url(pathAndQuery string) string {
	return "https://" + joinPort(r.Name, r.Port) + pathAndQuery
}

const (
	federationPort = "8448"

	// How long a route is used before it is looked for again; the documents may say otherwise within these bounds.
	usualLife   = 24 * time.Hour
	longestLife = 48 * time.Hour
	shortLife   = time.Hour // of one that came about because a document could not be had
)

// Route finds a server: in memory, in the address book, or by asking. Errors: one for people where there is no way, and no
// earlier one is known; fault.Forbidden for a server that there is to be no traffic with.
func (p *Peers) Route(ctx context.Context, server id.Server) (Route, error) {
	if p.Allowed != nil && !p.Allowed(server) {
		return Route{}, fault.Newf(fault.Forbidden, "This server does not talk to %s", server)
	}
	now := p.Now()
	p.mu.Lock()
	x := p.of(server)
	route, until := x.route, x.until
	p.mu.Unlock()
	if route.Host == "" {
		var err error
		var answered bool
		if route, until, answered, err = p.look(ctx, server); err != nil {
			return Route{}, err
		}
		p.mu.Lock()
		x = p.of(server)
		x.answered = x.answered || answered
		p.mu.Unlock()
	}
	if route.Host != "" && now.Before(until) {
		return route, nil
	}
	found, life, err := p.discover(ctx, server)
	if errors.Is(err, errCutOff) && !found.nameless(err) && (route.Host == "" || !strings.HasPrefix(route.How, byDocument)) {
		err = nil
	}
	if err != nil {
		if route.Host == "" {
			return Route{}, err
		}
		found, life = route, shortLife // as it was
	}
	p.mu.Lock()
	x = p.of(server)
	found.Last = x.route.Last
	if found.Last == "" {
		found.Last = route.Last
	}
	found.Until = max(x.route.Until, route.Until)
	x.route, x.until = found, now.Add(life)
	p.mu.Unlock()
	if err == nil {
		if err := p.enter(ctx, server, found, now, now.Add(life)); err != nil {
			p.Log.WarnContext(ctx, "the address book was not written", "server", server, "cause", err)
		}
	}
	return found, nil
}

// discover resolves a server's name, step by step as the specification numbers them.
func (p *Peers) discover(ctx context.Context, server id.Server) (Route, time.Duration, error) {
	host, port := server.Host(), server.Port()
	if r, ok := literal(string(server), host, port); ok { // 1
		r.How = "its name, an address"
		return r, usualLife, nil
	}
	if port != "" { // 2
		return Route{Host: string(server), Name: host, Port: port, How: "its name, which has a port"}, usualLife, nil
	}
	to, life, err := p.wellKnown(ctx, host) // 3
	if err == nil {
		r, err := p.delegated(ctx, to)
		return r, life, err
	}
	if ctx.Err() != nil {
		return Route{}, 0, ctx.Err()
	}
	r, failed := p.records(ctx, host) // 4, 5, 6
	if failed == nil && !errors.Is(err, errNoDocument) {
		failed = fmt.Errorf("%w: %w", errCutOff, err)
	}
	return r, shortLife, failed
}

// errCutOff comes with a route that may be wrong: there could be a document, and it cannot be asked for. Where there was one
// before, that is believed.
var errCutOff = errors.New("the .well-known document cannot be had")

// nameless says whether a route that was found without a document leads nowhere: it is the name, and the DNS does not know that.
// What the DNS said when it knew the name is used on, SRV records too.
func (r Route) nameless(why error) bool {
	_, unknown := errors.AsType[*net.DNSError](why)
	return unknown && len(r.Places) == 0
}

// byDocument is how Route.How begins where a document says where a server is.
const byDocument = ".well-known"

// delegated is step 3 for the name that a well-known document gives.
func (p *Peers) delegated(ctx context.Context, to id.Server) (Route, error) {
	host, port := to.Host(), to.Port()
	if r, ok := literal(string(to), host, port); ok { // 3.1
		r.How = ".well-known, which names an address"
		return r, nil
	}
	if port != "" { // 3.2
		return Route{Host: string(to), Name: host, Port: port, How: ".well-known"}, nil
	}
	r, err := p.records(ctx, host) // 3.3, 3.4, 3.5
	r.How = ".well-known, and " + r.How
	return r, err
}

// literal is the route to a server whose name is an address.
func literal(name, host, port string) (Route, bool) {
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if err != nil {
		return Route{}, false
	}
	if port == "" {
		port = federationPort
	}
	return Route{Host: name, Name: addr.String(), Port: port}, true
}

// records looks for SRV records of a host, and without any takes the host itself.
func (p *Peers) records(ctx context.Context, host string) (Route, error) {
	r := Route{Host: host, Name: host, Port: federationPort, How: "its name and the port " + federationPort}
	for _, service := range []string{"_matrix-fed._tcp.", "_matrix._tcp."} {
		found, err := p.way.LookupSRV(ctx, service+host)
		if err != nil {
			return Route{}, fmt.Errorf("look for %s%s: %w", service, host, err)
		}
		for _, s := range found[:min(len(found), maxPlaces)] {
			if target := strings.TrimSuffix(s.Target, "."); target != "" {
				r.Places = append(r.Places, joinPort(target, strconv.Itoa(int(s.Port))))
			}
		}
		if len(r.Places) > 0 {
			r.How = "the SRV record " + service + host
			return r, nil
		}
	}
	return r, nil
}

// maxPlaces is how many SRV records of a name are looked at.
const maxPlaces = 8

var errNoDocument = errors.New("no usable .well-known document")

// wellKnown fetches the document that says to whom a host delegates, and for how long that holds.
func (p *Peers) wellKnown(ctx context.Context, host string) (to id.Server, life time.Duration, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+"/.well-known/matrix/server", nil)
	if err != nil {
		return "", 0, err
	}
	resp, err := p.documents.Do(r)
	if err != nil {
		return "", 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", 0, err
	}
	var document struct {
		Server string `json:"m.server"`
	}
	if resp.StatusCode >= 500 {
		return "", 0, fmt.Errorf("the place of the document answers %d", resp.StatusCode)
	}
	if resp.StatusCode != http.StatusOK || json.Unmarshal(body, &document) != nil {
		return "", 0, errNoDocument
	}
	if to, err = id.ParseServer(document.Server); err != nil {
		return "", 0, fmt.Errorf("%w: %w", errNoDocument, err)
	}
	return to, lifeOf(resp.Header, p.Now()), nil
}

// lifeOf is for how long a document says that it may be kept, within bounds.
func lifeOf(h http.Header, now time.Time) time.Duration {
	for directive := range strings.SplitSeq(h.Get("Cache-Control"), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(strings.ToLower(directive)), "=")
		switch name {
		case "no-store", "no-cache":
			return shortLife
		case "max-age":
			if s, err := strconv.ParseInt(strings.Trim(value, `"`), 10, 32); err == nil {
				return min(max(time.Duration(s)*time.Second, shortLife), longestLife)
			}
		}
	}
	if at, err := http.ParseTime(h.Get("Expires")); err == nil {
		return min(max(at.Sub(now), shortLife), longestLife)
	}
	return usualLife
}

// reach puts a route into the context of a request.
func (r Route) reach(ctx context.Context) context.Context {
	if len(r.Places) == 0 {
		return ctx
	}
	return dial.At(ctx, r.Places...)
}
