package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"freehold.example/api/admin"
	"freehold.example/api/client"
	"freehold.example/api/setup"
	"freehold.example/api/socket"
	"freehold.example/base/durable"
	"freehold.example/base/limit"
	"freehold.example/base/route"
	"freehold.example/base/sqldb"
	"freehold.example/core/schema"
	"freehold.example/matrix/event"
)

// Server is one running homeserver: made by New, which takes the data directory, the database and the addresses; ended
// by Run, or by Close when it never ran.
type Server struct {
	config   Config
	registry *prometheus.Registry
	signer   event.Signer

	db *sqldb.DB
	parts
	pages *setup.Pages

	clients listener
	admin   listener
	closers []func() error // in the order of opening
}

// New opens everything. Nothing is served before Run, but the addresses are taken.
func New(ctx context.Context, c Config) (*Server, error) {
	c.fill()
	if err := c.Check(); err != nil {
		return nil, err
	}
	s := &Server{config: c, registry: newRegistry()}
	if err := s.open(ctx); err != nil {
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
	path, key := filepath.Join(dir, "server_name"), filepath.Join(dir, "signing.key")
	known, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if s.signer, err = signingKey(key, s.config.ServerName); err != nil {
			return err
		}
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
	limits, err := c.limits()
	if err != nil {
		return err
	}
	counted := limit.New(limits, c.Now)
	metrics, err := route.NewMetrics(s.registry)
	if err != nil {
		return err
	}
	api := client.New(client.Config{
		Accounts: s.accounts, Keys: s.keys, Backups: s.backups, Inbox: s.inbox, Directory: s.directory, Rooms: s.rooms,
		Ephemeral: s.ephemeral, People: s.people, Media: s.media, Feed: s.feed, DeviceLists: s.feed,
		DefaultRoomVersion: c.DefaultRoomVersion, LegacyMedia: bool(c.LegacyMedia), PublicURL: c.PublicURL, Now: c.Now, Log: c.Log,
	})
	rows := append(api.Rows(), admin.SharedRows[client.Call](&admin.API{Accounts: s.accounts})...)
	table, err := route.New(route.Config[client.Call]{
		Rows: rows, Guard: api.Guard, Limits: counted, Metrics: metrics, Log: c.Log, CORS: true,
		Aliases: map[string]string{"/_matrix/client/r0": "/_matrix/client/v3"},
	})
	if err != nil {
		return err
	}
	s.pages = setup.New(setup.Config{Accounts: s.accounts, ServerName: c.ServerName, PublicURL: c.PublicURL, Program: c.Program})
	pages, err := route.New(route.Config[setup.Call]{
		Rows: s.pages.Rows(), Guard: setup.Guard, Limits: counted, Metrics: metrics, Log: c.Log,
	})
	if err != nil {
		return err
	}
	operator, err := route.New(route.Config[socket.Call]{
		Rows: socket.New(socket.Config{Accounts: s.accounts, Now: c.Now}).Rows(), Guard: socket.Guard, Metrics: metrics, Log: c.Log,
	})
	if err != nil {
		return err
	}

	l, err := new(net.ListenConfig).Listen(ctx, "tcp", c.ListenClient)
	if err != nil {
		return fmt.Errorf("listen_client: %w (is another server running? choose another port with FREEHOLD_LISTEN_CLIENT)", err)
	}
	s.closers = append(s.closers, ignoreClosed(l.Close))
	s.clients = s.newListener("clients", l, &front{matrix: table, pages: pages, server: s})

	u, err := listenUnix(AdminSocket(c.DataDir))
	if err != nil {
		return fmt.Errorf("admin socket: %w", err)
	}
	s.closers = append(s.closers, ignoreClosed(u.Close))
	s.admin = s.newListener("admin", u, operator)
	return nil
}

// ClientAddr is where clients are served, as host:port.
func (s *Server) ClientAddr() string { return s.clients.Addr().String() }

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
