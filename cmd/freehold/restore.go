package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"freehold.example/server/archive"
	"freehold.example/server/keep"
)

const restoreUsage = usage(`freehold restore FILE [--data-dir DIR] [--database-url URL] [--config FILE]
Makes a server of a backup, in a directory and a database that have nothing in them yet. The database may be of the other
kind than the one that the backup was made of.`)

// restore makes a server of an archive.
func restore(ctx context.Context, c console, args []string) error {
	flags := flag.NewFlagSet("restore", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	settings := settingFlags(flags)
	positional, err := parseMixed(flags, args)
	if errors.Is(err, flag.ErrHelp) {
		_, err := fmt.Fprintln(c.out, string(restoreUsage))
		return err
	}
	if err != nil || len(positional) != 1 {
		return restoreUsage
	}
	config, err := keep.Load(settings(), c.environ)
	if err != nil {
		return usage(err.Error())
	}
	if positional[0] == "-" {
		return usage("a backup is read twice, to be checked before anything is changed: save it in a file first")
	}
	f, err := os.Open(positional[0]) //nolint:gosec // the operator names a file of his own
	if err != nil {
		return err
	}
	defer f.Close()
	show := newProgress(c.err)
	target := archive.Target{Dir: config.DataDir, DatabaseURL: config.DatabaseURL, Now: time.Now, Progress: show.restore}
	sum, err := target.Restore(ctx, f)
	show.end("")
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%s is restored as it was on %s: %d rows, %d media files.\n",
		sum.Server, sum.Created.Format(time.DateTime+" MST"), sum.Rows, sum.Files.Number)
	for _, hash := range sum.Missing {
		fmt.Fprintf(c.err, "freehold: the media file %s was missing when the backup was made\n", hash)
	}
	if sum.Server != config.ServerName {
		fmt.Fprintf(c.out, "Start it with its name: freehold serve --server-name %s --data-dir %s\n", sum.Server, config.DataDir)
	}
	return nil
}

func (p *progress) restore(checked bool, at archive.Summary) {
	doing := "checking"
	if checked {
		doing = "restoring"
	}
	p.line(fmt.Sprintf("%s: %d rows, %d of %d media files", doing, at.Rows, at.Files.Number, at.Media.Number))
}
