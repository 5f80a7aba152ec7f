package conformance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"freehold.example/test/spec"
)

// watch holds what the server says against the specification: what deviates fails the test that asked, or else the whole run.
// It is nil where there is no specification; TestSpecification says how to get it.
var watch *spec.Watch

// openWatch reads the specification.
func openWatch() error {
	w, err := spec.NewWatch()
	if errors.Is(err, spec.ErrMissing) {
		return nil
	}
	watch = w
	return err
}

// watched runs the tests with every exchange watched.
func watched(m *testing.M) (code int) {
	if watch == nil {
		return m.Run()
	}
	http.DefaultTransport = watch.Transport(http.DefaultTransport, base)
	code = m.Run()
	if err := watch.End(spec.Run("conformance"), "/.well-known/", "/_matrix/client/", "/_matrix/media/", "/_matrix/app/", "/_matrix/push/"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	return code
}

// context is that of a request: what deviates fails the user's test. The tests of badinput_test.go mean to deviate.
func (u *user) context() context.Context {
	ctx := spec.Within(u.t.Context(), u.t)
	if strings.HasPrefix(u.t.Name(), "TestBad") {
		ctx = spec.Malformed(ctx)
	}
	return ctx
}

func TestSpecification(t *testing.T) {
	if _, err := spec.Load(); errors.Is(err, spec.ErrMissing) && os.Getenv("MATRIX_SPEC") == "" {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
}
