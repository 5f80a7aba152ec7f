package dial

import (
	"context"
	"errors"
	"net"
	"net/netip"
)

// LookupSRV asks for the SRV records of a name, such as "_matrix-fed._tcp.example.org", in the order in which to try them.
// None is no error.
func (w *Way) LookupSRV(ctx context.Context, name string) ([]*net.SRV, error) {
	d := w.door
	if s := d.CutState(); w.isCut(Outside) && w.isCut(Inside) || s&(CutOutside|CutNames) != 0 && d.config.SRV != nil {
		return nil, d.asked(name, ErrCut)
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	var records []*net.SRV
	var err error
	if d.config.SRV != nil {
		records, err = d.config.SRV(ctx, name)
	} else {
		_, records, err = d.system.LookupSRV(ctx, "", "", name)
	}
	if missing, ok := errors.AsType[*net.DNSError](err); ok && missing.IsNotFound {
		return nil, d.asked(name, nil)
	}
	return records, d.asked(name, err)
}

// lookup asks for the addresses of a host.
func (d *Door) lookup(ctx context.Context, host string) (found []netip.Addr, err error) {
	switch {
	case d.config.Lookup == nil:
		found, err = d.system.LookupNetIP(ctx, "ip", host)
	case d.CutState()&CutNames != 0:
		err = ErrCut
	default:
		found, err = d.config.Lookup(ctx, host)
	}
	return found, d.asked(host, err)
}

// asked counts what came of asking for a name. In a cut that keeps name servers away, an error is that of a name which
// nobody can be asked for, and ErrCut: the system's resolver does not hand on the latter.
func (d *Door) asked(name string, err error) error {
	if err != nil && d.CutState()&(CutOutside|CutNames|CutAll) != 0 {
		if missing, ok := errors.AsType[*net.DNSError](err); errors.Is(err, ErrCut) || ok && !missing.IsNotFound {
			err = &net.DNSError{Err: "name servers are cut off", Name: name, IsTemporary: true, UnwrapErr: ErrCut}
		}
	}
	d.mu.Lock()
	names := d.names
	d.mu.Unlock()
	if names != nil {
		names.note(name, err)
	}
	return err
}

// askNames connects the system's resolver to a name server. Names that this machine itself knows (/etc/hosts) are found
// without; of name servers, a cut of the outside keeps away those that are outside.
func (d *Door) askNames(ctx context.Context, network, address string) (net.Conn, error) {
	at, err := netip.ParseAddrPort(address)
	if s := d.CutState(); s&(CutNames|CutAll) != 0 || s&CutOutside != 0 && err == nil && d.config.Zone(at.Addr()) == Outside {
		return nil, ErrCut
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}
