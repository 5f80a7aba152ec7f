// Package keep keeps a server alive. It has the data directory's admin socket, which answers from before the first request
// until after the last, whatever state the server is in; and it has the configuration: it runs one generation of the server
// after the other in one process, each with a configuration of its own, and goes back to the one before when a new one
// cannot be used, or is confirmed by nobody (package guard).
package keep

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"freehold.example/api/change"
	"freehold.example/base/durable"
	"freehold.example/server"
	"freehold.example/server/guard"
)

// ErrSettings is wrapped by errors of settings that cannot be used, where there is nothing to fall back on.
var ErrSettings = errors.New("settings")

// settingsError is ErrSettings with the words of another error.
type settingsError struct{ error }

func (e settingsError) Unwrap() []error { return []error{ErrSettings, e.error} }

// Config is what a server is kept with.
type Config struct {
	Args, Environ []string  // flags and environment, as for server.ReadSources
	Out           io.Writer // where the log goes; nil: standard error
	Program       string    // as in server.Config
	App           fs.FS     // the same

	// Again ends the process and starts the program anew in its place: for when a generation does not end, whatever it is
	// told. nil: Run ends with an error then.
	Again func() error

	// Judge says of a configuration why it is not even tried. nil is the one of this package. It is a field for tests, which
	// show that nobody depends on it.
	Judge func(ctx context.Context, c *Candidate) (refused, warnings []string)
}

// How long things may take.
const (
	openTime  = 30 * time.Second // until a generation serves; a migration of the database that takes longer is waited for at the start only
	leastTime = 5 * time.Second  // the same, for one that is to be confirmed within less
	endTime   = 15 * time.Second // until a generation has ended: it promises ten
	retryTime = 2 * time.Second  // between attempts to open the configuration that was good before
)

// keeper is the life of one process.
type keeper struct {
	Config
	from   atomic.Pointer[source] // what is there is not changed: the loop puts another in its place
	served server.Sources         // flags and environment as they were when the server last served; as they are, when that is not known
	home   string                 // the data directory
	guard  *guard.Guard
	ring   *ring
	logger atomic.Pointer[slog.Logger] // by the settings of what runs, or ran last
	net    *network
	began  time.Time

	orders chan order    // what the loop is to do; bounded: one at a time
	undone chan struct{} // the guard has taken a configuration back; bounded: 1
	done   chan struct{} // closed when the loop has ended; bounded: nothing is sent

	mu     sync.Mutex // guards all below
	now    *generation
	since  time.Time // when that began, or ended
	why    string    // why there is none
	remark string    // what is wrong with the operator's file
	astray string    // what is wrong with flags and the environment
	word   string    // that a confirmation has to show; "" for none
}

// order has the loop change the configuration.
type order struct {
	number int
	config server.Config
	within time.Duration // 0: it is confirmed as soon as it serves
	failed chan error    // bounded: 1
}

// Run keeps a server until ctx ends.
func Run(ctx context.Context, c Config) error {
	k := &keeper{Config: c, began: time.Now(), orders: make(chan order), undone: make(chan struct{}, 1), done: make(chan struct{})}
	if k.Out == nil {
		k.Out = os.Stderr
	}
	if k.Judge == nil {
		k.Judge = judge
	}
	k.ring = newRing(k.Out)
	k.since, k.why = k.began, "the server is starting"
	from, err := find(c.Args, c.Environ)
	if err != nil {
		return err
	}
	k.from.Store(from)
	k.home = from.home
	first, wrong := from.config()
	k.logger.Store(server.NewLogger(k.ring, first.LogFormat, first.LogLevel))
	k.net = newNetwork()
	defer k.net.close()
	store := filepath.Join(k.home, "config")
	if wrong != nil && !exists(store) {
		return settingsError{wrong}
	}
	unlock, err := k.lock(store)
	if err != nil {
		return err
	}
	defer unlock() //nolint:errcheck // the kernel gives it back with the process
	if k.guard, err = guard.Open(store); err != nil {
		k.note("%v: the settings of today are taken as they are", err)
	}
	door, err := k.openDoor(ctx)
	if err != nil {
		return err
	}
	defer door()
	return k.live(ctx)
}

