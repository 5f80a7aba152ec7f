// Package id holds Matrix's identifiers as distinct types, so that no function can be handed a room where it wants a user.
//
// Each type is a string in its full form, sigil included. Parse functions check the grammar once, at the edge
// (Appendices, "Common Identifier Format"); UnmarshalText does the same for JSON and paths. Values made by converting a
// string are trusted: the database and this server's own code may do it, nothing that comes from outside may.
package id

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxLength is the longest an identifier may be, in bytes, sigil and server name included.
const MaxLength = 255

type (
	// User is a user id, @localpart:server.
	User string
	// Room is a room id: !opaque:server, or from room version 12 on !hash without a server.
	Room string
	// Event is an event id: $opaque:server in room versions 1 and 2, $hash from version 3 on.
	Event string
	// Alias is a room alias, #localpart:server.
	Alias string
	// Device is a device id: opaque, chosen by a client or by the server.
	Device string
	// Server is a server name: host or host:port.
	Server string
	// Key is a signing key id, algorithm:name.
	Key string
)

// ErrSyntax is what every parse function's error wraps.
var ErrSyntax = errors.New("malformed identifier")

func bad(kind, s, why string) error {
	if len(s) > 64 {
		s = s[:64] + "..."
	}
	return fmt.Errorf("%w: %s %q %s", ErrSyntax, kind, s, why)
}

// ParseUser checks s against the grammar that servers must accept from others: any local part without NUL or colon,
// historical characters included (Appendices, "Historical User IDs").
func ParseUser(s string) (User, error) {
	if err := sigiled("user id", s, '@', true); err != nil {
		return "", err
	}
	return User(s), nil
}

// ParseRoom checks s. A room id without a server part is that of a version 12 room.
func ParseRoom(s string) (Room, error) {
	if err := sigiled("room id", s, '!', false); err != nil {
		return "", err
	}
	return Room(s), nil
}

// ParseEvent checks s. Both the old form with a server and the hashes of later room versions are taken.
func ParseEvent(s string) (Event, error) {
	if err := sigiled("event id", s, '$', false); err != nil {
		return "", err
	}
	return Event(s), nil
}

// ParseAlias checks s.
func ParseAlias(s string) (Alias, error) {
	if err := sigiled("room alias", s, '#', true); err != nil {
		return "", err
	}
	return Alias(s), nil
}

// sigiled checks the shape all four sigil identifiers share.
func sigiled(kind, s string, sigil byte, wantServer bool) error {
	switch {
	case len(s) > MaxLength:
		return bad(kind, s, "is longer than 255 bytes")
	case len(s) < 2 || s[0] != sigil:
		return bad(kind, s, "does not begin with "+string(sigil))
	case !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0:
		return bad(kind, s, "is not clean UTF-8")
	}
	_, after, ok := strings.Cut(s, ":")
	if !ok {
		if wantServer {
			return bad(kind, s, "has no server name")
		}
		return nil
	}
	if _, err := ParseServer(after); err != nil {
		return bad(kind, s, "has a malformed server name")
	}
	return nil
}

// Localpart is what stands between the sigil and the first colon.
func (u User) Localpart() string { return localpart(string(u)) }

// Server is the server the user belongs to.
func (u User) Server() Server { return serverPart(string(u)) }

// Server is the server named in the room id, or "" for a version 12 room id.
func (r Room) Server() Server { return serverPart(string(r)) }

// Server is the server named in the event id, or "" from room version 3 on.
func (e Event) Server() Server { return serverPart(string(e)) }

// Localpart is what stands between the sigil and the first colon.
func (a Alias) Localpart() string { return localpart(string(a)) }

// Server is the server the alias belongs to.
func (a Alias) Server() Server { return serverPart(string(a)) }

func localpart(s string) string {
	if s == "" {
		return ""
	}
	before, _, _ := strings.Cut(s[1:], ":")
	return before
}

func serverPart(s string) Server {
	_, after, _ := strings.Cut(s, ":")
	return Server(after)
}

// NewUser is the id of the user with this local part on this server.
func NewUser(localpart string, server Server) User {
	return User("@" + localpart + ":" + string(server))
}

// LocalpartAllowed says whether a new account may have this local part: a-z 0-9 . _ = - / +
// (Appendices, "User Identifiers"); whether the whole id fits in 255 bytes is ParseUser's to say.
func LocalpartAllowed(s string) bool {
	if s == "" {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c < 'a' || c > 'z' {
			if (c < '0' || c > '9') && !strings.ContainsRune("._=-/+", rune(c)) {
				return false
			}
		}
	}
	return true
}

// ParseKey checks a key id: algorithm:name, the name of letters, digits and underscores (Appendices, "Signing keys").
func ParseKey(s string) (Key, error) {
	algorithm, name, ok := strings.Cut(s, ":")
	if !ok || algorithm == "" || name == "" || len(s) > MaxLength {
		return "", bad("key id", s, "is not algorithm:name")
	}
	for i := range len(name) {
		if c := name[i]; !alphanumeric(c) && c != '_' {
			return "", bad("key id", s, "has a character that is not allowed")
		}
	}
	return Key(s), nil
}

// Algorithm is the part before the colon.
func (k Key) Algorithm() string {
	before, _, _ := strings.Cut(string(k), ":")
	return before
}

func alphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
