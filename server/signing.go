package server

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"freehold.example/base/durable"
	"freehold.example/core/account"
	"freehold.example/core/peer"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

// signingKey reads the key with which this server signs, and makes one at the first start. The file has one line,
// "ed25519 NAME SEED", the seed in base64: the form that other homeservers use too, so that a server can move.
func signingKey(path string, server id.Server) (event.Signer, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text = []byte(newSigningKey())
		if err := durable.CreateFile(path, text); err != nil {
			return event.Signer{}, fmt.Errorf("keep a new signing key: %w", err)
		}
	} else if err != nil {
		return event.Signer{}, fmt.Errorf("read the signing key: %w", err)
	}
	return namedSigner(path, text, server)
}

// ReadSigningKey reads the key and makes none.
func ReadSigningKey(path string, server id.Server) (event.Signer, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return event.Signer{}, fmt.Errorf("read the signing key: %w", err)
	}
	return namedSigner(path, text, server)
}

func namedSigner(path string, text []byte, server id.Server) (event.Signer, error) {
	s, err := parseSigningKey(string(text))
	if err != nil {
		return event.Signer{}, fmt.Errorf("signing key %s: %w", path, err)
	}
	s.Server = server
	return s, nil
}

// ownKey lets the database remember the key, or compare it with the one it remembers. A key that was just made is taken
// where the database lies beside it: its operator has removed the old one and server_name, as openDir tells him. A database
// elsewhere and an empty data directory are rather a directory that is lost, or the wrong one.
func (s *Server) ownKey(ctx context.Context) error {
	replace := s.newKey && s.config.DatabaseURL == ""
	public, _ := s.signer.Private.Public().(ed25519.PublicKey)
	err := s.accounts.OwnKey(ctx, s.signer.Key, public, replace)
	if errors.Is(err, account.ErrOtherKey) && s.newKey {
		return fmt.Errorf("data_dir: %s is new, and the database is not: %w. If it is lost for good, have the database forget it: %s",
			s.config.DataDir, err, account.ForgetKey)
	}
	if err != nil {
		return err
	}
	former, err := s.accounts.FormerKeys(ctx)
	if err != nil {
		return err
	}
	keys := make(map[id.Key]peer.Key, len(former))
	for _, k := range former {
		keys[k.Key] = peer.Key{Public: k.Public, ValidUntil: k.Until, Expired: max(k.Until, 1)}
	}
	s.peers.Former(keys)
	return nil
}

func newSigningKey() string {
	seed := make([]byte, ed25519.SeedSize)
	_, _ = rand.Read(seed) // never fails (crypto/rand)
	return "ed25519 a_" + rand.Text()[:6] + " " + base64.RawStdEncoding.EncodeToString(seed) + "\n"
}

// parseSigningKey reads the first line. Its errors say nothing of the key.
func parseSigningKey(text string) (event.Signer, error) {
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	if len(fields) != 3 || fields[0] != "ed25519" {
		return event.Signer{}, errors.New("the first line is not `ed25519 NAME SEED`")
	}
	key, err := id.ParseKey("ed25519:" + fields[1])
	if err != nil {
		return event.Signer{}, errors.New("the key's name may have letters, digits and underscores only")
	}
	seed, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(fields[2], "="))
	if err != nil || len(seed) != ed25519.SeedSize {
		return event.Signer{}, errors.New("the seed is not 32 bytes in base64")
	}
	return event.Signer{Key: key, Private: ed25519.NewKeyFromSeed(seed)}, nil
}
