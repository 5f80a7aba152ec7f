// Package policy reads which server a room wants to be asked about its events: its policy server.
// https://spec.matrix.org/v1.19/server-server-api/#policy-servers
package policy

import (
	"crypto/ed25519"

	"freehold.example/matrix/canon"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

// Type is that of the state event, with an empty state key, that names a policy server.
const Type = "m.room.policy"

// Key is what the key of every policy server is called.
const Key id.Key = "ed25519:policy_server"

// Server is a room's policy server. The room uses it only while one of that server's users is in it.
type Server struct {
	Name id.Server
	Key  ed25519.PublicKey
}

// Parse reads the content of the state event. ok is false where it names none: a server name and a key are what it takes.
func Parse(content []byte) (s Server, ok bool) {
	via, _ := canon.String(canon.Get(content, "via"))
	text, _ := canon.String(canon.Get(canon.Get(content, "public_keys"), "ed25519"))
	key, err := event.DecodeBase64(text)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return Server{}, false
	}
	name, err := id.ParseServer(via)
	return Server{Name: name, Key: key}, err == nil
}

// Judges says whether a policy server is asked about events like this: about all but the one that names it, so that a room
// can do without one that does not answer any more.
func Judges(typ string, stateKey *string) bool {
	return typ != Type || stateKey == nil || *stateKey != ""
}

// Verify checks that the policy server has signed the event: that it may be shown. Without that it is soft-failed
// (Server-Server API, "Validating Policy Server signatures").
func (s Server) Verify(e *event.Event) error { return e.Verify(s.Name, Key, s.Key) }
