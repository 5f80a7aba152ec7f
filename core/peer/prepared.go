package peer

import (
	"crypto/ed25519"
	"sync"

	"freehold.example/matrix/event"
)

// prepared are the public keys with which much is signed, prepared for it. The rest are counted.
type prepared struct {
	mu   sync.RWMutex                                       // guards the rest
	keys map[[ed25519.PublicKeySize]byte]*event.PreparedKey // bounded by maxPrepared
	seen map[[ed25519.PublicKeySize]byte]int                // signatures by those that are not; bounded by maxCounted
}

const (
	// limit: prepared keys of other servers | %d of 80 KB | one makes room for the next
	maxPrepared = 64
	// limit: keys of other servers that are counted | %d of some 100 bytes | the count begins anew
	maxCounted = 2000
	// worthIt is after how many signatures a key is prepared, which takes as long as three: who has a key for each loses a third at most.
	worthIt = 10
)

func newPrepared() *prepared {
	return &prepared{keys: map[[ed25519.PublicKeySize]byte]*event.PreparedKey{}, seen: map[[ed25519.PublicKeySize]byte]int{}}
}

// verify is event.VerifyEd25519.
func (p *prepared) verify(pub ed25519.PublicKey, message, signature []byte) bool {
	if len(pub) != ed25519.PublicKeySize {
		return false
	}
	name := [ed25519.PublicKeySize]byte(pub)
	p.mu.RLock()
	key := p.keys[name]
	p.mu.RUnlock()
	if key == nil && p.count(name) {
		if key = event.PrepareKey(pub); key != nil {
			p.put(name, key)
		}
	}
	if key == nil {
		return event.VerifyEd25519(pub, message, signature)
	}
	return key.Verify(message, signature)
}

// count says whether it is time to prepare a key.
func (p *prepared) count(name [ed25519.PublicKeySize]byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.seen) >= maxCounted {
		clear(p.seen)
	}
	p.seen[name]++
	return p.seen[name]%worthIt == 0
}

func (p *prepared) put(name [ed25519.PublicKeySize]byte, key *event.PreparedKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.seen, name)
	for old := range p.keys {
		if len(p.keys) < maxPrepared {
			break
		}
		delete(p.keys, old)
	}
	p.keys[name] = key
}
