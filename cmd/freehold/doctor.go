package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"freehold.example/api/socket"
	"freehold.example/matrix/id"
	"freehold.example/server"
	"freehold.example/server/doctor"
	"freehold.example/server/keep"
)

const doctorUsage = usage(`freehold doctor [--deep] [--json] [--setting value ...]
       freehold doctor federation SERVER [--json] [--data-dir DIR]
The first says what will not work with these settings, and what to do. It changes nothing and asks nobody outside this machine.
  --deep   read the whole database and every media file, which takes a while
  --json   for programs
The second has the running server go the way to another one, step by step: where it is, the connection, its certificate, its
keys and a signed request. It says which step fails and what to do.
The exit status is 1 when something will not work.`)

// errUnwell ends the doctor who has found something; it has been said already.
var errUnwell = errors.New("something will not work")

// examine is `freehold doctor`.
func examine(ctx context.Context, c console, args []string) error {
	flags := flag.NewFlagSet("doctor", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	deep := flags.Bool("deep", false, "")
	asJSON := flags.Bool("json", false, "")
	values := map[string]string{}
	for _, s := range server.Settings() {
		name := strings.ReplaceAll(s.Key, "_", "-")
		flags.Func(name, "", func(v string) error { values[name] = v; return nil })
	}
	flags.Func("config", "", func(v string) error { values["config"] = v; return nil })
	positional, err := parseMixed(flags, args)
	if errors.Is(err, flag.ErrHelp) {
		_, err := fmt.Fprintln(c.out, string(doctorUsage))
		return err
	}
	if err != nil {
		return usage(err.Error() + "\n" + string(doctorUsage))
	}
	if len(positional) == 2 && positional[0] == "federation" && !*deep {
		return examineServer(ctx, c, positional[1], values["data-dir"], values["config"], *asJSON)
	}
	if len(positional) > 0 {
		return doctorUsage
	}
	var settings []string
	for name, v := range values {
		settings = append(settings, "--"+name, v)
	}
	config, wrong := keep.Load(settings, c.environ)
	report := doctor.Examine(ctx, doctor.Patient{
		Config: config, Wrong: wrong, Unknown: server.UnknownEnv(c.environ), Deep: *deep, Version: server.Version(), Now: time.Now,
	})
	if *asJSON {
		b, err := json.MarshalIndent(report, "", " ")
		if err != nil {
			return err
		}
		fmt.Fprintf(c.out, "%s\n", b)
	} else {
		fmt.Fprint(c.out, report.String())
	}
	if report.Count(doctor.Bad) > 0 {
		return errUnwell
	}
	return nil
}

// examineServer is `freehold doctor federation SERVER`.
func examineServer(ctx context.Context, c console, name, dir, config string, asJSON bool) error {
	if _, err := id.ParseServer(name); err != nil {
		return usage(fmt.Sprintf("%q is no server name; use what stands after the colon of user ids, such as example.org", name))
	}
	s, err := dialServer(c, dir, config)
	if err != nil {
		return usage(err.Error())
	}
	var resp socket.TryResponse
	if err := s.call(ctx, "POST", "/servers/"+url.PathEscape(name)+"/try", nil, &resp); err != nil {
		return err
	}
	if asJSON {
		b, err := json.MarshalIndent(resp, "", " ")
		if err != nil {
			return err
		}
		fmt.Fprintf(c.out, "%s\n", b)
	} else {
		for _, step := range resp.Steps {
			mark := "✓"
			if !step.OK {
				mark = "✗"
			}
			fmt.Fprintf(c.out, "%s %s: %s\n", mark, step.Name, step.Text)
			if step.Do != "" {
				fmt.Fprintf(c.out, "    %s\n", step.Do)
			}
		}
	}
	if n := len(resp.Steps); n == 0 || !resp.Steps[n-1].OK {
		return errUnwell
	}
	if !asJSON {
		fmt.Fprintf(c.out, "\nAll is well with the way to %s. Whether it finds the way here is for its own operator to try.\n", name)
	}
	return nil
}
