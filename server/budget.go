package server

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"freehold.example/base/dial"
	"freehold.example/base/sqldb"
	"freehold.example/core/account"
	"freehold.example/core/budget"
)

// accountant computes the offline budget of a server. Counting who shares rooms with whom reads through all of them, so it is
// done once for all who ask at about the same time. What the door counts is of now.
type accountant struct {
	mu   sync.Mutex // held while facts are gathered
	made time.Time
	last *budget.Facts
}

const budgetLife = 30 * time.Second

// budget is the offline budget, of facts that are half a minute old at most.
func (s *Server) budget(ctx context.Context) (*budget.Budget, error) {
	a := &s.accounting
	a.mu.Lock()
	defer a.mu.Unlock()
	now := s.config.Now()
	if age := now.Sub(a.made); a.last == nil || age < 0 || age >= budgetLife {
		f, err := s.facts(ctx)
		if err != nil {
			return nil, err
		}
		a.last, a.made = f, now
	}
	return budget.Compute(a.last, s.door.Outbound(), now), nil
}

// budgetView is the budget for programs.
func (s *Server) budgetView(ctx context.Context) (*budget.View, error) {
	b, err := s.budget(ctx)
	if err != nil {
		return nil, err
	}
	return b.View(), nil
}

// facts gathers what a budget is computed of.
func (s *Server) facts(ctx context.Context) (*budget.Facts, error) {
	c := &s.config
	f := &budget.Facts{
		Server: c.ServerName, Federation: c.Federation != "off", Allowlist: c.Federation == "allowlist",
		PublicURL: c.PublicURL, HTTPS: strings.HasPrefix(c.PublicURL, "https:"), Previews: bool(c.URLPreviews), TURN: c.TURNURIs, LiveKit: c.RTCLiveKitURLs,
		Database: databaseElsewhere(c.DatabaseURL),
	}
	if u, err := url.Parse(c.PublicURL); err == nil && (u.Hostname() == "localhost" || isLoopback(u.Hostname())) {
		f.PublicURL = ""
	}
	if ppm, at, ok := s.drills.Drift(); ok {
		f.Drift = &budget.Drift{PPM: ppm, Measured: at}
	}
	open := false
	_, accounts, err := s.accounts.Browse(ctx, account.Browse{Deactivated: &open, Limit: 1})
	if err != nil {
		return nil, err
	}
	f.Accounts = int(accounts)
	if err := s.peerFacts(ctx, f); err != nil {
		return nil, err
	}
	if s.certificate != nil {
		shown, err := s.certificate.get(nil)
		if err != nil {
			return nil, err
		}
		f.Certificate = budget.Certificate{Listens: true, Own: c.TLSCert == "", Until: shown.Leaf.NotAfter}
	}
	gateways, err := s.push.Gateways(ctx)
	if err != nil {
		return nil, err
	}
	for _, g := range gateways {
		f.Gateways = append(f.Gateways, budget.Gateway{Host: g.Host, Inside: g.Inside, Users: int(g.Users), Pushers: int(g.Pushers)})
	}
	return f, s.serviceFacts(ctx, f)
}

// peerFacts adds the other servers that people here share rooms with, and what is known of them.
func (s *Server) peerFacts(ctx context.Context, f *budget.Facts) error {
	if !f.Federation {
		return nil
	}
	shared, err := s.rooms.Sharing(ctx)
	if err != nil {
		return err
	}
	standings, err := s.peers.Standings(ctx)
	if err != nil {
		return err
	}
	f.SharedRooms, f.SharedUsers = shared.Rooms, shared.Users
	for _, other := range shared.Servers {
		is := standings[other.Server]
		f.Peers = append(f.Peers, budget.Peer{
			Server: other.Server, Rooms: other.Rooms, Users: other.Users, Met: is.Met, Address: is.Address, Keys: is.Keys, KeysUntil: is.KeysUntil,
			Pinned: is.Pinned, Certificate: is.Certificate, Silent: is.Silent,
		})
	}
	for _, is := range standings {
		if !is.Met.IsZero() {
			f.Met++
		}
	}
	return nil
}

// serviceFacts adds the application services that are told of events.
func (s *Server) serviceFacts(ctx context.Context, f *budget.Facts) error {
	for _, one := range s.services.All() {
		if one.URL == nil {
			continue
		}
		at := budget.Service{ID: one.ID, Host: one.URL.Host}
		if a, err := netip.ParseAddr(one.URL.Hostname()); err == nil {
			at.Inside = s.door.Zone(a) != dial.Outside
		} else {
			at.Inside = one.URL.Hostname() == "localhost"
		}
		err := s.db.Read(ctx, func(tx *sqldb.Tx) error {
			everybody, err := account.Everybody(tx)
			at.Users = 0
			for _, user := range everybody {
				if user != one.Sender && one.Owns(user) {
					at.Users++
				}
			}
			return err
		})
		if err != nil {
			return err
		}
		f.Services = append(f.Services, at)
	}
	return nil
}

// databaseElsewhere is the place of a database that is on another machine; "" for one on this machine.
func databaseElsewhere(address string) string {
	u, err := url.Parse(address)
	if address == "" || err != nil {
		return ""
	}
	host := u.Hostname()
	if q := u.Query().Get("host"); q != "" {
		host = q
	}
	if host == "" || host == "localhost" || strings.HasPrefix(host, "/") || isLoopback(host) {
		return ""
	}
	if p := u.Port(); p != "" {
		return net.JoinHostPort(host, p)
	}
	return host
}

func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// registerBudget puts the budget among the metrics.
func (s *Server) registerBudget() error { return s.registry.Register(budgetMetric{s}) }

// budgetMetric computes the budget when it is asked for.
type budgetMetric struct{ server *Server }

var budgetSeconds = prometheus.NewDesc("freehold_budget_seconds_left",
	"How long this server does without an outside dependency: 0 for not at all, +Inf for ever, NaN where that cannot be seen from here.", []string{"dependency"}, nil)

// Describe implements prometheus.Collector.
func (budgetMetric) Describe(to chan<- *prometheus.Desc) { to <- budgetSeconds }

// Collect implements prometheus.Collector. Without a database there is nothing to tell.
func (m budgetMetric) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	b, err := m.server.budget(ctx)
	if err != nil {
		m.server.config.Log.WarnContext(ctx, "the offline budget was not computed", "cause", err)
		return
	}
	for _, l := range b.Lines {
		to <- prometheus.MustNewConstMetric(budgetSeconds, prometheus.GaugeValue, l.Seconds(), l.Name)
	}
}
