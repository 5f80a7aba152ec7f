package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"freehold.example/base/durable"
	"freehold.example/matrix/id"
)

// certificate is what the federation listener shows: read from files, and read again when they have changed, as those who
// renew certificates replace the files and tell nobody.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger
	now               func() time.Time

	mu      sync.Mutex // guards all below
	current *tls.Certificate
	changed time.Time // of the certificate's file, when it was read
	looked  time.Time
}

const lookAgain = time.Minute

// newCertificate reads the certificate of the settings, or the one this server made for itself, which it makes first
// when there is none or it is about to expire.
func newCertificate(c *Config) (*certificate, error) {
	cert := &certificate{certFile: c.TLSCert, keyFile: c.TLSKey, log: c.Log, now: c.Now}
	if cert.certFile == "" {
		cert.certFile, cert.keyFile = filepath.Join(c.DataDir, "federation.crt"), filepath.Join(c.DataDir, "federation.key")
		if err := ensureSelfSigned(cert.certFile, cert.keyFile, c.ServerName, c.Now()); err != nil {
			return nil, fmt.Errorf("make a certificate for the federation listener: %w", err)
		}
	}
	if err := cert.read(); err != nil {
		return nil, fmt.Errorf("tls_cert: %w", err)
	}
	return cert, nil
}

// read loads the files; c.mu is held, or nobody else knows c yet.
func (c *certificate) read() error {
	info, err := os.Stat(c.certFile)
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	c.current, c.changed, c.looked = &pair, info.ModTime(), c.now()
	return nil
}

// get is tls.Config.GetCertificate. Files that cannot be read, as in the middle of being replaced, leave what was there.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if since := now.Sub(c.looked); since >= 0 && since < lookAgain {
		return c.current, nil
	}
	c.looked = now
	if info, err := os.Stat(c.certFile); err == nil && !info.ModTime().Equal(c.changed) {
		if err := c.read(); err != nil {
			c.log.Error("the federation certificate has changed and cannot be read; the one from before is kept", "cause", err)
		}
	}
	return c.current, nil
}

// A certificate that a server makes for itself outlives any person's patience; it is made anew in its last month.
const (
	selfSignedLife = 10 * 365 * 24 * time.Hour
	renewBefore    = 30 * 24 * time.Hour
)

func ensureSelfSigned(certFile, keyFile string, name id.Server, now time.Time) error {
	// A pair that does not fit together is what is left when its making was interrupted.
	if pair, err := tls.LoadX509KeyPair(certFile, keyFile); err == nil && now.Before(pair.Leaf.NotAfter.Add(-renewBefore)) {
		return nil
	}
	key, err := keptKey(keyFile)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	host := string(name)
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: host},
		NotBefore:    now.Add(-24 * time.Hour),
		NotAfter:     now.Add(selfSignedLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(trimBrackets(host)); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600); err != nil {
		return err
	}
	return durable.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
}

// keptKey is the key of the certificate before, as others may know the certificate by it, or a new one.
func keptKey(file string) (*ecdsa.PrivateKey, error) {
	if b, err := os.ReadFile(file); err == nil {
		if block, _ := pem.Decode(b); block != nil {
			if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
				if key, is := key.(*ecdsa.PrivateKey); is {
					return key, nil
				}
			}
		}
	}
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// trimBrackets is an IPv6 literal without what stands round it in a server name.
func trimBrackets(host string) string {
	if len(host) > 2 && host[0] == '[' && host[len(host)-1] == ']' {
		return host[1 : len(host)-1]
	}
	return host
}
