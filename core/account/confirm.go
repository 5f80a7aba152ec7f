package account

import (
	"container/list"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"freehold.example/matrix/csapi"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
)

// The stages of user-interactive authentication that this server knows.
const (
	StageDummy    = "m.login.dummy"
	StageToken    = "m.login.registration_token"
	StagePassword = "m.login.password"
)

const (
	confirmFor = 15 * time.Minute // how long a session of user-interactive authentication lives
	// limit: sessions of user-interactive authentication | %d of users and as many of strangers, of at most 1 KiB | the oldest goes
	confirmMax = 4096 // how many there may be at once, of users and of strangers each; the oldest makes room
)

// Operation is what somebody must prove to be allowed to do.
type Operation struct {
	User   id.User    // who does it; "" at registration
	From   netip.Addr // from where; guesses at a password are counted by it
	Name   string     // method and path with what it names, such as "DELETE /devices/ABC"
	Params any        // the request without its auth, as JSON has it
	Flows  [][]string // the ways to be allowed; each is the stages to complete, in order
}

// Confirmed is what the stages left behind.
type Confirmed struct {
	Token string // the registration token that was shown, if any
}

// confirmation is a session of user-interactive authentication. It holds hashes of what is to be done, never a password,
// and is of bounded size.
type confirmation struct {
	id        string
	operation [sha256.Size]byte
	params    [sha256.Size]byte // of the latest request; from the first stage that was completed it stays the same
	completed []string
	token     string
	expires   time.Time
	stranger  bool
}

// confirmations are the sessions that are open, bounded by confirmMax. They are in memory only: after a restart a client is asked again.
type confirmations struct {
	now func() time.Time
	key [32]byte // of the hashes, so that they are of no use to anybody who reads the memory of another run

	mu     sync.Mutex // guards what follows
	byID   map[string]*list.Element
	queues [2]*list.List // oldest first: of users, of strangers; so that strangers cannot push users' sessions out
}

func newConfirmations(now func() time.Time) *confirmations {
	c := &confirmations{now: now, byID: map[string]*list.Element{}, queues: [2]*list.List{list.New(), list.New()}}
	rand.Read(c.key[:])
	return c
}

func (c *confirmations) sum(parts ...string) (sum [sha256.Size]byte) {
	mac := hmac.New(sha256.New, c.key[:])
	for _, p := range parts {
		fmt.Fprintf(mac, "%d:%s", len(p), p)
	}
	mac.Sum(sum[:0])
	return sum
}

// find gives a copy of the session, if it is there.
func (c *confirmations) find(id string) (confirmation, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byID[id]
	if e == nil {
		return confirmation{}, false
	}
	s := e.Value.(*confirmation)
	if !s.expires.After(c.now()) {
		c.remove(e)
		return confirmation{}, false
	}
	found := *s
	found.completed = slices.Clone(s.completed)
	return found, true
}

// given says whether a stranger was given a session for this very request.
func (c *confirmations) given(operation, params [sha256.Size]byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := c.queues[1].Back(); e != nil; e = e.Prev() {
		if s := e.Value.(*confirmation); s.params == params && s.operation == operation && s.expires.After(c.now()) {
			return true
		}
	}
	return false
}

// save keeps the session, giving it an id when it has none.
func (c *confirmations) save(s confirmation) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.byID[s.id]; e != nil {
		*e.Value.(*confirmation) = s
		return s.id
	}
	s.id, s.expires = rand.Text(), c.now().Add(confirmFor)
	q := c.queues[0]
	if s.stranger {
		q = c.queues[1]
	}
	for e := q.Front(); e != nil && (q.Len() >= confirmMax || !e.Value.(*confirmation).expires.After(c.now())); e = q.Front() {
		c.remove(e)
	}
	c.byID[s.id] = q.PushBack(&s)
	return s.id
}

func (c *confirmations) drop(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.byID[id]; e != nil {
		c.remove(e)
	}
}

func (c *confirmations) remove(e *list.Element) {
	s := e.Value.(*confirmation)
	delete(c.byID, s.id)
	q := c.queues[0]
	if s.stranger {
		q = c.queues[1]
	}
	q.Remove(e)
}