// lock takes the directory for this process: who has it has the admin socket too.
func (k *keeper) lock(store string) (func() error, error) {
	if err := durable.MkdirAll(store); err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	unlock, err := durable.Lock(filepath.Join(store, "lock"))
	if errors.Is(err, durable.ErrLocked) {
		return nil, fmt.Errorf("a server runs with its data in %s already", k.home)
	}
	if err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	return unlock, nil
}

// live is the loop: it is the only one that begins and ends generations.
func (k *keeper) live(ctx context.Context) error {
	defer close(k.done)
	now, err := k.start(ctx)
	if err != nil {
		return err
	}
	for {
		var failed error
		select {
		case <-ctx.Done():
			return k.last(now)
		case err := <-now.ended:
			k.ending(now, err)
			if now.number == k.guard.Current() {
				return err
			}
			k.report(k.guard.Undo(now.number, fmt.Sprintf("the server ended with it: %v", err)))
			now, failed = k.again(ctx)
		case o := <-k.orders:
			now, failed = k.change(ctx, now, o)
		case <-k.undone:
			k.log().WarnContext(ctx, "nobody has confirmed the new configuration: the one before comes back", "configuration", k.guard.Current())
			if failed = k.end(now); failed == nil {
				now, failed = k.again(ctx)
			}
		}
		if failed != nil {
			return failed
		}
		if ctx.Err() != nil {
			return k.last(now)
		}
	}
}

// change runs the server with another configuration, or with the one before when that cannot be. The error is for when
// there is no going on.
func (k *keeper) change(ctx context.Context, now *generation, o order) (*generation, error) {
	if err := k.end(now); err != nil {
		return now, err
	}
	limit := openTime
	if o.within > 0 {
		limit = min(limit, max(o.within, leastTime))
	}
	next, err := k.open(ctx, o.number, o.config, limit)
	if err != nil {
		k.log().ErrorContext(ctx, "the new configuration cannot be used: the one before comes back", "configuration", o.number, "cause", err)
		k.report(k.guard.Undo(o.number, fmt.Sprintf("it could not be used: %v", err)))
		next, failed := k.again(ctx)
		o.failed <- err
		return next, failed
	}
	if o.within > 0 {
		k.guard.Watch(o.number, o.within, func() { k.undone <- struct{}{} })
		k.log().WarnContext(ctx, "a new configuration is on trial", "configuration", o.number, "confirm_within", o.within)
	} else if err := k.guard.Confirm(o.number); err != nil {
		k.note("configuration %d is in use, and the next start is with %d: %v", o.number, k.guard.Current(), err)
	} else {
		k.settled()
	}
	o.failed <- nil
	return next, nil
}

// again runs the confirmed configuration. It goes on trying: it was good before.
func (k *keeper) again(ctx context.Context) (*generation, error) {
	defer k.net.release()
	for first := true; ; first = false {
		c, err := k.current()
		if err == nil {
			var g *generation
			if g, err = k.open(ctx, k.guard.Current(), c, openTime); err == nil {
				k.log().WarnContext(ctx, "the server runs with the confirmed configuration again", "configuration", g.number)
				k.compare()
				return g, nil
			}
		}
		if ctx.Err() == nil && first {
			k.log().ErrorContext(ctx, "the confirmed configuration cannot be used now; trying on", "configuration", k.guard.Current(), "cause", err)
		}
		select {
		case <-ctx.Done():
			return nil, nil
		case <-time.After(retryTime):
		}
	}
}

// current is the confirmed configuration.
func (k *keeper) current() (server.Config, error) { return k.configured(k.source().Sources) }

// configured is the same with some flags and environment.
func (k *keeper) configured(with server.Sources) (server.Config, error) {
	number := k.guard.Current()
	text, err := k.guard.Text(number)
	if err != nil {
		return server.Config{}, err
	}
	return with.Config(fmt.Sprintf("configuration %d", number), text)
}

// report logs what could not be written of a decision that holds all the same.
func (k *keeper) report(_ bool, err error) {
	if err != nil {
		k.log().Error("the decision over a configuration could not be written down; it holds, and is made again at the next start", "cause", err)
	}
}

