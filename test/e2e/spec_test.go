package e2e

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"

	"freehold.example/test/harness"
	"freehold.example/test/spec"
)

// watch holds what the devices and the server say against the specification. It is nil where there is none; TestSpecification
// of test/conformance says how to get it.
var watch *spec.Watch

func TestMain(m *testing.M) {
	flag.Parse() // for what is run
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = f.Value.Set(strconv.Itoa(2 * runtime.GOMAXPROCS(0))) // stories wait more than they compute
	}
	var err error
	if watch, err = spec.NewWatch(); errors.Is(err, spec.ErrMissing) {
		watch = nil
	} else if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if watch != nil {
		if err := watch.End(spec.Run("e2e")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	harness.Clean()
	os.Exit(code)
}
