package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"freehold.example/matrix/fault"
)

// TestSaid: what a user is told when another server was asked.
func TestSaid(t *testing.T) {
	missing := fmt.Errorf("dial: %w", &net.DNSError{Err: "no such host", Name: "c", IsNotFound: true})
	for _, test := range []struct {
		err    error
		code   fault.Code
		status int
	}{
		{missing, fault.NotFound, 404},
		{&WaitError{Server: "c", Until: time.Unix(1, 0), Cause: missing}, fault.NotFound, 404},
		{&WaitError{Server: "c", Until: time.Unix(1, 0), Cause: errors.New("refused")}, fault.Unknown, 502},
		{errors.New("connection refused"), fault.Unknown, 502},
		{&AnswerError{Server: "c", Status: 404, Code: fault.NotFound, Text: "No such user"}, fault.NotFound, 404},
		{&AnswerError{Server: "c", Status: 404, Code: fault.Unrecognized, Text: "No such endpoint"}, fault.Unknown, 502},
		{&AnswerError{Server: "c", Status: 500, Code: fault.Unknown, Text: "Oh"}, fault.Unknown, 502},
		{fault.New(fault.Forbidden, "Not with that one"), fault.Forbidden, 403},
	} {
		f, ok := errors.AsType[*fault.Fault](Said(test.err))
		if !ok || f.Code != test.code || f.Status != test.status {
			t.Errorf("%v: got %+v", test.err, f)
		}
	}
	if err := Said(nil); err != nil {
		t.Error(err)
	}
	if err := Said(context.Canceled); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