// Confirm is user-interactive authentication: it returns nil when the stages of one of op's flows are complete, and
// otherwise the 401 that tells the client what to do (Client-Server API, "User-Interactive Authentication API").
//
// A flow may be completed without a session; but m.login.dummy shows nothing else, and a stranger who was given one for the
// request has to pass it back. What was authorised is one operation with its parameters: a session is bound to them from the
// first stage that was completed.
func (a *Accounts) Confirm(ctx context.Context, op Operation, auth *csapi.Auth) (*Confirmed, error) {
	if auth == nil {
		auth = &csapi.Auth{}
	}
	params, err := json.Marshal(op.Params)
	if err != nil {
		return nil, fmt.Errorf("bug: parameters of %s: %w", op.Name, err)
	}
	operation, digest := a.confirm.sum(string(op.User), op.Name), a.confirm.sum(string(params))

	s, known := a.confirm.find(auth.Session)
	switch {
	case !known: // none was named, or it is forgotten
		s = confirmation{operation: operation, stranger: op.User == ""}
	case s.operation != operation:
		return nil, fault.New(fault.Forbidden, "This authentication session is for something else")
	case len(s.completed) > 0 && s.params != digest:
		return nil, fault.New(fault.Forbidden, "The request has changed since its authentication began")
	}
	s.params = digest

	var failed *fault.Fault
	if auth.Type != "" && !slices.Contains(s.completed, auth.Type) {
		failed, err = a.stage(ctx, op, auth, &s)
		if err != nil {
			return nil, err
		}
	}
	if failed == nil && slices.ContainsFunc(op.Flows, func(f []string) bool { return slices.Equal(f, s.completed) }) {
		a.confirm.drop(s.id)
		return &Confirmed{Token: s.token}, nil
	}
	s.id = a.confirm.save(s)
	return nil, challenge(op, &s, failed)
}

// stage tries one stage: failed says that it may be tried again, err that something else is wrong.
func (a *Accounts) stage(ctx context.Context, op Operation, auth *csapi.Auth, s *confirmation) (failed *fault.Fault, err error) {
	next := append(slices.Clone(s.completed), auth.Type)
	offered := slices.ContainsFunc(op.Flows, func(f []string) bool {
		return len(f) >= len(next) && slices.Equal(f[:len(next)], next)
	})
	if !offered {
		return fault.New(fault.Unrecognized, "This is not a way to authenticate here, or not yet"), nil
	}
	switch auth.Type {
	case StageDummy:
		if auth.Session == "" && s.stranger && a.confirm.given(s.operation, s.params) {
			return fault.New(fault.MissingParam, "The session that was given for this request is missing"), nil
		}
	case StageToken:
		valid, err := a.Invited(ctx, auth.Token, op.From)
		if err != nil {
			return nil, err
		}
		if !valid {
			return errInvitation, nil
		}
		s.token = auth.Token
	case StagePassword:
		name := auth.User
		if auth.Identifier != nil {
			if auth.Identifier.Type != "m.id.user" {
				return fault.New(fault.Unrecognized, "Only identifiers of type m.id.user are known here"), nil
			}
			name = auth.Identifier.User
		}
		if name == "" {
			name = string(op.User) // it can be nobody else
		}
		if user, ok := a.Named(name); !ok || user != op.User {
			return nil, fault.New(fault.Forbidden, "Only you yourself can confirm this")
		}
		_, err := a.prove(ctx, name, auth.Password, op.From)
		if fault.Is(err, fault.Forbidden) {
			return fault.New(fault.Forbidden, "The password is wrong"), nil
		}
		if err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("bug: stage %s is offered and not known", auth.Type)
	}
	s.completed = next
	return nil, nil
}

// challenge is the 401 of an authentication that is not complete. Without a failure it has no error code.
func challenge(op Operation, s *confirmation, failed *fault.Fault) *fault.Fault {
	flows := make([]csapi.Flow, len(op.Flows))
	for i, stages := range op.Flows {
		flows[i] = csapi.Flow{Stages: stages}
	}
	f := &fault.Fault{}
	if failed != nil {
		f = failed
	}
	f = f.WithStatus(401).With("flows", flows).With("params", struct{}{}).With("session", s.id)
	if len(s.completed) > 0 {
		f = f.With("completed", s.completed)
	}
	return f
}
