package keep

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"freehold.example/base/durable"
	"freehold.example/base/sqldb"
	"freehold.example/server"
	"freehold.example/server/guard"
)

// longest is how long the first generation of a process may take: a migration of a large database takes what it takes.
const longest = 24 * time.Hour

// attempt is a configuration to start with.
type attempt struct {
	text   []byte
	number int    // 0 for one that is not kept yet
	why    string // for the history
}

// start opens the first generation. An unchanged file means what was confirmed last; one that was changed is tried, and is
// the confirmed one when the server serves with it. When it does not, the one before is used, and this is said loudly. So it is
// with flags and the environment: where nothing can be opened with what they say, it is what they said before.
func (k *keeper) start(ctx context.Context) (*generation, error) {
	if number, _ := k.guard.Trial(); number != 0 {
		k.report(k.guard.Undo(number, "the server ended before it was confirmed"))
		k.note("configuration %d was not confirmed when the server ended: configuration %d is in use", number, k.guard.Current())
	}
	ways := k.ways()
	for said := false; ; said = true {
		var failed []error // why each of the ways did, in the end
		var last error
		for _, sources := range ways {
			from := *k.source()
			from.Sources = sources
			k.from.Store(&from)
			var file error // why what is in the file now failed
			for i, a := range k.attempts() {
				g, err := k.try(ctx, a)
				if err == nil {
					k.tell(a, failed, file)
					return g, k.took(g, a)
				}
				if last = err; i == 0 {
					file = err
				}
			}
			failed = append(failed, last)
		}
		if ctx.Err() != nil || k.guard.Current() == 0 || !comesBack(last) {
			return nil, errors.Join(failed...)
		}
		// The door is open, and whoever manages the process need not start it again and again.
		k.waits(last)
		if !said {
			k.log().ErrorContext(ctx, "the database cannot be opened; trying on. The admin socket answers meanwhile", "cause", last)
		}
		select {
		case <-ctx.Done():
			return nil, nil
		case <-time.After(retryTime):
		}
	}
}

// ways is what flags and the environment say, and then, where that is something else, what they said when the server last
// served.
func (k *keeper) ways() []server.Sources {
	k.served = k.source().Sources
	last, err := k.lastGiven()
	if err != nil {
		k.log().Error("what flags and the environment said before is gone", "cause", err)
	}
	if last == nil || maps.Equal(last, k.given()) {
		return []server.Sources{k.source().Sources}
	}
	if _, pinned := k.source().Pinned(homeKey); pinned {
		last[homeKey] = k.home
	}
	k.served = k.source().With(last)
	return []server.Sources{k.source().Sources, k.served}
}

// tell says loudly what was not used before an attempt could be: of what flags and the environment say (given is why), and of
// the file.
func (k *keeper) tell(a attempt, given []error, file error) {
	if len(given) > 0 {
		text := fmt.Sprintf("what a flag or the environment says cannot be used: %v: the server runs with what they said when it last served", given[0])
		k.mu.Lock()
		k.astray = text
		k.mu.Unlock()
		k.log().Error("CONFIGURATION", "problem", text)
	} else if err := k.keepGiven(); err != nil {
		k.log().Error("what flags and the environment say cannot be kept, and could not be gone back to", "cause", err)
	}
	switch {
	case file != nil:
		k.note("%s cannot be used: %v: configuration %d is in use", k.source().File, file, k.guard.Current())
	case a.number != 0:
		k.compare()
	}
}

// attempts says what to start with, in this order.
func (k *keeper) attempts() (all []attempt) {
	current, hash := k.guard.Current(), guard.Hash(k.source().text)
	file, seen := k.guard.Seen()
	if current == 0 {
		return []attempt{{text: k.source().text, why: "the first start"}}
	}
	_, rejected := k.guard.Rejected(hash)
	_, wrong := k.source().config()
	switch {
	case wrong == nil && hash == seen:
	case rejected && hash != seen: // compare says so
	case k.source().File == "" && file != "":
		all = append(all, attempt{why: file + " was not named"})
	default:
		all = append(all, attempt{text: k.source().text, why: "the file was edited"})
	}
	text, err := k.guard.Text(current)
	if err != nil {
		k.log().Error("the confirmed configuration is gone", "cause", err)
		if len(all) == 0 {
			all = append(all, attempt{text: k.source().text, why: "the kept one is gone"})
		}
		return all
	}
	return append(all, attempt{text: text, number: current})
}

