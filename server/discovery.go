package server

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"freehold.example/api/client"
	"freehold.example/core/call"
	"freehold.example/matrix/csapi"
	"freehold.example/matrix/event"
	"freehold.example/matrix/id"
)

// Contact is a setting: a role and who has it, such as admin=@alice:example.org or security=help@example.org.
type Contact csapi.SupportContact

var errContact = errors.New("is not a role and a user or an e-mail address, such as admin=@alice:example.org or security=help@example.org")

// UnmarshalText reads a contact. The roles admin and security may go without m.role before them.
func (c *Contact) UnmarshalText(b []byte) error {
	role, who, _ := strings.Cut(string(b), "=")
	if role == "admin" || role == "security" {
		role = "m.role." + role
	}
	*c = Contact{Role: role}
	if !strings.Contains(role, ".") || len(b) > 500 {
		return errContact
	}
	if strings.HasPrefix(who, "@") {
		user, err := id.ParseUser(who)
		c.User = user
		return err
	}
	if name, host, ok := strings.Cut(who, "@"); !ok || name == "" || host == "" || strings.ContainsAny(who, " <>") {
		return errContact
	}
	c.Email = who
	return nil
}

// MarshalText is what UnmarshalText reads.
func (c Contact) MarshalText() ([]byte, error) {
	return []byte(c.Role + "=" + string(c.User) + c.Email), nil
}

// discovery is what the program publishes of itself.
func (c *Config) discovery() client.Discovery {
	d := client.Discovery{Server: c.WellKnownServer, PolicyKey: c.PolicyServerKey, Support: csapi.SupportResponse{Page: c.SupportPage}}
	for _, who := range c.SupportContacts {
		d.Support.Contacts = append(d.Support.Contacts, csapi.SupportContact(who))
	}
	return d
}

// calls is what helps with calls.
func (c *Config) calls() call.Config {
	return call.Config{TURN: c.TURNURIs, Secret: c.TURNSecret, Lifetime: c.TURNLifetime, LiveKit: c.RTCLiveKitURLs, Now: c.Now}
}

// checkDiscovery says which of the settings of discovery and calls cannot be used.
func (c *Config) checkDiscovery() error {
	if _, err := id.ParseServer(c.WellKnownServer); c.WellKnownServer != "" && err != nil {
		return fmt.Errorf("well_known_server: %q is not a name and a port, such as matrix.example.org:443", c.WellKnownServer)
	}
	if u, err := url.Parse(c.SupportPage); c.SupportPage != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
		return fmt.Errorf("support_page: %q is not an address such as https://example.org/help", c.SupportPage)
	}
	if key, err := event.DecodeBase64(c.PolicyServerKey); c.PolicyServerKey != "" && (err != nil || len(key) != ed25519.PublicKeySize) {
		return fmt.Errorf("policy_server_key: %q is not an ed25519 key in base64", c.PolicyServerKey)
	}
	return c.calls().Check()
}
