package peer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"freehold.example/base/dial"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/id"
)

// A server shows a certificate from an authority, and that is the end of it. Where it does not - there is no authority in a
// cut that lasts longer than its certificate, and none for a server on a local network - the certificate may be proven by the
// server's own signing key instead: the object in which it publishes its keys names the hash of the certificate's public key
// ([PinField]), and is signed by a key that was seen before, when an authority still stood for the server. The object is fetched
// over the very connection that is to be proven, is good for a day, and of use to nobody who has not the private key of that
// certificate (docs/decisions/0015).
//
// A server that was never met has no such key. It is believed on first sight only where no authority can ever stand for its name,
// and its address is inside (firstSight).

// PinField is the member of a published key object with the hashes: {"sha256": [base64 of SHA-256 of the SubjectPublicKeyInfo]}.
const PinField = "org.freehold.tls"

// Pin is the hash that is published of a certificate.
func Pin(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return base64.RawStdEncoding.EncodeToString(sum[:])
}

const (
	maxPins    = 8         // that are looked at of one server
	provenLife = time.Hour // after which an authority is asked for again, and the proof
	// limit: servers whose certificates their own keys have proven, in memory | %d with their connections | any others are proven again
	maxProven = 500
)

// UnprovenError is a certificate that neither an authority nor the server's own key stands for.
type UnprovenError struct {
	Authority error // why no authority does
	Key       error // why the key does not
}

func (e *UnprovenError) Error() string {
	return fmt.Sprintf("%v; and the server's own signing key does not stand for the certificate: %v", e.Authority, e.Key)
}

func (e *UnprovenError) Unwrap() []error { return []error{e.Authority, e.Key} }

// proven is the way to a server whose certificate its own key stands for. No other server is spoken with by it.
type proven struct {
	until                   time.Time
	requests, states, files *http.Client
}

func (x *proven) close() {
	x.requests.CloseIdleConnections()
	x.states.CloseIdleConnections()
	x.files.CloseIdleConnections()
}

var errOtherCertificate = errors.New("the server shows another certificate than before")

// trusting is how to speak with who shows one certificate, whoever signed it and whatever it says.
func trusting(verify func(*x509.Certificate) error) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, //nolint:gosec // the certificate is checked by its hash, which a signing key stands for
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 {
				return errors.New("the server shows no certificate")
			}
			return verify(s.PeerCertificates[0])
		},
	}
}

// do sends the request that request makes for a route, by a client that trusts authorities, and where these do not stand for the
// server by one that trusts its key.
func (p *Peers) do(ctx context.Context, client *http.Client, server id.Server, route Route, request func(Route) (*http.Request, error)) (*http.Response, error) {
	send := func(client *http.Client) (*http.Response, error) {
		resp, at, err := p.once(client, server, route, request)
		if err == nil && at != "" {
			until := int64(0)
			if shown := resp.TLS; shown != nil && len(shown.VerifiedChains) > 0 {
				until = shown.PeerCertificates[0].NotAfter.UnixMilli()
			}
			if at != route.Last || until != route.Until {
				p.answeredAt(server, at, until)
			}
		}
		return resp, err
	}
	if own := p.provenBy(server, client); own != nil {
		resp, err := send(own)
		if !errors.Is(err, errOtherCertificate) {
			return resp, err
		}
		p.disprove(server)
	}
	resp, err := send(client)
	if _, wrong := errors.AsType[*tls.CertificateVerificationError](err); !wrong {
		return resp, err
	}
	if why := p.prove(ctx, server, route); why != nil {
		return nil, &UnprovenError{Authority: err, Key: why}
	}
	if own := p.provenBy(server, client); own != nil {
		return send(own)
	}
	return nil, err
}

// once sends a request, and says from which address it was answered. Where the name of the place cannot be resolved it goes to the address at which the server last answered, and
// where nobody is there, to one on the local network from which somebody says that he is that server.
func (p *Peers) once(client *http.Client, server id.Server, route Route, request func(Route) (*http.Request, error)) (resp *http.Response, at string, err error) {
	resp, at, err = try(client, route, request)
	if err != nil {
		for _, place := range p.otherPlaces(server, route, err) {
			route.Places = []string{place}
			if resp, at, err = try(client, route, request); err == nil {
				break
			}
		}
	}
	return resp, at, err
}