func (k *keeper) try(ctx context.Context, a attempt) (*generation, error) {
	var c server.Config
	var err error
	if a.number != 0 {
		c, err = k.source().Config(fmt.Sprintf("configuration %d", a.number), a.text)
	} else if c, err = k.source().config(); err == nil && k.guard.Current() != 0 {
		err = k.sameHouse(ctx, &c)
	}
	if err == nil && a.number != 0 && !maps.Equal(k.source().Given(), k.served.Given()) {
		err = k.sameDatabase(ctx, &c)
	}
	if err != nil {
		return nil, settingsError{err}
	}
	return k.open(ctx, a.number, c, longest)
}

// took writes down what the server serves with. That this cannot be done is no reason not to serve.
func (k *keeper) took(g *generation, a attempt) error {
	if a.number != 0 {
		return nil
	}
	number, err := k.guard.Adopt(a.text, "operator", a.why)
	if err == nil {
		err = k.guard.Saw(k.source().File, guard.Hash(a.text))
	}
	if err != nil {
		k.log().Error("the configuration cannot be kept, and could not be restored", "cause", err)
		return nil
	}
	g.number = number
	k.source().point()
	return nil
}

// compare says when the operator's file is not what is in use.
func (k *keeper) compare() {
	file := k.source().File
	if file == "" {
		return
	}
	there, err := os.ReadFile(file)
	if err != nil {
		k.note("%s cannot be read (%v): configuration %d is in use", file, err, k.guard.Current())
		return
	}
	hash := guard.Hash(there)
	now, _ := k.guard.Find(k.guard.Current())
	e, rejected := k.guard.Rejected(hash)
	switch {
	case hash == now.Hash:
	case rejected:
		k.note("%s is configuration %d, which was %s: configuration %d is in use (`freehold config apply` tries it again)", file, e.Number, e.Outcome, now.Number)
	default:
		k.note("%s is not what is in use, which is configuration %d", file, now.Number)
	}
}

func (k *keeper) waits(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.why = err.Error()
}

// comesBack says whether it is a database that is away: one that another process has, or a PostgreSQL that does not answer.
func comesBack(err error) bool {
	return errors.Is(err, durable.ErrLocked) || sqldb.Away(err)
}

// sameHouse refuses a configuration that would make a server anew in a place where there is none, while there is one.
func (k *keeper) sameHouse(ctx context.Context, to *server.Config) error {
	dir, err := filepath.Abs(to.DataDir)
	if err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	if dir != k.home {
		return fmt.Errorf("data_dir: it cannot be changed while the server runs: stop it, move %s to %s, and start it", k.home, dir)
	}
	return k.sameDatabase(ctx, to)
}

func (k *keeper) sameDatabase(ctx context.Context, to *server.Config) error {
	from, err := k.configured(k.served)
	if err != nil || from.DatabaseURL == to.DatabaseURL {
		return nil //nolint:nilerr // what was before is none, so nothing is left behind
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	db, err := sqldb.Open(ctx, sqldb.Config{URL: to.DatabaseURL, Dir: to.DataDir, ReadOnly: true, ReadConns: 1})
	if errors.Is(err, sqldb.ErrEmpty) || errors.Is(err, os.ErrNotExist) {
		return errors.New("database_url: there is no server in that database, and there is one in the database before: restore a backup into it first (freehold backup, freehold restore)")
	}
	if err != nil {
		return fmt.Errorf("database_url: %w", err)
	}
	return db.Close()
}

// answers waits until a generation serves.
func (g *generation) answers(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, min(within, openTime))
	defer cancel()
	url := "http://" + g.clients() + "/health"
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := healthy(ctx, url)
		if err == nil {
			return nil
		}
		select {
		case failed := <-g.ended:
			g.ended <- failed
			return fmt.Errorf("the server ended: %w", errors.Join(failed, err))
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer on %s: %w", g.clients(), err)
		case <-time.After(pause):
		}
	}
}

// clients is where clients of this machine reach the server.
func (g *generation) clients() string { return reachable(g.server.ClientAddr()) }

func healthy(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s", resp.Status)
	}
	return nil
}
