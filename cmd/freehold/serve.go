package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"freehold.example/server"
	"freehold.example/server/keep"
	"freehold.example/web"
)

// collectAfter is how many bytes more come together before the garbage collector begins, of which half is allocated and never touched: that
// takes addresses and no memory. What lives in a small server is so little that the collector would otherwise begin every few MiB.
const collectAfter = 16 << 20

// serve runs the server until ctx ends.
func serve(ctx context.Context, c console, args []string) error {
	if slices.ContainsFunc(args, isHelp) {
		fmt.Fprint(c.out, settingsHelp())
		return nil
	}
	for _, name := range server.UnknownEnv(c.environ) {
		fmt.Fprintf(c.err, "freehold: the environment has %s, which is no setting of this version\n", name)
	}
	config := keep.Config{Args: args, Environ: c.environ, Out: c.err, App: web.Files(), Again: keep.Anew}
	if strings.HasPrefix(os.Args[0], "./") {
		config.Program = os.Args[0] // it is not on the PATH of who follows the README
	}
	headroom := make([]byte, collectAfter/2) // as GOGC=100 counts what is alive twice
	err := keep.Run(ctx, config)
	runtime.KeepAlive(headroom)
	switch {
	case errors.Is(err, server.ErrUsage):
		return usage(err.Error() + "; \"freehold serve --help\" lists the settings")
	case errors.Is(err, keep.ErrSettings):
		return usage(err.Error())
	}
	return err
}

// settingsHelp lists the flags with their defaults.
func settingsHelp() string {
	var b strings.Builder
	b.WriteString("freehold serve: run the server\n\n  --config FILE\n        a TOML file with any of the settings below (FREEHOLD_CONFIG)\n")
	for _, s := range server.Settings() {
		fmt.Fprintf(&b, "  --%s\n", strings.ReplaceAll(s.Key, "_", "-"))
		for line := range strings.SplitSeq(s.Doc, "\n") {
			fmt.Fprintf(&b, "        %s\n", line)
		}
		if s.Default != "" {
			fmt.Fprintf(&b, "        default: %s\n", s.Default)
		}
	}
	return b.String()
}
