package server

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"freehold.example/base/durable"
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
	s, err := parseSigningKey(string(text))
	if err != nil {
		return event.Signer{}, fmt.Errorf("signing key %s: %w", path, err)
	}
	s.Server = server
	return s, nil
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
