package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
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
  freehold user rescue NAME                let somebody in again, also while the server is stopped
  freehold user list                       list the accounts
  freehold user invite [--uses N] [--days N]
                                           make a registration token to give to somebody
  freehold doctor [--deep]                 say what will not work, and what to do
  freehold doctor federation SERVER        try the way to another server, step by step
  freehold budget [--json]                 say what stops, for whom and when, without what lies outside
  freehold drill [--for 30m] [--scope outside|all-peers|names|time]
                                           cut the running server off for so long, and report how it fared
  freehold drill stop|status|list|report|verify
  freehold backup [--to FILE]              write the whole server into one file, while it runs
  freehold restore FILE                    make a server of that file
  freehold status                          what the server says of itself, whatever state it is in
  freehold logs [-f]                       the last lines of its log
  freehold config check|apply FILE         try other settings; they undo themselves unless they are confirmed
  freehold config confirm|history|rollback [N]
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
	case "doctor":
		err = examine(ctx, c, args)
	case "drill":
		err = rehearse(ctx, c, args)
	case "budget":
		err = showBudget(ctx, c, args)
	case "backup":
		err = backup(ctx, c, args)
	case "restore":
		err = restore(ctx, c, args)
	case "status":
		err = status(ctx, c, args)
	case "logs":
		err = logs(ctx, c, args)
	case "config":
		err = configuration(ctx, c, args)
	case "version":
		err = version(c)
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
	if !errors.Is(err, errUnwell) {
		fmt.Fprintln(c.err, "freehold:", err)
	}
	return exitFailed
}

func isHelp(arg string) bool { return arg == "-h" || arg == "-help" || arg == "--help" }
