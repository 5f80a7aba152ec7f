package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	osuser "os/user"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"freehold.example/api/change"
	"freehold.example/api/socket"
	"freehold.example/server/keep"
)

const configUsage = usage(`freehold config check FILE                say what would change, and whom it touches; change nothing
freehold config apply FILE [--confirm-within 60s] [--why TEXT]
                                         have the server run with it; without a confirmation the one before comes back
freehold config confirm [--at URL]       keep what was applied: proves that clients reach the server (--at: by which way)
freehold config history                  list what there was, with who, when and why
freehold config show N                   print an earlier configuration
freehold config rollback [N] [--why TEXT]
                                         end a trial, or go back to an earlier configuration; also while the server is stopped
Every one takes --data-dir DIR and --config FILE, as the server does. Flags and the environment of the server win over FILE.`)

// configFlags are those of all the subcommands.
type configFlags struct {
	dir, config string
	within      time.Duration
	why, at     string
}

// configuration is `freehold config`.
func configuration(ctx context.Context, c console, args []string) error {
	if len(args) == 0 || isHelp(args[0]) {
		return configUsage
	}
	name, args := args[0], args[1:]
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	var f configFlags
	flags.StringVar(&f.dir, "data-dir", "", "")
	flags.StringVar(&f.config, "config", "", "")
	flags.DurationVar(&f.within, "confirm-within", time.Minute, "")
	flags.StringVar(&f.why, "why", "", "")
	flags.StringVar(&f.at, "at", "", "")
	rest, err := parseMixed(flags, args)
	if err != nil {
		return usage(err.Error() + "\n" + string(configUsage))
	}
	s, err := dialServer(c, f.dir, f.config)
	if err != nil {
		return usage(err.Error())
	}
	s.http.Timeout = 5 * time.Minute // a database takes its time to open
	switch {
	case name == "check" && len(rest) == 1:
		return checkConfig(ctx, c, s, rest[0])
	case name == "apply" && len(rest) == 1:
		return applyConfig(ctx, c, s, rest[0], f)
	case name == "confirm" && len(rest) == 0:
		return confirmConfig(ctx, c, s, f.at)
	case name == "history" && len(rest) == 0:
		return showHistory(ctx, c, s)
	case name == "show" && len(rest) == 1:
		return showConfig(c, s, rest[0])
	case name == "rollback" && len(rest) <= 1:
		return rollbackConfig(ctx, c, s, rest, f.why)
	}
	return configUsage
}

// readConfig reads a file, or standard input for "-".
func readConfig(c console, path string) (string, error) {
	if path == "-" {
		b, err := io.ReadAll(io.LimitReader(c.in, 1<<20))
		return string(b), err
	}
	b, err := os.ReadFile(path) //nolint:gosec // the operator names a file of his own
	return string(b), err
}

// planConfig says what a file would change, and gives its text.
func planConfig(ctx context.Context, c console, s *runningServer, path string) (text string, plan change.Plan, err error) {
	if text, err = readConfig(c, path); err != nil {
		return text, plan, err
	}
	if err := s.call(ctx, "POST", "/config/check", socket.ConfigRequest{Text: text}, &plan); err != nil {
		return text, plan, err
	}
	printPlan(c.out, &plan)
	return text, plan, nil
}

func checkConfig(ctx context.Context, c console, s *runningServer, path string) error {
	_, plan, err := planConfig(ctx, c, s, path)
	if err != nil {
		return err
	}
	if len(plan.Refused) > 0 {
		return errUnwell
	}
	return nil
}

func printPlan(to io.Writer, p *change.Plan) {
	for _, text := range p.Refused {
		fmt.Fprintf(to, "✗ %s\n", text)
	}
	if len(p.Changes) == 0 && len(p.Refused) == 0 {
		fmt.Fprintln(to, "Nothing changes.")
	}
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	for _, s := range p.Changes {
		fmt.Fprintf(w, "  %s\t%s\t-> %s\n", s.Key, s.From, s.To)
	}
	_ = w.Flush() // to a terminal
	for _, l := range p.Listeners {
		switch {
		case l.From == l.To:
		case l.To == "":
			fmt.Fprintf(to, "  for %s: %s is listened on no longer\n", l.For, l.From)
		case l.From == "":
			fmt.Fprintf(to, "  for %s: %s is listened on\n", l.For, l.To)
		default:
			fmt.Fprintf(to, "  for %s: %s instead of %s\n", l.For, l.To, l.From)
		}
	}
	for _, t := range p.Touches {
		fmt.Fprintf(to, "  %s: %d %s %s", t.Key, t.Count, t.What, t.How)
		if len(t.Examples) > 0 {
			fmt.Fprintf(to, " (%s", strings.Join(t.Examples, ", "))
			if t.Count > len(t.Examples) {
				fmt.Fprint(to, ", ...")
			}
			fmt.Fprint(to, ")")
		}
		fmt.Fprintln(to)
	}
	for _, text := range p.Warnings {
		fmt.Fprintf(to, "! %s\n", text)
	}
}

