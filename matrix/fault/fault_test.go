package fault_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"freehold.example/matrix/fault"
)

func TestStatus(t *testing.T) {
	for code, want := range map[fault.Code]int{
		fault.Forbidden:             http.StatusForbidden,
		fault.UnknownToken:          http.StatusUnauthorized,
		fault.NotFound:              http.StatusNotFound,
		fault.Unrecognized:          http.StatusNotFound,
		fault.LimitExceeded:         http.StatusTooManyRequests,
		fault.TooLarge:              http.StatusRequestEntityTooLarge,
		fault.BadJSON:               http.StatusBadRequest,
		fault.UnableToAuthoriseJoin: http.StatusBadRequest,
		"ORG.EXAMPLE_OWN":           http.StatusBadRequest,
	} {
		if got := fault.New(code, "text").Status; got != want {
			t.Errorf("%s: got %d, want %d", code, got, want)
		}
	}
}

func TestCopies(t *testing.T) {
	cause := errors.New("cause")
	base := fault.Newf(fault.NotFound, "no %s", "room").With("a", 1)
	changed := base.Because(cause).WithStatus(http.StatusGone).After(time.Second).With("b", 2)
	if base.Cause != nil || base.Status != http.StatusNotFound || base.RetryAfter != 0 || len(base.Extra) != 1 {
		t.Errorf("the original was changed: %+v", base)
	}
	if !errors.Is(changed.Cause, cause) || changed.Status != http.StatusGone || changed.RetryAfter != time.Second ||
		changed.Extra["a"] != 1 || changed.Extra["b"] != 2 || changed.Text != "no room" {
		t.Errorf("got %+v", changed)
	}
	if !errors.Is(changed, cause) || !strings.Contains(changed.Error(), "cause") {
		t.Errorf("got %v, want the cause in it", changed)
	}
}

func TestIs(t *testing.T) {
	err := fmt.Errorf("read: %w", fault.New(fault.NotFound, "no such room"))
	if !fault.Is(err, fault.NotFound) || fault.Is(err, fault.Forbidden) || fault.Is(errors.New("x"), fault.NotFound) || fault.Is(nil, fault.NotFound) {
		t.Error("Is mistakes one for another")
	}
	if got := fault.New(fault.NotFound, "no such room").Error(); got != "M_NOT_FOUND: no such room" {
		t.Errorf("got %q", got)
	}
}
