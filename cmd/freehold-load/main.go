// Freehold-load measures a freehold server: it starts one with a data directory of its own, makes users and rooms, puts
// load on it from this machine, and says what each thing costs.
//
// The processor time is the server's own, as the kernel counts it, not the generator's; both share the machine, so times
// to answer are those of a busy one. Every figure is of one run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var o options
	flag.StringVar(&o.program, "program", "./freehold", "the server to start")
	flag.StringVar(&o.database, "database", "", "postgres:// URL of an empty database; SQLite without it")
	flag.StringVar(&o.only, "only", "", "run these scenarios alone, separated by commas")
	flag.IntVar(&o.messages, "messages", 20_000, "messages of the scenarios that send")
	flag.IntVar(&o.rooms, "rooms", 200, "rooms of the scenario heal")
	flag.IntVar(&o.missed, "missed", 20_000, "messages on each side of its cut")
	flag.StringVar(&o.out, "out", "", "Markdown file whose tables for this engine, and between servers, are replaced")
	flag.StringVar(&o.profiles, "profiles", "", "directory for a CPU profile of the server in each scenario")
	flag.DurationVar(&o.soak, "soak", 0, "instead of the scenarios, put mixed load on the server for so long and look that it stays as it is")
	flag.IntVar(&o.rate, "rate", 150, "operations a second of a soak")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "Usage of freehold-load:")
		flag.PrintDefaults()
		fmt.Fprintln(flag.CommandLine.Output(), "Scenarios:")
		for _, sc := range scenarios {
			fmt.Fprintf(flag.CommandLine.Output(), "  %-10s %s\n", sc.name, sc.what)
		}
	}
	flag.Parse()
	do := run
	if o.soak > 0 {
		do = runSoak
	}
	if err := do(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "freehold-load:", err)
		os.Exit(1)
	}
}

type options struct {
	program  string
	database string
	only     string
	messages int
	rooms    int
	missed   int
	out      string
	profiles string
	busy     string // load average before the run
	soak     time.Duration
	rate     int
}

// chosen says whether a scenario was asked for.
func (o *options) chosen(name string) bool {
	return o.only == "" || slices.Contains(strings.Split(o.only, ","), name)
}

// scenario is one kind of load. Each has a server of its own, or several.
type scenario struct {
	name string
	what string
	run  func(ctx context.Context, l *lab) error
	far  bool // it is between servers
}

var scenarios = []scenario{
	{"rooms", "32 senders, each in a room of its own", sendRooms, false},
	{"room", "32 senders in one room", sendRoom, false},
	{"fanout", "one sender, 200 members waiting in /sync", fanout, false},
	{"join", "joins into a room as it grows to 5,000 members", grow, false},
	{"sync", "initial and empty incremental /sync with 200 rooms of 50 messages", syncs, false},
	{"slide", "sliding sync with 2,000 rooms", slides, false},
	{"messages", "/messages through 5,000 events", history, false},
	{"search", "search in 100,000 messages", searching, false},
	{"media", "upload and download 1 GiB of files", files, false},
	{"push", "one message with a mention into a room of 10,000 members with a pusher each", pushing, false},
	{"service", "an application service with 32 ghosts in 32 rooms", serving, false},
	{"waiting", "2,000 connections that wait in /sync", waiting, false},
	{"storm", "2,000 clients that come back at one moment, after a restart and after a cut", storming, false},
	{"start", "start on an empty directory, and doing nothing", starting, false},
	{"disk", "what a message takes on disk", disk, false},
	{"deliver", "one room on two servers", delivering, true},
	{"away", "2,000 messages while the other server does not run", away, true},
	{"enter", "join of a room of 10,000 members on another server", entering, true},
	{"heal", "rooms on five servers that were split for a day", healing, true},
}

func run(ctx context.Context, o options) error {
	var alone, between []figure
	o.busy = load()
	shared := ""
	if o.database != "" { // the database belongs to one data directory
		var err error
		if shared, err = os.MkdirTemp("", "freehold-load-"); err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(shared) }()
	}
	for _, sc := range scenarios {
		if !o.chosen(sc.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "%s: %s\n", sc.name, sc.what)
		l := &lab{options: o, scenario: sc.name, dir: shared}
		err := l.open()
		if err == nil {
			err = sc.run(ctx, l)
		}
		l.close()
		if err != nil {
			return fmt.Errorf("%s: %w", sc.name, err)
		}
		if sc.far {
			between = append(between, l.figures...)
		} else {
			alone = append(alone, l.figures...)
		}
	}
	if o.out == "" {
		return nil
	}
	engine := "sqlite"
	if o.database != "" {
		engine = "postgres"
	}
	return errors.Join(report(o, engine, alone), report(o, "between servers", between))
}
