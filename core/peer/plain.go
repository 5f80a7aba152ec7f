package peer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"freehold.example/base/dial"
	"freehold.example/matrix/fault"
)

// Plain says in words for the operator why a server was not reached, and what can be done about it here, if anything.
func Plain(err error) (text, do string) {
	var unproven *UnprovenError
	var refused *dial.Refused
	var dns *net.DNSError
	var no *AnswerError
	var wait *WaitError
	switch {
	case err == nil:
		return "", ""
	case errors.As(err, &wait):
		return Plain(wait.Cause)
	case fault.Is(err, fault.Forbidden):
		return "The settings keep this server from speaking with it.", "See federation and federation_allowed."
	case errors.As(err, &unproven):
		text, do = certificateWords(unproven.Authority)
		return fmt.Sprintf("%s Its own signing key does not stand for the certificate either: %v.", text, unproven.Key), do
	case errors.As(err, &refused):
		return fmt.Sprintf("Its address %s is not one that may be contacted: it is %s.", refused.Addr, refused.Zone),
			"If it is in a network of yours, name that with inside_networks."
	case errors.Is(err, dial.ErrCut):
		return "A rehearsal of a cut-off keeps this server from it.", "It ends with the rehearsal."
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Sprintf("There is no address for the name %s.", dns.Name), "Is the name right? Ask the DNS of this machine: getent hosts " + dns.Name
	case errors.As(err, &dns):
		return fmt.Sprintf("The DNS of this machine does not say where %s is: %s.", dns.Name, dns.Err), "Is this machine connected? Is its DNS (/etc/resolv.conf)?"
	case errors.As(err, &no) && no.Status == 401, errors.As(err, &no) && no.Status == 403:
		return fmt.Sprintf("It answers %d: %s", no.Status, no.Text), ""
	case errors.As(err, &no):
		return fmt.Sprintf("It answers %d: %s", no.Status, no.Text), "It is there and has trouble of its own, or something before it has."
	}
	if text, do := certificateWords(err); text != "" {
		return text, do
	}
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "There is a machine, and nothing listens on that port.", "It is switched off, or this is not its port."
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "There is no way there from this machine.", "Is this machine connected?"
	case errors.Is(err, dial.ErrStalled), errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "Nobody answers in time.", "It is switched off, a firewall is in between, or one of the two is not connected."
	case errors.Is(err, dial.ErrTooLarge):
		return "Its answer is too large.", ""
	}
	return fmt.Sprintf("It cannot be reached: %v.", err), ""
}

// certificateWords is Plain for certificates; "" when that is not what is wrong.
func certificateWords(err error) (text, do string) {
	const theirs = "Its operator has to mend that. Where it is a server of your own network, trust its authority with tls_ca."
	if bad, is := errors.AsType[x509.CertificateInvalidError](err); is && bad.Reason == x509.Expired {
		return fmt.Sprintf("Its certificate is good from %s to %s only.", bad.Cert.NotBefore.Format(time.DateOnly), bad.Cert.NotAfter.Format(time.DateOnly)),
			"Its operator has to renew it, unless the clock of this machine is wrong."
	}
	if bad, is := errors.AsType[x509.HostnameError](err); is {
		return fmt.Sprintf("Its certificate is not for %s.", bad.Host), theirs
	}
	if _, is := errors.AsType[x509.UnknownAuthorityError](err); is {
		return "Its certificate is from nobody whom this server trusts.", theirs
	}
	if bad, is := errors.AsType[*tls.CertificateVerificationError](err); is {
		return fmt.Sprintf("Its certificate is not good: %v.", bad.Err), theirs
	}
	if _, is := errors.AsType[tls.RecordHeaderError](err); is {
		return "What answers there does not speak TLS.", "Is that its port?"
	}
	if alert, is := errors.AsType[tls.AlertError](err); is {
		return fmt.Sprintf("It ends the TLS handshake: %v.", alert), ""
	}
	return "", ""
}
