// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"

	"parley.chat/federation/peer"
)

// roundTrip asks for a signed pong. The other side must find us and our keys for that.
func (e *exam) roundTrip(ctx context.Context) bool {
	if e.o.Signer == nil {
		return e.unsigned(ctx)
	}
	start := e.o.Now()
	pong, err := e.client.Ping(ctx, e.o.Server)
	if refusal, ok := errors.AsType[*peer.Refusal](err); ok {
		return e.refused(refusal)
	}
	if err != nil {
		return e.bad("round trip", err.Error(), remedy(err, "Something between here and there answers in parley's place, or changes the answer."))
	}
	took := e.o.Now().Sub(start)
	e.ok("round trip", "signed as %s and answered in %s", e.o.Self, took.Round(time.Millisecond))
	if d := time.UnixMilli(pong.Time).Sub(start); d.Abs() > maxSkew+took {
		e.note("round trip", "its own time differs from ours by %s", d.Round(time.Second))
	}
	return true
}

// unsigned shows whether the door of federation is open, without a key to sign with.
func (e *exam) unsigned(ctx context.Context) bool {
	a, err := e.client.Do(ctx, peer.Request{To: e.o.Server, Method: http.MethodPost, Path: peer.PingPath, Body: []byte("{}"), IsUnsigned: true})
	if err != nil {
		return e.bad("round trip", err.Error(), remedy(err, "Try again."))
	}
	refusal, ok := errors.AsType[*peer.Refusal](a.Read(e.o.Server, &struct{}{}))
	switch {
	case !ok:
		return e.bad("round trip", "an unsigned request was answered", "That server does not check who asks: it must not be on the network.")
	case refusal.Code == "signature_invalid":
		e.note("round trip", "requests are answered; to sign one, run this with -config on the machine of a server, or with the data folder of one")
		return true
	}
	return e.refused(refusal)
}

func (e *exam) refused(r *peer.Refusal) bool {
	what := fmt.Sprintf("answered %d %s", r.Status, r.Code)
	self := string(e.o.Self)
	switch {
	case r.Code == "unknown_route":
		return e.bad("round trip", what+": federation is off there", "Set federation.enabled: true at "+string(e.o.Server)+".")
	case r.Code == "server_refused":
		return e.bad("round trip", what+": its operator does not federate with "+self, "Ask the operator; federation.allow and federation.deny decide it.")
	case r.Code == "rate_limited" || r.Code == "unavailable":
		return e.bad("round trip", what, "Try again in a minute.")
	case r.Code != "signature_invalid":
		return e.bad("round trip", what, "Something between here and there answers in parley's place: a proxy must forward /federation/ whole.")
	case e.o.Self == e.o.Server:
		return e.bad("round trip", what+", though the key is its own",
			"The proxy changes requests: it must keep the host, "+self+", the path and the body as they are, and must not decode or normalise the path.\n"+
				"In nginx: proxy_set_header Host $http_host; and no path after the address of proxy_pass.\n"+
				"The log of parley says what differs (part=federation).")
	}
	return e.bad("round trip", what+": it could not verify "+self,
		"Run parley doctor "+self+" on another machine: "+string(e.o.Server)+" must find "+self+" and its keys from outside.\n"+
			"If that is well, its proxy changes requests, or its clock is wrong; its log says which (part=federation).")
}

// remedy is what to do about an error that has a known cause.
func remedy(err error, otherwise string) string {
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "Get a certificate for the name in the second column of the table in federating.md: the host of `server` in the well-known file,\nor the server name itself with SRV or without either."
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "Get a certificate from a public authority and send the whole chain (fullchain.pem); in a test deployment name the authority in federation.caFile."
	}
	if c, ok := errors.AsType[x509.CertificateInvalidError](err); ok && c.Reason == x509.Expired {
		return "Renew the certificate, or set the clock of this machine."
	}
	if d, ok := errors.AsType[*net.DNSError](err); ok {
		if d.IsNotFound {
			return "Give " + d.Name + " an A or AAAA record; a new one can take hours to be seen everywhere."
		}
		return "The name servers of " + d.Name + " do not answer: try again, then look at them."
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "What listens there does not speak TLS: put a TLS proxy before it, or set tls.cert and tls.key."
	}
	switch {
	case errors.Is(err, peer.ErrForbidden):
		return "The name leads to an address that is not public: correct its DNS. For test deployments there is federation.allowNetworks."
	case errors.Is(err, peer.ErrTooLong):
		return "Something other than parley answers there: look at where the name and the proxy lead."
	case errors.Is(err, syscall.ECONNREFUSED):
		return "Nothing listens there: start parley or its proxy, and let the port through the firewall."
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return "Nothing answers: a firewall drops packets, or the address is wrong."
	}
	return otherwise
}

func isTimeout(err error) bool {
	n, ok := errors.AsType[net.Error](err)
	return ok && n.Timeout()
}
