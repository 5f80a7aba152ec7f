// Package server puts the parts together: one configuration, one data directory, the listeners, and an end that loses
// nothing.
//
// It is the only package that knows every other. Nothing in it is global: any number of servers can run in one process.
package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"freehold.example/api/change"
	"freehold.example/base/dial"
	"freehold.example/base/limit"
	"freehold.example/base/link"
	"freehold.example/core/account"
	"freehold.example/core/drill"
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
	// The servers to speak with when federation is allowlist.
	FederationAllowed []id.Server `toml:"federation_allowed"`
	// Networks (CIDR) that count as inside, besides loopback. Link previews (url_previews) show pages in them too, to
	// everybody who has an account; pages on this machine only when 127.0.0.0/8 or ::1/128 is named here.
	InsideNetworks []netip.Prefix `toml:"inside_networks"`
	// Whether servers on the same local network find each other by multicast DNS: on or off. It tells everybody on the
	// networks of this machine that this server is there; who answers has to prove who he is, as anywhere. Only addresses
	// within inside_networks are contacted.
	MulticastDNS Switch `toml:"multicast_dns"`
	// Directory of application service registrations (YAML): bridges and bots, see docs/appservices.md.
	AppservicesDir string `toml:"appservices_dir"`
	// Whether requests are limited: on, or off for tests.
	RateLimits Switch `toml:"rate_limits"`
	// Whether a signed-in user can make a token for one more login, after confirming it: on or off. Clients sign in a second
	// device with it.
	LoginTokens Switch `toml:"login_tokens"`
	// Version of new rooms where the client does not ask for one.
	DefaultRoomVersion string `toml:"default_room_version"`
	// Who sees who is online: on, local (this server's users only) or off.
	Presence string `toml:"presence"`
	// Whether the server fetches pages that users link to, to show a preview: on or off. It tells those pages' servers
	// that somebody here wrote of them.
	URLPreviews Switch `toml:"url_previews"`
	// The largest file that may be uploaded, such as 50MiB.
	MediaMaxFile Size `toml:"media_max_file"`
	// How much each user may upload in all.
	MediaMaxUser Size `toml:"media_max_user"`
	// How much all users may upload in all. Thumbnails and copies of other servers' files (one tenth of this each) and
	// pictures of link previews (1 GiB) come on top.
	MediaMaxTotal Size `toml:"media_max_total"`
	// Whether media can be downloaded without a token, as before Matrix 1.11: on or off.
	LegacyMedia Switch `toml:"legacy_media"`
	// standard, or fast for tests: fast hashes can be guessed by who steals the database.
	PasswordHashing string `toml:"password_hashing"`
	// Added to the clock, for tests and drills, such as 72h or -5m.
	ClockOffset time.Duration `toml:"clock_offset"`
	// The address at which clients reach this server, such as https://matrix.example.org, when it is behind a proxy.
	// Links that the server shows begin with it.
	PublicURL string `toml:"public_url"`
	// Where other servers find this one, such as matrix.example.org:443: published as /.well-known/matrix/server. Empty
	// publishes nothing.
	WellKnownServer string `toml:"well_known_server"`
	// Whom to ask for help, each as a role (admin or security) and a user or an e-mail address, such as
	// admin=@alice:example.org or security=help@example.org: published as /.well-known/matrix/support.
	SupportContacts []Contact `toml:"support_contacts"`
	// A page that helps the users of this server, published with the contacts.
	SupportPage string `toml:"support_page"`
	// The ed25519 key of the policy server at this domain, in base64: published as /.well-known/matrix/policy_server. This
	// program is none; the one that is says which key it signs with.
	PolicyServerKey string `toml:"policy_server_key"`
	// TURN servers that help with calls, such as turn:turn.example.org:3478?transport=udp. Needs turn_secret.
	TURNURIs []string `toml:"turn_uris"`
	// The secret that is shared with the TURN servers (coturn: static-auth-secret). Users get credentials made with it that
	// end by themselves.
	TURNSecret string `toml:"turn_secret"`
	// For how long credentials of TURN servers are good.
	TURNLifetime time.Duration `toml:"turn_lifetime"`
	// Services that let users into LiveKit servers for group calls (MatrixRTC), such as
	// https://rtc.example.org/livekit/jwt, the preferred first. Name them here even when a /.well-known/matrix/client that
	// is served elsewhere lists them: clients believe this server, which says that there are none otherwise.
	RTCLiveKitURLs []string `toml:"rtc_livekit_urls"`
	// How often to rehearse a cut by itself, such as 720h; 0 is never. See docs/standing-alone.md.
	DrillEvery time.Duration `toml:"drill_every"`
	// For how long such a drill cuts this server off.
	DrillFor time.Duration `toml:"drill_for"`
	// From what: outside, all-peers, names or time, or several with commas between them.
	DrillScope string `toml:"drill_scope"`
	// json or text; empty is text on a terminal, json elsewhere.
	LogFormat string `toml:"log_format"`
	// The least that is logged: debug, info, warn or error.
	LogLevel slog.Level `toml:"log_level"`

	// In the file only: limits that differ from the defaults. [limits.login] burst = 10, every = "6s".
	Limits map[string]limit.Rate `toml:"limits"`

	Log *slog.Logger     `toml:"-"` // nil: made from LogFormat and LogLevel, on Out
	Out io.Writer        `toml:"-"` // where the log and the first start's link go; nil: standard error
	Now func() time.Time `toml:"-"` // nil: the clock plus ClockOffset

	// The network, where it is not the system's: for tests with one in memory (base/memnet). nil is the system's.
	Listen  func(ctx context.Context, network, address string) (net.Listener, error) `toml:"-"`
	Connect func(ctx context.Context, to netip.AddrPort) (net.Conn, error)           `toml:"-"`
	Lookup  func(ctx context.Context, host string) ([]netip.Addr, error)             `toml:"-"`
	SRV     func(ctx context.Context, name string) ([]*net.SRV, error)               `toml:"-"`
	Ways    func() (link.Ways, error)                                                `toml:"-"`

	ParkAfter time.Duration `toml:"-"` // how long a request waits before it is parked (base/park); 0 is its default

	// Who keeps the configuration and may be asked to change it; nil where it cannot be changed while the server runs.
	Changes change.Keeper `toml:"-"`

	// How the operator calls this program, in what the server tells him to type; "" is freehold.
	Program string `toml:"-"`

	App fs.FS `toml:"-"` // the web app's files (package web); nil: there is none
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
		LoginTokens:        true,
		DefaultRoomVersion: version.Default().ID,
		Presence:           "on",
		MediaMaxFile:       100 << 20,
		MediaMaxUser:       10 << 30,
		MediaMaxTotal:      200 << 30,
		PasswordHashing:    "standard",
		TURNLifetime:       24 * time.Hour,
		DrillFor:           10 * time.Minute,
		DrillScope:         "outside",
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
	for key, size := range map[string]Size{
		"media_max_file": c.MediaMaxFile, "media_max_user": c.MediaMaxUser, "media_max_total": c.MediaMaxTotal,
	} {
		if size <= 0 {
			return bad(key, "must be more than nothing, such as 50MiB")
		}
	}
	for _, server := range c.FederationAllowed {
		if _, err := id.ParseServer(string(server)); err != nil {
			return bad("federation_allowed", "%q is not a server name", server)
		}
	}
	if err := (dial.Config{Inside: c.InsideNetworks}).Check(); err != nil {
		return bad("inside_networks", "%s", strings.TrimPrefix(err.Error(), "inside networks: "))
	}
	if _, ok := version.Lookup(c.DefaultRoomVersion); !ok {
		return bad("default_room_version", "%q is not a room version of this server", c.DefaultRoomVersion)
	}
	if u, err := url.Parse(c.PublicURL); c.PublicURL != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
		return bad("public_url", "%q is not an address such as https://matrix.example.org", c.PublicURL)
	}
	if err := (drill.Config{Every: c.DrillEvery, For: c.DrillFor, Scope: c.DrillScope}).Check(); err != nil {
		return err
	}
	if err := c.checkDiscovery(); err != nil {
		return err
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
	if c.Listen == nil {
		c.Listen = listen
	}
	c.PublicURL = strings.TrimSuffix(c.PublicURL, "/")
}
