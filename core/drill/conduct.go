package drill

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"freehold.example/base/dial"
	"freehold.example/matrix/id"
)

const (
	checkEvery    = 5 * time.Second        // the state is written down
	lookEvery     = 200 * time.Millisecond // whether somebody has stopped it, and whether it has healed
	usualPace     = 5 * time.Second        // between two journeys
	longestHeal   = 10 * time.Minute       // after which it has not healed
	shortestHeal  = 30 * time.Second       // ... of a short drill
	strangersPace = 2 * time.Second        // between two looks at connections that the door has not made
)

// conduct takes the drill that is wanted from where it is to its report.
func (d *Drills) conduct(ctx context.Context) error {
	d.mu.Lock()
	s := d.running
	d.mu.Unlock()
	if s == nil {
		return nil
	}
	j, err := d.enter(ctx, s)
	if err != nil && s.Phase == Preparing {
		return errors.Join(err, d.Cast.Leave(context.WithoutCancel(ctx), ""), d.over(s, false))
	}
	if err != nil { // the cut goes on, and says nothing of people
		d.Log.ErrorContext(ctx, "the drill has no accounts", "cause", err)
		s.Tally.step("enter", 0, err)
		j = nil
	}
	if s.Phase == Preparing {
		if err := d.prepare(ctx, s, j); err != nil {
			return errors.Join(err, d.Cast.Leave(context.WithoutCancel(ctx), s.Room), d.over(s, false))
		}
	}
	if err := d.live(ctx, s, j); err != nil {
		return err // the end of this process; the next one goes on
	}
	if err := d.Cast.Leave(ctx, s.Room); err != nil {
		if ctx.Err() != nil {
			return err
		}
		s.Tally.mu.Lock()
		s.Tally.Unclean = clip(err.Error())
		s.Tally.mu.Unlock()
	}
	if err := d.write(s); err != nil {
		return errors.Join(fmt.Errorf("the report was not kept: %w", err), d.over(s, false))
	}
	d.Log.InfoContext(ctx, "a drill is over", "drill", s.ID, "healed", s.Tally.Healed)
	return d.over(s, true)
}

// enter makes the accounts.
func (d *Drills) enter(ctx context.Context, s *state) (*journeys, error) {
	password := rand.Text()
	users, err := d.Cast.Enter(ctx, password)
	if err != nil {
		return nil, err
	}
	return &journeys{
		client: d.way.Client(dial.HTTP{Total: stepTime, MaxBody: 1 << 20}), base: d.Base(), users: users, password: password, room: s.Room, clock: d.Clock, tally: s.Tally,
	}, nil
}

