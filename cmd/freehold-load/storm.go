package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// storming has 2,000 people wait in /sync, takes the server away and gives it back, or the link to it, and has all of them come
// back at the same moment, while others write.
func storming(ctx context.Context, l *lab) error {
	const connections, rooms, senders = 2000, 20, 8
	people, names, err := l.crowd(ctx, connections+senders, rooms)
	if err != nil {
		return err
	}
	crowd, writers := people[:connections], people[connections:]
	if _, err := send(writers, names, 0, 50*rooms); err != nil {
		return err
	}
	if err := parallel(4, connections, func(i int) error { _, err := crowd[i].sync(0, ""); return err }); err != nil {
		return err
	}
	if err := l.restart(ctx); err != nil { // what is resident is of waiting, not of all that was before
		return err
	}
	if err := l.redial(ctx, people...); err != nil {
		return err
	}
	next := atomic.Int64{}
	next.Store(1_000_000)
	// back has everybody sync once, each tenth from nothing as an app does that was opened anew, and then wait. It says how long
	// each first answer took.
	back := func() (all times, again int64, err error) {
		var mu sync.Mutex // guards all
		var retried atomic.Int64
		gate := make(chan struct{})
		var wg sync.WaitGroup
		errs := make(chan error, connections)
		for i, p := range crowd {
			wg.Go(func() {
				<-gate
				began := time.Now()
				if i%10 == 0 {
					p.since = ""
				}
				n, err := p.comeBack(ctx, l)
				took := time.Since(began)
				retried.Add(int64(n))
				if err != nil {
					errs <- err
					return
				}
				mu.Lock()
				defer mu.Unlock()
				all = append(all, took)
			})
		}
		close(gate)
		wg.Wait()
		select {
		case err = <-errs:
		default:
		}
		return all, retried.Load(), err
	}
	// writing has the writers write, each ten messages a second, until the returned function is called.
	writing := func() (end func() (times, error)) {
		var mu sync.Mutex // guards the rest
		var all times
		var failed error
		done := make(chan struct{})
		var wg sync.WaitGroup
		for i, p := range writers {
			wg.Go(func() {
				for {
					select {
					case <-done:
						return
					case <-time.After(100 * time.Millisecond):
					}
					began := time.Now()
					err := p.say(names[i%rooms], int(next.Add(1)))
					mu.Lock()
					all = append(all, time.Since(began))
					failed = errors.Join(failed, err)
					mu.Unlock()
					if err != nil {
						return
					}
				}
			})
		}
		return func() (times, error) { close(done); wg.Wait(); return all, failed }
	}
	// wait has everybody wait, until the returned function is called.
	wait := func() (end func()) {
		var over atomic.Bool
		var wg sync.WaitGroup
		for _, p := range crowd {
			wg.Go(func() {
				for !over.Load() {
					if _, err := p.sync(80*time.Second, ""); err != nil {
						return
					}
				}
			})
		}
		return func() {
			over.Store(true)
			for _, p := range crowd {
				p.close()
			}
			wg.Wait()
		}
	}

	if _, _, err := back(); err != nil {
		return err
	}
	end, endWriting := wait(), writing()
	time.Sleep(15 * time.Second)
	calm, err := endWriting()
	if err != nil {
		return err
	}
	l.add("2,000 clients that wait, and 8 who write", "p99 %.0f ms for a message, while nobody comes back", calm.at(99))
	steady, _, err := l.server.memory()
	if err != nil {
		return err
	}
	for _, cut := range []string{"a restart", "a cut of the link"} {
		end()
		if cut == "a restart" {
			if err := l.restart(ctx); err != nil {
				return err
			}
			if err := l.redial(ctx, writers...); err != nil {
				return err
			}
		} else {
			time.Sleep(12 * time.Second) // it has forgotten that they waited
		}
		if err := l.server.forgetPeak(); err != nil {
			return err
		}
		endWriting := writing()
		first, again, err := back()
		end = wait()
		time.Sleep(2 * time.Second)
		sent, werr := endWriting()
		if err := errors.Join(err, werr); err != nil {
			return fmt.Errorf("after %s: %w", cut, err)
		}
		_, peak, err := l.server.memory()
		if err != nil {
			return err
		}
		work := fmt.Sprintf("2,000 clients at one moment after %s", cut)
		l.atMost(work, first.at(99)/1000, 10, "first sync p99 %.2f s")
		l.add(work, "first sync p50 %.2f s; %d were told to come back later", first.at(50)/1000, again)
		l.atMost(work, sent.at(99), 200, "p99 %.0f ms for a message meanwhile")
		l.atMost(work, peak/steady, 2, "memory at most %.2f times that of 2,000 who wait")
		l.add(work, "%.0f MB at most, %.0f MB while they wait", peak/1e6, steady/1e6)
	}
	end()
	return nil
}

// comeBack connects and syncs as an app does that was cut off: when it is told to, it comes back later. It says how often that was.
func (p *person) comeBack(ctx context.Context, l *lab) (again int, err error) {
	for {
		if err := l.redial(ctx, p); err != nil {
			return again, err
		}
		_, err := p.sync(0, "")
		no, is := errors.AsType[*refusal](err)
		if !is || no.status != 429 {
			return again, err
		}
		var said struct {
			After int64 `json:"retry_after_ms"`
		}
		if json.Unmarshal([]byte(no.body), &said) != nil || said.After <= 0 {
			return again, err
		}
		again++
		time.Sleep(time.Duration(said.After) * time.Millisecond)
	}
}
