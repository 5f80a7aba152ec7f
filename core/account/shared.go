package account

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // the protocol of /_synapse/admin/v1/register asks for it
	"crypto/subtle"
	"encoding/hex"
	"strings"
	"sync"
	"time"

	"freehold.example/matrix/fault"
)

const (
	nonceFor = time.Minute
	// limit: nonces of the shared secret | %d of 100 bytes, a minute each | 429
	nonceMax = 10_000
)

// nonces are given out once and taken back once.
type nonces struct {
	now func() time.Time

	mu     sync.Mutex           // guards issued
	issued map[string]time.Time // bounded by nonceMax
}

func newNonces(now func() time.Time) *nonces {
	return &nonces{now: now, issued: map[string]time.Time{}}
}

// SharedRequest registers an account with the shared secret, as Synapse's tools do.
type SharedRequest struct {
	Nonce    string
	Name     string
	Password string
	Admin    bool
	UserType *string      // part of the MAC when it is given; otherwise of no effect
	MAC      string       // hex
	Before   func() error // called when it is known that the request comes from who knows the secret; nil: nothing is
	DeviceRequest
}

var errShared = fault.New(fault.Unrecognized, "Shared-secret registration is not enabled")

// Nonce gives out a nonce for one registration with the shared secret.
func (a *Accounts) Nonce() (string, error) {
	if a.SharedSecret == "" {
		return "", errShared
	}
	n := a.nonces
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.now()
	if len(n.issued) >= nonceMax {
		for old, expires := range n.issued {
			if !expires.After(now) {
				delete(n.issued, old)
			}
		}
		if len(n.issued) >= nonceMax {
			return "", fault.New(fault.LimitExceeded, "Too many registrations at once").After(nonceFor)
		}
	}
	nonce := strings.ToLower(rand.Text())
	n.issued[nonce] = now.Add(nonceFor)
	return nonce, nil
}

func (n *nonces) take(nonce string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	expires, ok := n.issued[nonce]
	delete(n.issued, nonce)
	return ok && expires.After(n.now())
}

// RegisterShared makes an account for somebody who knows the shared secret.
func (a *Accounts) RegisterShared(ctx context.Context, r SharedRequest) (*Grant, error) {
	if a.SharedSecret == "" {
		return nil, errShared
	}
	if !a.nonces.take(r.Nonce) {
		return nil, fault.New(fault.Unknown, "This nonce is not known, or was used")
	}
	got, err := hex.DecodeString(r.MAC)
	if err != nil || subtle.ConstantTimeCompare(got, sharedMAC(a.SharedSecret, r)) != 1 {
		return nil, fault.New(fault.Forbidden, "The MAC is wrong")
	}
	if r.Before != nil {
		if err := r.Before(); err != nil {
			return nil, err
		}
	}
	if r.Name == "" {
		return nil, errName
	}
	return a.Register(ctx, RegisterRequest{Name: r.Name, Password: r.Password, Admin: r.Admin, DeviceRequest: r.DeviceRequest})
}

// sharedMAC is over the name as it was sent, capitals and all.
func sharedMAC(secret string, r SharedRequest) []byte {
	role := "notadmin"
	if r.Admin {
		role = "admin"
	}
	parts := []string{r.Nonce, r.Name, r.Password, role}
	if r.UserType != nil {
		parts = append(parts, *r.UserType)
	}
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(strings.Join(parts, "\x00")))
	return mac.Sum(nil)
}
