package id

import (
	"strings"
	"unicode/utf8"
)

// UnmarshalText parses a user id.
func (u *User) UnmarshalText(b []byte) error { return into(u, b, ParseUser) }

// UnmarshalText parses a room id.
func (r *Room) UnmarshalText(b []byte) error { return into(r, b, ParseRoom) }

// UnmarshalText parses an event id.
func (e *Event) UnmarshalText(b []byte) error { return into(e, b, ParseEvent) }

// UnmarshalText parses a room alias.
func (a *Alias) UnmarshalText(b []byte) error { return into(a, b, ParseAlias) }

// UnmarshalText parses a server name.
func (s *Server) UnmarshalText(b []byte) error { return into(s, b, ParseServer) }

// UnmarshalText parses a key id.
func (k *Key) UnmarshalText(b []byte) error { return into(k, b, ParseKey) }

// UnmarshalText takes any device id of 1 to 255 bytes: the specification gives no grammar for them.
func (d *Device) UnmarshalText(b []byte) error {
	return into(d, b, func(s string) (Device, error) {
		if s == "" || len(s) > MaxLength {
			return "", bad("device id", s, "is empty or longer than 255 bytes")
		}
		if !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
			return "", bad("device id", s, "is not clean UTF-8")
		}
		return Device(s), nil
	})
}

func into[T ~string](dst *T, b []byte, parse func(string) (T, error)) error {
	v, err := parse(string(b))
	if err != nil {
		return err
	}
	*dst = v
	return nil
}
