// Package drill rehearses what this server does when it is cut off: the running server is cut off in its own dialer and
// resolver, accounts of the drill's own live their daily life by the server's own listener, everybody else is served as
// ever, every attempt to go out is counted, and at the stated end the way out opens by itself, whatever has become of who
// asked for it, of the command, or of the process. A report says what was promised (core/budget), what was observed, what
// was a surprise, and how long it took to heal; it is signed with the server's key and kept.
package drill

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"freehold.example/base/dial"
	"freehold.example/base/durable"
	"freehold.example/core/budget"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// Config is what a drill works with. All fields are needed, but for those that say otherwise.
type Config struct {
	Dir     string // the data directory
	Door    *dial.Door
	Signer  event.Signer
	Program string // its version
	Log     *slog.Logger

	Budget  func(context.Context) (*budget.View, error)
	Cast    Cast
	Base    func() string                                      // of the URLs of this server's listener for clients, at an address that the door knows as its own
	Waiting func(context.Context) (queue, silent int, _ error) // what is to be sent to other servers, and how many are not reached
	People  func() People                                      // requests of clients that were answered so far
	Hold    func() (release func() time.Duration)              // takes the clock from who sets it; release gives it back, and says by how much it was wrong
	Ours    func(c dial.Stranger) bool                         // connections that the door has not made and that are right: to the database; may be nil

	Clock  func() time.Time                       // of the machine, which a drill of the scope time does not touch; nil is the system's
	Uptime func() (boot string, up time.Duration) // nil is the machine's
	Every  time.Duration                          // how often there is a drill by itself; 0 for never
	For    time.Duration                          // how long that is
	Scope  string                                 // ... and of what
}

// Check names the first setting that cannot be used.
func (c Config) Check() error {
	if c.Every == 0 {
		return nil
	}
	if c.Every < time.Hour {
		return errors.New("drill_every: more often than every hour")
	}
	if c.For < Shortest || c.For > Longest || c.For > c.Every/2 {
		return fmt.Errorf("drill_for: must be between %s and %s, and at most half of drill_every", Shortest, Longest)
	}
	if _, err := ParseScope(c.Scope); err != nil {
		return fmt.Errorf("drill_scope: %w", err)
	}
	return nil
}

// The bounds of a drill's length.
const (
	Shortest = time.Second
	Longest  = 7 * 24 * time.Hour
)

// Cast is who makes the accounts of a drill.
type Cast interface {
	// Enter makes two accounts with a password, or takes those that the drills before have had.
	Enter(ctx context.Context, password string) ([2]id.User, error)
	// Leave closes them, and removes their room, if there is one, and their files. It is called again when it failed.
	Leave(ctx context.Context, in id.Room) error
	// In says whether they have entered and not left.
	In(ctx context.Context) (bool, error)
}

// People are the requests of clients.
type People struct{ Answered, Unreachable, Failed int64 }

// Drills rehearses. Its methods may be called from any goroutine.
type Drills struct {
	Config
	way    *dial.Way
	wanted chan struct{} // bounded: has one element while the drill in running is to be taken up by Run

	mu      sync.Mutex // guards what follows
	running *state     // nil while there is none
	since   time.Time  // by Clock: when running.Elapsed was set
	release func() time.Duration
	held    time.Time // since when release is due
	failed  string    // the id of the last drill that came to nothing
	trouble string    // ... and why
	last    string    // the id of the last report
}

// New makes Drills and takes up a drill that a process before this one was in the middle of: what it has cut is cut when New
// returns. Errors: a reason to go out that is declared twice.
func New(c Config) (*Drills, error) {
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Uptime == nil {
		c.Uptime = Uptime
	}
	way, err := c.Door.Declare(dial.Reason{
		Name: "drill", Target: "this server itself, as its users reach it", Setting: "drill_every", Reach: dial.Itself,
		Stops: "a drill says nothing of how its users fare",
	})
	if err != nil {
		return nil, err
	}
	d := &Drills{Config: c, way: way, wanted: make(chan struct{}, 1)}
	s, err := load(c.Dir)
	if err != nil {
		c.Log.Error("the drill that went on cannot be read, and is over", "cause", err)
		return d, forget(c.Dir, runningName)
	}
	if s == nil {
		return d, nil
	}
	s.Starts++
	d.running = s
	d.wanted <- struct{}{}
	if s.Phase != Cutting {
		return d, nil
	}
	boot, up := c.Uptime()
	elapsed := s.elapsed(boot, up, c.Clock())
	d.since = c.Clock().Add(-elapsed)
	if early := stopped(c.Dir, s.ID); early || elapsed >= s.length() {
		return d, d.mend(s, early)
	}
	d.cut(s, s.length()-elapsed)
	c.Log.Info("a drill goes on that was begun before the start", "drill", s.ID, "scope", s.Scope, "left", (s.length() - elapsed).Round(time.Second))
	return d, nil
}

// cut closes the door for what is left of a drill.
func (d *Drills) cut(s *state, left time.Duration) {
	scope, err := ParseScope(s.Scope)
	if err != nil || left <= 0 {
		return
	}
	d.Door.Watch(s.Tally.attempt)
	d.Door.CutFor(scope, left)
	if scope&dial.CutTime != 0 && d.Hold != nil {
		d.release, d.held = d.Hold(), d.Clock()
	}
}

// Order is what somebody asks for.
type Order struct {
	For   time.Duration
	Scope string
	By    string // who
}

var (
	errGoesOn  = fault.New(fault.Unknown, "A drill goes on already").WithStatus(http.StatusConflict)
	errNothing = fault.New(fault.NotFound, "There is no drill").WithStatus(http.StatusNotFound)
)

