package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// listeners looks whether the addresses can be taken, or are served by this server already.
func (e *examination) listeners(ctx context.Context) {
	const check = "ports"
	c := &e.Config
	if c.MulticastDNS && len(c.InsideNetworks) == 0 {
		e.warn("neighbours", "Name your networks, such as 192.168.1.0/24, with inside_networks.",
			"multicast_dns is on, and no network counts as inside: servers that are found may not be contacted.")
	}
	if e.running {
		if healthy(ctx, "http://"+reachable(c.ListenClient)+"/health") {
			e.good(check, "The server is running, and answers on %s.", c.ListenClient)
		} else {
			e.bad(check, "Look at its log; has it been started with other settings than these?", "The server is running, and does not answer on %s.", c.ListenClient)
		}
		return
	}
	e.listener(ctx, check, "listen_client", c.ListenClient)
	if c.ListenFederation != "" && c.Federation != "off" {
		e.listener(ctx, check, "listen_federation", c.ListenFederation)
	}
}

func (e *examination) listener(ctx context.Context, check, setting, addr string) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		e.bad(check, "Stop that program, or choose another port with "+setting+".", "%s: another program listens on %s.", setting, addr)
	case errors.Is(err, os.ErrPermission):
		e.bad(check, "Choose a port above 1023, or let a proxy listen there.", "%s: this user may not listen on %s.", setting, addr)
	case err != nil:
		e.bad(check, "", "%s: %v", setting, err)
	default:
		_ = l.Close() // it was only to see
		e.good(check, "%s: %s is free; the server is not running.", setting, addr)
	}
}

// reachable is where a listener can be reached from this machine.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("localhost", port)
	}
	return addr
}

// certificate looks at what other servers are shown.
func (e *examination) certificate() {
	const check = "certificate"
	c := &e.Config
	if c.Federation == "off" || c.ListenFederation == "" {
		return
	}
	if c.TLSCert == "" {
		e.warn(check, "Name one with tls_cert and tls_key, or put a proxy with one before listen_federation.",
			"There is no certificate for other servers: this server makes one itself, which only servers that were told to trust it accept, and Freehold servers on local networks or that have met this one.")
		return
	}
	pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
	if err != nil {
		e.bad(check, "The certificate and the key have to be PEM files that belong together.", "tls_cert: %v", err)
		return
	}
	leaf := pair.Leaf
	left := leaf.NotAfter.Sub(e.Now())
	host := string(c.ServerName)
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	switch {
	case left < 0:
		e.bad(check, "Renew it; the file is read again by itself.", "The certificate in %s expired on %s.", c.TLSCert, leaf.NotAfter.Format("2 January 2006"))
	case e.Now().Before(leaf.NotBefore):
		e.bad(check, "Look at the clock of this machine.", "The certificate in %s is good from %s on only.", c.TLSCert, leaf.NotBefore.Format("2 January 2006"))
	case leaf.VerifyHostname(host) != nil:
		e.warn(check, "That is right if https://"+host+"/.well-known/matrix/server names another host, which has to be in the certificate.",
			"The certificate is not for %s (it is for %v).", host, names(leaf))
	case left < 14*24*time.Hour:
		e.warn(check, "Renew it; the file is read again by itself.", "The certificate expires in %d days.", int(left.Hours()/24))
	default:
		e.good(check, "The certificate is for %s and good until %s.", host, leaf.NotAfter.Format("2 January 2006"))
	}
	if info, err := os.Stat(c.TLSKey); err == nil && info.Mode().Perm()&0o004 != 0 {
		e.warn(check, "chmod 640 "+c.TLSKey, "Everybody on this machine can read the certificate's key.")
	}
}

func names(leaf *x509.Certificate) []string {
	if len(leaf.DNSNames) == 0 {
		return []string{leaf.Subject.CommonName}
	}
	return leaf.DNSNames
}

// clock compares the clock with what is known without asking anybody: nothing here can be from the future, and the
// program is not older than the time it was made.
func (e *examination) clock() {
	const check, do = "clock", "Set the clock of this machine, and keep it set (timedatectl set-ntp true)."
	now := time.Now()
	for _, name := range []string{"freehold.db", "freehold.db-wal", "signing.key", "last-backup.json"} {
		info, err := os.Stat(filepath.Join(e.Config.DataDir, name))
		if err == nil && info.ModTime().Sub(now) > 2*time.Minute {
			e.bad(check, do, "The clock is wrong: it is %s, and %s was written on %s.", now.Format(time.DateTime), name, info.ModTime().Format(time.DateTime))
			return
		}
	}
	if now.Before(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)) {
		e.bad(check, do, "The clock is wrong: it is %s, which is before this program was made.", now.Format(time.DateTime))
	}
}

// outside lists what the settings depend on beyond this machine, with what stops without it.
func (e *examination) outside() {
	c := &e.Config
	add := func(o Outside) { e.report.Outside = append(e.report.Outside, o) }
	if host := hostOf(c.DatabaseURL); host != "" && host != "localhost" && !net.ParseIP(host).IsLoopback() {
		add(Outside{"PostgreSQL on " + host, "everything is kept there", "everything, at once"})
	}
	if c.Federation != "off" {
		add(Outside{
			"DNS", "to find other servers by their names",
			"servers that were not spoken with before cannot be found; rooms here go on",
		})
		add(Outside{
			"other servers and the way to them", "rooms that people of other servers are in",
			"their people do not hear from here until the way is back; everybody here goes on among themselves",
		})
	}
	if c.URLPreviews {
		add(Outside{"the pages that people link to", "previews of links", "links have no preview; nothing else"})
	}
	if c.PublicURL != "" && hostOf(c.PublicURL) != "localhost" {
		add(Outside{
			hostOf(c.PublicURL) + " (name, proxy and certificate)", "clients come that way",
			"clients cannot reach this server when its name is not found, or the certificate has expired",
		})
	}
}
