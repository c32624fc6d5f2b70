// SPDX-License-Identifier: Apache-2.0

package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"code.dny.dev/ssrf"
)

// Resolver looks names up. *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	LookupSRV(ctx context.Context, service, proto, name string) (cname string, addrs []*net.SRV, err error)
}

// Bounds of dialling.
const (
	maxAddresses = 8
	dialTime     = 10 * time.Second
)

// ErrForbidden is the cause when a name leads to an address that federation must not reach.
var ErrForbidden = errors.New("the address is not one for federation")

// Dialer dials checked addresses only. Make it with NewDialer.
type Dialer struct {
	resolver Resolver
	guard    *ssrf.Guardian
	allow    []netip.Prefix
	places   map[string]netip.AddrPort // fixed ones, see At
	net      net.Dialer
}

// NewDialer returns a dialer that reaches public addresses, and those of allow: private networks of a test deployment.
// A nil resolver is that of the machine.
func NewDialer(r Resolver, allow []netip.Prefix) *Dialer {
	if r == nil {
		r = net.DefaultResolver
	}
	var v4, v6 []netip.Prefix
	for _, p := range allow {
		if p.Addr().Is4() {
			v4 = append(v4, p)
		} else {
			v6 = append(v6, p)
		}
	}
	d := &Dialer{resolver: r, allow: allow}
	d.guard = ssrf.New(ssrf.WithAnyPort(), ssrf.WithAllowedV4Prefixes(v4...), ssrf.WithAllowedV6Prefixes(v6...))
	// What is dialled is checked once more by the library, where no later change of ours can go around it.
	d.net = net.Dialer{Timeout: dialTime, Control: d.guard.Safe}
	return d
}

// Resolve returns the addresses of a host that may be dialled, and an error that wraps ErrForbidden if there are only others.
// spec: FED-FIND-6
func (d *Dialer) Resolve(ctx context.Context, host string, port uint16) ([]netip.AddrPort, error) {
	if at, ok := d.places[host]; ok {
		port = at.Port()
	}
	found, err := d.resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w", host, err)
	}
	var out []netip.AddrPort
	forbidden := fmt.Errorf("resolve %s: no address", host)
	for _, a := range found[:min(len(found), maxAddresses)] {
		at := netip.AddrPortFrom(a.Unmap().WithZone(""), port)
		if err := d.check(at); err != nil {
			forbidden = fmt.Errorf("resolve %s: %w", host, err)
			continue
		}
		out = append(out, at)
	}
	if len(out) == 0 {
		return nil, forbidden
	}
	return out, nil
}

func (d *Dialer) check(at netip.AddrPort) error {
	for _, p := range d.allow {
		if p.Contains(at.Addr()) {
			return nil
		}
	}
	if at.Port() < 1024 && at.Port() != 443 {
		return fmt.Errorf("%w: port %d", ErrForbidden, at.Port())
	}
	if err := d.guard.SafeAddr(at.Addr()); err != nil {
		return fmt.Errorf("%w: %w", ErrForbidden, err)
	}
	return nil
}

// Dial connects to the first address of the host that answers.
func (d *Dialer) Dial(ctx context.Context, hostport string) (net.Conn, error) {
	host, text, err := net.SplitHostPort(hostport)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("port %q: %w", text, err)
	}
	addrs, err := d.Resolve(ctx, host, uint16(port))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	var failures []error
	for i, a := range addrs {
		conn, err := d.one(ctx, a, len(addrs)-i)
		if err == nil {
			return conn, nil
		}
		failures = append(failures, err)
	}
	return nil, errors.Join(failures...)
}

// one leaves time for the addresses after this one.
func (d *Dialer) one(ctx context.Context, a netip.AddrPort, left int) (net.Conn, error) {
	deadline, _ := ctx.Deadline()
	ctx, cancel := context.WithTimeout(ctx, time.Until(deadline)/time.Duration(left))
	defer cancel()
	network := "tcp4"
	if a.Addr().Is6() {
		network = "tcp6"
	}
	return d.net.DialContext(ctx, network, a.String())
}
