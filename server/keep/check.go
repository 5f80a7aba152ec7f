package keep

import (
	"context"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/BurntSushi/toml"

	"freehold.example/api/change"
	"freehold.example/server"
	"freehold.example/server/doctor"
)

// Candidate is a configuration that is to be judged.
type Candidate struct {
	From  *server.Config // what the server runs with
	To    *server.Config // what is to come; its settings may be wrong
	Wrong error          // why they cannot be used; nil if they can
	Taken func(address string) bool
	House func(ctx context.Context, to *server.Config) error // refuses what would be another server
}

// judge is what looks a configuration over before it is tried. Whatever it overlooks is undone by the guard.
func judge(ctx context.Context, c *Candidate) (refused, warnings []string) {
	if c.Wrong != nil {
		return []string{c.Wrong.Error()}, nil
	}
	if c.From.ServerName != c.To.ServerName {
		refused = append(refused, fmt.Sprintf("server_name: this is %s, and a server's name cannot be changed (another data_dir starts another server)", c.From.ServerName))
	}
	if err := c.House(ctx, c.To); err != nil {
		refused = append(refused, err.Error())
	}
	for _, f := range doctor.Worse(ctx, *c.From, *c.To, time.Now, c.taken) {
		text := f.Text
		if f.Do != "" {
			text += " " + f.Do
		}
		if f.Grade == doctor.Bad {
			refused = append(refused, text)
		} else {
			warnings = append(warnings, text)
		}
	}
	if host, _, err := net.SplitHostPort(c.To.ListenClient); err == nil && isHere(host) {
		if was, _, err := net.SplitHostPort(c.From.ListenClient); err == nil && !isHere(was) {
			warnings = append(warnings, "listen_client: only this machine can reach the new address; clients elsewhere need a proxy here.")
		}
	}
	return refused, warnings
}

// taken says whether an address is the server's own, or one that it can have by giving up its own.
func (c *Candidate) taken(address string) bool {
	if c.Taken(address) {
		return true
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil || port == "0" {
		return false
	}
	for _, own := range []string{c.From.ListenClient, c.From.ListenFederation} {
		if _, its, err := net.SplitHostPort(own); err == nil && its == port && c.Taken(own) {
			return true
		}
	}
	return false
}

func isHere(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// plan is what a configuration would change, without judging it.
func (k *keeper) plan(ctx context.Context, text []byte) (*change.Plan, error) {
	p := &change.Plan{Refused: []string{}, Warnings: []string{}, Changes: []change.Setting{}, Listeners: []change.Listener{}, Touches: []change.Touch{}}
	to, err := k.source().Config("the new configuration", text)
	if err != nil {
		return p, nil //nolint:nilerr // it is for the judge to say
	}
	from := k.inUse()
	p.Changes = server.Differences(from, &to)
	p.Warnings = append(p.Warnings, k.pinned(text, &to)...)
	for _, l := range []change.Listener{
		{For: "clients", From: from.ListenClient, To: to.ListenClient},
		{For: "servers", From: forServers(from), To: forServers(&to)},
	} {
		if l.From != "" || l.To != "" {
			p.Listeners = append(p.Listeners, l)
		}
	}
	if g, err := k.running(); err == nil {
		ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		touches, err := g.server.Touched(ctx, &to, p.Changes)
		if err != nil {
			p.Warnings = append(p.Warnings, fmt.Sprintf("Whom it touches cannot be said: %v", err))
		}
		p.Touches = append(p.Touches, touches...)
	}
	return p, nil
}

func forServers(c *server.Config) string {
	if c.Federation == "off" {
		return ""
	}
	return c.ListenFederation
}

// pinned says which settings of the file have no effect, as a flag or the environment has them.
func (k *keeper) pinned(text []byte, to *server.Config) (warnings []string) {
	var said map[string]any
	if _, err := toml.Decode(string(text), &said); err != nil {
		return nil
	}
	own, err := server.Sources{}.Config("", text)
	if err != nil {
		return nil // it is right with what stands elsewhere only
	}
	differ := server.Differences(&own, to)
	for _, key := range server.Keys() {
		if _, in := said[key]; !in {
			continue
		}
		if _, is := k.source().Pinned(key); is && slices.ContainsFunc(differ, func(s change.Setting) bool { return s.Key == key }) {
			warnings = append(warnings, key+": a flag or the environment has it, and wins over the file.")
		}
	}
	return warnings
}
