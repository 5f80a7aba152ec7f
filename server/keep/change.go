package keep

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/BurntSushi/toml"

	"freehold.example/api/change"
	"freehold.example/base/durable"
	"freehold.example/matrix/fault"
	"freehold.example/server"
	"freehold.example/server/guard"
)

// How long a trial may be.
const (
	shortest = time.Second
	widest   = 24 * time.Hour
)

// limit: text of a configuration | %b | refused
const textBytes = 1 << 20

var errNotServing = fault.New(fault.Unknown, "The server is not serving now").WithStatus(503)

// State is what is kept.
func (k *keeper) State() change.State {
	s := change.State{Current: k.guard.Current(), File: k.source().File, Remark: k.Remark(), Entries: []change.Entry{}}
	var until time.Time
	if s.Trial, until = k.guard.Trial(); !until.IsZero() {
		s.Until = &until
	}
	for _, e := range slices.Backward(k.guard.History()) {
		s.Entries = append(s.Entries, change.Entry{Number: e.Number, At: e.At, By: e.By, Why: e.Why, Outcome: e.Outcome, Current: e.Number == s.Current})
	}
	return s
}

// Remark is what is wrong with what the operator has set, or what waits to be confirmed.
func (k *keeper) Remark() string {
	if number, until := k.guard.Trial(); number != 0 && !until.IsZero() {
		return fmt.Sprintf("configuration %d is on trial until %s", number, until.Format(time.TimeOnly))
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.astray != "" && k.remark != "" {
		return k.astray + "; " + k.remark
	}
	return k.astray + k.remark
}

// generation is what runs now, if anything does.
func (k *keeper) running() (*generation, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.now == nil {
		return nil, errNotServing.Because(errors.New(k.why))
	}
	return k.now, nil
}

// Apply puts a configuration on trial.
func (k *keeper) Apply(ctx context.Context, r change.Request) (*change.Applied, error) {
	if r.Within < shortest || r.Within > widest {
		return nil, fault.New(fault.InvalidParam, fmt.Sprintf("The time to confirm must be between %v and %v", shortest, widest))
	}
	if len(r.Text) > textBytes {
		return nil, fault.New(fault.TooLarge, "A configuration is no longer than a megabyte")
	}
	if r.Over {
		r.Text = k.carried(r.Text)
	}
	plan, err := k.Check(ctx, r.Text, false) // carried already
	if err != nil {
		return nil, err
	}
	out := &change.Applied{Previous: k.guard.Current(), Plan: plan}
	if err := refusal(plan, r.Over); err != nil {
		return out, err
	}
	return k.begin(ctx, r, out)
}

// refusal says why a plan is not carried out.
func refusal(plan *change.Plan, over bool) error {
	if len(plan.Refused) > 0 {
		return fault.New(fault.InvalidParam, "The configuration is refused: "+plan.Refused[0])
	}
	for _, s := range plan.Changes {
		if over && s.Machine {
			return fault.New(fault.Forbidden, s.Key+" can only be changed at the machine, with `freehold config apply`")
		}
	}
	return nil
}

// begin hands the change over to the loop, which ends the generation that may be asking for it.
func (k *keeper) begin(ctx context.Context, r change.Request, out *change.Applied) (*change.Applied, error) {
	c, err := k.source().Config("the new configuration", r.Text)
	if err != nil {
		return out, fault.New(fault.InvalidParam, "The configuration cannot be used: "+err.Error())
	}
	if out.Previous == 0 {
		return out, fault.New(fault.Unknown, "The configuration that the server runs with could not be kept, so that there is none to come back to").WithStatus(409)
	}
	number, err := k.guard.Begin(r.Text, r.By, r.Why)
	if err != nil {
		return out, fault.New(fault.Unknown, err.Error()).WithStatus(409)
	}
	out.Number = number
	k.log().WarnContext(ctx, "a new configuration", "configuration", number, "by", r.By, "why", r.Why)
	o := order{number: number, config: c, within: r.Within, failed: make(chan error, 1)}
	if r.Over {
		go k.hand(o) //nolint:errcheck // it ends with the loop; the guard's files and the log say what came of it
		return out, nil
	}
	if err := k.hand(o); err != nil {
		return out, fault.New(fault.InvalidParam, "The configuration could not be used, and the one before is in use again: "+err.Error())
	}
	if _, until := k.guard.Trial(); !until.IsZero() {
		out.Until = &until
	}
	return out, nil
}

// hand gives an order to the loop and waits for what comes of it.
func (k *keeper) hand(o order) error {
	select {
	case k.orders <- o:
	case <-k.done:
		k.report(k.guard.Undo(o.number, "the server was stopping"))
		return errNotServing
	}
	select {
	case err := <-o.failed:
		return err
	case <-k.done:
		return errNotServing
	}
}

// Word is a new word for who wants to confirm the trial, and where to hand it in. The one before is no longer good.
func (k *keeper) Word() (word, at string, err error) {
	g, err := k.running()
	if err != nil {
		return "", "", err
	}
	if number, _ := k.guard.Trial(); number == 0 || number != g.number {
		return "", "", fault.New(fault.NotFound, "No configuration waits to be confirmed")
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.word = rand.Text()
	return k.word, "http://" + g.clients(), nil
}

// Hand takes the word. It can be handed in only over the listener of the generation that is on trial.
func (a *asked) Hand(word string) (*change.Applied, error) {
	a.mu.Lock()
	good := a.word != "" && subtle.ConstantTimeCompare([]byte(a.word), []byte(word)) == 1
	if good {
		a.word = ""
	}
	a.mu.Unlock()
	if !good {
		return nil, fault.New(fault.Forbidden, "That is not the word: `freehold config confirm` asks for a new one")
	}
	return a.Confirm("operator")
}

// Confirm ends the trial. Whoever asks has reached the new configuration: the generation before has ended, and every
// connection to it.
func (a *asked) Confirm(by string) (*change.Applied, error) {
	if number, _ := a.guard.Trial(); number == 0 || number != a.number {
		return nil, fault.New(fault.NotFound, "No configuration waits to be confirmed")
	}
	if err := a.guard.Confirm(a.number); err != nil {
		return nil, fault.New(fault.Unknown, "It could not be confirmed: "+err.Error()).WithStatus(503)
	}
	a.log().Warn("the new configuration is confirmed", "configuration", a.number, "by", by)
	out := &change.Applied{Number: a.number}
	out.Notes = a.settled()
	return out, nil
}

// settled is what follows when another configuration is the confirmed one.
func (k *keeper) settled() (notes []string) {
	k.net.release()
	k.mu.Lock()
	k.remark = ""
	k.mu.Unlock()
	if note := k.writeFile(); note != "" {
		k.note("%s", note)
		notes = append(notes, note)
	}
	return notes
}

// writeFile makes the operator's own file the confirmed configuration, unless somebody is at work on it. What is wrong with
// that is said; the server starts with the confirmed configuration all the same.
func (k *keeper) writeFile() (wrong string) {
	text, err := k.guard.Text(k.guard.Current())
	if err != nil {
		return err.Error()
	}
	file := k.source().File
	if file == "" {
		k.report(true, k.guard.Saw("", guard.Hash(nil)))
		return ""
	}
	there, err := os.ReadFile(file)
	hash := guard.Hash(there)
	_, seen := k.guard.Seen()
	_, rejected := k.guard.Rejected(hash)
	if err == nil && hash != guard.Hash(text) {
		if hash != seen && hash != guard.Hash(k.source().text) {
			again := "it is tried at the next start"
			if rejected {
				again = "it was undone, and is not tried again"
			}
			return fmt.Sprintf("%s has been edited and is not what is in use: it was left alone; %s", file, again)
		}
		err = replace(file, text)
		if err == nil {
			hash = guard.Hash(text)
		}
	}
	k.report(true, k.guard.Saw(file, hash))
	if err != nil {
		return fmt.Sprintf("%s could not be written (%v): until it changes the server starts with configuration %d, which is not in it", file, err, k.guard.Current())
	}
	return ""
}

// replace writes a file with the rights that it has.
func replace(path string, text []byte) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(path, text, info.Mode().Perm()); err != nil {
		return err
	}
	sameOwner(path, info)
	return nil
}

// Rollback ends the trial, or goes back to a configuration that was confirmed once.
func (k *keeper) Rollback(ctx context.Context, r change.Rollback) (*change.Applied, error) {
	if number, _ := k.guard.Trial(); number != 0 {
		if r.Number != 0 && r.Number != k.guard.Current() {
			return nil, fault.New(fault.Unknown, fmt.Sprintf("Configuration %d is on trial: end that first, with a rollback that names none", number)).WithStatus(409)
		}
		if was, err := k.guard.Undo(number, "rolled back by "+r.By); was {
			k.report(was, err)
			k.undone <- struct{}{}
		}
		return &change.Applied{Number: k.guard.Current()}, nil
	}
	text, why, err := earlier(k.guard, r.Number, r.Why)
	if errors.Is(err, errNotInUse) {
		return nil, fault.New(fault.NotFound, "There is no such configuration that was in use: `freehold config history` lists them")
	}
	if err != nil {
		return nil, err
	}
	plan, err := k.plan(ctx, text)
	if err != nil {
		return nil, err
	}
	if r.Over {
		if err := refusal(&change.Plan{Changes: plan.Changes}, true); err != nil {
			return nil, err
		}
	}
	out := &change.Applied{Previous: k.guard.Current(), Plan: plan}
	return k.begin(ctx, change.Request{Text: text, By: r.By, Why: why, Over: r.Over}, out)
}

var errNotInUse = errors.New("there is no such configuration that was in use: `freehold config history` lists them")

// earlier is a configuration that was confirmed once, and why it comes back; number 0 is the one before the current.
func earlier(g *guard.Guard, number int, because string) (text []byte, why string, err error) {
	if number == 0 {
		number = g.Before()
	}
	if e, ok := g.Find(number); !ok || !e.Was() {
		return nil, "", errNotInUse
	}
	if text, err = g.Text(number); err != nil {
		return nil, "", err
	}
	why = fmt.Sprintf("back to %d", number)
	if because != "" {
		why += ": " + because
	}
	return text, why, nil
}

// Stopped is the guard of a server that is not running, for the operator's commands. unlock gives it back.
func Stopped(home string) (g *guard.Guard, unlock func() error, err error) {
	store := filepath.Join(home, "config")
	if !exists(store) {
		return nil, nil, fmt.Errorf("no configuration is kept in %s", home)
	}
	if unlock, err = durable.Lock(filepath.Join(store, "lock")); err != nil {
		return nil, nil, err
	}
	if g, err = guard.Open(store); err != nil {
		return nil, nil, errors.Join(err, unlock())
	}
	if number, _ := g.Trial(); number != 0 {
		if _, err := g.Undo(number, "the server ended before it was confirmed"); err != nil {
			return nil, nil, errors.Join(err, unlock())
		}
	}
	return g, unlock, nil
}

// Check is the dry run.
func (k *keeper) Check(ctx context.Context, text []byte, over bool) (*change.Plan, error) {
	if over {
		text = k.carried(text)
	}
	plan, err := k.plan(ctx, text)
	if err != nil {
		return nil, err
	}
	to, wrong := k.source().Config("the new configuration", text)
	from := k.inUse()
	refused, warnings := k.Judge(ctx, &Candidate{From: from, To: &to, Wrong: wrong, Taken: k.net.has, House: k.sameHouse})
	plan.Refused, plan.Warnings = append(plan.Refused, refused...), append(plan.Warnings, warnings...)
	return plan, nil
}

// carried is a text that came over the network, with what the confirmed configuration says of the machine and of secrets,
// where the text says nothing of it: who wrote it need not know.
func (k *keeper) carried(text []byte) []byte {
	own, err := k.guard.Text(k.guard.Current())
	if err != nil {
		return text
	}
	var was, is map[string]any
	if toml.Unmarshal(own, &was) != nil || toml.Unmarshal(text, &is) != nil {
		return text
	}
	keep := map[string]any{}
	for key, v := range was {
		if _, said := is[key]; !said && server.OfMachine(key) {
			keep[key] = v
		}
	}
	head, err := toml.Marshal(keep)
	if err != nil {
		return text
	}
	return append(head, text...)
}

// inUse is the configuration that the server runs with, or would.
func (k *keeper) inUse() *server.Config {
	if g, err := k.running(); err == nil {
		return &g.config
	}
	c, err := k.current()
	if err != nil {
		c = server.Defaults()
	}
	return &c
}

// History is State of a server that is not running. It changes nothing.
func History(home string) (change.State, error) {
	g, err := guard.Open(filepath.Join(home, "config"))
	if err != nil {
		return change.State{}, err
	}
	k := keeper{guard: g}
	k.from.Store(new(source))
	s := k.State()
	if len(s.Entries) == 0 {
		return s, fmt.Errorf("no configuration is kept in %s yet", home)
	}
	s.File, _ = g.Seen()
	return s, nil
}

// Text is an earlier configuration, whether the server runs or not.
func Text(home string, number int) ([]byte, error) {
	g, err := guard.Open(filepath.Join(home, "config"))
	if err != nil {
		return nil, err
	}
	return g.Text(number)
}

// RollbackStopped has a server that is not running start with an earlier configuration; number 0 is the one before.
func RollbackStopped(home string, number int, by, why string) (now int, err error) {
	g, unlock, err := Stopped(home)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	text, reason, err := earlier(g, number, why)
	if err != nil {
		return 0, err
	}
	if now, err = g.Adopt(text, by, reason); err != nil {
		return 0, err
	}
	if file, _ := g.Seen(); file != "" {
		// The file as it is now is what is to be left behind, so it is not tried again until it changes.
		if there, err := os.ReadFile(file); err == nil {
			return now, g.Saw(file, guard.Hash(there))
		}
	}
	return now, nil
}
