package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"freehold.example/api/admin"
	"freehold.example/api/app"
	"freehold.example/api/client"
	"freehold.example/api/federation"
	"freehold.example/api/setup"
	"freehold.example/api/socket"
	"freehold.example/base/durable"
	"freehold.example/base/route"
	"freehold.example/base/sqldb"
	"freehold.example/core/call"
	"freehold.example/core/schema"
	"freehold.example/matrix/event"
	"freehold.example/server/archive"
)

// Server is one running homeserver: made by New, which takes the data directory, the database and the addresses; ended
// by Run, or by Close when it never ran.
type Server struct {
	config   Config
	registry *prometheus.Registry
	signer   event.Signer
	newKey   bool // it was made by this start

	db *sqldb.DB
	parts
	pages    *setup.Pages
	app      *app.App       // nil when the program was built without it
	ownPlace netip.AddrPort // where this server reaches its own listener for clients

	accounting accountant
	clock      *heldClock
	answers    *route.Metrics // of all requests

	clients listener
	servers *listener // nil when other servers are not listened to
	admin   listener

	certificate *certificate   // of servers; nil when other servers are not listened to
	closers     []func() error // in the order of opening
}

// New opens everything. Nothing is served before Run, but the addresses are taken.
func New(ctx context.Context, c Config) (*Server, error) {
	c.fill()
	if err := c.Check(); err != nil {
		return nil, err
	}
	clock := &heldClock{next: c.Now}
	c.Now = clock.now
	s := &Server{config: c, registry: newRegistry(), clock: clock}
	if err := s.open(ctx); err != nil {
		if durable.Full(err) {
			err = fmt.Errorf("data_dir: the disk is full: there is no room in %s. Make some, 100 MB or more, and start again (%w)", c.DataDir, err)
		}
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Server) open(ctx context.Context) error {
	if err := s.openDir(); err != nil {
		return err
	}
	if err := s.openDatabase(ctx); err != nil {
		return err
	}
	if err := s.openParts(ctx); err != nil {
		return err
	}
	return s.openListeners(ctx)
}

// openDir makes the data directory. It refuses one that belongs to another server name, as everything in it is signed with
// and addressed by that name, and one that has lost its signing key.
func (s *Server) openDir() error {
	dir := s.config.DataDir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	if err := archive.HalfRestored(dir); err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	path, key := filepath.Join(dir, "server_name"), filepath.Join(dir, "signing.key")
	known, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		_, none := os.Stat(key)
		if s.signer, err = signingKey(key, s.config.ServerName); err != nil {
			return err
		}
		s.newKey = errors.Is(none, fs.ErrNotExist)
		// Last, as it says that the key is there.
		if err := durable.WriteFile(path, []byte(s.config.ServerName+"\n"), 0o600); err != nil {
			return fmt.Errorf("data_dir: %w", err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	if name := strings.TrimSpace(string(known)); name != string(s.config.ServerName) {
		return fmt.Errorf("server_name: %s is of %s, not of %s; a server's name cannot be changed (another data_dir starts another server)",
			dir, name, s.config.ServerName)
	}
	if _, err := os.Stat(key); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("data_dir: %s is gone: put it back from a backup; with a new key other servers would not believe what this one "+
			"has signed (to have one made all the same, remove %s)", key, path)
	}
	s.signer, err = signingKey(key, s.config.ServerName)
	return err
}

func (s *Server) openDatabase(ctx context.Context) error {
	commits, err := newCommits(s.registry)
	if err != nil {
		return err
	}
	s.db, err = sqldb.Open(ctx, sqldb.Config{URL: s.config.DatabaseURL, Dir: s.config.DataDir, Log: s.config.Log, OnCommit: commits.observe})
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	s.closers = append(s.closers, s.db.Close)
	if err := s.db.Migrate(ctx, schema.FS); err != nil {
		return fmt.Errorf("prepare the database: %w", err)
	}
	return nil
}

func (s *Server) openListeners(ctx context.Context) error {
	c := &s.config
	metrics, err := route.NewMetrics(s.registry)
	if err != nil {
		return err
	}
	s.answers = metrics
	if err := errors.Join(s.feed.Register(s.registry), s.registerBudget()); err != nil {
		return err
	}
	api := client.New(client.Config{
		Accounts: s.accounts, Keys: s.keys, Backups: s.backups, Inbox: s.inbox, Reports: s.reports, Directory: s.directory, Spaces: s.spaces, Notices: s.notices, Delayed: s.delayed, Threads: s.threads, Services: s.services, Line: s.line, Desk: s.desk, Rooms: s.rooms, Past: s.arrivals, Looked: s.wake.Looked, Reach: s.reach, Bus: s.bus, Handshakes: s.handshakes,
		Calls: call.New(c.calls()), Discovery: c.discovery(),
		Ephemeral: s.ephemeral, People: s.people, Media: s.media, Previews: s.previews, Push: s.push, Search: s.search, Feed: s.feed, DeviceLists: s.feed,
		DefaultRoomVersion: c.DefaultRoomVersion, LoginTokens: bool(c.LoginTokens), LegacyMedia: bool(c.LegacyMedia), PublicURL: c.PublicURL,
		Audit: s.audit, Limits: s.limits, Now: c.Now, Log: c.Log,
	})
	rows := append(api.Rows(), admin.Rows(s.administration(), administrator)...)
	table, err := route.New(route.Config[client.Call]{
		Rows: rows, Guard: api.Guard, Limits: s.limits, Metrics: metrics, Log: c.Log, CORS: true,
		Aliases: map[string]string{"/_matrix/client/r0": "/_matrix/client/v3", "/_matrix/media/r0": "/_matrix/media/v3"},
	})
	if err != nil {
		return err
	}
	if c.App != nil {
		if s.app, err = app.New(c.App); err != nil {
			return err
		}
	}
	s.pages = setup.New(setup.Config{Accounts: s.accounts, ServerName: c.ServerName, PublicURL: c.PublicURL, Program: c.Program})
	pages, err := route.New(route.Config[setup.Call]{
		Rows: s.pages.Rows(), Guard: setup.Guard, Limits: s.limits, Metrics: metrics, Log: c.Log,
	})
	if err != nil {
		return err
	}
	servers := federation.New(federation.Config{
		Signer: s.signer, Pins: s.pins, Version: Version(), Now: c.Now, Peers: s.peers, Accounts: s.accounts, People: s.people,
		Directory: s.directory, Keys: s.keys, Media: s.media, Rooms: s.rooms, Spaces: s.spaces, Handshakes: s.handshakes, Arrivals: s.arrivals, EDUs: s.edus(), Asked: s.outbox.Asked, Log: c.Log,
	})
	peers, err := route.New(route.Config[federation.Call]{
		Rows: servers.Rows(), Guard: servers.Guard, Signed: servers.Signed, Limits: s.limits, Metrics: metrics, Log: c.Log,
	})
	if err != nil {
		return err
	}
	operator, err := route.New(route.Config[socket.Call]{
		Rows: socket.New(socket.Config{Accounts: s.accounts, Audit: s.audit, Backup: s.backup, Examine: s.peers.Examine, Budget: s.budgetView, Drills: s.drills, Now: c.Now}).Rows(), Guard: socket.Guard, Metrics: metrics, Log: c.Log,
	})
	if err != nil {
		return err
	}

	l, err := c.Listen(ctx, "tcp", c.ListenClient)
	if err != nil {
		return fmt.Errorf("listen_client: %w (is another server running? choose another port with FREEHOLD_LISTEN_CLIENT)", err)
	}
	s.closers = append(s.closers, ignoreClosed(l.Close))
	s.ownPlace = ownPlace(l.Addr())
	s.door.Own(s.ownPlace)
	s.clients = s.newListener("clients", newCrowd(l, maxConns, maxConnsOf), &front{matrix: table, servers: peers, pages: pages, server: s})
	s.clients.parks(c.ParkAfter)
	if err := s.registry.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "freehold_requests_parked", Help: "Requests that wait for news with their connection parked.",
	}, func() float64 { return float64(s.clients.lot.Parked()) })); err != nil {
		return err
	}
	if err := measureChanges(s.registry, c.Changes); err != nil {
		return err
	}
	if err := s.openFederation(ctx, peers); err != nil {
		return err
	}

	u, err := c.Listen(ctx, "unix", AdminSocket(c.DataDir))
	if err != nil {
		return fmt.Errorf("admin socket: %w", err)
	}
	s.closers = append(s.closers, ignoreClosed(u.Close))
	s.admin = s.newListener("admin", u, &inspect{next: operator})
	return nil
}

