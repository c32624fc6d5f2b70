// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"

	"parley.chat/protocol/id"
)

// Config is everything an operator may choose. A `doc` tag explains a key; a `shown` tag replaces the default in the
// table where that follows from other keys.
type Config struct {
	ServerName   string       `yaml:"serverName" doc:"The name users are known under, as in alice@serverName: a lower-case DNS name with an optional port. It cannot be changed later."`
	Listen       string       `yaml:"listen" doc:"Address and port of the HTTP listener. Put a TLS proxy before it on any public network."`
	PublicURL    string       `yaml:"publicUrl" doc:"The address clients reach the server at, without a path." shown:"http://localhost:<port> for localhost, else https://<serverName>"`
	TLS          TLS          `yaml:"tls"`
	Proxies      string       `yaml:"trustedProxies" doc:"Addresses or networks of proxies before this server, with commas between them, such as 10.0.0.0/8: the client's address is taken from their X-Forwarded-For. Limits by address need it."`
	DataDir      string       `yaml:"dataDir" doc:"Folder for what the server keeps on disk: its node id and the private PostgreSQL."`
	Node         Node         `yaml:"node"`
	Database     Database     `yaml:"database"`
	Registration Registration `yaml:"registration"`
	Groups       Groups       `yaml:"groups"`
	Limits       Limits       `yaml:"limits"`
	Moderation   Moderation   `yaml:"moderation"`
	Federation   Federation   `yaml:"federation"`
	Log          Log          `yaml:"log"`
	Metrics      Metrics      `yaml:"metrics"`
}

// Node names this process among those of the homeserver.
type Node struct {
	ID string `yaml:"id" doc:"Name of this node, unique in the homeserver and the same after a restart: letters, digits, - and _, at most 64." shown:"made at the first start and kept in dataDir"`
}

// Database says where the log is kept. After Load, List names every shard once, or is empty for the private PostgreSQL.
type Database struct {
	Shards  int             `yaml:"shards" doc:"Number of logical shards, a power of two from 1 to 8192. It is fixed when the homeserver is created."`
	DSN     Secret          `yaml:"dsn" doc:"One PostgreSQL that holds all shards. Without this, dsnFile and list, the server runs a private PostgreSQL in dataDir."`
	DSNFile string          `yaml:"dsnFile" doc:"A file that holds what dsn would."`
	List    []ShardDatabase `yaml:"list" doc:"Several PostgreSQL databases, each with a range of the shards; every shard exactly once."`
}

// ShardDatabase is one PostgreSQL and the shards it holds. After Load, DSN is filled from DSNFile.
type ShardDatabase struct {
	DSN     Secret `yaml:"dsn" doc:"The database of this range."`
	DSNFile string `yaml:"dsnFile" doc:"A file that holds what dsn would."`
	Shards  Range  `yaml:"shards" doc:"The range, such as 0-7, or one number."`
}

// Registration says who may create an account.
type Registration struct {
	Mode       string `yaml:"mode" doc:"Who may create an account: open (anybody), token (who has a registration token) or closed (nobody)." shown:"open for localhost, else closed"`
	AllowOpen  bool   `yaml:"allowOpen" doc:"Confirms mode open under a serverName other than localhost."`
	TokensFile string `yaml:"tokensFile" doc:"File with the registration tokens, one a line. Needed by mode token."`
}

// Groups bounds conversations of type group.
type Groups struct {
	MaxMembers int `yaml:"maxMembers" doc:"Largest number of members of a group, from 2 to 1024."`
}

