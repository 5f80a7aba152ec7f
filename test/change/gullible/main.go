// Gullible is the server with a checker of configurations that always says yes: for the tests of what undoes them.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"freehold.example/server/keep"
)

// anew is the setting with which the process is to put itself in its own place.
const anew = "https://anew.example/"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	err := keep.Run(ctx, keep.Config{
		Args: os.Args[2:], Environ: os.Environ(), Out: os.Stderr, Again: keep.Anew,
		Judge: func(_ context.Context, c *keep.Candidate) (refused, warnings []string) {
			if c.Wrong == nil && c.To.SupportPage == anew {
				return []string{keep.Anew().Error()}, nil // it does not come back when it works
			}
			return nil, nil
		},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "gullible:", err)
		os.Exit(1)
	}
}
