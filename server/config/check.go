// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"parley.chat/protocol/id"
)

// Registration modes.
const (
	ModeOpen   = "open"
	ModeToken  = "token"
	ModeClosed = "closed"
)

// derive fills in what follows from other keys.
func (c *Config) derive() {
	if c.PublicURL == "" {
		c.PublicURL = "https://" + c.ServerName
		if _, port, err := net.SplitHostPort(c.Listen); c.IsLocal() && err == nil {
			c.PublicURL = "http://localhost:" + port
			if c.TLS.Cert != "" {
				c.PublicURL = "https://localhost:" + port
			}
		}
	}
	c.PublicURL = strings.TrimSuffix(c.PublicURL, "/")
	if c.Registration.Mode == "" {
		c.Registration.Mode = ModeClosed
		if c.IsLocal() {
			c.Registration.Mode = ModeOpen
		}
	}
}

var nodePattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// check notes every value that cannot work.
func (r *reader) check(c Config) {
	if _, err := id.ParseServer(c.ServerName); err != nil {
		r.wrong("serverName", "%q is not a lower-case DNS name with an optional port", c.ServerName)
	}
	r.checkAddress("listen", c.Listen)
	r.checkPublicURL(c.PublicURL)
	if _, err := c.TrustedProxies(); err != nil {
		r.wrong("trustedProxies", "%v", err)
	}
	if c.DataDir == "" {
		r.wrong("dataDir", "it must not be empty")
	}
	if c.Node.ID != "" && !nodePattern.MatchString(c.Node.ID) {
		r.wrong("node.id", "%q has other characters than letters, digits, - and _, or more than 64", c.Node.ID)
	}
	r.checkDatabase(c.Database)
	r.checkRegistration(c)
	if n := c.Groups.MaxMembers; n < 2 || n > 1024 {
		r.wrong("groups.maxMembers", "%d is not between 2 and 1024", n)
	}
	r.checkLimits(c.Limits)
	if n := c.Moderation.ReportDays; n < 1 || n > 3650 {
		r.wrong("moderation.reportDays", "%d is not between 1 and 3650", n)
	}
	r.checkTLS("tls", c.TLS)
	r.checkFederation(c)
	r.checkChoice("log.level", c.Log.Level, "debug", "info", "warn", "error")
	r.checkChoice("log.format", c.Log.Format, "text", "json")
	if c.Metrics.Listen != "" {
		r.checkAddress("metrics.listen", c.Metrics.Listen)
	}
}

func (r *reader) checkTLS(key string, t TLS) {
	if (t.Cert == "") != (t.Key == "") {
		r.wrong(key, "cert and key are given together or not at all")
	}
	r.checkFile(key+".cert", t.Cert)
	r.checkFile(key+".key", t.Key)
}

// checkFile wants a file that is there, if one is named.
func (r *reader) checkFile(key, path string) {
	if path == "" {
		return
	}
	if _, err := os.Stat(path); err != nil {
		r.wrong(key, "%v", err)
	}
}

var patternOfServers = regexp.MustCompile(`^(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*$`)

func (r *reader) checkFederation(c Config) {
	f := c.Federation
	if f.Enabled && !id.Server(c.ServerName).IsDomain() {
		r.wrong("federation.enabled", "%q is an address: other servers need a domain name, and serverName cannot be changed later", c.ServerName)
	}
	if f.Address != "" && !id.Server(f.Address).IsDomain() {
		r.wrong("federation.address", "%q is not a lower-case DNS name with an optional port", f.Address)
	}
	r.checkFederationListener(c)
	r.checkServers("federation.allow", f.Allow)
	r.checkServers("federation.deny", f.Deny)
	if _, err := f.Networks(); err != nil {
		r.wrong("federation.allowNetworks", "%v", err)
	}
	r.checkHosts(f)
	r.checkFile("federation.caFile", f.CAFile)
	r.checkNumber("federation.requestsPerMinute", f.RequestsPerMinute, maxRate)
	r.checkNumber("federation.megabytesPerMinute", f.MegabytesPerMin, maxMegabytes)
	r.checkNumber("federation.unknownServersPerMinute", f.UnknownPerMinute, maxRate)
}

func (r *reader) checkFederationListener(c Config) {
	f := c.Federation
	r.checkTLS("federation.tls", TLS(f.TLS))
	if f.Listen == "" {
		if f.TLS.Cert != "" || f.TLS.Key != "" {
			r.wrong("federation.tls", "it is that of federation.listen, which is missing; tls is that of listen")
		}
		return
	}
	r.checkAddress("federation.listen", f.Listen)
	if f.Listen == c.Listen && !strings.HasSuffix(f.Listen, ":0") {
		r.wrong("federation.listen", "%s is listen already; leave it out for one listener for all", f.Listen)
	}
}

