// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"parley.chat/federation/auth"
	"parley.chat/federation/peer"
	"parley.chat/protocol/id"
)

// Options make an examination.
type Options struct {
	Server id.Server
	Peer   peer.Options // Auth is filled in from Signer
	// Signer signs the round trip as Self; nil: an unsigned request shows whether the other side listens.
	Signer auth.Signer
	Self   id.Server
	Now    func() time.Time // nil: the clock of the machine
}

// exam is one under way.
type exam struct {
	o      Options
	out    io.Writer
	client *peer.Client
	place  peer.Place
	wrong  int
}

// maxSkew is the difference of clocks at which requests are still safely taken, and noted.
const maxSkew = 10 * time.Second

// Examine writes a report and tells whether all is well. The order of the steps is that in which servers meet.
func Examine(ctx context.Context, o Options, out io.Writer) (healthy bool) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Signer != nil {
		o.Peer.Auth = auth.New(auth.Options{Self: o.Self, Signer: o.Signer})
	}
	e := &exam{o: o, out: out, client: peer.NewClient(o.Peer)}
	defer e.client.Close()
	fmt.Fprintf(out, "\n%s\n\n", o.Server)
	for _, step := range []func(context.Context) bool{e.name, e.find, e.addresses, e.connect, e.keys, e.clock, e.roundTrip} {
		if !step(ctx) {
			break
		}
	}
	if e.wrong == 0 {
		fmt.Fprintf(out, "\nAll is well.\n")
	} else {
		fmt.Fprintf(out, "\n%d found.\n", e.wrong)
	}
	return e.wrong == 0
}

func (e *exam) ok(step, format string, args ...any) bool {
	fmt.Fprintf(e.out, "  ok     %-12s %s\n", step, fmt.Sprintf(format, args...))
	return true
}

func (e *exam) note(step, format string, args ...any) {
	fmt.Fprintf(e.out, "  note   %-12s %s\n", step, fmt.Sprintf(format, args...))
}

// bad reports what is wrong and what to do about it.
func (e *exam) bad(step, what, remedy string) bool {
	e.wrong++
	fmt.Fprintf(e.out, "  WRONG  %-12s %s\n", step, clean(what))
	for line := range strings.SplitSeq(remedy, "\n") {
		fmt.Fprintf(e.out, "         %-12s -> %s\n", "", line)
	}
	return false
}

// clean keeps what another server says from moving the cursor of a terminal.
func clean(text string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0 {
			return ' '
		}
		return c
	}, text)
}

func (e *exam) name(context.Context) bool {
	if !e.o.Server.IsDomain() {
		return e.bad("name", fmt.Sprintf("%q is no server name for federation", string(e.o.Server)), "A server name is a lower-case domain name with an optional port, not an address.")
	}
	return e.ok("name", "%s may be a server's", e.o.Server)
}

func (e *exam) find(ctx context.Context) bool {
	place, err := e.client.Finder().Find(ctx, e.o.Server)
	if err != nil {
		return e.bad("discovery", err.Error(), remedy(err, "Correct "+peer.WellKnown+" or the SRV record _parley._tcp."+e.o.Server.Host()+"."))
	}
	e.place = place
	how := map[string]string{"name": "the port in its name", "well-known": peer.WellKnown, "srv": "the SRV record", "port": "the default port"}[place.Via]
	e.ok("discovery", "by %s: %s, with a certificate for %s", how, strings.Join(place.Targets, ", "), place.TLSName)
	if place.Trouble != nil {
		e.note("discovery", "https://%s%s is not used: %s", e.o.Server, peer.WellKnown, clean(place.Trouble.Error()))
	}
	return true
}

func (e *exam) addresses(ctx context.Context) bool {
	any := false
	for _, target := range e.place.Targets {
		at := id.Server(target)
		list, err := e.o.Peer.Dialer.Resolve(ctx, at.Host(), at.Port())
		if err != nil {
			e.bad("dns", err.Error(), remedy(err, "Give "+at.Host()+" an A or AAAA record with a public address."))
			continue
		}
		any = true
		var text []string
		for _, a := range list {
			text = append(text, a.Addr().String())
			if a.Port() != at.Port() {
				e.note("dns", "%s was not looked up: federation.hosts says that it is at %s", at.Host(), a)
			}
		}
		e.ok("dns", "%s is %s", at.Host(), strings.Join(text, ", "))
	}
	return any
}

// connect asks for the keys, which needs no signature.
func (e *exam) connect(ctx context.Context) bool {
	a, err := e.client.Do(ctx, peer.Request{To: e.o.Server, Method: http.MethodGet, Path: peer.KeysPath, IsUnsigned: true})
	if err != nil {
		return e.bad("connection", err.Error(), remedy(err, "Look at the listener and at the firewall of "+strings.Join(e.place.Targets, ", ")+"."))
	}
	e.ok("connection", "TLS with a certificate that is valid for %s", e.place.TLSName)
	if a.Status != http.StatusOK {
		return e.bad("keys", fmt.Sprintf("%s answers %d", peer.KeysPath, a.Status),
			"A proxy must forward /federation/ to parley (to federation.listen, if there is one), for the host "+string(e.o.Server)+".")
	}
	return true
}

func (e *exam) keys(ctx context.Context) bool {
	doc, err := e.client.Keys(ctx, e.o.Server)
	if err != nil {
		return e.bad("keys", err.Error(), "The proxy answers with something else than parley did, or another server answers: look at "+peer.KeysPath+".")
	}
	now := e.o.Now()
	valid := 0
	for _, k := range doc.Keys {
		if k.Signs(now.UnixMilli()) {
			valid++
		}
	}
	if valid == 0 {
		return e.bad("keys", "no key is valid now", "Set the clock of that server (and of this machine), or make a key with parley keys rotate there.")
	}
	return e.ok("keys", "%d valid, %d old, signed by themselves", valid, len(doc.Old))
}

// clock compares with what the keys' signing and the Date header say.
func (e *exam) clock(ctx context.Context) bool {
	before := e.o.Now()
	a, err := e.client.Do(ctx, peer.Request{To: e.o.Server, Method: http.MethodGet, Path: peer.KeysPath, IsUnsigned: true})
	if err != nil {
		return e.bad("clock", err.Error(), remedy(err, "Try again."))
	}
	there, err := http.ParseTime(a.Header.Get("Date"))
	if err != nil {
		e.note("clock", "the answer has no Date; the clock is not compared")
		return true
	}
	after := e.o.Now()
	middle := before.Add(after.Sub(before) / 2)
	skew := there.Add(500 * time.Millisecond).Sub(middle) // Date has whole seconds.
	if skew.Abs() > maxSkew {
		return e.bad("clock", fmt.Sprintf("the clocks differ by %s: that server's is %s", skew.Abs().Round(time.Second), map[bool]string{true: "ahead", false: "behind"}[skew > 0]),
			"Run a time service (chrony, systemd-timesyncd) on both machines: requests are refused beyond "+maxSkew.String()+" ahead and five minutes behind.")
	}
	return e.ok("clock", "differs by less than %s", max(time.Second, skew.Abs().Round(time.Second)+time.Second))
}