func applyConfig(ctx context.Context, c console, s *runningServer, path string, f configFlags) error {
	text, _, err := planConfig(ctx, c, s, path)
	if err != nil {
		return err
	}
	var done change.Applied
	r := socket.ConfigRequest{Text: text, Within: f.within.Milliseconds(), By: operator(), Why: f.why}
	if err := s.call(ctx, "POST", "/config/apply", r, &done); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "Configuration %d is in use, on trial.\n", done.Number)
	if done.Until != nil {
		fmt.Fprintf(c.out, "Look whether everything works, then keep it before %s: freehold config confirm\nOtherwise configuration %d comes back.\n",
			done.Until.Local().Format(time.TimeOnly), done.Previous)
	}
	return nil
}

// operator is who types.
func operator() string {
	for _, key := range []string{"SUDO_USER", "USER", "LOGNAME"} {
		if name := os.Getenv(key); name != "" {
			return name
		}
	}
	if u, err := osuser.Current(); err == nil {
		return u.Username
	}
	return "uid " + strconv.Itoa(os.Getuid())
}

// confirmConfig gets the word over the admin socket and hands it in where clients are served.
func confirmConfig(ctx context.Context, c console, s *runningServer, at string) error {
	var word socket.WordResponse
	if err := s.call(ctx, "POST", "/config/word", nil, &word); err != nil {
		return err
	}
	if at == "" {
		at = word.At
	}
	b, err := json.Marshal(map[string]string{"word": word.Word})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(at, "/")+"/_freehold/config/confirm", bytes.NewReader(b))
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return fmt.Errorf("clients cannot reach the server: nothing is confirmed, and the configuration before comes back by itself (%w)", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	var done change.Applied
	if resp.StatusCode != http.StatusOK {
		var fault struct{ Error string }
		if json.Unmarshal(answer, &fault) != nil || fault.Error == "" {
			fault.Error = resp.Status
		}
		return fmt.Errorf("nothing is confirmed: %s answers: %s", at, fault.Error)
	}
	if err := json.Unmarshal(answer, &done); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "Configuration %d is confirmed: clients reach the server at %s.\n", done.Number, at)
	for _, note := range done.Notes {
		fmt.Fprintf(c.err, "freehold: %s\n", note)
	}
	return nil
}

func showHistory(ctx context.Context, c console, s *runningServer) error {
	var state change.State
	err := s.call(ctx, "GET", "/config", nil, &state)
	if errors.Is(err, errStopped) {
		state, err = keep.History(s.dir)
	}
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	for _, e := range state.Entries {
		mark := " "
		if e.Current {
			mark = "*"
		}
		fmt.Fprintf(w, "%s %d\t%s\t%s\t%s\t%s\n", mark, e.Number, e.At.Local().Format(time.DateTime), e.By, e.Outcome, e.Why)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if state.Remark != "" {
		fmt.Fprintf(c.err, "freehold: %s\n", state.Remark)
	}
	return nil
}

func showConfig(c console, s *runningServer, text string) error {
	number, err := strconv.Atoi(text)
	if err != nil {
		return configUsage
	}
	b, err := keep.Text(s.dir, number)
	if err != nil {
		return err
	}
	_, err = c.out.Write(b)
	return err
}

func rollbackConfig(ctx context.Context, c console, s *runningServer, rest []string, why string) error {
	r := socket.RollbackRequest{By: operator(), Why: why}
	if len(rest) == 1 {
		var err error
		if r.Number, err = strconv.Atoi(rest[0]); err != nil || r.Number < 1 {
			return configUsage
		}
	}
	var done change.Applied
	err := s.call(ctx, "POST", "/config/rollback", r, &done)
	if errors.Is(err, errStopped) {
		number, err := keep.RollbackStopped(s.dir, r.Number, r.By, r.Why)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.out, "The server is stopped. It starts with configuration %d.\n", number)
		return nil
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "Configuration %d is in use.\n", done.Number)
	return nil
}
