// Package peer knows other homeservers: where they are, which keys they sign with, and when they were last heard of.
//
// What was learnt of a server is kept in an address book and outlives its source: when a name cannot be resolved, a
// well-known document not be fetched or keys not be had, what was true before is used on (design D10). A server that does
// not answer is asked less often, never given up, and asked again at once when it shows a sign of life.
//
// Everything goes out through base/dial, signed as the specification says (matrix/xmatrix).
package peer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"freehold.example/base/backoff"
	"freehold.example/base/dial"
	"freehold.example/base/sqldb"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

// Config is what Peers works with. All fields are needed, but for Roots, Allowed, Free and Back.
type Config struct {
	DB     *sqldb.DB
	Door   *dial.Door
	Signer event.Signer
	Now    func() time.Time
	Log    *slog.Logger

	Roots   *x509.CertPool              // authorities of other servers' certificates; nil is the system's
	Allowed func(server id.Server) bool // whether there is to be any traffic with a server; nil allows all
	Free    func(server id.Server)      // told of a server that may be asked before its time, as Alive says; it does not wait for anything
	Back    func(server id.Server)      // told of a server that was silent and is not any more; it does not wait for anything
}

// Peers is what one server knows of others. Its methods may be called from any goroutine.
type Peers struct {
	Config
	way       *dial.Way
	requests  *http.Client   // signed requests
	states    *http.Client   // the same, for answers that are the state of a room
	documents *http.Client   // .well-known
	former    map[id.Key]Key // bounded: those that this server itself signed with; never changed
	files     *http.Client   // files of other servers, by them
	stores    *http.Client   // the same, from where a server says that they lie
	prepared  *prepared

	mu     sync.Mutex              // guards what follows
	known  map[id.Server]*peer     // bounded by maxKnown
	silent map[id.Server]*peer     // those of known that answered once and are not reached now; bounded by maxKnown
	proven map[id.Server]*proven   // bounded by maxProven
	near   map[id.Server]near      // bounded by maxNear
	keys   map[keyOf]Key           // bounded by maxKeys
	calls  map[id.Server]*fetching // keys that are being fetched; bounded by the requests that wait for them
	brief  map[id.Server]*call     // to servers that are not reached, as somebody asks; bounded by maxKnown
	over   chan struct{}           // closed by Close; bounded: nothing is sent
	end    sync.Once
	work   sync.WaitGroup // the calls
}

// limit: other servers whose place is in memory | %d of some 500 bytes | any others are read from the disk again
const maxKnown = 20_000

// peer is what is known of one server in memory.
type peer struct {
	route Route
	until time.Time // past it the route is looked for again, and used on if there is none

	silence backoff.Backoff
	next    time.Time // when it may be asked again
	last    error     // why not yet

	answered bool      // at some time, also before the last start
	heard    time.Time // when it last answered; zero for not since the last start
	written  time.Time // when that was last written into the book
	since    time.Time // when it fell silent; zero while it is not
	called   time.Time // when it was last its turn to be called; zero for now
	moved    bool      // route.Last is not in the book yet
	looked   bool      // in the book, for whether it was reached before the last start
	doubted  bool      // it was not, and nothing has come of it since
	trust    string    // who stands for its certificate, when it is not an authority

	seeks    pace      // of asking it for keys that it did not have
	renewals pace      // of asking it for keys that had not made a signature
	told     time.Time // when it last told its keys
}

// alive is that it may be asked again at once.
func (x *peer) alive() {
	x.silence.Reset()
	x.next = time.Time{}
}

// The wait after a failure: seconds at first, at most fifteen minutes.
var patience = backoff.Policy{First: 2 * time.Second, Cap: 15 * time.Minute}

// bookEvery is how often the book is told that a server still answers.
const bookEvery = time.Hour

// The bounds of one request to another server.
const (
	requestTimeout = 60 * time.Second
	maxAnswer      = 16 << 20 // bytes, unless the caller says otherwise
	maxDocument    = 50 << 10 // of a .well-known document
	stateTimeout   = 5 * time.Minute
	maxStateAnswer = 128 << 20 // bytes of the state of a room
	maxRedirects   = 10
)

