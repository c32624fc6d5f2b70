// SPDX-License-Identifier: Apache-2.0

package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/sync/singleflight"

	"parley.chat/federation/auth"
	"parley.chat/protocol/id"
)

// WellKnown is where a server says where it is.
const WellKnown = "/.well-known/parley/server"

// Bounds of discovery.
const (
	wellKnownSize = 16 << 10
	wellKnownTime = 5 * time.Second
	maxTargets    = 4
	places        = 4096 // kept
	placeLife     = time.Hour
	placeMost     = 24 * time.Hour
	placeShort    = time.Minute // while the well-known file cannot be had, or a request failed
)

// Place is where a server is reached. spec: FED-FIND-1
type Place struct {
	TLSName string   // the host that the certificate must be for
	Port    uint16   // in the URL
	Targets []string // host:port to dial, in order
	Via     string   // "name", "well-known", "srv" or "port"
	// Trouble is why the well-known file was not used, if there was a look at it.
	Trouble error
}

// Finder finds servers. Make it with NewClient.
type Finder struct {
	transport   http.RoundTripper
	resolver    Resolver
	defaultPort uint16
	now         func() time.Time
	known       *cache[found]
	flights     singleflight.Group
}

type found struct {
	place Place
	err   error
	until time.Time
}

// ErrNotAServer is the cause when a name cannot be one of a server, or the server says it is none of ours.
var ErrNotAServer = errors.New("not a server of this federation")

// Find returns where the server is: from memory, or by asking.
func (f *Finder) Find(ctx context.Context, server id.Server) (Place, error) {
	if !server.IsDomain() {
		return Place{}, fmt.Errorf("find %q: %w: it is no domain name", server, ErrNotAServer)
	}
	if server.Port() != 0 {
		return Place{TLSName: server.Host(), Port: server.Port(), Targets: []string{string(server)}, Via: "name"}, nil
	}
	if have, ok := f.known.get(string(server)); ok && f.now().Before(have.until) {
		return have.place, have.err
	}
	// The search is for all who wait, so it outlives the first of them.
	result := f.flights.DoChan(string(server), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTime)
		defer cancel()
		have := f.search(ctx, server)
		f.known.put(string(server), have)
		return have, nil
	})
	select {
	case r := <-result:
		have := r.Val.(found)
		return have.place, have.err
	case <-ctx.Done():
		return Place{}, fmt.Errorf("find %s: %w", server, ctx.Err())
	}
}

// doubt shortens what is known of a server that does not answer where it should be.
func (f *Finder) doubt(server id.Server) {
	have, ok := f.known.get(string(server))
	if soon := f.now().Add(placeShort); ok && have.until.After(soon) {
		have.until = soon
		f.known.put(string(server), have)
	}
}

func (f *Finder) search(ctx context.Context, server id.Server) found {
	place, life, err := f.wellKnown(ctx, server)
	if err == nil {
		return found{place: place, until: f.now().Add(life)}
	}
	if errors.Is(err, ErrNotAServer) {
		return found{err: fmt.Errorf("find %s: %w", server, err), until: f.now().Add(placeLife)}
	}
	until := f.now().Add(placeShort)
	if _, missing := errors.AsType[absent](err); missing {
		until = f.now().Add(placeLife)
	}
	place, srvErr := f.srv(ctx, server)
	if srvErr != nil {
		return found{err: fmt.Errorf("find %s: %w", server, srvErr), until: until}
	}
	place.Trouble = err
	return found{place: place, until: until}
}

// absent says that there is a web server, and no file.
type absent int

func (a absent) Error() string { return fmt.Sprintf("%s answers %d", WellKnown, int(a)) }

// wellKnown asks https://server/.well-known/parley/server. spec: FED-FIND-2 FED-FIND-3
func (f *Finder) wellKnown(ctx context.Context, server id.Server) (Place, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, wellKnownTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+hostPort(server.Host(), f.defaultPort)+WellKnown, nil)
	if err != nil {
		return Place{}, 0, err
	}
	r.Host = string(server)
	a, err := do(f.transport, r, wellKnownSize)
	if err != nil {
		return Place{}, 0, err
	}
	if a.Status != http.StatusOK {
		return Place{}, 0, absent(a.Status)
	}
	place, err := readWellKnown(a.Body, server, f.defaultPort)
	return place, lifeOf(a.Header), err
}

var maxAge = regexp.MustCompile(`(?:^|[ ,])max-age=([0-9]{1,9})(?:$|[ ,])`)

// lifeOf is between an hour and a day, as the answer says.
func lifeOf(h http.Header) time.Duration {
	life := placeLife
	if m := maxAge.FindStringSubmatch(h.Get("Cache-Control")); m != nil {
		n, _ := strconv.Atoi(m[1])
		life = time.Duration(n) * time.Second
	}
	return min(max(life, placeLife), placeMost)
}

// readWellKnown reads the file: `server` is the host and port to connect to, the server itself if it is missing.
func readWellKnown(raw []byte, server id.Server, defaultPort uint16) (Place, error) {
	var in struct {
		ServerName  string   `json:"serverName"`
		Server      string   `json:"server"`
		RequestAuth []string `json:"requestAuth"`
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return Place{}, fmt.Errorf("%s is not what it should be: %w", WellKnown, err)
	}
	if in.ServerName != "" && in.ServerName != string(server) {
		return Place{}, fmt.Errorf("%w: it says it is %.255q", ErrNotAServer, in.ServerName)
	}
	if in.RequestAuth != nil && !slices.Contains(in.RequestAuth, auth.Scheme) {
		return Place{}, fmt.Errorf("%w: it does not take requests signed by %s", ErrNotAServer, auth.Scheme)
	}
	at := server
	if in.Server != "" {
		at = id.Server(in.Server)
		if !at.IsDomain() {
			return Place{}, fmt.Errorf("%w: server in %s is %.255q, which is no domain name with an optional port", ErrNotAServer, WellKnown, in.Server)
		}
	}
	port := at.Port()
	if port == 0 {
		port = defaultPort
	}
	return Place{TLSName: at.Host(), Port: port, Targets: []string{hostPort(at.Host(), port)}, Via: "well-known"}, nil
}

// srv looks for _parley._tcp, and takes the default port if there is none. DNS is not authenticated, so the certificate
// stays that of the server name. spec: FED-FIND-4
func (f *Finder) srv(ctx context.Context, server id.Server) (Place, error) {
	place := Place{TLSName: server.Host(), Port: f.defaultPort, Targets: []string{hostPort(server.Host(), f.defaultPort)}, Via: "port"}
	_, records, err := f.resolver.LookupSRV(ctx, "parley", "tcp", server.Host())
	if err != nil || len(records) == 0 {
		if dns, ok := errors.AsType[*net.DNSError](err); err == nil || ok && dns.IsNotFound {
			return place, nil
		}
		return Place{}, fmt.Errorf("SRV _parley._tcp: %w", err)
	}
	if len(records) == 1 && records[0].Target == "." {
		return Place{}, fmt.Errorf("%w: its SRV record says it has no such service", ErrNotAServer)
	}
	place.Targets, place.Via = nil, "srv"
	for _, r := range records[:min(len(records), maxTargets)] {
		host := strings.ToLower(strings.TrimSuffix(r.Target, "."))
		if r.Port == 0 || !id.Server(host).IsDomain() {
			return Place{}, fmt.Errorf("%w: its SRV record names %.255q", ErrNotAServer, r.Target)
		}
		place.Targets = append(place.Targets, hostPort(host, r.Port))
	}
	place.Port = records[0].Port
	return place, nil
}

func hostPort(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}