// Start begins a drill. The cut begins in a few seconds, once its accounts are there: Status says when. Errors: for people.
func (d *Drills) Start(o Order) error {
	scope, err := ParseScope(o.Scope)
	if err != nil {
		return fault.Newf(fault.InvalidParam, "scope: %v", err)
	}
	if o.For < Shortest || o.For > Longest {
		return fault.Newf(fault.InvalidParam, "A drill lasts between %s and %s", Shortest, Longest)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running != nil {
		return errGoesOn
	}
	d.running = &state{
		Version: 1, ID: d.Clock().UTC().Format("2006-01-02T15-04-05Z"), Scope: scopeName(scope), By: o.By, Phase: Preparing,
		Length: o.For.Milliseconds(), Tally: newTally(),
	}
	select {
	case d.wanted <- struct{}{}:
	default: // Run is about to look
	}
	return nil
}

// Stop ends the drill now. Errors: M_NOT_FOUND.
func (d *Drills) Stop() error {
	d.mu.Lock()
	s := d.running
	d.mu.Unlock()
	if s == nil {
		return errNothing
	}
	return durable.WriteFile(inFolder(d.Dir, stopName), []byte(s.ID+"\n"), 0o600)
}

// Status is how it goes with a drill. Times are in milliseconds since 1970.
type Status struct {
	Phase   Phase  `json:"phase"` // "", preparing, cut or healing
	ID      string `json:"drill_id,omitempty"`
	Scope   string `json:"scope,omitempty"`
	By      string `json:"by,omitempty"`
	Started int64  `json:"started_ts,omitempty"`
	Ends    int64  `json:"ends_ts,omitempty"` // the way out opens then
	Left    int64  `json:"left_ms,omitempty"`
	Rounds  int    `json:"rounds,omitempty"`
	Bad     int    `json:"failed_rounds,omitempty"`
	Cut     int    `json:"refused_attempts,omitempty"`
	Last    string `json:"last_report,omitempty"` // its id
	Failed  string `json:"last_failed,omitempty"` // the id of the last drill that came to nothing
	Trouble string `json:"trouble,omitempty"`     // ... and why
}

// Status says what goes on.
func (d *Drills) Status() Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.running
	if s == nil {
		return Status{Last: d.last, Failed: d.failed, Trouble: d.trouble}
	}
	st := Status{Phase: s.Phase, ID: s.ID, Scope: s.Scope, By: s.By, Started: s.Started, Last: d.last}
	if s.Phase == Cutting {
		left := max(s.length()-d.Clock().Sub(d.since), 0)
		st.Ends, st.Left = d.Clock().Add(left).UnixMilli(), left.Milliseconds()
	}
	s.Tally.mu.Lock()
	defer s.Tally.mu.Unlock()
	st.Rounds, st.Bad = s.Tally.Rounds, s.Tally.Rounds-s.Tally.OKRounds
	for _, o := range s.Tally.Outside {
		st.Cut += o.Cut
	}
	return st
}

// Run conducts drills until ctx ends: those that were begun, and those of the schedule.
func (d *Drills) Run(ctx context.Context) error {
	if err := durable.MkdirAll(inFolder(d.Dir)); err != nil {
		return err
	}
	d.sweep(ctx)
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			d.leaveOpen()
			return nil
		case <-d.wanted:
			if err := d.conduct(ctx); err != nil && ctx.Err() == nil {
				d.mu.Lock()
				d.trouble = err.Error()
				d.mu.Unlock()
				d.Log.ErrorContext(ctx, "the drill came to nothing", "cause", err)
			}
		case <-tick.C:
			d.schedule(ctx)
		}
	}
}

// leaveOpen is for the end of a process that goes on in this one (a new generation): its door is not used any more.
func (d *Drills) leaveOpen() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.letGo()
}

// sweep has accounts leave that a process before this one has left behind.
func (d *Drills) sweep(ctx context.Context) {
	d.mu.Lock()
	goesOn := d.running != nil
	d.mu.Unlock()
	if goesOn {
		return
	}
	in, err := d.Cast.In(ctx)
	if err == nil && in {
		err = d.Cast.Leave(ctx, "")
	}
	if err != nil && ctx.Err() == nil {
		d.Log.WarnContext(ctx, "the accounts of a drill that was cut short are still open", "cause", err)
	}
}

// schedule begins a drill when it is time for one.
func (d *Drills) schedule(ctx context.Context) {
	if d.Every == 0 {
		return
	}
	last, err := lastTime(d.Dir)
	if err != nil {
		d.Log.WarnContext(ctx, "the drills so far cannot be read", "cause", err)
		return
	}
	if d.Clock().Sub(last) < d.Every {
		return
	}
	if err := d.Start(Order{For: d.For, Scope: d.Scope, By: "the schedule"}); err != nil {
		d.Log.WarnContext(ctx, "the drill of the schedule was not begun", "cause", err)
	}
}

// letGo opens the door and gives the clock back. d.mu is held.
func (d *Drills) letGo() {
	d.Door.Cut(dial.CutNothing)
	if d.release != nil {
		drift, over := d.release(), d.Clock().Sub(d.held)
		d.release = nil
		if s := d.running; s != nil {
			s.Tally.mu.Lock()
			s.Tally.DriftUS += drift.Microseconds()
			s.Tally.DriftOver += over.Milliseconds()
			s.Tally.mu.Unlock()
		}
	}
}

// over forgets the drill that went on; reported says that there is a report of it.
func (d *Drills) over(s *state, reported bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.Door.Watch(nil)
	d.letGo()
	d.running = nil
	if reported {
		d.last = s.ID
	} else {
		d.failed = s.ID
	}
	return errors.Join(forget(d.Dir, runningName), forget(d.Dir, stopName))
}
