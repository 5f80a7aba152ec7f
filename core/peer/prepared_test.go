package peer

import (
	"crypto/ed25519"
	"encoding/binary"
	"sync"
	"testing"
)

// TestPrepared: a key with which much is signed is prepared, others are not, and what is kept has an end.
func TestPrepared(t *testing.T) {
	p := newPrepared()
	message := []byte("m")
	try := func(n uint32, times int) {
		t.Helper()
		seed := binary.BigEndian.AppendUint32(make([]byte, 28), n)
		key := ed25519.NewKeyFromSeed(seed)
		pub, good := key.Public().(ed25519.PublicKey), ed25519.Sign(key, message)
		bad := ed25519.Sign(key, []byte("another"))
		for range times {
			if !p.verify(pub, message, good) || p.verify(pub, message, bad) {
				t.Fatalf("key %d: not as VerifyEd25519", n)
			}
		}
	}
	try(0, worthIt/2-1)
	if len(p.keys) != 0 {
		t.Error("a key is prepared at once")
	}
	try(0, worthIt)
	if len(p.keys) != 1 || len(p.seen) != 0 {
		t.Errorf("got %d keys and %d counted", len(p.keys), len(p.seen))
	}
	if p.verify(nil, message, make([]byte, 64)) || p.verify(make([]byte, 32), message, make([]byte, 64)) {
		t.Error("no key is taken for one")
	}
	var wg sync.WaitGroup
	for w := range uint32(4) {
		wg.Go(func() {
			for n := range uint32(maxPrepared / 2) {
				try(w*1000+n, worthIt)
			}
		})
	}
	wg.Wait()
	if len(p.keys) != maxPrepared {
		t.Errorf("got %d prepared keys", len(p.keys))
	}
	for n := range maxCounted + 10 {
		p.count([32]byte{1, byte(n), byte(n >> 8)})
	}
	if len(p.seen) > maxCounted {
		t.Errorf("got %d counted keys", len(p.seen))
	}
}
