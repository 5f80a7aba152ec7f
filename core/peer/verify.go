package peer

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

// Verified is what became of an event's signatures.
type Verified struct {
	// Err is nil when every signature that the event needs (event.Signers) is there and valid. It wraps event.ErrSignature
	// when one is missing or wrong, made with a key that its server does not publish or that was not valid at the event's
	// time: that is for good. Any other error says why a key could not be had: that may change.
	Err error
	// By are the servers other than the sender's whose signatures were needed and are valid.
	By []id.Server
}

// The bounds of one VerifyEvents.
const (
	keyTimeout    = 10 * time.Second // for one server's keys
	keysAtOnce    = 32               // servers that are asked for their keys at once
	maxSignedWith = 10               // signatures of one server on an event that are looked at
	smallBatch    = 16               // signatures that are verified without further goroutines
)

// VerifyEvents checks the signatures that events need to be taken at all, those of Signers (Server-Server API, "Validating
// hashes and signatures on received events"). Keys that are not known yet are fetched, each server asked once and several
// at a time. Of servers that cannot be reached the keys that are known are used; where none is, via, the server that the
// events came through, is asked as a notary, unless it is "". Every event is answered for, in the order of the events.
func (p *Peers) VerifyEvents(ctx context.Context, via id.Server, events []*event.Event) []Verified {
	k := p.keysFor(ctx, via, events)
	out := k.checkAll(events)
	k.again(ctx, p, events, out)
	return out
}

// checkAll checks events with the keys of the ring, on all cores where they are many.
func (k *ring) checkAll(events []*event.Event) []Verified {
	out := make([]Verified, len(events))
	check := func(i int) { out[i] = k.check(events[i]) }
	if len(events) <= smallBatch {
		for i := range events {
			check(i)
		}
		return out
	}
	var wg sync.WaitGroup
	n := runtime.GOMAXPROCS(0)
	for w := range n {
		wg.Go(func() {
			for i := w; i < len(events); i += n {
				check(i)
			}
		})
	}
	wg.Wait()
	return out
}

// ring is the keys that a batch of events is verified with. It is not written to while events are verified.
type ring struct {
	prepared *prepared
	keys     map[keyOf]Key
	failed   map[id.Server]error // why a server's keys could not be had
}

// need is what a batch needs of one server.
type need struct {
	keys map[id.Key]int64 // and the latest time that each has to be good for
}

// keysFor gets the keys that events are signed with.
func (p *Peers) keysFor(ctx context.Context, via id.Server, events []*event.Event) *ring {
	needs := map[id.Server]*need{}
	for _, e := range events {
		at := int64(0)
		if e.Version().EnforceKeyValidity {
			at = e.Timestamp()
		}
		signatures := e.Signatures()
		for _, server := range e.Signers() {
			n := needs[server]
			if n == nil {
				n = &need{keys: map[id.Key]int64{}}
				needs[server] = n
			}
			for _, key := range firstOf(signatures[server]) {
				n.keys[key] = max(n.keys[key], at)
			}
		}
	}
	k := &ring{prepared: p.prepared, keys: map[keyOf]Key{}, failed: map[id.Server]error{}}
	var lacking []id.Server
	for server, n := range needs {
		ok, err := p.gather(ctx, k, server, n)
		switch {
		case err != nil:
			k.failed[server] = err
		case ok:
		case p.mayFetch(server):
			lacking = append(lacking, server)
		default:
			k.failed[server] = errSought
		}
	}
	slices.Sort(lacking)
	p.fetchAll(ctx, k, lacking)
	var dark []id.Server // of which there is no key at all
	for _, server := range lacking {
		if _, err := p.gather(ctx, k, server, needs[server]); err != nil {
			k.failed[server] = err
		}
		if k.failed[server] != nil && !k.hasAny(server, needs[server]) && server != via {
			dark = append(dark, server)
		}
	}
	if via != "" && len(dark) > 0 {
		p.askNotary(ctx, via, dark)
		for _, server := range dark {
			if ok, err := p.gather(ctx, k, server, needs[server]); ok && err == nil {
				delete(k.failed, server)
			}
		}
	}
	return k
}