// checkHosts wants places that the connection will be allowed to.
func (r *reader) checkHosts(f Federation) {
	places, err := f.Places()
	if err != nil {
		r.wrong("federation.hosts", "%v", err)
		return
	}
	allowed, _ := f.Networks() // A mistake there is reported there.
	for _, name := range slices.Sorted(maps.Keys(places)) {
		at := places[name].Addr().Unmap()
		isPublic := at.IsGlobalUnicast() && !at.IsPrivate()
		if !isPublic && !slices.ContainsFunc(allowed, func(n netip.Prefix) bool { return n.Contains(at) }) {
			r.wrong("federation.hosts", "%s is at %s, which is not public and not in federation.allowNetworks", name, at)
		}
	}
}

// maxMegabytes keeps the bytes of a minute within the counter's numbers.
const maxMegabytes = 2000

func (r *reader) checkNumber(key string, n, most int) {
	if n < 0 || n > most {
		r.wrong(key, "%d is not between 0 and %d", n, most)
	}
}

func (r *reader) checkServers(key, list string) {
	for _, name := range Names(list) {
		if !patternOfServers.MatchString(name) {
			r.wrong(key, "%q is neither a server name without port nor a pattern such as *.example.org", name)
		}
	}
}

// checkLimits wants no negative numbers, and none beyond what discovery may tell.
func (r *reader) checkLimits(l Limits) {
	v := reflect.ValueOf(l)
	for i := range v.NumField() {
		if n := v.Field(i).Int(); n < 0 || n > maxRate {
			r.wrong("limits."+v.Type().Field(i).Tag.Get("yaml"), "%d is not between 0 and %d", n, maxRate)
		}
	}
}

// maxRate is max of the rates in spec/limits.yaml.
const maxRate = 1_000_000

func (r *reader) checkChoice(key, value string, choices ...string) {
	if !slices.Contains(choices, value) {
		r.wrong(key, "%q is none of %s", value, strings.Join(choices, ", "))
	}
}

func (r *reader) checkAddress(key, value string) {
	_, port, err := net.SplitHostPort(value)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		r.wrong(key, "%q is not an address with a port, such as 127.0.0.1:8080", value)
	}
}

func (r *reader) checkPublicURL(value string) {
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		r.wrong("publicUrl", "%q is not an address such as https://chat.example.org", value)
		return
	}
	if u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		r.wrong("publicUrl", "it must hold no path, query, fragment or user")
	}
}

func (r *reader) checkRegistration(c Config) {
	mode := c.Registration.Mode
	r.checkChoice("registration.mode", mode, ModeOpen, ModeToken, ModeClosed)
	if mode == ModeOpen && !c.IsLocal() && !c.Registration.AllowOpen {
		r.wrong("registration.mode", "open lets anybody create accounts on %s; "+
			"set registration.allowOpen to true if that is meant", c.ServerName)
	}
	path := c.Registration.TokensFile
	if mode == ModeToken && path == "" {
		r.wrong("registration.tokensFile", "mode token needs it")
	}
	if path != "" {
		if _, err := os.Stat(path); err != nil {
			r.wrong("registration.tokensFile", "%v", err)
		}
	}
}

func (r *reader) checkDatabase(d Database) {
	count := d.Shards
	if count < 1 || count > 8192 || count&(count-1) != 0 {
		r.wrong("database.shards", "%d is not a power of two from 1 to 8192", count)
		return
	}
	if len(d.List) == 0 {
		return
	}
	if d.DSN != "" || d.DSNFile != "" {
		r.wrong("database.list", "dsn or dsnFile is given too; choose one")
	}
	holder := make([]int, count) // By shard: 1 + index of its database.
	for i, one := range d.List {
		key := fmt.Sprintf("database.list[%d]", i)
		if one.DSN == "" && one.DSNFile == "" {
			r.wrong(key, "dsn or dsnFile is missing")
		}
		if _, given := r.source[key+".shards"]; !given {
			r.wrong(key, "shards is missing")
			continue
		}
		r.place(key, i, one.Shards, holder)
	}
	if first := slices.Index(holder, 0); first >= 0 {
		r.wrong("database.list", "no database holds shard %d", first)
	}
}

// place puts the range of one database on the map of shards.
func (r *reader) place(key string, i int, shards Range, holder []int) {
	if shards.Last >= len(holder) {
		r.wrong(key+".shards", "%s goes beyond the last shard, %d", shards, len(holder)-1)
	}
	for s := shards.First; s <= min(shards.Last, len(holder)-1); s++ {
		if other := holder[s]; other != 0 {
			r.wrong(key+".shards", "shard %d is already in database.list[%d]", s, other-1)
			return
		}
		holder[s] = i + 1
	}
}
