package doctor

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"freehold.example/core/account"
)

// settings looks at what the operator has written, and at what contradicts itself.
func (e *examination) settings() {
	const check = "settings"
	for _, name := range e.Unknown {
		e.warn(check, "Look for a slip of the pen: `freehold serve --help` lists the settings.", "The environment has %s, which is no setting.", name)
	}
	if e.Wrong != nil {
		e.bad(check, "Nothing else was looked at. docs/config.md says what each setting may be.", "The settings cannot be used: %v", e.Wrong)
		return
	}
	e.good(check, "The settings can be read.")
	c := &e.Config
	if c.PasswordHashing == "fast" {
		e.warn(check, "That is for tests: set password_hashing to standard.", "Passwords are hashed fast, so that who steals the database can guess them.")
	}
	if !c.RateLimits {
		e.warn(check, "That is for tests: set rate_limits to on.", "Requests are not limited: anybody can guess passwords as fast as he likes, and keep this server busy.")
	}
	if c.ClockOffset != 0 {
		e.warn(check, "That is for tests and drills: take clock_offset away.", "The clock is moved by %v: messages will have a wrong time.", c.ClockOffset)
	}
	switch {
	case c.Registration == account.Open && !bool(c.RateLimits):
		e.bad(check, "Set registration to token, or rate_limits to on.", "Anybody can make as many accounts as he likes, and as fast.")
	case c.Registration == account.Open:
		e.warn(check, "Unless that is meant, set registration to token and invite people (`freehold user invite`).",
			"Anybody who reaches this server can make an account.")
	}
	const shortest = 16
	if n := len(c.RegistrationSharedSecret); n > 0 && n < shortest {
		e.warn(check, "Use a long random one, such as `openssl rand -hex 32` prints.", "registration_shared_secret has %d characters: it can be guessed, and who knows it can make administrators.", n)
	}
	for _, p := range c.InsideNetworks {
		if p.Bits() == 0 {
			e.warn(check, "Name your own networks only.", "inside_networks has %s, which is everybody.", p)
		}
	}
	if c.Federation == "off" && c.TLSCert != "" {
		e.warn(check, "", "There is a certificate for other servers, and federation is off: it is not used.")
	}
	if c.Federation != "off" && c.ListenFederation == "" {
		e.warn(check, "Set listen_federation, or federation to off.", "federation is %s and listen_federation is empty: other servers cannot reach this one.", c.Federation)
	}
	e.publicURL()
}

// publicURL looks at how clients come here.
func (e *examination) publicURL() {
	const check = "settings"
	c := &e.Config
	host, _, _ := net.SplitHostPort(c.ListenClient)
	addr, err := netip.ParseAddr(host)
	everywhere := host == "" || err == nil && !addr.IsLoopback()
	u, err := url.Parse(c.PublicURL)
	switch {
	case err != nil: // Check has said so
	case c.PublicURL != "" && u.Scheme == "http" && u.Hostname() != "localhost" && !strings.HasPrefix(u.Hostname(), "127."):
		e.warn(check, "Put a proxy with a certificate before this server, and say https in public_url.",
			"public_url begins with http: what clients send, passwords too, can be read on the way.")
	case c.PublicURL == "" && everywhere:
		e.warn(check, "Put a proxy with a certificate before it and let it listen on 127.0.0.1, or keep it in a network that you trust.",
			"Clients are served on %s without encryption: what they send, passwords too, can be read on the way.", c.ListenClient)
	}
}

// name looks at the server's name, which is for ever.
func (e *examination) name() {
	const check = "name"
	name := string(e.Config.ServerName)
	host := name
	if h, _, err := net.SplitHostPort(name); err == nil {
		host = h
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	const later = "It cannot be changed later: decide before you invite people."
	switch {
	case host == "localhost":
		e.warn(check, "For anything but a trial on this machine set server_name to your domain. "+later,
			"This server is named localhost: no other server can ever reach it, and user ids end in :localhost.")
	case err == nil:
		e.warn(check, "Use a domain, which can move to another address. "+later, "This server is named by an address, %s.", name)
	case !strings.Contains(host, "."):
		e.warn(check, "Use a whole domain, such as chat.example.org. "+later, "This server is named %s, which only machines nearby can find.", name)
	default:
		e.good(check, "This server is %s.", name)
	}
	if open, err := openFiles(); err == nil && open < 4096 {
		e.warn("limits", "Raise it: LimitNOFILE=65536 in the systemd unit, or `ulimit -n 65536`.",
			"This process may open %d files, and each waiting client takes one.", open)
	}
}

// backup looks at when there last was one.
func (e *examination) backup() {
	const check, do = "backup", "Run `freehold backup --to FILE` every night, and keep the file on another machine."
	last, err := lastBackup(e.Config.DataDir)
	age := e.Now().Sub(last.At)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if !e.empty() {
			e.warn(check, do, "There is no backup.")
		}
	case err != nil:
		e.bad(check, "", "When the last backup was made cannot be read: %v", err)
	case age > 8*24*time.Hour:
		e.warn(check, do, "The last backup is %d days old (%s).", int(age/(24*time.Hour)), last.To)
	default:
		e.good(check, "The last backup was made on %s, into %s.", last.At.Local().Format("2 January 15:04"), last.To)
	}
}
