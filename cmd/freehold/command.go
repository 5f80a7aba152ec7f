package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"freehold.example/server"
)

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1 // it was tried and did not work
	exitUsage  = 2 // it was asked for wrongly: arguments or settings
)

// usage is an error of how a command was called; its text says how to call it.
type usage string

func (u usage) Error() string { return string(u) }

const help = `freehold is a Matrix homeserver.

  freehold [serve] [--setting value ...]   run the server
  freehold user add NAME [--admin]         make an account on the running server
  freehold user list                       list the accounts
  freehold user invite [--uses N] [--days N]
                                           make a registration token to give to somebody
  freehold version                         print the version

Settings come from a TOML file (FREEHOLD_CONFIG or --config), from the environment (FREEHOLD_SERVER_NAME) and from
flags (--server-name); "freehold serve --help" lists them. Without any, the server runs on http://localhost:8008 and
keeps its data in ./freehold-data.
`

func run(ctx context.Context, c console, args []string) int {
	name := "serve"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, args = args[0], args[1:]
	} else if len(args) == 1 && isHelp(args[0]) {
		name = "help"
	}
	var err error
	switch name {
	case "serve":
		err = serve(ctx, c, args)
	case "user":
		err = user(ctx, c, args)
	case "version":
		_, err = fmt.Fprintln(c.out, "freehold", server.Version())
	case "help":
		_, err = fmt.Fprint(c.out, help)
	default:
		err = usage(fmt.Sprintf("there is no command %q\n\n%s", name, help))
	}
	var u usage
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &u):
		fmt.Fprintf(c.err, "freehold: %s\n", strings.TrimSuffix(u.Error(), "\n"))
		return exitUsage
	}
	fmt.Fprintln(c.err, "freehold:", err)
	return exitFailed
}

func isHelp(arg string) bool { return arg == "-h" || arg == "-help" || arg == "--help" }