// prepare has everything tried once, and then begins the cut: on disk first.
func (d *Drills) prepare(ctx context.Context, s *state, j *journeys) error {
	view, err := d.Budget(ctx)
	if err != nil {
		return err
	}
	queue, silent, err := d.Waiting(ctx)
	if err != nil {
		return err
	}
	before := newTally()
	if !j.round(ctx, before, d.madeRoom(s)) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for _, name := range before.stepNames() {
			for _, text := range before.Steps[name].Errors {
				return errors.New("something does not work before anything is cut: " + name + ": " + text)
			}
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if stopped(d.Dir, s.ID) {
		return errors.New("it was stopped before anything was cut")
	}
	s.Tally.Before = before.Before
	s.Budget, s.Tally.QueueBefore, s.Tally.SilentBefore = view, queue, silent
	boot, up := d.Uptime()
	s.Phase, s.Started, s.Boot, s.Up = Cutting, d.Clock().UnixMilli(), boot, up.Milliseconds()
	if err := errors.Join(forget(d.Dir, stopName), s.save(d.Dir)); err != nil {
		return err
	}
	d.since = d.Clock()
	d.cut(s, s.length())
	d.Log.InfoContext(ctx, "a drill has begun: this server is cut off", "drill", s.ID, "scope", s.Scope, "length", s.length(), "by", s.By)
	return nil
}

// madeRoom keeps the name of the room, so that it is removed also by another process.
func (d *Drills) madeRoom(s *state) func(id.Room) error {
	return func(in id.Room) error {
		d.mu.Lock()
		defer d.mu.Unlock()
		s.Room = in
		if s.Phase == Preparing {
			return nil
		}
		return s.save(d.Dir)
	}
}

// live is the drill from the beginning of the cut, or from where it was interrupted, until all is as before. It returns an
// error when ctx ends before.
func (d *Drills) live(ctx context.Context, s *state, j *journeys) error {
	inner, end := context.WithCancel(ctx)
	var walking sync.WaitGroup
	defer walking.Wait()
	defer end()
	pace := min(max(s.length()/20, 200*time.Millisecond), usualPace)
	people := d.People()
	s.Tally.begin()
	if j != nil {
		walking.Go(func() {
			for inner.Err() == nil {
				j.round(inner, s.Tally, d.madeRoom(s))
				select {
				case <-inner.Done():
				case <-time.After(pace):
				}
			}
		})
	}
	walking.Go(func() { d.strangers(inner, s) })

	stretch := min(max(s.length()/120, lookEvery), time.Minute)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var written, taken, mended time.Time // by the clock
	for {
		now := d.Clock()
		if s.Phase == Cutting {
			if early := stopped(d.Dir, s.ID); early || now.Sub(d.since) >= s.length() {
				if err := d.mend(s, early); err != nil {
					d.Log.ErrorContext(ctx, "the state of the drill was not written down", "cause", err)
				}
			}
		}
		if s.Phase == Mending && mended.IsZero() {
			mended = now
		}
		due := now.Sub(taken) >= stretch
		healing := s.Phase == Mending
		if due || healing {
			queue, silent, err := d.Waiting(ctx)
			if err != nil && ctx.Err() == nil {
				d.Log.WarnContext(ctx, "what waits for other servers was not counted", "cause", err)
			}
			if due {
				answered := d.People()
				s.Tally.take(d.age(s, now), queue, silent, people.until(answered))
				people, taken = answered, now
			}
			if healing && err == nil && d.healed(s, queue, silent, now.Sub(mended)) {
				return nil
			}
		}
		if now.Sub(written) >= checkEvery {
			if err := d.check(s, now); err != nil {
				d.Log.WarnContext(ctx, "the state of the drill was not written down", "cause", err)
			}
			written = now
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), d.check(s, d.Clock()))
		case <-tick.C:
		}
	}
}

// age is how long ago the cut began.
func (d *Drills) age(s *state, now time.Time) time.Duration {
	if s.Phase == Mending && d.since.IsZero() { // it was begun before the start
		return max(now.Sub(time.UnixMilli(s.Started)), 0)
	}
	return now.Sub(d.since)
}

// mend ends the cut.
func (d *Drills) mend(s *state, early bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.letGo()
	s.Cut = d.Clock().Sub(d.since).Milliseconds()
	if !early {
		s.Cut = min(s.Cut, s.Length) // the door has opened by itself; this was noticed a moment later, or at the next start
	}
	s.Phase, s.Stopped, s.Elapsed = Mending, early, s.Cut
	d.Log.Info("the cut of the drill is over", "drill", s.ID, "early", early)
	return s.save(d.Dir)
}

// check writes down how far it is.
func (d *Drills) check(s *state, now time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s.Phase == Cutting {
		s.Elapsed = now.Sub(d.since).Milliseconds()
	}
	return s.save(d.Dir)
}

// healed says whether all is as before, or it has been long enough.
func (d *Drills) healed(s *state, queue, silent int, after time.Duration) bool {
	t := s.Tally
	t.mu.Lock()
	defer t.mu.Unlock()
	if queue <= t.QueueBefore && silent <= t.SilentBefore {
		t.Healed, t.HealMS = true, after.Milliseconds()
		return true
	}
	return after >= min(max(s.length(), shortestHeal), longestHeal)
}

// until is what was answered between two looks.
func (p People) until(now People) people {
	return people{Answered: max(now.Answered-p.Answered, 0), Unreachable: max(now.Unreachable-p.Unreachable, 0), Failed: max(now.Failed-p.Failed, 0)}
}

// strangers looks for connections that the door has not made.
func (d *Drills) strangers(ctx context.Context, s *state) {
	tick := time.NewTicker(min(strangersPace, max(s.length()/10, lookEvery)))
	defer tick.Stop()
	seen := map[dial.Stranger]bool{} // bounded: the connections of one look
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		found, err := d.Door.Strangers()
		if err != nil {
			return // this system does not tell
		}
		again := map[dial.Stranger]bool{}
		for _, one := range found {
			if d.Ours != nil && d.Ours(one) {
				continue
			}
			again[one] = true
			if seen[one] { // twice: it was not one that is just being made
				s.Tally.stranger(one.Remote.String(), dial.Whose())
			}
		}
		seen = again
	}
}
