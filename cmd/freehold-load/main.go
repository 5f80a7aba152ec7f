// Freehold-load measures a freehold server: it starts one with a data directory of its own, makes users and rooms, puts
// load on it from this machine, and says what a message costs.
//
// The processor time is the server's own (process_cpu_seconds_total), not the generator's; both share the machine, so
// times to answer are those of a busy one. Every figure is of one run.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var o options
	flag.StringVar(&o.program, "program", "./freehold", "the server to start")
	flag.StringVar(&o.database, "database", "", "postgres:// URL of an empty database; SQLite without it")
	flag.StringVar(&o.only, "only", "", "run the scenarios whose name begins with this")
	flag.IntVar(&o.messages, "messages", 20_000, "messages of each scenario")
	flag.StringVar(&o.out, "out", "", "Markdown file whose table for this engine is replaced")
	flag.Parse()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "freehold-load:", err)
		os.Exit(1)
	}
}

type options struct {
	program  string
	database string
	only     string
	messages int
	out      string
}

func run(ctx context.Context, o options) error {
	s, err := start(ctx, o)
	if err != nil {
		return err
	}
	defer s.stop()
	var results []result
	for _, sc := range scenarios {
		if !strings.HasPrefix(sc.name, o.only) {
			continue
		}
		fmt.Fprintf(os.Stderr, "%s ...\n", sc.name)
		r, err := sc.measure(ctx, s, o.messages)
		if err != nil {
			return fmt.Errorf("%s: %w", sc.name, err)
		}
		fmt.Fprintln(os.Stderr, "  ", r)
		results = append(results, r)
	}
	if o.out == "" {
		return nil
	}
	return report(o, results)
}
