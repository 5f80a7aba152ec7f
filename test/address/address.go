// Package address gives tests addresses for servers that are started later, or end and come back.
package address

import "testing"

// Free is an address of loopback, "127.0.0.1:40123", that nobody listens on: not before the test's own server does, and not while that is
// away. The system gives its port to nobody else until this process ends (on Linux; elsewhere it is free at the moment).
func Free() (string, error) { return free() }

// For is Free for a test.
func For(t testing.TB) string {
	t.Helper()
	a, err := free()
	if err != nil {
		t.Fatal(err)
	}
	return a
}