// gather puts the keys of a server that are known into the ring. ok: there is nothing that asking it could add.
func (p *Peers) gather(ctx context.Context, k *ring, server id.Server, n *need) (ok bool, err error) {
	ok = true
	for key, at := range n.keys {
		of := keyOf{server, key}
		if server == p.Signer.Server {
			if own, err := p.Key(ctx, server, key, at); err == nil {
				k.keys[of] = own
			}
			continue
		}
		have, found, err := p.stored(ctx, of)
		if err != nil {
			return false, err
		}
		if found {
			have.Stale = k.failed[server] != nil
			k.keys[of] = have
		}
		ok = ok && found && (have.Expired != 0 || at <= have.ValidUntil)
	}
	return ok || server == p.Signer.Server, nil
}

func (k *ring) hasAny(server id.Server, n *need) bool {
	for key := range n.keys {
		if _, found := k.keys[keyOf{server, key}]; found {
			return true
		}
	}
	return false
}

// fetchAll asks servers for their keys, a few at a time, and notes which did not answer.
func (p *Peers) fetchAll(ctx context.Context, k *ring, servers []id.Server) {
	var mu sync.Mutex // guards k.failed
	var wg sync.WaitGroup
	turns := make(chan struct{}, keysAtOnce)
	for _, server := range servers {
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			ctx, cancel := context.WithTimeout(ctx, keyTimeout)
			defer cancel()
			if err := p.FetchKeys(ctx, server); err != nil {
				mu.Lock()
				defer mu.Unlock()
				k.failed[server] = err
			}
		})
	}
	wg.Wait()
}

// check checks one event with the keys of the ring.
func (k *ring) check(e *event.Event) Verified {
	var v Verified
	signatures := e.Signatures()
	for _, server := range e.Signers() {
		if err := k.signed(e, server, firstOf(signatures[server])); err != nil {
			v.Err = err
			return v
		}
		if server != e.Sender().Server() {
			v.By = append(v.By, server)
		}
	}
	return v
}

// signed says why none of a server's signatures is valid; nil when one is.
func (k *ring) signed(e *event.Event, server id.Server, with []id.Key) error {
	if len(with) == 0 {
		return fmt.Errorf("%w: %s has not signed", event.ErrSignature, server)
	}
	err := k.failed[server] // of those for which there is no key
	for _, name := range with {
		key, found := k.keys[keyOf{server, name}]
		switch {
		case !found:
			continue
		case e.Version().EnforceKeyValidity && !key.SignedAt(e.Timestamp()):
			if !errors.Is(k.failed[server], errSought) { // else there may be newer ones
				err = fmt.Errorf("%w: the key %s of %s was not valid at the time of the event", event.ErrSignature, name, server)
			}
			continue
		}
		err = e.VerifyBy(server, name, func(message, signature []byte) bool { return k.prepared.verify(key.Public, message, signature) })
		if err == nil {
			return nil
		}
	}
	if err == nil {
		err = fmt.Errorf("%w: %s: %w", event.ErrSignature, server, ErrNoKey)
	}
	return err
}

func firstOf(keys []id.Key) []id.Key { return keys[:min(len(keys), maxSignedWith)] }

// The pace at which a server is asked for keys that it did not have: events with the names of keys that do not exist cost
// their sender nothing, and the one whose they claim to be a request each.
const (
	seekEvery = time.Minute
	maxSeeks  = 10
)

// mayFetch says whether a server may be asked for keys once more.
func (p *Peers) mayFetch(server id.Server) bool {
	now := p.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.of(server).seeks.take(now, maxSeeks)
}

// pace is how often something was done in a minute (seekEvery).
type pace struct {
	since time.Time // when the minute began
	times int
}

// take says whether it may be done once more, most times in a minute, and counts that.
func (p *pace) take(now time.Time, most int) bool {
	if now.Sub(p.since) >= seekEvery || now.Before(p.since) {
		*p = pace{since: now}
	}
	p.times++
	return p.times <= most
}

// errSought is why the keys of a server are not looked for again just yet.
var errSought = errors.New("the server's keys were asked for too often just now")
