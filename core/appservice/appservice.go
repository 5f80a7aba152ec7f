// Package appservice is the application services of a server: bridges and bots that the operator has let in, each with
// users, aliases and rooms of its own (https://spec.matrix.org/v1.19/application-service-api/).
//
// They are read from files at the start and do not change while the server runs.
package appservice

import (
	"crypto/sha256"
	"net/url"
	"regexp"

	"freehold.example/matrix/id"
)

// Service is one application service.
type Service struct {
	ID          string
	URL         *url.URL // nil: it is sent nothing
	Sender      id.User  // who it acts as unless it says otherwise
	RateLimited bool     // whether the users it acts as are; its sender never is
	Protocols   []string
	Ephemeral   bool // whether it is told of receipts, typing and presence, and its users' messages from other devices
	Encryption  bool // whether it is told of devices and their keys (MSC3202), and the messages too

	token   [sha256.Size]byte // of the as_token
	hsToken string            // by which the service knows this server

	users, aliases, rooms namespaces

	oldEphemeral bool // whether it reads ephemeral events by the name they had first

	gate *gate // for those who ask it something
}

// namespaces are sets of identifiers.
type namespaces []space

type space struct {
	expr      *regexp.Regexp
	exclusive bool
}

func (n namespaces) holds(identifier string, exclusive bool) bool {
	for _, s := range n {
		if (s.exclusive || !exclusive) && s.expr.MatchString(identifier) {
			return true
		}
	}
	return false
}

// Owns says whether the service may act as the user, which is one of this server.
func (s *Service) Owns(user id.User) bool {
	return user == s.Sender || user.Server() == s.Sender.Server() && s.users.holds(string(user), false)
}

// alone says whether a user is the service's and nobody else's: its messages are for the service.
func (s *Service) alone(user id.User) bool {
	return user == s.Sender || user.Server() == s.Sender.Server() && s.users.holds(string(user), true)
}

// devices says whether the service is told of messages to its users' devices.
func (s *Service) devices() bool { return s.URL != nil && (s.Ephemeral || s.Encryption) }

// OwnsAlias says whether the alias is in one of the service's namespaces.
func (s *Service) OwnsAlias(alias id.Alias) bool { return s.aliases.holds(string(alias), false) }

// Services are all of one server. A nil *Services has none.
type Services struct {
	all    []*Service
	tokens map[[sha256.Size]byte]*Service
}

// Load reads the registrations of a directory; "" has none. The error says which file is wrong, and what about it.
func Load(dir string, server id.Server) (*Services, error) {
	all, err := load(dir, server)
	if err != nil {
		return nil, err
	}
	s := &Services{all: all, tokens: make(map[[sha256.Size]byte]*Service, len(all))}
	for _, one := range all {
		s.tokens[one.token] = one
	}
	return s, nil
}

// All lists them, by the names of their files.
func (s *Services) All() []*Service {
	if s == nil {
		return nil
	}
	return s.all
}

// ByToken finds the service that an access token is of.
func (s *Services) ByToken(token string) (*Service, bool) {
	if s == nil || len(s.tokens) == 0 {
		return nil, false
	}
	one, ok := s.tokens[sha256.Sum256([]byte(token))]
	return one, ok
}

// Of is the service that a user belongs to alone; nil for people.
func (s *Services) Of(user id.User) *Service {
	for _, one := range s.All() {
		if one.alone(user) {
			return one
		}
	}
	return nil
}

// Messages names the service that is told of the messages to a user's devices; "" for none.
func (s *Services) Messages(user id.User) string {
	if one := s.Of(user); one != nil && one.devices() {
		return one.ID
	}
	return ""
}

// Reserved says whether a user is for application services other than by (nil: for all of them) alone.
func (s *Services) Reserved(user id.User, by *Service) bool {
	for _, one := range s.All() {
		if one != by && (user == one.Sender || one.users.holds(string(user), true)) {
			return true
		}
	}
	return false
}

// MayAlias says whether by (nil: a person) may make and delete an alias: it is not another's, and in one of by's namespaces.
func (s *Services) MayAlias(alias id.Alias, by *Service) bool {
	return !s.reservedAlias(alias, by) && (by == nil || by.OwnsAlias(alias))
}

// reservedAlias is Reserved for an alias.
func (s *Services) reservedAlias(alias id.Alias, by *Service) bool {
	for _, one := range s.All() {
		if one != by && one.aliases.holds(string(alias), true) {
			return true
		}
	}
	return false
}
