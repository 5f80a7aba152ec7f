// Package server puts the parts together: one configuration, one data directory, the listeners, and an end that loses
// nothing.
//
// It is the only package that knows every other. Nothing in it is global: any number of servers can run in one process.
package server

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"freehold.example/base/limit"
	"freehold.example/core/account"
	"freehold.example/matrix/id"
	"freehold.example/matrix/version"
)

// Config is every setting of a server. Each is a key of the TOML file (FREEHOLD_CONFIG), an environment variable
// (FREEHOLD_ and the key in capitals) and a flag (-- and the key with hyphens); a flag wins over the environment, the
// environment over the file. docs/config.md is made from the comments here.
type Config struct {
	// The Matrix server name: what stands after the colon in @user:name. It cannot be changed later.
	ServerName id.Server `toml:"server_name"`
	// Where the server keeps everything: database, media, keys, the admin socket.
	DataDir string `toml:"data_dir"`
	// Address of the listener for clients, plain HTTP; /health and /metrics are here too. Put a TLS proxy before it, or
	// keep it on this machine.
	ListenClient string `toml:"listen_client"`
	// Address of the listener for other servers, HTTPS; empty turns it off.
	ListenFederation string `toml:"listen_federation"`
	// PEM file of the federation listener's certificate; without it a self-signed one is made and kept.
	TLSCert string `toml:"tls_cert"`
	// PEM file of the certificate's key.
	TLSKey string `toml:"tls_key"`
	// PEM file of further authorities trusted for outgoing federation.
	TLSCA string `toml:"tls_ca"`
	// postgres://user:password@host/database; empty for SQLite in the data directory.
	DatabaseURL string `toml:"database_url"`
	// Who may make an account: open (everybody), token (who has an invitation) or closed.
	Registration account.Registration `toml:"registration"`
	// Turns on /_synapse/admin/v1/register, which makes accounts for who knows this secret; empty is off.
	RegistrationSharedSecret string `toml:"registration_shared_secret"`
	// Whether to speak with other servers: on, allowlist or off.
	Federation string `toml:"federation"`
	// Networks (CIDR) that count as inside, besides loopback.
	InsideNetworks []netip.Prefix `toml:"inside_networks"`
	// Directory of application service registrations (YAML).
	AppservicesDir string `toml:"appservices_dir"`
	// Whether requests are limited: on, or off for tests.
	RateLimits Switch `toml:"rate_limits"`
	// Version of new rooms where the client does not ask for one.
	DefaultRoomVersion string `toml:"default_room_version"`
	// Who sees who is online: on, local (this server's users only) or off.
	Presence string `toml:"presence"`
	// Whether the server fetches pages that users link to, to show a preview: on or off. It tells those pages' servers
	// that somebody here wrote of them.
	URLPreviews Switch `toml:"url_previews"`
	// Whether media can be downloaded without a token, as before Matrix 1.11: on or off.
	LegacyMedia Switch `toml:"legacy_media"`
	// standard, or fast for tests: fast hashes can be guessed by who steals the database.
	PasswordHashing string `toml:"password_hashing"`
	// Added to the clock, for tests and drills, such as 72h or -5m.
	ClockOffset time.Duration `toml:"clock_offset"`
	// The address at which clients reach this server, such as https://matrix.example.org, when it is behind a proxy.
	// Links that the server shows begin with it.
	PublicURL string `toml:"public_url"`
	// json or text; empty is text on a terminal, json elsewhere.
	LogFormat string `toml:"log_format"`
	// The least that is logged: debug, info, warn or error.
	LogLevel slog.Level `toml:"log_level"`

	// In the file only: limits that differ from the defaults. [limits.login] burst = 10, every = "6s".
	Limits map[string]limit.Rate `toml:"limits"`

	Log *slog.Logger     `toml:"-"` // nil: made from LogFormat and LogLevel, on Out
	Out io.Writer        `toml:"-"` // where the log and the first start's link go; nil: standard error
	Now func() time.Time `toml:"-"` // nil: the clock plus ClockOffset

	// How the operator calls this program, in what the server tells him to type; "" is freehold.
	Program string `toml:"-"`
}

// Defaults is a working server on localhost.
func Defaults() Config {
	return Config{
		ServerName:         "localhost",
		DataDir:            "freehold-data",
		ListenClient:       "127.0.0.1:8008",
		ListenFederation:   ":8448",
		Registration:       account.Token,
		Federation:         "on",
		RateLimits:         true,
		DefaultRoomVersion: version.Default().ID,
		Presence:           "on",
		PasswordHashing:    "standard",
	}
}

