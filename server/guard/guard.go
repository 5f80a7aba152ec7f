// Package guard keeps the configurations that a server has run with, and takes back the one that nobody has confirmed.
//
// It knows files and a timer, and nothing of what is in a configuration: whoever judged it may have been wrong, and the
// server that runs with it may be gone. It imports nothing of the program but the writing of files (layout_test.go). All
// that it knows is one small file that is replaced in one step:
//
//	DIR/state.json   which configuration is confirmed, which is on trial, and who made each, when and why
//	DIR/0012.toml    the configuration 12
//
// A trial is what begins with Begin and ends with Confirm or Undo. The confirmed configuration stays the confirmed one
// meanwhile, so that a process which is killed in the middle comes back with it, whatever else happens.
package guard

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"freehold.example/base/durable"
)

// limit: previous configurations that are kept | %d | the oldest is removed
const kept = 50

// Outcomes of a configuration; one that was not taken has the reason behind it.
const (
	Confirmed = "confirmed"
	OnTrial   = "on trial"
	Undone    = "undone: "
)

// Entry is one configuration that there was.
type Entry struct {
	Number  int       `json:"number"`
	At      time.Time `json:"at"`
	By      string    `json:"by"`
	Why     string    `json:"why,omitempty"`
	Hash    string    `json:"hash"` // of the text
	Outcome string    `json:"outcome"`
}

// Was says whether the entry was in use for good.
func (e *Entry) Was() bool { return e.Outcome == Confirmed }

// state is what is on disk.
type state struct {
	Current int     `json:"current"`        // 0 for none
	Trial   int     `json:"trial"`          // 0 for none
	Seen    string  `json:"seen"`           // hash of the operator's own file when it was last taken over, or written
	File    string  `json:"file,omitempty"` // its name
	Entries []Entry `json:"entries"`
}

// Guard is what is kept in one directory. One process has it at a time.
type Guard struct {
	dir string

	mu    sync.Mutex // guards all below
	state state
	timer *time.Timer
	until time.Time
}

