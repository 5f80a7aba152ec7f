package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"freehold.example/api/setup"
	"freehold.example/base/park"
	"freehold.example/base/task"
)

// The end of a server, within the ten seconds that a process manager grants: requests under way may finish for drainTime,
// those that only wait for news are ended after patience, and closing the rest takes what remains.
const (
	patience  = 2 * time.Second
	drainTime = 6 * time.Second
	taskTime  = 2 * time.Second
)

// What a connection may cost before anything is known about it.
const (
	headerTime = 10 * time.Second
	idleTime   = 3 * time.Minute
	// limit: header of one request | %b, within 10 s | 431, or the connection ends
	headerBytes = 64 << 10 // a sync filter may come in the query
)

// listener is an http.Server and what it listens on. There is no write timeout: long polls and media take as long as they
// take; package route ends connections that stop reading.
type listener struct {
	net.Listener
	http *http.Server
	lot  *park.Lot          // where connections wait; nil where nothing waits
	end  context.CancelFunc // ends the contexts of its requests
}

func (s *Server) newListener(name string, l net.Listener, h http.Handler) listener {
	ctx, end := context.WithCancel(context.Background())
	return listener{Listener: l, end: end, http: &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    headerBytes,
		ErrorLog:          httpErrors(s.config.Log.With("listener", name)),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}}
}

// parks lets requests that wait be parked, once they have waited for so long.
func (l *listener) parks(after time.Duration) {
	l.lot = park.New(park.Config{After: after}, l.Listener)
	l.Listener = l.lot.Listener()
	l.http.ConnContext = park.ConnContext
}

// listeners are all that there are.
func (s *Server) listeners() []listener {
	all := []listener{s.clients, s.admin}
	if s.servers != nil {
		all = append(all, *s.servers)
	}
	return all
}

// Run serves until ctx ends, then drains and closes. It returns nil after an orderly end.
func (s *Server) Run(ctx context.Context) error {
	background := task.NewGroup(context.WithoutCancel(ctx), s.config.Log)
	if err := s.startTasks(background); err != nil {
		return errors.Join(err, s.Close())
	}
	failed := make(chan error, 2*len(s.listeners()))
	for _, l := range s.listeners() {
		go func() { failed <- l.http.Serve(l.Listener) }() // ends with Shutdown
		if l.lot != nil {
			go func() { failed <- l.http.Serve(l.lot) }() // as above
		}
	}
	s.config.Log.InfoContext(ctx, "serving", "server_name", s.config.ServerName, "clients", s.ClientAddr(),
		"data_dir", s.config.DataDir, "database", s.db.Engine())
	if err := s.welcome(ctx); err != nil {
		s.config.Log.ErrorContext(ctx, "no link for the first account", "cause", err)
	}

	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	s.config.Log.InfoContext(ctx, "stopping")
	s.drain()
	taskCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), taskTime)
	defer cancel()
	err = errors.Join(err, background.Stop(taskCtx), s.accounts.FlushSeen(taskCtx), s.Close())
	s.config.Log.InfoContext(ctx, "stopped")
	return err
}

// welcome prints the link that makes the first account, where it cannot be overlooked. It is no log record: logs are kept
// and sent elsewhere, and this is a key until it has been used.
func (s *Server) welcome(ctx context.Context) error {
	token, ok, err := s.pages.Token(ctx)
	if err != nil || !ok {
		return err
	}
	base := s.config.PublicURL
	if base == "" {
		base = "http://localhost"
		if _, port, err := net.SplitHostPort(s.ClientAddr()); err == nil {
			base += ":" + port
		}
	}
	_, err = fmt.Fprintf(s.config.Out, "\n"+
		"  ------------------------------------------------------------------\n"+
		"  Welcome to Freehold. There is no account yet.\n"+
		"  Make the administrator's account with this link, which works once:\n"+
		"\n"+
		"    %s\n"+
		"  ------------------------------------------------------------------\n\n", base+setup.Path(token))
	return err
}

