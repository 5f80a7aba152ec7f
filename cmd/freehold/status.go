package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"freehold.example/api/change"
	"freehold.example/server/keep"
)

const statusUsage = usage(`freehold status [--data-dir DIR]          what the server says of itself, whatever state it is in
freehold logs [-f] [--data-dir DIR]        the last lines of its log; -f: and what follows
Both need nothing but the admin socket in the data directory: no name, no certificate, no database.`)

// door reads the flags of a command that goes to the admin socket.
func door(c console, name string, args []string, more func(*flag.FlagSet)) (*runningServer, error) {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	dir := flags.String("data-dir", "", "")
	config := flags.String("config", "", "")
	if more != nil {
		more(flags)
	}
	rest, err := parseMixed(flags, args)
	if err != nil || len(rest) > 0 {
		return nil, statusUsage
	}
	s, err := dialServer(c, *dir, *config)
	if err != nil {
		return nil, usage(err.Error())
	}
	return s, nil
}

// status is `freehold status`. It fails when the server does not serve.
func status(ctx context.Context, c console, args []string) error {
	s, err := door(c, "status", args, nil)
	if err != nil {
		return err
	}
	var st change.Status
	err = s.call(ctx, "GET", "/status", nil, &st)
	if errors.Is(err, errStopped) {
		if state, kept := keep.History(s.dir); kept == nil && state.Current != 0 {
			fmt.Fprintf(c.out, "Stopped. The next start is with configuration %d, or with %s if that was edited since.\n", state.Current, orNothing(state.File))
		}
		return err
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%s, Freehold %s, process %d since %s\n", st.Server, st.Version, st.Process, st.Started.Local().Format(time.DateTime))
	if st.Serving {
		fmt.Fprintf(c.out, "serving since %s: clients on %s", st.Since.Local().Format(time.DateTime), st.Clients)
		if st.Federation != "" {
			fmt.Fprintf(c.out, ", servers on %s", st.Federation)
		}
		fmt.Fprintf(c.out, "; health: %s\n", st.Health)
	} else {
		fmt.Fprintf(c.out, "NOT SERVING since %s: %s\n", st.Since.Local().Format(time.DateTime), st.Why)
	}
	fmt.Fprintf(c.out, "data in %s", st.Dir)
	if st.Free >= 0 {
		fmt.Fprintf(c.out, ", %s free", size(st.Free))
	}
	fmt.Fprintf(c.out, "\nconfiguration %d", st.Config.Current)
	if st.Config.File != "" {
		fmt.Fprintf(c.out, ", file %s", st.Config.File)
	}
	fmt.Fprintln(c.out)
	if st.Config.Until != nil {
		fmt.Fprintf(c.out, "! configuration %d is on trial until %s: freehold config confirm, or freehold config rollback\n", st.Config.Trial, st.Config.Until.Local().Format(time.TimeOnly))
	} else if st.Config.Remark != "" {
		fmt.Fprintf(c.out, "! %s\n", st.Config.Remark)
	}
	if st.Drill != "" {
		fmt.Fprintln(c.out, st.Drill)
	}
	if !st.Serving || st.Health != "ok" {
		return errUnwell
	}
	return nil
}

func orNothing(file string) string {
	if file == "" {
		return "a file"
	}
	return file
}

// logs is `freehold logs`.
func logs(ctx context.Context, c console, args []string) error {
	follow := false
	s, err := door(c, "logs", args, func(f *flag.FlagSet) { f.BoolVar(&follow, "f", false, "") })
	if err != nil {
		return err
	}
	q := url.Values{}
	if follow {
		q.Set("follow", "1")
		s.http.Timeout = 0
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://freehold/logs?"+q.Encode(), http.NoBody)
	if err != nil {
		return err
	}
	resp, err := s.do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(c.out, resp.Body)
	if ctx.Err() != nil || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil // the reader, or the server, has ended
	}
	return err
}
