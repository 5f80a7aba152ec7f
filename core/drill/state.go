package drill

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"freehold.example/base/durable"
	"freehold.example/core/budget"
	"freehold.example/matrix/id"
)

// A drill that goes on is a file beside the database, written before anything is cut and every few seconds after: who starts
// the server after it was killed goes on with the drill from there, and ends it when it was to end. Stopping one is a file
// too, so that neither the database nor the server's own listeners are needed for it.

const (
	folder      = "drills" // in the data directory
	runningName = "running.json"
	stopName    = "stop"
	castName    = "cast.json"
)

// Phase is how far a drill is.
type Phase string

// The phases.
const (
	Idle      Phase = ""          // there is none
	Preparing Phase = "preparing" // its accounts are made, and try everything once; nothing is cut yet
	Cutting   Phase = "cut"
	Mending   Phase = "healing" // the cut is over
)

// state is a drill as it is kept on disk.
type state struct {
	Version int    `json:"version"`
	ID      string `json:"id"`
	Scope   string `json:"scope"`
	By      string `json:"by"`
	Phase   Phase  `json:"phase"`

	Started int64  `json:"started_ts"` // when the cut began, by the clock of the machine
	Length  int64  `json:"length_ms"`
	Boot    string `json:"boot"`       // the run of the machine in which it began
	Up      int64  `json:"up_ms"`      // ... and how old that was
	Elapsed int64  `json:"elapsed_ms"` // of the cut, when this was written
	Cut     int64  `json:"cut_ms"`     // how long it was in the end
	Stopped bool   `json:"stopped"`    // before its time
	Starts  int    `json:"starts"`     // of the server, in the middle of it

	Room   id.Room      `json:"room,omitempty"` // of its accounts
	Budget *budget.View `json:"budget"`
	Tally  *tally       `json:"tally"`
}

func (s *state) length() time.Duration { return time.Duration(s.Length) * time.Millisecond }

// elapsed is how long the cut has lasted for a process that finds the file: by the uptime of the machine where that goes on,
// else by its clock, and never less than what was written down.
func (s *state) elapsed(boot string, up time.Duration, wall time.Time) time.Duration {
	written := time.Duration(s.Elapsed) * time.Millisecond
	byUptime := up - time.Duration(s.Up)*time.Millisecond
	if boot != "" && boot == s.Boot && byUptime >= written {
		return byUptime
	}
	return max(written, wall.Sub(time.UnixMilli(s.Started)))
}

func inFolder(dir string, name ...string) string {
	return filepath.Join(append([]string{dir, folder}, name...)...)
}

// load reads the drill that goes on; nil when there is none. What cannot be read is none: nobody is cut off by a broken file.
func load(dir string) (*state, error) {
	b, err := os.ReadFile(inFolder(dir, runningName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var s state
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, err
	}
	if _, err := ParseScope(s.Scope); err != nil || s.Length <= 0 || s.ID == "" || strings.ContainsAny(s.ID, `/\`) {
		return nil, errors.New("it is not a drill")
	}
	if s.Tally == nil {
		s.Tally = newTally()
	}
	s.Tally.mend()
	return &s, nil
}

func (s *state) save(dir string) error {
	s.Tally.mu.Lock()
	b, err := json.Marshal(s)
	s.Tally.mu.Unlock()
	if err != nil {
		return err
	}
	return durable.WriteFile(inFolder(dir, runningName), b, 0o600)
}

// forget removes a file of the folder.
func forget(dir, name string) error {
	if err := os.Remove(inFolder(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Stop ends the drill of the server that keeps its data in dir, whether that is running or not: the way out opens within a
// second. It needs nothing but the file system, and says whether there was a drill.
func Stop(dir string) (was bool, err error) {
	s, err := load(dir)
	if s == nil && err == nil {
		return false, nil
	}
	if err != nil { // whatever it is, it is to end
		return true, forget(dir, runningName)
	}
	if s.Phase != Cutting {
		return false, nil
	}
	return true, durable.WriteFile(inFolder(dir, stopName), []byte(s.ID+"\n"), 0o600)
}

// stopped says whether somebody has asked for a drill to end.
func stopped(dir, drill string) bool {
	b, err := os.ReadFile(inFolder(dir, stopName))
	return err == nil && strings.TrimSpace(string(b)) == drill
}
