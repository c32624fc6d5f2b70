// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"parley.chat/server/testca"
)

// options are what may be chosen. Addresses are host:port with an IP address.
type options struct {
	parley string
	dir    string
	a, b   addresses
}

type addresses struct{ clients, servers string }

// homeserver is one of the two, with the paths of its files.
type homeserver struct {
	Name string
	addresses
	User  string // who is suggested to talk there
	Dir   string
	Files testca.Files
}

func (h homeserver) config() string { return filepath.Join(h.Dir, "parley.yaml") }
func (h homeserver) log() string    { return filepath.Join(h.Dir, "parley.log") }
func (h homeserver) Clients() string {
	return h.clients
}
func (h homeserver) Servers() string { return h.servers }

// URL is where clients reach it.
func (h homeserver) URL() string {
	return "http://" + strings.Replace(h.clients, "127.0.0.1:", "localhost:", 1)
}

// plan finds the ports free and makes every file that the servers need.
func plan(o options) ([]homeserver, error) {
	dir, err := filepath.Abs(o.dir) // The configurations are used from other folders too.
	if err != nil {
		return nil, err
	}
	list := []homeserver{
		{Name: "a.test", addresses: o.a, User: "alice", Dir: filepath.Join(dir, "a")},
		{Name: "b.test", addresses: o.b, User: "bob", Dir: filepath.Join(dir, "b")},
	}
	if err := checkAddresses(list); err != nil {
		return nil, err
	}
	files, err := testca.Make(filepath.Join(dir, "ca"), time.Now(), list[0].Name, list[1].Name)
	if err != nil {
		return nil, err
	}
	for i := range list {
		list[i].Files = files[i]
		if err := os.MkdirAll(list[i].Dir, 0o755); err != nil { // PostgreSQL may run as another user.
			return nil, err
		}
		if err := writeConfig(list[i], list); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// checkAddresses finds every address that cannot be listened at.
func checkAddresses(list []homeserver) error {
	var wrong []error
	for i, h := range list {
		for j, address := range []string{h.clients, h.servers} {
			flag := []string{"-", "-federation-"}[j] + string("ab"[i])
			if _, err := netip.ParseAddrPort(address); err != nil {
				wrong = append(wrong, fmt.Errorf("%s %s is not an IP address with a port", flag, address))
				continue
			}
			l, err := net.Listen("tcp", address)
			if err != nil {
				wrong = append(wrong, fmt.Errorf("%s cannot listen at %s: %w\n  end what listens there (perhaps another make federation), or choose another port: make federation FEDERATION='%s 127.0.0.1:PORT'",
					h.Name, address, errors.Unwrap(err), flag))
				continue
			}
			_ = l.Close()
		}
	}
	return errors.Join(wrong...)
}

var configuration = template.Must(template.New("").Parse(`# Written by make federation at every start.
serverName: {{.Self.Name}}
listen: {{printf "%q" .Self.Clients}}
publicUrl: {{printf "%q" .Self.URL}}
dataDir: {{printf "%q" .Self.Dir}}
registration: {mode: open, allowOpen: true}
federation:
  enabled: true
  listen: {{printf "%q" .Self.Servers}}
  tls:
    cert: {{printf "%q" .Self.Files.Cert}}
    key: {{printf "%q" .Self.Files.Key}}
  # There is no DNS and no public authority here; none of these three belongs into a server that others reach.
  hosts: {{printf "%q" .Hosts}}
  allowNetworks: {{printf "%q" .Networks}}
  caFile: {{printf "%q" .Self.Files.CA}}
`))

func writeConfig(self homeserver, all []homeserver) error {
	var hosts, networks []string
	for _, h := range all {
		hosts = append(hosts, h.Name+"="+h.servers)
		networks = append(networks, netip.MustParseAddrPort(h.servers).Addr().String())
	}
	var b bytes.Buffer
	err := configuration.Execute(&b, map[string]any{"Self": self, "Hosts": strings.Join(hosts, ", "), "Networks": strings.Join(networks, ", ")})
	if err != nil {
		return err
	}
	return os.WriteFile(self.config(), b.Bytes(), 0o644)
}
