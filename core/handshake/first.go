package handshake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"freehold.example/core/peer"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// first asks servers until one gives what is wanted. Each has a head start over the next, which is cut short when it refuses;
// the others are told to stop once there is an answer. Errors: a failure for every server.
func first[T any](ctx context.Context, servers []id.Server, ask func(context.Context, id.Server) (T, error)) (T, id.Server, error) {
	type answer struct {
		server id.Server
		got    T
		err    error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan answer, len(servers)) // nobody blocks who comes late
	var failed failures
	next, running := 0, 0
	begin := func() {
		server := servers[next]
		next, running = next+1, running+1
		go func() { // ends with ctx at the latest
			got, err := ask(ctx, server)
			answers <- answer{server, got, err}
		}()
	}
	impatient := time.NewTicker(headStart)
	defer impatient.Stop()
	for next < len(servers) || running > 0 {
		if running == 0 {
			begin()
			impatient.Reset(headStart)
		}
		select {
		case a := <-answers:
			running--
			if a.err == nil {
				return a.got, a.server, nil
			}
			failed = append(failed, failure{a.server, a.err})
			if next < len(servers) && running < atOnce {
				begin()
				impatient.Reset(headStart)
			}
		case <-impatient.C:
			if next < len(servers) && running < atOnce {
				begin()
			}
		case <-ctx.Done():
			var none T
			return none, "", errors.Join(ctx.Err(), failed.err())
		}
	}
	var none T
	return none, "", failed.err()
}

// failure is why one server was of no help.
type failure struct {
	server id.Server
	err    error
}

// failures is why none was.
type failures []failure

func (f failures) err() error {
	if len(f) == 0 {
		return nil
	}
	return f
}

func (f failures) Error() string {
	var s strings.Builder
	s.WriteString("no server helps")
	for _, x := range f {
		fmt.Fprintf(&s, "; %s: %v", x.server, x.err)
	}
	return s.String()
}

// passed are the refusals that a client is told as they are, the one that says most first.
var passed = []fault.Code{
	fault.Forbidden, fault.InviteBlocked, fault.IncompatibleRoomVersion, fault.UnableToAuthoriseJoin, fault.UnableToGrantJoin,
	fault.BadState, fault.NotFound,
}

// said is what a user is told of an error of first or of a single server: the refusal that says most, in the other server's
// words, or that it cannot be reached.
func said(err error) error {
	var all failures
	if !errors.As(err, &all) {
		all = failures{{"", err}}
	}
	for _, code := range passed {
		for _, x := range all {
			no, is := errors.AsType[*peer.AnswerError](x.err)
			if is && no.Code == code && no.Status >= 400 && no.Status < 500 {
				return fault.New(code, no.Text).WithStatus(no.Status).Because(err)
			}
		}
	}
	for _, x := range all {
		if fault.Is(x.err, fault.IncompatibleRoomVersion) {
			return x.err
		}
	}
	if len(all) == 0 {
		return err
	}
	worst := slices.MaxFunc(all, func(a, b failure) int { return weight(a.err) - weight(b.err) })
	if f, is := errors.AsType[*fault.Fault](peer.Said(worst.err)); is {
		return f.Because(err)
	}
	return err
}

// weight is how much an error says of the room, and not of the way there.
func weight(err error) int {
	_, answered := errors.AsType[*peer.AnswerError](err)
	_, waits := errors.AsType[*peer.WaitError](err)
	switch {
	case answered:
		return 3
	case !waits:
		return 2
	}
	return 1
}
