package account

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"freehold.example/matrix/fault"
)

// maxPassword is the longest password in bytes: more than anybody types, little enough to hash.
const maxPassword = 1024

// cost is how hard a password is to guess from its hash (RFC 9106).
type cost struct {
	memory  uint32 // KiB
	passes  uint32
	threads uint8
}

var (
	standardCost = cost{memory: 19 << 10, passes: 2, threads: 1} // OWASP Password Storage Cheat Sheet, 2025
	fastCost     = cost{memory: 64, passes: 1, threads: 1}
)

const (
	saltLength = 16
	hashLength = 32
)

// hasher computes password hashes, so many at once and no more: each takes tens of milliseconds and 19 MiB, which would
// make login the cheapest way to stop the server.
type hasher struct {
	cost    cost
	slots   chan struct{}
	waiting atomic.Int64
	queue   int64
	rest    time.Duration // of a slot, after each hash in a crowd
	decoy   string        // compared with when there is no account, so that the answer takes as long
}

func newHasher(fast bool, slots, queue int) (*hasher, error) {
	h := &hasher{cost: standardCost, slots: make(chan struct{}, slots), queue: int64(queue), rest: 25 * time.Millisecond}
	if fast {
		h.cost, h.rest = fastCost, 0
	}
	var err error
	h.decoy, err = h.Hash(context.Background(), rand.Text())
	return h, err
}

var errCrowd = fault.New(fault.LimitExceeded, "Too many people are signing in; please try again").After(2 * time.Second)

// crowded says early, before anything has been read for it, that a caller would be told to come back.
func (h *hasher) crowded() error {
	if h.waiting.Load() >= h.queue {
		return errCrowd
	}
	return nil
}

// enter waits for a slot; when too many wait already the caller is told to come back.
func (h *hasher) enter(ctx context.Context) error {
	select {
	case h.slots <- struct{}{}:
		return nil
	default:
	}
	if h.waiting.Add(1) > h.queue {
		h.waiting.Add(-1)
		return errCrowd
	}
	defer h.waiting.Add(-1)
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// leave gives the slot back, at once when nobody waits. In a crowd it rests for about as long as it has worked, so that a
// storm of logins takes half of what it could, and the rest of the server gets on.
func (h *hasher) leave() {
	if h.rest == 0 || h.waiting.Load() == 0 {
		<-h.slots
		return
	}
	time.AfterFunc(h.rest, func() { <-h.slots })
}

// Hash gives the PHC string of a password: $argon2id$v=19$m=19456,t=2,p=1$salt$hash.
func (h *hasher) Hash(ctx context.Context, password string) (string, error) {
	if err := h.enter(ctx); err != nil {
		return "", err
	}
	defer h.leave()
	salt := make([]byte, saltLength)
	rand.Read(salt)
	c := h.cost
	sum := argon2.IDKey([]byte(password), salt, c.passes, c.memory, c.threads, hashLength)
	enc := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, c.memory, c.passes, c.threads,
		enc.EncodeToString(salt), enc.EncodeToString(sum)), nil
}

// Verify says whether password is the one that phc was made from. With an empty phc it works as long and says no.
func (h *hasher) Verify(ctx context.Context, phc, password string) (bool, error) {
	known := phc != ""
	if !known {
		phc = h.decoy
	}
	c, salt, want, err := parsePHC(phc)
	if err != nil {
		return false, err
	}
	if len(password) > maxPassword {
		password, known = "", false
	}
	if err := h.enter(ctx); err != nil {
		return false, err
	}
	defer h.leave()
	got := argon2.IDKey([]byte(password), salt, c.passes, c.memory, c.threads, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1 && known, nil
}

// Weak says whether phc was made with less work than hashes are made with now.
func (h *hasher) Weak(phc string) bool {
	c, _, _, err := parsePHC(phc)
	return err == nil && uint64(c.memory)*uint64(c.passes) < uint64(h.cost.memory)*uint64(h.cost.passes)
}

var errPHC = errors.New("malformed password hash")

func parsePHC(s string) (c cost, salt, hash []byte, err error) {
	var version int
	var rest string
	n, err := fmt.Sscanf(s, "$argon2id$v=%d$m=%d,t=%d,p=%d$%s", &version, &c.memory, &c.passes, &c.threads, &rest)
	if err != nil || n != 5 || version != argon2.Version {
		return c, nil, nil, errPHC
	}
	if c.memory > 1<<20 || c.passes == 0 || c.passes > 64 || c.threads == 0 {
		return c, nil, nil, fmt.Errorf("%w: cost out of range", errPHC)
	}
	for i := range len(rest) {
		if rest[i] != '$' {
			continue
		}
		salt, err = base64.RawStdEncoding.DecodeString(rest[:i])
		if err == nil {
			hash, err = base64.RawStdEncoding.DecodeString(rest[i+1:])
		}
		if err != nil || len(salt) < 8 || len(hash) < 16 || len(hash) > 128 {
			return c, nil, nil, errPHC
		}
		return c, salt, hash, nil
	}
	return c, nil, nil, errPHC
}

// checkPassword refuses what no account may have as its password.
func checkPassword(password string, minimum int) error {
	switch {
	case len(password) > maxPassword:
		return fault.Newf(fault.InvalidParam, "A password may have at most %d bytes", maxPassword)
	case utf8.RuneCountInString(password) < minimum:
		return fault.Newf(fault.WeakPassword, "A password must have at least %d characters", minimum)
	}
	return nil
}
