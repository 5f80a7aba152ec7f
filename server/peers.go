package server

import (
	"crypto/x509"
	"fmt"
	"os"
	"slices"

	"freehold.example/base/task"
	"freehold.example/core/peer"
	"freehold.example/matrix/id"
)

// openPeers makes what knows other servers.
func (s *Server) openPeers() error {
	c := &s.config
	var roots *x509.CertPool
	if c.TLSCA != "" {
		b, err := os.ReadFile(c.TLSCA)
		if err != nil {
			return fmt.Errorf("tls_ca: %w", err)
		}
		if roots, err = x509.SystemCertPool(); err != nil {
			roots = x509.NewCertPool() // a machine without any: those of the file are all
		}
		if !roots.AppendCertsFromPEM(b) {
			return fmt.Errorf("tls_ca: %s has no certificate in PEM form", c.TLSCA)
		}
	}
	var err error
	s.peers, err = peer.New(peer.Config{
		DB: s.db, Door: s.door, Signer: s.signer, Now: c.Now, Log: c.Log, Roots: roots, Allowed: c.speaksWith, Free: s.free, Back: s.back,
	})
	if err == nil {
		s.closers = append(s.closers, func() error { s.peers.Close(); return nil })
	}
	return err
}

// free is told of a server that did not answer and has shown a sign of life.
func (s *Server) free(server id.Server) {
	if s.outbox != nil {
		s.outbox.Wake(server)
	}
}

// startOutbox has others sent what concerns them. While federation is off the outbox stands still, and goes on from there when
// it is on again.
func (s *Server) startOutbox(g *task.Group) error {
	if s.config.Federation == "off" {
		return nil
	}
	return g.Go("outbox", s.outbox.Run)
}

// speaksWith says whether there is any traffic with another server.
func (c *Config) speaksWith(server id.Server) bool {
	return c.Federation == "on" || c.Federation == "allowlist" && slices.Contains(c.FederationAllowed, server)
}