// Open reads what there is; a directory that is not there is one in which nothing was kept. A file that cannot be read is an
// error, and the guard is one that keeps nothing yet.
func Open(dir string) (*Guard, error) {
	g := &Guard{dir: dir}
	b, err := os.ReadFile(g.path("state.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return g, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &g.state)
	}
	if err != nil {
		g.state = state{}
		return g, fmt.Errorf("what is kept of earlier configurations cannot be read: %w", err)
	}
	return g, nil
}

// Hash is what a text is known by.
func Hash(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func (g *Guard) path(name string) string { return filepath.Join(g.dir, name) }

func (g *Guard) textPath(number int) string { return g.path(fmt.Sprintf("%04d.toml", number)) }

// Current is the number of the confirmed configuration, 0 when there is none.
func (g *Guard) Current() int { g.mu.Lock(); defer g.mu.Unlock(); return g.state.Current }

// Trial is the number of the one that waits to be confirmed, and until when; 0 when there is none.
func (g *Guard) Trial() (number int, until time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state.Trial, g.until
}

// Seen is the operator's own file as it was when it was last taken over, or written: its name and the hash of its text.
func (g *Guard) Seen() (file, hash string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state.File, g.state.Seen
}

// Rejected finds the newest configuration with this hash, if it was one that was undone.
func (g *Guard) Rejected(hash string) (Entry, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, e := range slices.Backward(g.state.Entries) {
		if e.Hash == hash {
			return e, strings.HasPrefix(e.Outcome, Undone)
		}
	}
	return Entry{}, false
}

// History lists what is kept, the oldest first.
func (g *Guard) History() []Entry {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.state.Entries)
}

// Find gives one of them.
func (g *Guard) Find(number int) (Entry, bool) {
	for _, e := range g.History() {
		if e.Number == number {
			return e, true
		}
	}
	return Entry{}, false
}

// Before is the confirmed configuration before the current one; 0 when there is none.
func (g *Guard) Before() (number int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, e := range g.state.Entries {
		if e.Was() && e.Number != g.state.Current && e.Number > number {
			number = e.Number
		}
	}
	return number
}

// Text reads a configuration.
func (g *Guard) Text(number int) ([]byte, error) {
	text, err := os.ReadFile(g.textPath(number))
	if err != nil {
		return nil, fmt.Errorf("configuration %d: %w", number, err)
	}
	return text, nil
}

// Begin writes a configuration down and puts it on trial. What is confirmed stays what it was.
func (g *Guard) Begin(text []byte, by, why string) (number int, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state.Trial != 0 {
		return 0, fmt.Errorf("configuration %d is on trial: confirm it, or roll it back, first", g.state.Trial)
	}
	return g.add(text, by, why, OnTrial, func(s *state, n int) { s.Trial = n })
}

// Adopt writes a configuration down as the confirmed one: what the server was started with, and serves.
func (g *Guard) Adopt(text []byte, by, why string) (number int, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.add(text, by, why, Confirmed, func(s *state, n int) { s.Current = n })
}

// add is called with the lock held. The text is on the disk before it has a number.
func (g *Guard) add(text []byte, by, why, outcome string, set func(*state, int)) (number int, err error) {
	number = 1
	if n := len(g.state.Entries); n > 0 {
		number = g.state.Entries[n-1].Number + 1
	}
	if err := durable.MkdirAll(g.dir); err != nil {
		return 0, fmt.Errorf("keep a configuration: %w", err)
	}
	if err := durable.WriteFile(g.textPath(number), text, 0o600); err != nil {
		return 0, fmt.Errorf("keep a configuration: %w", err)
	}
	next := g.state
	next.Entries = append(slices.Clone(next.Entries), Entry{
		Number: number, At: time.Now().UTC().Truncate(time.Second), By: by, Why: why, Hash: Hash(text), Outcome: outcome,
	})
	set(&next, number)
	if err := g.save(next); err != nil {
		return 0, err
	}
	g.prune()
	return number, nil
}

// save replaces the state, on disk first.
func (g *Guard) save(next state) error {
	b, err := json.MarshalIndent(next, "", " ")
	if err == nil {
		err = durable.WriteFile(g.path("state.json"), append(b, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("keep a configuration: %w", err)
	}
	g.state = next
	return nil
}

// prune removes the oldest beyond what is kept. What it fails to remove it meets again.
func (g *Guard) prune() {
	for i := 0; len(g.state.Entries) > kept+1 && i < len(g.state.Entries); {
		e := g.state.Entries[i]
		if e.Number == g.state.Current || e.Number == g.state.Trial {
			i++
			continue
		}
		next := g.state
		next.Entries = slices.Delete(slices.Clone(next.Entries), i, i+1)
		if g.save(next) != nil {
			return
		}
		_ = os.Remove(g.textPath(e.Number)) // a file too many does no harm
	}
}

// Confirm makes the configuration on trial the confirmed one. From then on nothing takes it back.
func (g *Guard) Confirm(number int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if number == 0 || g.state.Trial != number {
		return fmt.Errorf("configuration %d is not on trial", number)
	}
	next := g.closed(Confirmed)
	next.Current = number
	if err := g.save(next); err != nil {
		return err
	}
	g.stop()
	return nil
}

// Undo ends the trial: the confirmed configuration is the one to run with. It is false when nothing was on trial. It holds
// for this process also when it cannot be written; the next one then does it again.
func (g *Guard) Undo(number int, why string) (bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if number == 0 || g.state.Trial != number {
		return false, nil
	}
	g.stop()
	next := g.closed(Undone + why)
	err := g.save(next)
	g.state = next
	return true, err
}

// closed is the state without a trial.
func (g *Guard) closed(outcome string) state {
	next := g.state
	next.Entries = slices.Clone(next.Entries)
	for i := range next.Entries {
		if next.Entries[i].Number == next.Trial {
			next.Entries[i].Outcome = outcome
		}
	}
	next.Trial = 0
	return next
}

func (g *Guard) stop() {
	if g.timer != nil {
		g.timer.Stop()
	}
	g.timer, g.until = nil, time.Time{}
}

// Watch undoes the trial after a time, and says so to undone, from a goroutine of its own.
func (g *Guard) Watch(number int, within time.Duration, undone func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state.Trial != number {
		return
	}
	g.stop()
	g.until = time.Now().Add(within)
	g.timer = time.AfterFunc(within, func() {
		if was, _ := g.Undo(number, fmt.Sprintf("not confirmed within %v", within)); was { // an error is of the disk: see Undo
			undone()
		}
	})
}

// Saw notes the operator's file as it is now: it is not tried again until it changes.
func (g *Guard) Saw(file, hash string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state.File == file && g.state.Seen == hash {
		return nil
	}
	next := g.state
	next.File, next.Seen = file, hash
	return g.save(next)
}
