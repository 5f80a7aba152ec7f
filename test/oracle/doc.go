// Package oracle puts random rooms, forks and malformed events through our protocol core and through two other
// implementations, github.com/matrix-org/gomatrixserverlib and maunium.net/go/mautrix, and compares what they say.
//
// It is a module of its own so that nothing of Freehold comes to need those libraries. See README.md.
package oracle
