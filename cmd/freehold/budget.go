package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"

	"freehold.example/core/budget"
)

const budgetUsage = usage(`freehold budget [--json] [--data-dir DIR]
What the running server loses when what lies outside of it is gone - names, authorities, other servers, push gateways - for
whom, and when. It is computed, and nobody is asked.
  --json   for programs`)

// showBudget is `freehold budget`.
func showBudget(ctx context.Context, c console, args []string) error {
	flags := flag.NewFlagSet("budget", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	dir := flags.String("data-dir", "", "")
	config := flags.String("config", "", "")
	asJSON := flags.Bool("json", false, "")
	positional, err := parseMixed(flags, args)
	if err != nil || len(positional) > 0 {
		return budgetUsage
	}
	s, err := dialServer(c, *dir, *config)
	if err != nil {
		return usage(err.Error())
	}
	var v budget.View
	if err := s.call(ctx, "GET", "/budget", nil, &v); err != nil {
		return err
	}
	if !*asJSON {
		fmt.Fprint(c.out, v.String())
		return nil
	}
	return printJSON(c, &v)
}

// printJSON is what a program reads.
func printJSON(c console, v any) error {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%s\n", b)
	return nil
}