// log is for whoever asks: the loop puts another in its place with each generation.
func (k *keeper) log() *slog.Logger { return k.logger.Load() }

// source is for whoever asks, as log is.
func (k *keeper) source() *source { return k.from.Load() }

// note says loudly what is wrong with the operator's file.
func (k *keeper) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	k.mu.Lock()
	k.remark = text
	k.mu.Unlock()
	k.log().Error("CONFIGURATION", "problem", text)
}

// generation is the server with one configuration.
type generation struct {
	number int
	server *server.Server
	config server.Config
	admin  *pipe
	cancel context.CancelFunc
	ended  chan error // bounded: 1
}

// open makes a generation and waits until it answers.
func (k *keeper) open(ctx context.Context, number int, c server.Config, within time.Duration) (*generation, error) {
	admin, err := newPipe(ctx)
	if err != nil {
		return nil, err
	}
	run, cancel := context.WithCancel(ctx)
	g := &generation{number: number, config: c, admin: admin, cancel: cancel, ended: make(chan error, 1)}
	c.Out, c.Program, c.App, c.Log = k.ring, k.Program, k.App, server.NewLogger(k.ring, c.LogFormat, c.LogLevel)
	c.Listen, c.Changes = k.net.listenFor(g.admin), &asked{k, number}
	made := make(chan error, 1)
	go func() { // it ends when New does; who waits for it no longer ends the process
		var err error
		g.server, err = server.New(run, c)
		made <- err
	}()
	overdue := time.NewTimer(within + endTime)
	defer overdue.Stop()
	late := time.AfterFunc(within, cancel)
	select {
	case err := <-made:
		if !late.Stop() && err == nil {
			err = errors.Join(fmt.Errorf("it was not ready within %v", within), g.server.Close())
		}
		if err != nil {
			cancel()
			return nil, err
		}
	case <-overdue.C:
		cancel()
		return nil, k.giveUp(fmt.Errorf("a server that was to be opened neither serves nor ends"))
	}
	go func() { g.ended <- g.server.Run(run) }() // ends with run
	if within != longest {                       // the first of a process is seen by whoever starts it
		if err := g.answers(run, within); err != nil {
			return nil, errors.Join(err, k.end(g))
		}
	}
	k.logger.Store(c.Log)
	k.mu.Lock()
	k.now, k.since, k.why = g, time.Now(), ""
	k.mu.Unlock()
	return g, nil
}

// end ends a generation and waits for it. The error is that it does not.
func (k *keeper) end(g *generation) error {
	err, stuck := k.stop(g)
	if err != nil {
		k.log().Error("the server did not end well", "cause", err)
	}
	return stuck
}

// last is end for when nothing follows.
func (k *keeper) last(g *generation) error { return errors.Join(k.stop(g)) }

func (k *keeper) stop(g *generation) (err, stuck error) {
	if g == nil {
		return nil, nil
	}
	k.ending(g, nil)
	overdue := time.NewTimer(endTime)
	defer overdue.Stop()
	select {
	case err := <-g.ended:
		return err, nil
	case <-overdue.C:
		return nil, k.giveUp(errors.New("the server does not end"))
	}
}

// ending notes that a generation serves no longer.
func (k *keeper) ending(g *generation, err error) {
	g.cancel()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.now == g {
		k.now, k.since, k.why, k.word = nil, time.Now(), "the server is between two configurations", ""
		if err != nil {
			k.why = err.Error()
		}
	}
}

// giveUp is for a generation that holds what the next one needs: only the end of the process takes it from it. The guard's
// files say what the next process runs with.
func (k *keeper) giveUp(why error) error {
	k.log().Error("the process starts anew", "cause", why)
	if number, _ := k.guard.Trial(); number != 0 {
		k.report(k.guard.Undo(number, why.Error()))
	}
	if k.Again != nil {
		return errors.Join(why, k.Again())
	}
	return why
}

func exists(path string) bool {
	_, err := os.Stat(path) //nolint:gosec // of the data directory, which the operator names
	return err == nil
}

// asked is the keeper as one generation knows it.
type asked struct {
	*keeper
	number int
}

var _ change.Keeper = (*asked)(nil)
