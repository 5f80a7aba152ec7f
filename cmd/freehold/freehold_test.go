package main

import (
	"context"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"freehold.example/test/address"
	"github.com/rogpeppe/go-internal/testscript"
)

// The scripts in testdata run this test's own binary as `freehold`.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"freehold": func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		os.Exit(run(ctx, console{os.Stdin, os.Stdout, os.Stderr, os.Environ()}, os.Args[1:]))
	}})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			addr, err := address.Free()
			if err != nil {
				return err
			}
			e.Setenv("FREEHOLD_LISTEN_CLIENT", addr)
			e.Setenv("FREEHOLD_LISTEN_FEDERATION", "")
			for _, name := range []string{"CLIENTS", "HERE", "THERE"} { // for a second server, and for servers among themselves
				if addr, err = address.Free(); err != nil {
					return err
				}
				e.Setenv(name, addr)
			}
			e.Setenv("FREEHOLD_PASSWORD_HASHING", "fast")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// ready waits until the server of this script answers.
			"ready": func(ts *testscript.TestScript, _ bool, _ []string) {
				url := "http://" + ts.Getenv("FREEHOLD_LISTEN_CLIENT") + "/health"
				for range 600 {
					if resp, err := http.Get(url); err == nil {
						resp.Body.Close()
						return
					}
					time.Sleep(50 * time.Millisecond)
				}
				ts.Fatalf("the server does not answer on %s", url)
			},
		},
	})
}