// Switch is a setting with the values on and off.
type Switch bool

// UnmarshalText reads on or off.
func (s *Switch) UnmarshalText(b []byte) error {
	switch string(b) {
	case "on", "true":
		*s = true
	case "off", "false":
		*s = false
	default:
		return errors.New("is neither on nor off")
	}
	return nil
}

// MarshalText is on or off.
func (s Switch) MarshalText() ([]byte, error) {
	if s {
		return []byte("on"), nil
	}
	return []byte("off"), nil
}

// Check says which setting cannot be used, by its key.
func (c *Config) Check() error {
	bad := func(key, format string, args ...any) error {
		return fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...))
	}
	if _, err := id.ParseServer(string(c.ServerName)); err != nil {
		return bad("server_name", "%q is not a server name; use the domain after the colon of user ids, such as example.org", c.ServerName)
	}
	if c.DataDir == "" {
		return bad("data_dir", "is empty")
	}
	if err := checkListen(c.ListenClient); err != nil {
		return bad("listen_client", "%v", err)
	}
	if err := checkListen(c.ListenFederation); err != nil && c.ListenFederation != "" {
		return bad("listen_federation", "%v", err)
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return bad("tls_cert", "the certificate and its key (tls_key) go together")
	}
	for key, path := range map[string]string{"tls_cert": c.TLSCert, "tls_key": c.TLSKey, "tls_ca": c.TLSCA, "appservices_dir": c.AppservicesDir} {
		if path == "" {
			continue
		}
		if _, err := os.Stat(path); err != nil {
			return bad(key, "%v", err)
		}
	}
	if c.DatabaseURL != "" && !strings.HasPrefix(c.DatabaseURL, "postgres://") && !strings.HasPrefix(c.DatabaseURL, "postgresql://") {
		return bad("database_url", "begins with neither postgres:// nor postgresql://; leave it empty for SQLite")
	}
	for _, choice := range []struct {
		key, got string
		of       []string
	}{
		{"registration", string(c.Registration), []string{"open", "token", "closed"}},
		{"federation", c.Federation, []string{"on", "allowlist", "off"}},
		{"presence", c.Presence, []string{"on", "local", "off"}},
		{"password_hashing", c.PasswordHashing, []string{"standard", "fast"}},
		{"log_format", c.LogFormat, []string{"", "json", "text"}},
	} {
		if !slices.Contains(choice.of, choice.got) {
			return bad(choice.key, "%q is not one of %s", choice.got, strings.Join(choice.of, ", "))
		}
	}
	if _, ok := version.Lookup(c.DefaultRoomVersion); !ok {
		return bad("default_room_version", "%q is not a room version of this server", c.DefaultRoomVersion)
	}
	if u, err := url.Parse(c.PublicURL); c.PublicURL != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
		return bad("public_url", "%q is not an address such as https://matrix.example.org", c.PublicURL)
	}
	limits, err := c.limits()
	if err != nil {
		return bad("limits", "%v", err)
	}
	if err := limits.Check(); err != nil {
		return bad("limits", "%v", err)
	}
	return nil
}

func checkListen(addr string) error {
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return fmt.Errorf("%q is not host:port, such as 127.0.0.1:8008 or :8008", addr)
	}
	return nil
}

func (c *Config) limits() (limit.Config, error) {
	l := limit.Config{Off: !bool(c.RateLimits), Rates: map[limit.Name]limit.Rate{}}
	for key, rate := range c.Limits {
		var n limit.Name
		if err := n.UnmarshalText([]byte(key)); err != nil {
			return l, fmt.Errorf("%s: %w", key, err)
		}
		l.Rates[n] = rate
	}
	return l, nil
}

// AdminSocket is where commands of the operator reach a server that keeps its data in dir.
func AdminSocket(dir string) string { return filepath.Join(dir, "admin.sock") }

// fill gives the parts that are not settings their values.
func (c *Config) fill() {
	if c.Out == nil {
		c.Out = os.Stderr
	}
	if c.Log == nil {
		c.Log = newLogger(c.Out, c.LogFormat, c.LogLevel)
	}
	if c.Now == nil {
		offset := c.ClockOffset
		c.Now = func() time.Time { return time.Now().Add(offset) }
	}
	c.PublicURL = strings.TrimSuffix(c.PublicURL, "/")
}