// Limits bounds what one user, and one address, may do in a time. 0 is no limit.
type Limits struct {
	MessagesPerMinute      int `yaml:"messagesPerMinute" doc:"Messages, edits, reactions, deletions and changes of groups that one user may make in a minute; 0 for no limit."`
	GroupMessagesPerMinute int `yaml:"groupMessagesPerMinute" doc:"Messages, edits, reactions and deletions that one user may make in one group in a minute; 0 for no limit."`
	NewcomerConversations  int `yaml:"newcomerConversations" doc:"Conversations that one account may create in a day while it is younger than a day; 0 for no limit."`
	ConversationsPerDay    int `yaml:"conversationsPerDay" doc:"Conversations that one user may create in a day; 0 for no limit."`
	ReportsPerDay          int `yaml:"reportsPerDay" doc:"Reports that one user may make in a day; 0 for no limit."`
	LookupsPerMinute       int `yaml:"lookupsPerMinute" doc:"Names that may be looked up in a minute by one user and from one address; 0 for no limit."`
	SearchesPerMinute      int `yaml:"searchesPerMinute" doc:"Pages of searches that one user may ask for in a minute; 0 for no limit."`
	RequestsPerSecond      int `yaml:"requestsPerSecond" doc:"Requests, and frames of sockets, that one user may send in a second, counted over six; 0 for no limit."`
	RequestsAtOnce         int `yaml:"requestsAtOnce" doc:"Requests of one user, and of one address without a user, that may be under way at a time; 0 for no limit."`
}

// Moderation says how long what moderators need is kept.
type Moderation struct {
	ReportDays int `yaml:"reportDays" doc:"Days after which a report is erased with its proof, from 1 to 3650."`
}

// Log says what is written to the standard error output.
type Log struct {
	Level  string `yaml:"level" doc:"Least level that is logged: debug, info, warn or error."`
	Format string `yaml:"format" doc:"text for people, json for machines."`
}

// Metrics says where Prometheus finds /metrics.
type Metrics struct {
	Listen string `yaml:"listen" doc:"Address and port of a listener of its own for /metrics." shown:"the listener of listen"`
}

// TLS makes the listener speak HTTPS itself. Both files or none.
type TLS struct {
	Cert string `yaml:"cert" doc:"File with the certificate and its chain (PEM): listen then speaks HTTPS itself. A renewed file is taken within a minute."`
	Key  string `yaml:"key" doc:"File with the private key of tls.cert (PEM)."`
}

// Federation says whether and how this server talks to others.
type Federation struct {
	Enabled           bool            `yaml:"enabled" doc:"Whether this server talks to other homeservers. It needs a serverName that others find, and HTTPS; see federating.md."`
	Listen            string          `yaml:"listen" doc:"Address and port of a listener of its own for other servers, which get nothing else there; listen then has nothing below /federation/." shown:"the listener of listen"`
	TLS               TLSOfFederation `yaml:"tls"`
	Address           string          `yaml:"address" doc:"Host and port where other servers connect, if that is not serverName at port 443; told at /.well-known/parley/server." shown:"serverName"`
	Allow             string          `yaml:"allow" doc:"Servers to federate with, with commas between them, such as example.org, *.example.net; empty for all. Without port."`
	Deny              string          `yaml:"deny" doc:"Servers not to federate with, as in allow; deny wins."`
	AllowNetworks     string          `yaml:"allowNetworks" doc:"Private networks that other servers may be in, with commas between them, such as 10.0.0.0/8. For test deployments only: whoever names a server can make this one connect there."`
	Hosts             string          `yaml:"hosts" doc:"Where other servers are, instead of asking DNS, with commas between them, such as b.test=127.0.0.1:9442; allowNetworks holds for them too. For test deployments only."`
	CAFile            string          `yaml:"caFile" doc:"File with further certificate authorities (PEM) for other servers, besides those of the machine."`
	RequestsPerMinute int             `yaml:"requestsPerMinute" doc:"Requests that one other server may make in a minute; 0 for no limit."`
	MegabytesPerMin   int             `yaml:"megabytesPerMinute" doc:"Megabytes that one other server may send in a minute; 0 for no limit."`
	UnknownPerMinute  int             `yaml:"unknownServersPerMinute" doc:"Servers never met before whose keys are asked for in a minute, in all; 0 for no limit."`
}

// TLSOfFederation is TLS of the listener for other servers.
type TLSOfFederation struct {
	Cert string `yaml:"cert" doc:"File with the certificate and its chain (PEM) that other servers get at federation.listen." shown:"tls.cert"`
	Key  string `yaml:"key" doc:"File with the private key of federation.tls.cert (PEM)." shown:"tls.key"`
}

