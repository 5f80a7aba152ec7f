// Freehold is a Matrix homeserver: messages, rooms and calls for a community on its own machine.
//
// This package is the command line only; each subcommand has its own file.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, console{os.Stdin, os.Stdout, os.Stderr, os.Environ()}, os.Args[1:]))
}

// console is what a command talks to.
type console struct {
	in       io.Reader
	out, err io.Writer
	environ  []string
}
