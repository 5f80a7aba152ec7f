package server

import (
	"fmt"
	"net/url"
	"testing"

	"freehold.example/core/account"
	"freehold.example/matrix/id"
	"freehold.example/test/address"
)

// What a change would do is said in numbers before it is done: whom it cuts off, in which rooms, and who would notice here.
func TestTouched(t *testing.T) {
	open := func(addr string) func(*Config) {
		return func(c *Config) {
			c.ServerName, c.ListenFederation, c.Registration = id.Server(addr), addr, account.Open
		}
	}
	here, there := address.For(t), address.For(t)
	s, base, _, _ := start(t, open(here))
	_, other, _, _ := start(t, open(there))
	register := func(base, name string) string {
		_, made := ask(t, "POST", base+"/_matrix/client/v3/register", "", map[string]any{
			"username": name, "password": "secret " + name, "auth": map[string]any{"type": "m.login.dummy"},
		})
		token, _ := made["access_token"].(string)
		return token
	}
	alice, bob := register(base, "alice"), register(other, "bob")
	register(base, "carol")
	_, made := ask(t, "POST", base+"/_matrix/client/v3/createRoom", alice, map[string]any{"preset": "public_chat"})
	room := url.PathEscape(made["room_id"].(string))
	if status, out := ask(t, "POST", other+"/_matrix/client/v3/join/"+room+"?server_name="+here, bob, map[string]any{}); status != 200 {
		t.Fatal(out)
	}
	ask(t, "GET", base+"/_matrix/client/v3/profile/@bob:"+there, alice, nil) // it was reached

	to := s.config
	to.Federation, to.ListenClient, to.RegistrationSharedSecret = "off", ":1", "very secret"
	changes := Differences(&s.config, &to)
	touches, err := s.Touched(t.Context(), &to, changes)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range changes {
		got = append(got, fmt.Sprint(c.Key, " ", c.To, " ", c.Machine))
	}
	for _, c := range touches {
		got = append(got, fmt.Sprint(c.Key, " ", c.Count, " ", c.What, " ", c.Examples))
	}
	want := []string{
		"listen_client :1 false", "registration_shared_secret (a secret) true", "federation off false",
		"listen_client 1 users [@alice:" + here + "]", "federation 1 servers [" + there + "]",
		"federation 1 rooms [" + made["room_id"].(string) + "]", "federation 1 users [@alice:" + here + "]",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", got, want)
	}

	to = s.config
	to.Federation, to.FederationAllowed = "allowlist", []id.Server{id.Server(there)}
	touches, err = s.Touched(t.Context(), &to, Differences(&s.config, &to))
	if err != nil || len(touches) != 3 || touches[0].Count+touches[1].Count+touches[2].Count != 0 {
		t.Errorf("whom all speak with is allowed: got %v (%v)", touches, err)
	}
}
