// Package call says what helps clients to reach each other with voice and video: TURN servers with credentials that end
// by themselves, and the transports of MatrixRTC. The servers themselves are others'.
package call

import (
	"crypto/hmac"
	"crypto/sha1" // #nosec G505 -- what TURN servers compute ("A REST API For Access To TURN Services")
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"freehold.example/matrix/id"
)

// Config is what the operator offers. The zero value offers nothing.
type Config struct {
	TURN     []string      // "turn:" and "turns:" URIs
	Secret   string        // shared with the TURN servers
	Lifetime time.Duration // of credentials; 0 is a day
	LiveKit  []string      // addresses of the services that give tokens for LiveKit servers (MSC4195), the preferred first

	Now func() time.Time
}

const (
	defaultLifetime = 24 * time.Hour
	maxListed       = 32 // of each kind of server
)

// Check names the first setting that cannot be used.
func (c Config) Check() error {
	switch {
	case len(c.TURN) > maxListed || len(c.LiveKit) > maxListed:
		return fmt.Errorf("turn_uris, rtc_livekit_urls: more than %d", maxListed)
	case len(c.TURN) > 0 && c.Secret == "":
		return errors.New("turn_secret: the secret that is shared with the servers in turn_uris is missing")
	case len(c.TURN) == 0 && c.Secret != "":
		return errors.New("turn_uris: there is a turn_secret and no server that it is shared with")
	case c.Lifetime < 0 || c.Lifetime > 0 && c.Lifetime < time.Minute:
		return fmt.Errorf("turn_lifetime: %s is shorter than a minute", c.Lifetime)
	}
	for _, s := range c.TURN {
		scheme, rest, _ := strings.Cut(s, ":")
		if scheme != "turn" && scheme != "turns" || rest == "" || strings.HasPrefix(rest, "/") {
			return fmt.Errorf("turn_uris: %q is not an address such as turn:turn.example.org:3478?transport=udp", s)
		}
	}
	for _, s := range c.LiveKit {
		if u, err := url.Parse(s); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			return fmt.Errorf("rtc_livekit_urls: %q is not an address such as https://rtc.example.org/livekit/jwt", s)
		}
	}
	return nil
}

// Calls answers for one server.
type Calls struct{ Config }

// New makes Calls of a Config that was checked.
func New(c Config) *Calls {
	if c.Lifetime == 0 {
		c.Lifetime = defaultLifetime
	}
	return &Calls{Config: c}
}

// Credentials let a user use the TURN servers for some time.
type Credentials struct {
	Username, Password string
	URIs               []string
	Lifetime           time.Duration
}

// Credentials makes new ones; ok is false where there are no TURN servers. Whoever has them shows until when they are good
// and whose they are, and a password that only who knows the secret can have made: the servers need not be told.
func (c *Calls) Credentials(user id.User) (_ Credentials, ok bool) {
	if len(c.TURN) == 0 {
		return Credentials{}, false
	}
	name := strconv.FormatInt(c.Now().Add(c.Lifetime).Unix(), 10) + ":" + string(user)
	mac := hmac.New(sha1.New, []byte(c.Secret))
	mac.Write([]byte(name)) // never fails
	return Credentials{
		Username: name, Password: base64.StdEncoding.EncodeToString(mac.Sum(nil)), URIs: c.TURN, Lifetime: c.Lifetime,
	}, true
}