// try sends a request once, and says from which address it was answered.
func try(client *http.Client, route Route, request func(Route) (*http.Request, error)) (resp *http.Response, at string, err error) {
	r, err := request(route)
	if err != nil {
		return nil, "", err
	}
	r.Host = route.Host
	trace := &httptrace.ClientTrace{GotConn: func(got httptrace.GotConnInfo) { at = got.Conn.RemoteAddr().String() }}
	resp, err = client.Do(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	return resp, at, err
}

// provenBy is the client to use in the place of another for a server whose certificate its own key stands for; nil where that is not so.
func (p *Peers) provenBy(server id.Server, in *http.Client) *http.Client {
	p.mu.Lock()
	defer p.mu.Unlock()
	x := p.proven[server]
	switch {
	case x == nil:
		return nil
	case !p.Now().Before(x.until):
		delete(p.proven, server)
		x.close()
		return nil
	case in == p.states:
		return x.states
	case in == p.files:
		return x.files
	}
	return x.requests
}

func (p *Peers) disprove(server id.Server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if x := p.proven[server]; x != nil {
		delete(p.proven, server)
		x.close()
	}
}

// prove has a server's own key stand for the certificate that it shows.
func (p *Peers) prove(ctx context.Context, server id.Server, route Route) error {
	shown, zone, body, err := p.unproven(ctx, server, route)
	if err != nil {
		return err
	}
	d, err := readDocument(server, body, p.Now())
	if err != nil {
		return fmt.Errorf("what it publishes of its keys cannot be used: %w", err)
	}
	switch {
	case d.until <= p.Now().UnixMilli():
		return errors.New("what it publishes of its keys is out of date, or this server's clock is wrong")
	case !d.names(shown):
		return errors.New("what it publishes of its keys does not name it")
	}
	known, err := p.vouches(ctx, server, d)
	if err != nil {
		return err
	}
	how := "its signing key"
	if !known {
		if why := firstSight(server, zone); why != "" {
			return errors.New(why)
		}
		met, err := p.hasToldKeys(ctx, server)
		if err != nil {
			return err
		}
		if met {
			return errors.New("its signing key is another than before")
		}
		how = "its signing key, believed on first sight"
		p.Log.InfoContext(ctx, "a server was met that no authority stands for", "server", server, "certificate", shown)
	}
	if err := p.keep(ctx, server, d); err != nil {
		return err
	}
	p.setProven(server, shown, how)
	return nil
}

// unproven fetches what a server publishes of its keys from whoever is there, with the hash of the certificate that he shows.
func (p *Peers) unproven(ctx context.Context, server id.Server, route Route) (pin string, zone dial.Zone, body []byte, err error) {
	var shown atomic.Pointer[string]
	client := p.way.Client(dial.HTTP{Total: keyTimeout, MaxBody: maxKeyBytes, PerHost: 1, TLS: trusting(func(c *x509.Certificate) error {
		pin := Pin(c)
		shown.Store(&pin)
		return nil
	})})
	defer client.CloseIdleConnections()
	resp, at, err := p.once(client, server, route, func(r Route) (*http.Request, error) {
		return http.NewRequestWithContext(r.reach(ctx), http.MethodGet, r.url(keyPath), nil)
	})
	if err != nil {
		return "", dial.Nowhere, nil, err
	}
	defer resp.Body.Close()
	if body, err = io.ReadAll(resp.Body); err != nil {
		return "", dial.Nowhere, nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return "", dial.Nowhere, nil, refusal(server, resp.StatusCode, body)
	}
	if a, err := netip.ParseAddrPort(at); err == nil {
		zone = p.Door.Zone(a.Addr())
	}
	return *shown.Load(), zone, body, nil
}

// readPins reads the member of a key object that names certificates; none where it is not as it should be.
func readPins(b json.RawMessage) []string {
	var said struct {
		SHA256 []string `json:"sha256"`
	}
	if json.Unmarshal(b, &said) != nil {
		return nil
	}
	return said.SHA256[:min(len(said.SHA256), maxPins)]
}

// vouches says whether a document is signed by a key that the server had told before, and has not given up.
func (p *Peers) vouches(ctx context.Context, server id.Server, d *document) (bool, error) {
	for name, now := range d.keys {
		if now.Expired != 0 {
			continue
		}
		var public []byte
		var expired int64
		var via string
		err := p.DB.Read(ctx, func(tx *sqldb.Tx) error {
			found, err := sqldb.All(tx, func(row sqldb.Scanner) (struct{}, error) { return struct{}{}, row.Scan(&public, &expired, &via) }, sqlWhose, server, name)
			if err == nil && len(found) == 0 {
				public = nil
			}
			return err
		})
		if err != nil {
			return false, err
		}
		if via == "" && expired == 0 && bytes.Equal(public, now.Public) {
			return true, nil
		}
	}
	return false, nil
}

const sqlWhose = `SELECT public, expired, via FROM peer_key WHERE server = $1 AND key_id = $2`

// hasToldKeys says whether the server has told its keys at some time.
func (p *Peers) hasToldKeys(ctx context.Context, server id.Server) (told bool, err error) {
	err = p.DB.Read(ctx, func(tx *sqldb.Tx) error {
		var n int
		err := tx.Row(sqlToldItself, server).Scan(&n)
		told = n > 0
		return err
	})
	return told, err
}

// firstSight says why a server that was never met is not believed without an authority; "" when it is.
func firstSight(server id.Server, zone dial.Zone) string {
	const why = "it was never met before, and "
	if zone != dial.Inside {
		return why + "its address is not inside"
	}
	host := strings.ToLower(strings.Trim(server.Host(), "[]"))
	if _, err := netip.ParseAddr(host); err == nil || !strings.Contains(host, ".") {
		return ""
	}
	for _, local := range []string{".local", ".lan", ".internal", ".home.arpa", ".localhost", ".test"} {
		if strings.HasSuffix(host, local) {
			return ""
		}
	}
	return why + "an authority could stand for its name"
}

// setProven makes the way to a server whose certificate is proven.
func (p *Peers) setProven(server id.Server, pin, how string) {
	config := trusting(func(c *x509.Certificate) error {
		if Pin(c) != pin {
			return errOtherCertificate
		}
		return nil
	})
	x := &proven{
		until: p.Now().Add(provenLife), requests: p.way.Client(boundsOf(config)), states: p.way.Client(boundsOfStates(config)),
		files: p.way.Client(boundsOfFiles(config)),
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for other, old := range p.proven {
		if len(p.proven) < maxProven || other == server {
			break
		}
		delete(p.proven, other)
		old.close()
	}
	p.proven[server] = x
	p.of(server).trust = how
}

// answeredAt notes the address at which a server answered, and when its certificate ends; 0 where no authority stands for it.
func (p *Peers) answeredAt(server id.Server, at string, until int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if x := p.of(server); x.route.Host != "" && (x.route.Last != at || x.route.Until != until) {
		x.route.Last, x.route.Until, x.moved = at, until, true
	}
}