// drain stops listening and lets requests end.
func (s *Server) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	var wg sync.WaitGroup
	for _, l := range s.listeners() {
		wg.Go(func() {
			stop := time.AfterFunc(patience, l.end)
			defer stop.Stop()
			if l.lot != nil {
				l.http.SetKeepAlivesEnabled(false)
				l.lot.Empty(ctx)
			}
			if l.http.Shutdown(ctx) != nil {
				_ = l.http.Close()
			}
			l.end()
		})
	}
	wg.Wait()
}

// startTasks starts everything that runs beside the requests.
func (s *Server) startTasks(g *task.Group) error {
	return errors.Join(
		g.Go("seen", func(ctx context.Context) error {
			return every(ctx, time.Minute, s.accounts.FlushSeen)
		}),
		g.Go("departures", func(ctx context.Context) error {
			if err := s.accounts.FinishDepartures(ctx); err != nil && ctx.Err() == nil {
				s.config.Log.ErrorContext(ctx, "deactivated users are still in rooms", "cause", err)
			}
			return every(ctx, 5*time.Minute, s.accounts.FinishDepartures)
		}),
		g.Go("delayed events", s.delayed.Run),
		g.Go("device lists", s.keys.Run),
		g.Go("removals", s.removals.Run),
		g.Go("drills", s.drills.Run),
		g.Go("arrivals", s.arrivals.Run),
		s.startOutbox(g),
		g.Go("handshakes", s.handshakes.Run),
		g.Go("coming back", s.wake.Run),
		g.Go("reach", s.reach.Run),
		g.Go("neighbours", s.neighbours),
		s.startServices(g),
		g.Go("search index", s.search.Run),
		g.Go("push", s.push.Run),
		g.Go("tidy", s.tidy),
		g.Go("media", func(ctx context.Context) error {
			return every(ctx, 6*time.Hour, func(ctx context.Context) error {
				_, err := s.media.Clean(ctx)
				return err
			})
		}),
	)
}

// every calls fn again and again until ctx ends.
func every(ctx context.Context, pause time.Duration, fn func(context.Context) error) error {
	t := time.NewTicker(pause)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			if err := fn(ctx); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}

// listen is the system's network.
func listen(ctx context.Context, network, address string) (net.Listener, error) {
	if network == "unix" {
		return listenUnix(address)
	}
	return new(net.ListenConfig).Listen(ctx, network, address)
}

// listenUnix makes a socket that only this user can reach. The data directory is locked by the database, so a socket that
// is there already is one of a server that was killed.
func listenUnix(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	short, done, err := shortPath(path)
	if err != nil {
		return nil, err
	}
	defer done()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: short, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	return unixListener{l, path}, os.Chmod(path, 0o600)
}

type unixListener struct {
	net.Listener
	path string
}

func (l unixListener) Close() error {
	err := l.Listener.Close()
	if rm := os.Remove(l.path); rm != nil && !errors.Is(rm, os.ErrNotExist) {
		err = errors.Join(err, rm)
	}
	return err
}

// ListenAdmin takes the admin socket of a server that keeps its data in dir. Who does it has to have made sure that nobody else
// has it.
func ListenAdmin(dir string) (net.Listener, error) { return listenUnix(AdminSocket(dir)) }

// DialAdmin connects to the admin socket of the server that keeps its data in dir.
func DialAdmin(ctx context.Context, dir string) (net.Conn, error) {
	short, done, err := shortPath(AdminSocket(dir))
	if err != nil {
		return nil, err
	}
	defer done()
	var d net.Dialer
	return d.DialContext(ctx, "unix", short)
}

// shortPath gives a name for path that fits into a socket address (108 bytes on Linux), by way of its open directory.
func shortPath(path string) (short string, done func(), err error) {
	const fits = 100
	if len(path) <= fits {
		return path, func() {}, nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, err
	}
	name := filepath.Join("/proc/self/fd", strconv.Itoa(int(dir.Fd())), filepath.Base(path))
	return name, func() { _ = dir.Close() }, nil
}