// Default returns the configuration of an empty file, before derived values are filled in.
func Default() Config {
	return Config{
		ServerName: "localhost",
		Listen:     "127.0.0.1:8080",
		DataDir:    "data",
		Database:   Database{Shards: 16},
		Groups:     Groups{MaxMembers: 500},
		Moderation: Moderation{ReportDays: 90},
		Limits: Limits{
			MessagesPerMinute: 200, GroupMessagesPerMinute: 30, NewcomerConversations: 10, ConversationsPerDay: 500, LookupsPerMinute: 120,
			ReportsPerDay: 20, SearchesPerMinute: 30, RequestsPerSecond: 50, RequestsAtOnce: 32,
		},
		Federation: Federation{RequestsPerMinute: 3000, MegabytesPerMin: 256, UnknownPerMinute: 60},
		Log:        Log{Level: "info", Format: "text"},
	}
}

// IsLocal reports whether the server is for this machine only: its name is localhost, with or without a port.
func (c Config) IsLocal() bool {
	host, _, _ := strings.Cut(c.ServerName, ":")
	return host == "localhost"
}

// TrustedProxies returns the networks of Proxies.
func (c Config) TrustedProxies() ([]netip.Prefix, error) {
	return networks(c.Proxies)
}

// Networks returns the networks of AllowNetworks.
func (f Federation) Networks() ([]netip.Prefix, error) { return networks(f.AllowNetworks) }

// Places returns Hosts: by the name of a server where it is.
func (f Federation) Places() (map[string]netip.AddrPort, error) {
	out := map[string]netip.AddrPort{}
	for _, text := range Names(f.Hosts) {
		name, where, _ := strings.Cut(text, "=")
		at, err := netip.ParseAddrPort(strings.TrimSpace(where))
		name = strings.TrimSpace(name)
		if err != nil || at.Port() == 0 || !id.Server(name).IsDomain() || id.Server(name).Port() != 0 {
			return nil, fmt.Errorf("%q is not a server name without port, = and an address with a port, such as b.test=127.0.0.1:9442", text)
		}
		if _, twice := out[name]; twice {
			return nil, fmt.Errorf("%s is given twice", name)
		}
		out[name] = at
	}
	return out, nil
}

// Names returns the parts of a list such as Allow.
func Names(list string) []string {
	var out []string
	for text := range strings.SplitSeq(list, ",") {
		if text = strings.TrimSpace(text); text != "" {
			out = append(out, text)
		}
	}
	return out
}

func networks(list string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range Names(list) {
		if a, err := netip.ParseAddr(text); err == nil {
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("%q is neither an address nor a network such as 10.0.0.0/8", text)
		}
		out = append(out, p)
	}
	return out, nil
}

// SlogLevel returns the level for log/slog; that of a value Load accepted.
func (l Log) SlogLevel() slog.Level {
	var level slog.Level
	if level.UnmarshalText([]byte(l.Level)) != nil {
		return slog.LevelInfo
	}
	return level
}

// Secret is text that prints as a placeholder. Convert it with string(s) where it is used.
type Secret string

const hidden = "[secret]"

// String returns a placeholder, or "" when there is no secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// GoString hides the secret from %#v too.
func (s Secret) GoString() string { return strconv.Quote(s.String()) }

// LogValue hides the secret from log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides the secret from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Range is a range of logical shards, both ends included.
type Range struct{ First, Last int }

// ParseRange reads "0-7" or "5".
func ParseRange(s string) (Range, error) {
	first, last, isRange := strings.Cut(s, "-")
	if !isRange {
		last = first
	}
	a, err1 := strconv.ParseUint(strings.TrimSpace(first), 10, 16)
	b, err2 := strconv.ParseUint(strings.TrimSpace(last), 10, 16)
	if err1 != nil || err2 != nil || a > b {
		return Range{}, fmt.Errorf("%q is not a range such as 0-7", s)
	}
	return Range{int(a), int(b)}, nil
}

// String returns the form that ParseRange reads.
func (r Range) String() string { return fmt.Sprintf("%d-%d", r.First, r.Last) }