// openFederation listens to other servers, when that is wanted. Every certificate will do for who trusts by signing keys;
// the rest of the world wants one from an authority (tls_cert).
func (s *Server) openFederation(ctx context.Context, h http.Handler) error {
	c := &s.config
	if c.ListenFederation == "" || c.Federation == "off" {
		return nil
	}
	cert, err := newCertificate(c)
	if err != nil {
		return err
	}
	s.certificate = cert
	l, err := c.Listen(ctx, "tcp", c.ListenFederation)
	if err != nil {
		return fmt.Errorf("listen_federation: %w (choose another port with FREEHOLD_LISTEN_FEDERATION, or leave it empty to do without)", err)
	}
	s.closers = append(s.closers, ignoreClosed(l.Close))
	secure := tls.NewListener(newCrowd(l, maxConns, maxConnsOf), &tls.Config{GetCertificate: cert.get, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
	servers := s.newListener("servers", secure, h)
	s.servers = &servers
	return nil
}

// ClientAddr is where clients are served, as host:port.
func (s *Server) ClientAddr() string { return s.clients.Addr().String() }

// FederationAddr is where other servers are served, as host:port; "" when they are not.
func (s *Server) FederationAddr() string {
	if s.servers == nil {
		return ""
	}
	return s.servers.Addr().String()
}

// Close gives back what New took, the last first. Run does it too.
func (s *Server) Close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	s.closers = nil
	return errors.Join(errs...)
}

func ignoreClosed(closer func() error) func() error {
	return func() error {
		if err := closer(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	}
}

// commits measures what the database commits.
type commits struct {
	seconds prometheus.Histogram
	writes  prometheus.Counter
}

func newCommits(reg prometheus.Registerer) (*commits, error) {
	c := &commits{
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "freehold_db_commit_seconds", Help: "Time from BEGIN until a commit is on disk.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5},
		}),
		writes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "freehold_db_writes_total", Help: "Writes committed; several share one commit.",
		}),
	}
	return c, errors.Join(reg.Register(c.seconds), reg.Register(c.writes))
}

func (c *commits) observe(writes int, took time.Duration) {
	c.seconds.Observe(took.Seconds())
	c.writes.Add(float64(writes))
}
