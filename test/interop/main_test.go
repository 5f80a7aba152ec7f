// Package interop tells stories of people on two homeservers: Freehold, and another one that a launcher script starts
// (README.md). Both are processes; people talk to their own server as clients do, with mautrix-go and its encryption, and the
// servers find out between themselves.
package interop

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"freehold.example/test/harness"
)

// folder has what the servers keep and say, below it. FREEHOLD_INTEROP_KEEP names one that is not removed.
var folder string

func TestMain(m *testing.M) {
	flag.Parse() // for what is run
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = f.Value.Set(strconv.Itoa(4 * runtime.GOMAXPROCS(0))) // stories wait more than they compute
	}
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	harness.Clean()
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if folder = os.Getenv("FREEHOLD_INTEROP_KEEP"); folder == "" {
		if folder, err = os.MkdirTemp("", "freehold-interop-"); err != nil {
			return 1, err
		}
		defer os.RemoveAll(folder)
	} else if folder, err = filepath.Abs(folder); err != nil {
		return 1, err
	}
	binary, err := harness.Binary()
	if err != nil {
		return 1, err
	}
	if err := os.Setenv("FH_TEST_BINARY", binary); err != nil { // for freehold.sh
		return 1, err
	}
	if both, err = launchPair(); err != nil {
		return 1, err
	}
	code = m.Run()
	err = errors.Join(both.ours.stop(), both.theirs.stop())
	if code != 0 || err != nil {
		for _, s := range []*server{both.ours, both.theirs} {
			fmt.Fprintf(os.Stderr, "\nthe end of %s:\n%s\n", s.log, s.tail(8000))
		}
	}
	return code, err
}

// ours and theirs are the launchers. FREEHOLD_INTEROP is that of the other server; FREEHOLD_INTEROP_OURS puts another in
// Freehold's place too, which shows whether it is the story that is wrong.
func ours() string   { return launcher("FREEHOLD_INTEROP_OURS", "freehold.sh") }
func theirs() string { return launcher("FREEHOLD_INTEROP", "synapse.sh") }

func launcher(env, usual string) string {
	l := os.Getenv(env)
	if l == "" {
		l = usual
	}
	if abs, err := filepath.Abs(l); err == nil {
		return abs
	}
	return l
}
