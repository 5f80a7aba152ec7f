package peer

import (
	"context"
	"errors"
	"net"
	"net/http"

	"freehold.example/matrix/fault"
)

// Said is how a user is told of an error of Ask: what the other server refused in its own words, and what kept it from being
// reached in ours.
func Said(err error) error {
	var no *AnswerError
	var wait *WaitError
	var dns *net.DNSError
	switch {
	case err == nil:
		return nil
	case fault.Is(err, fault.Forbidden), errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &dns) && dns.IsNotFound:
		return fault.New(fault.NotFound, "There is no such server").Because(err)
	case errors.As(err, &wait):
		return fault.Newf(fault.Unknown, "The server %s did not answer; it is asked again in a while", wait.Server).
			WithStatus(http.StatusBadGateway).Because(err)
	case errors.As(err, &no) && no.Status == http.StatusNotFound && no.Code != fault.Unrecognized:
		return fault.New(fault.NotFound, no.Text).Because(err)
	case errors.As(err, &no):
		return fault.Newf(fault.Unknown, "The server %s refuses: %s", no.Server, no.Text).WithStatus(http.StatusBadGateway).Because(err)
	}
	return fault.New(fault.Unknown, "The other server cannot be reached").WithStatus(http.StatusBadGateway).Because(err)
}
