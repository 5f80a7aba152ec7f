package room

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"sync/atomic"
	"time"

	"freehold.example/base/lane"
	"freehold.example/base/pmap"
	"freehold.example/matrix/authrule"
	"freehold.example/matrix/event"
	"freehold.example/matrix/fault"
	"freehold.example/matrix/id"
	"freehold.example/matrix/policy"
)

// A room may want a policy server to be asked about its events before they are sent (Server-Server API, "Policy Servers").
// Asking takes as long as that server likes, so nobody's lane is held meanwhile: the event is built, the lane is left, and
// when the signature has come the event is put on the head as it is then. It has the parents of when it was built, beside
// which others may have come in; they are all extremities until the next event. Where the state has changed meanwhile, the event is
// built and asked about anew, so that every event is in the state that it was allowed in.

// PolicyServers asks policy servers; core/peer does.
type PolicyServers interface {
	// SignEvent gives the signature of a room's policy server on an event, in base64. Errors: a *fault.Fault with the words of
	// one that refuses.
	SignEvent(ctx context.Context, server id.Server, event []byte) (signature string, err error)
}

// askTimeout is how long a policy server may take, and asking how many events of one room it is asked about at once: each
// may become an extremity, of which an event can name twenty.
const (
	askTimeout = 10 * time.Second
	asking     = 8
)

// asks hands out the turns to ask.
type asks struct {
	lanes lane.Lanes[turn] // bounded by the requests under way
	next  atomic.Uint32
}

type turn struct {
	room id.Room
	n    uint32
}

func (a *asks) take(ctx context.Context, room id.Room) (done func(), err error) {
	return a.lanes.Lock(ctx, turn{room, a.next.Add(1) % asking})
}

// unsigned is the error of a change whose event has to be signed by the policy server first.
type unsigned struct {
	event  *event.Event
	server policy.Server
	head   *head
	root   pmap.Root // of the state that it was built in
}

func (*unsigned) Error() string { return "the policy server has not been asked" }

// policed gives the room's policy server: only while one of its users is in the room.
func (r *Rooms) policed(h *head) *policy.Server {
	switch {
	case h.policy == nil, h.policy.Name == r.Server && len(h.joined) == 0, h.policy.Name != r.Server && len(h.guards) == 0:
		return nil
	}
	return h.policy
}

// judged gives the event as the policy server has signed it, when that is what the change in whose hands the head is came
// with. Errors: *unsigned.
func (r *Rooms) judged(h *head, e *event.Event) (*event.Event, error) {
	server := r.policed(h)
	key, isState := e.StateKey()
	k := &key
	if !isState {
		k = nil
	}
	if server == nil || !h.policing || !policy.Judges(e.Type(), k) {
		return e, nil
	}
	if o := h.offer; o != nil && o.head == h && o.root == h.root && o.server.Name == server.Name && o.server.Key.Equal(server.Key) && alike(o.event, e) {
		return o.event, nil
	}
	return nil, &unsigned{event: e, server: *server, head: h, root: h.root}
}

// alike says whether two events say the same.
func alike(a, b *event.Event) bool {
	aKey, aState := a.StateKey()
	bKey, bState := b.StateKey()
	return a.Type() == b.Type() && aKey == bKey && aState == bState && a.Sender() == b.Sender() && a.Redacts() == b.Redacts() &&
		bytes.Equal(a.Content(), b.Content())
}

// ask has the policy server sign. Errors: its own words, M_FORBIDDEN.
func (r *Rooms) ask(ctx context.Context, u *unsigned) (*unsigned, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	signed, err := r.signature(ctx, u)
	if err != nil {
		if key, is := u.event.StateKey(); is && u.event.IsState("m.room.member", string(u.event.Sender())) && key != "" &&
			membershipOf(u.event.Content()) == string(authrule.Leave) {
			return u, nil // nobody can be kept in a room; other servers may look away from it
		}
		return nil, err
	}
	answered := *u
	answered.event = signed
	return &answered, nil
}

func (r *Rooms) signature(ctx context.Context, u *unsigned) (*event.Event, error) {
	if r.Policy == nil {
		return nil, fault.Newf(fault.Forbidden, "This room wants %s to be asked, and this server asks no other", u.server.Name)
	}
	text, err := r.Policy.SignEvent(ctx, u.server.Name, u.event.Bytes())
	if err != nil {
		return nil, err
	}
	signature, err := event.DecodeBase64(text)
	if err != nil || len(signature) != ed25519.SignatureSize {
		return nil, errBadlySigned.Because(err)
	}
	signed, err := u.event.WithSignature(u.server.Name, policy.Key, base64.RawStdEncoding.EncodeToString(signature))
	if err != nil {
		return nil, buildFault(err)
	}
	if err := u.server.Verify(signed); err != nil {
		return nil, errBadlySigned.Because(err)
	}
	return signed, nil
}

var errBadlySigned = fault.New(fault.Forbidden, "The room's policy server has signed with another key than the room has")