// New makes Peers. Errors: a reason to go out that is declared twice.
func New(c Config) (*Peers, error) {
	way, err := c.Door.Declare(dial.Reason{
		Name: "federation", Target: "the homeservers of those who are in a room with your users", Setting: "federation",
		Stops: "messages from and to their users wait until the servers are reached again", Reach: dial.Everywhere, Peers: true,
	})
	if err != nil {
		return nil, err
	}
	p := &Peers{
		Config: c, way: way, known: map[id.Server]*peer{}, silent: map[id.Server]*peer{}, proven: map[id.Server]*proven{}, near: map[id.Server]near{}, keys: map[keyOf]Key{}, calls: map[id.Server]*fetching{},
		brief: map[id.Server]*call{}, over: make(chan struct{}),
		prepared: newPrepared(),
	}
	config := &tls.Config{RootCAs: c.Roots, MinVersion: tls.VersionTLS12}
	p.requests, p.states = way.Client(boundsOf(config)), way.Client(boundsOfStates(config))
	p.documents = way.Client(dial.HTTP{Total: 30 * time.Second, MaxBody: maxDocument, Redirects: maxRedirects, TLS: config})
	if err := p.declareFiles(config); err != nil {
		return nil, err
	}
	return p, nil
}

// boundsOf are those of ordinary requests.
func boundsOf(c *tls.Config) dial.HTTP {
	return dial.HTTP{Total: requestTimeout, Stall: requestTimeout, MaxBody: maxAnswer, PerHost: 16, TLS: c}
}

// boundsOfStates are those of requests for the state of a room.
func boundsOfStates(c *tls.Config) dial.HTTP {
	return dial.HTTP{Total: stateTimeout, Stall: requestTimeout, MaxBody: maxStateAnswer, PerHost: 4, TLS: c}
}

// Close ends the calls that go on, and the connections that are kept.
func (p *Peers) Close() {
	p.end.Do(func() { close(p.over) })
	p.work.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, x := range p.proven {
		x.close()
	}
	p.requests.CloseIdleConnections()
	p.states.CloseIdleConnections()
	p.documents.CloseIdleConnections()
	p.files.CloseIdleConnections()
	p.stores.CloseIdleConnections()
}

// Alive is told that a server has shown a sign of life: it may be asked again at once.
func (p *Peers) Alive(server id.Server) {
	p.mu.Lock()
	back, waited := false, false
	if x := p.known[server]; x != nil {
		waited = !x.next.IsZero()
		x.alive() // how it last answered is for report, which writes it down when that changes
		back = p.rose(server, x)
	}
	p.mu.Unlock()
	if waited && p.Free != nil {
		p.Free(server)
	}
	if back && p.Back != nil {
		p.Back(server)
	}
}

// Retry forgets all waits, and connections of before that nobody uses: the link has returned.
func (p *Peers) Retry() {
	for _, c := range []*http.Client{p.requests, p.states, p.documents, p.files} {
		c.CloseIdleConnections()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, x := range p.known {
		x.alive()
	}
}

// of gives what is known of a server. p.mu is held.
func (p *Peers) of(server id.Server) *peer {
	x := p.known[server]
	if x == nil {
		for other := range p.known {
			if len(p.known) < maxKnown {
				break
			}
			delete(p.known, other)
			delete(p.silent, other)
		}
		x = &peer{silence: backoff.Backoff{Policy: patience}}
		p.known[server] = x
	}
	return x
}

// waiting says why a server is not to be asked yet; nil when it may be.
func (p *Peers) waiting(server id.Server) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	x := p.known[server]
	if x == nil || !p.Now().Before(x.next) {
		return nil
	}
	return &WaitError{Server: server, Until: x.next, Cause: x.last}
}

// report notes how a request to a server went, and in the address book when that is news.
func (p *Peers) report(ctx context.Context, server id.Server, err error) {
	now := p.Now()
	p.mu.Lock()
	x := p.of(server)
	was, back := x.last, false
	x.looked, x.doubted = true, false
	if err == nil {
		x.alive()
		x.answered, x.heard = true, now
	} else {
		x.next = now.Add(x.silence.Next())
	}
	if err == nil || Refused(err) {
		back = p.rose(server, x)
	} else {
		p.fell(server, x, now)
	}
	x.last = err
	known := err == nil && was == nil && now.Sub(x.written) < bookEvery
	moved, route, until := err == nil && !known && x.moved, x.route, x.until
	if err == nil && !known {
		x.written, x.moved = now, false
	}
	p.mu.Unlock()
	if back && p.Back != nil {
		p.Back(server)
	}
	if known {
		return
	}
	if moved {
		if err := p.enter(ctx, server, route, now, until); err != nil {
			p.Log.WarnContext(ctx, "the address book was not written", "server", server, "cause", err)
		}
	}
	if err := p.note(ctx, server, now, err); err != nil {
		p.Log.WarnContext(ctx, "the address book was not written", "server", server, "cause", err)
	}
}

// joinPort is "host:port" of a host that may be an IPv6 address in brackets.
func joinPort(host, port string) string {
	if len(host) > 1 && host[0] == '[' {
		host = host[1 : len(host)-1]
	}
	return net.JoinHostPort(host, port)
}
