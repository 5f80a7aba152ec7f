package peer

import (
	"bytes"
	"context"
	"errors"
	"time"

	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

// A server that was set up anew under its old name may call its new key as it called the old one. What it signs then looks
// forged; so where a signature by a key in use is wrong, or its key is not in use any more, the server is asked once more.

// How often in a minute (seekEvery) one server is asked so, as anybody can show a wrong signature of anybody's, and how long
// after it has told its keys.
const (
	maxRenewals = 5
	renewApart  = time.Second
)

// Renewed asks a server for its keys because of a signature that the key known by that name has not made. ok: it is another
// now, and in use.
func (p *Peers) Renewed(ctx context.Context, server id.Server, name id.Key, was Key) (now Key, ok bool) {
	if server == p.Signer.Server {
		return was, false
	}
	other := func() bool {
		k, found, err := p.stored(ctx, keyOf{server, name})
		if err != nil || !found || k.Expired != 0 || was.Expired == 0 && bytes.Equal(k.Public, was.Public) {
			return false
		}
		now = k
		return true
	}
	if other() {
		return now, true // another has asked
	}
	if !p.mayRenew(server) {
		return was, false
	}
	ctx, cancel := context.WithTimeout(ctx, keyTimeout)
	defer cancel()
	if p.FetchKeys(ctx, server) != nil || !other() {
		return was, false
	}
	return now, true
}

func (p *Peers) mayRenew(server id.Server) bool {
	now := p.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	x := p.of(server)
	if since := now.Sub(x.told); since >= 0 && since < renewApart {
		return false
	}
	return x.renewals.take(now, maxRenewals)
}

// again checks once more the events whose signatures are wrong by the keys of the ring, where their servers have others now.
func (k *ring) again(ctx context.Context, p *Peers, events []*event.Event, out []Verified) {
	asked := map[keyOf]bool{} // whether it is another now
	for i, e := range events {
		if errors.Is(out[i].Err, event.ErrSignature) && k.renew(ctx, p, e, asked) {
			out[i] = k.check(e)
		}
	}
}

// renew has the servers that an event should be signed by asked for the keys that it names, each once, and says whether any is
// another now.
func (k *ring) renew(ctx context.Context, p *Peers, e *event.Event, asked map[keyOf]bool) (changed bool) {
	signatures := e.Signatures()
	for _, server := range e.Signers() {
		for _, name := range firstOf(signatures[server]) {
			of := keyOf{server, name}
			was, known := k.keys[of]
			if _, before := asked[of]; !before && known && was.Expired == 0 {
				k.keys[of], asked[of] = p.Renewed(ctx, server, name, was)
			}
			changed = changed || asked[of]
		}
	}
	return changed
}
