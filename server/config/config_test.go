// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write docs/config.md again")

func TestManual_IsCurrent(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "config.md")
	if *update {
		if err := os.WriteFile(path, []byte(Manual()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(have), Manual()); diff != "" {
		t.Errorf("docs/config.md is not current; run go test ./server/config -update\n%s", diff)
	}
}

func TestConfig_EveryKeyIsDocumented(t *testing.T) {
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		for i := range typ.NumField() {
			field := typ.Field(i)
			if field.Tag.Get("yaml") == "" {
				t.Errorf("%s.%s has no key", typ, field.Name)
			}
			switch {
			case field.Type.Kind() == reflect.Struct && field.Type != reflect.TypeFor[Range]():
				walk(field.Type)
			case field.Type.Kind() == reflect.Slice:
				walk(field.Type.Elem())
			case field.Tag.Get("doc") == "":
				t.Errorf("%s.%s has no doc", typ, field.Name)
			}
		}
	}
	walk(reflect.TypeFor[Config]())
}

func TestLoad_WithoutAFileIsALocalOpenServer(t *testing.T) {
	got, err := Load("", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.PublicURL = "http://localhost:8080"
	want.Registration.Mode = ModeOpen
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLoad_AnotherNameIsClosedAndHTTPS(t *testing.T) {
	c := mustLoad(t, "serverName: chat.example.org")
	if c.Registration.Mode != ModeClosed || c.PublicURL != "https://chat.example.org" {
		t.Errorf("mode %s, url %s", c.Registration.Mode, c.PublicURL)
	}
}

func TestLoad_ReadsEveryKey(t *testing.T) {
	tokens := write(t, "one\n")
	dsn := write(t, "postgres://b\n")
	got := mustLoad(t, fmt.Sprintf(`
serverName: chat.example.org:8443
listen: "[::1]:80"
publicUrl: https://chat.example.org/
dataDir: /srv/parley
node: {id: n-1}
database:
  shards: 8
  list:
    - {dsn: "postgres://a", shards: 0-6}
    - {dsnFile: %[1]q, shards: 7}
registration: {mode: open, allowOpen: true, tokensFile: %[2]q}
trustedProxies: 127.0.0.1, 10.0.0.0/8
groups: {maxMembers: 1024}
limits: {messagesPerMinute: 1, groupMessagesPerMinute: 2, newcomerConversations: 3, conversationsPerDay: 4, lookupsPerMinute: 5, reportsPerDay: 6, searchesPerMinute: 7, requestsPerSecond: 9, requestsAtOnce: 8}
moderation: {reportDays: 7}
log: {level: debug, format: json}
metrics: {listen: ":9090"}
tls: {cert: %[1]q, key: %[2]q}
federation: {enabled: true, address: "fed.example.org:8448", allow: "a.example, *.example.net", deny: b.example, allowNetworks: "10.0.0.0/8", caFile: %[1]q,
  listen: ":8448", tls: {cert: %[2]q, key: %[1]q}, hosts: "b.test=10.0.0.2:8448",
  requestsPerMinute: 1, megabytesPerMinute: 2, unknownServersPerMinute: 3}
`, dsn, tokens))
	want := Config{
		ServerName: "chat.example.org:8443", Listen: "[::1]:80", PublicURL: "https://chat.example.org", DataDir: "/srv/parley",
		Node: Node{ID: "n-1"}, Proxies: "127.0.0.1, 10.0.0.0/8",
		Database: Database{Shards: 8, List: []ShardDatabase{
			{DSN: "postgres://a", Shards: Range{0, 6}}, {DSN: "postgres://b", DSNFile: dsn, Shards: Range{7, 7}},
		}},
		Registration: Registration{Mode: ModeOpen, AllowOpen: true, TokensFile: tokens},
		Limits:       Limits{1, 2, 3, 4, 6, 5, 7, 9, 8},
		Moderation:   Moderation{ReportDays: 7},
		TLS:          TLS{Cert: dsn, Key: tokens},
		Federation: Federation{
			Enabled: true, Listen: ":8448", TLS: TLSOfFederation{Cert: tokens, Key: dsn}, Address: "fed.example.org:8448",
			Allow: "a.example, *.example.net", Deny: "b.example", AllowNetworks: "10.0.0.0/8", Hosts: "b.test=10.0.0.2:8448", CAFile: dsn,
			RequestsPerMinute: 1, MegabytesPerMin: 2, UnknownPerMinute: 3,
		},
		Groups: Groups{MaxMembers: 1024}, Log: Log{Level: "debug", Format: "json"}, Metrics: Metrics{Listen: ":9090"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLoad_VariablesWinOverTheFile(t *testing.T) {
	env := []string{
		"PARLEY_SERVER_NAME=env.example", "PARLEY_DATA_DIR=/env", "PARLEY_NODE_ID=e", "PARLEY_GROUPS_MAX_MEMBERS=7",
		"PARLEY_REGISTRATION_MODE=open", "PARLEY_REGISTRATION_ALLOW_OPEN=true", "PARLEY_DATABASE_DSN=postgres://x",
		"HOME=/root", "PARLEY_CONFIG=elsewhere", "PARLEY_PORT=tcp://10.0.0.1:80", "PARLEY_SERVICE_HOST=10.0.0.1",
	}
	c, err := load("parley.yaml", []byte("serverName: file.example\ndataDir: /file\ngroups: {maxMembers: 9}"), env)
	if err != nil {
		t.Fatal(err)
	}
	if c.ServerName != "env.example" || c.DataDir != "/env" || c.Node.ID != "e" || c.Groups.MaxMembers != 7 {
		t.Errorf("got %+v", c)
	}
	want := []ShardDatabase{{DSN: "postgres://x", Shards: Range{0, 15}}}
	if diff := cmp.Diff(want, c.Database.List); diff != "" {
		t.Error(diff)
	}
}

func TestLoad_ReadsTheDSNFromAFile(t *testing.T) {
	c := mustLoad(t, "database: {dsnFile: "+write(t, "  postgres://y \n")+"}")
	if len(c.Database.List) != 1 || c.Database.List[0].DSN != "postgres://y" {
		t.Errorf("list is %#v", c.Database.List)
	}
}

func TestLoad_ReportsEveryMistakeAtOnceWithItsPlace(t *testing.T) {
	text := `serverName: Chat.Example.ORG
listen: 8080
server_name: twice
groups:
  maxMembers: many
log:
  level: loud
  level: info
`
	_, err := load("parley.yaml", []byte(text), []string{"PARLEY_LOG_FORMAT=xml", "PARLEY_LISTN=1"})
	want := `the configuration has 8 mistakes:
  parley.yaml:3: server_name: unknown key; did you mean serverName?
  parley.yaml:5: groups.maxMembers: "many" is not a whole number
  parley.yaml:8: log.level: given twice
  PARLEY_LISTN: unknown variable
  parley.yaml:1: serverName: "Chat.Example.ORG" is not a lower-case DNS name with an optional port
  parley.yaml:2: listen: "8080" is not an address with a port, such as 127.0.0.1:8080
  parley.yaml:7: log.level: "loud" is none of debug, info, warn, error
  PARLEY_LOG_FORMAT: log.format: "xml" is none of text, json`
	if err == nil {
		t.Fatal("accepted")
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
}

func TestLoad_RefusesWhatCannotWork(t *testing.T) {
	empty := write(t, "\n")
	cases := map[string]string{
		"serverName: ''":                                                      "serverName",
		"serverName: under_score.org":                                         "serverName",
		"listen: localhost":                                                   "not an address",
		"listen: localhost:99999":                                             "not an address",
		"publicUrl: chat.example.org":                                         "publicUrl",
		"publicUrl: ftp://chat.example.org":                                   "publicUrl",
		"publicUrl: https://chat.example.org/x":                               "no path",
		"publicUrl: https://u@chat.example.org":                               "no path",
		"dataDir: ''":                                                         "dataDir",
		"node: {id: a b}":                                                     "node.id",
		"node: 7":                                                             "keys with values",
		"database: {shards: 0}":                                               "power of two",
		"database: {shards: 12}":                                              "power of two",
		"database: {shards: 16384}":                                           "power of two",
		"database: {list: {}}":                                                "a list is expected",
		"database: {list: [{shards: 0-15}]}":                                  "dsn or dsnFile is missing",
		"database: {list: [{dsn: x}]}":                                        "shards is missing",
		"database: {list: [{dsn: x, shards: 0-14}]}":                          "no database holds shard 15",
		"database: {list: [{dsn: x, shards: 0-16}]}":                          "beyond the last shard",
		"database: {list: [{dsn: x, shards: 9-3}]}":                           "not a range",
		"database: {list: [{dsn: x, shards: -1}]}":                            "not a range",
		"database: {dsn: y, list: [{dsn: x, shards: 0-15}]}":                  "choose one",
		"database: {dsn: y, dsnFile: /none}":                                  "choose one",
		"database: {dsnFile: /none}":                                          "no such file",
		"database: {dsnFile: " + empty + "}":                                  "is empty",
		"database: {dsn: [a]}":                                                "one value",
		"registration: {mode: maybe}":                                         "none of open, token, closed",
		"registration: {mode: token}":                                         "tokensFile",
		"registration: {mode: token, tokensFile: /none}":                      "no such file",
		"registration: {allowOpen: yes}":                                      "neither true nor false",
		"{serverName: a.example, registration: {mode: open}}":                 "allowOpen",
		"groups: {maxMembers: 1}":                                             "between 2 and 1024",
		"groups: {maxMembers: 1025}":                                          "between 2 and 1024",
		"log: {level: trace}":                                                 "log.level",
		"log: {format: yaml}":                                                 "log.format",
		"tls: {cert: /none}":                                                  "together",
		"tls: {cert: /none, key: /nokey}":                                     "tls.key",
		"{serverName: 127.0.0.1, federation: {enabled: true}}":                "is an address",
		"federation: {address: 10.0.0.1}":                                     "federation.address",
		"federation: {allow: 'a.example:8448'}":                               "federation.allow",
		"federation: {deny: '*example.org'}":                                  "federation.deny",
		"federation: {allow: '*'}":                                            "federation.allow",
		"federation: {allow: '**.a.example'}":                                 "federation.allow",
		"federation: {deny: A.example}":                                       "federation.deny",
		"federation: {allowNetworks: 10.0.0.0/33}":                            "federation.allowNetworks",
		"federation: {caFile: /none}":                                         "federation.caFile",
		"federation: {listen: 8448}":                                          "federation.listen",
		"{listen: ':8448', federation: {listen: ':8448'}}":                    "is listen already",
		"federation: {tls: {cert: /none, key: /nokey}}":                       "federation.listen, which is missing",
		"federation: {listen: ':8448', tls: {cert: /none}}":                   "federation.tls: cert and key are given together",
		"federation: {listen: ':8448', tls: {cert: /none, key: /nokey}}":      "federation.tls.key",
		"federation: {hosts: b.test}":                                         "federation.hosts",
		"federation: {hosts: 'b.test=127.0.0.1'}":                             "address with a port",
		"federation: {hosts: 'b.test=127.0.0.1:0'}":                           "address with a port",
		"federation: {hosts: 'b.test=localhost:9442'}":                        "address with a port",
		"federation: {hosts: 'b.test:8448=127.0.0.1:9442'}":                   "server name without port",
		"federation: {hosts: '10.0.0.1=127.0.0.1:9442'}":                      "server name without port",
		"federation: {hosts: 'b.test=8.8.8.8:1, b.test=8.8.4.4:1'}":           "b.test is given twice",
		"federation: {hosts: 'b.test=127.0.0.1:9442'}":                        "not in federation.allowNetworks",
		"federation: {hosts: 'b.test=[::1]:9442', allowNetworks: 10.0.0.0/8}": "::1, which is not public",
		"federation: {requestsPerMinute: -1}":                                 "federation.requestsPerMinute",
		"federation: {megabytesPerMinute: 2001}":                              "between 0 and 2000",
		"federation: {unknownServersPerMinute: 1000001}":                      "federation.unknownServersPerMinute",
		"metrics: {listen: 9090}":                                             "metrics.listen",
		"[1, 2]":                                                              "keys with values",
		"listen: a:1\n---\nlisten: b:1":                                       "several",
		"listen: [":                                                           "yaml",
		"database: {list: [{dsn: x, shards: 0-8}, {dsn: y, shards: 8-15}]}":   "shard 8 is already in database.list[0]",
	}
	for text, want := range cases {
		_, err := load("f", []byte(text), nil)
		var mistakes *Mistakes
		if !errors.As(err, &mistakes) {
			t.Errorf("%s: got %v", text, err)
			continue
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q is not in: %v", text, want, err)
		}
	}
}

func TestPlaces_SayWhereServersAre(t *testing.T) {
	c := mustLoad(t, "federation: {hosts: 'a.test=127.0.0.1:9441, b.test = [::1]:9442', allowNetworks: '127.0.0.0/8, ::1'}")
	got, err := c.Federation.Places()
	if err != nil || len(got) != 2 || got["a.test"].String() != "127.0.0.1:9441" || got["b.test"].String() != "[::1]:9442" {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := mustLoad(t, "federation: {hosts: 'c.example=8.8.8.8:443'}").Federation.Places(); err != nil || len(got) != 1 {
		t.Errorf("a public address needs no network: %v, %v", got, err)
	}
}

func TestLoad_AKeyWithoutAValueKeepsItsDefault(t *testing.T) {
	if c := mustLoad(t, "listen:\nlog:\n"); c.Listen != "127.0.0.1:8080" || c.Log.Level != "info" {
		t.Errorf("got %+v", c)
	}
}

func TestLoad_NamesAFileThatIsMissingOrTooLong(t *testing.T) {
	if _, err := Load("/no/such/file.yaml", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if _, err := Load(write(t, strings.Repeat("#", maxFileSize+1)), nil); err == nil {
		t.Error("a file of more than 1 MiB was read")
	}
}

func TestSecret_NeverShowsItself(t *testing.T) {
	c := mustLoad(t, "database: {dsn: 'postgres://u:hunter2@h/d'}")
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "dsn", c.Database.DSN, "all", c)
	shown := fmt.Sprintf("%v %+v %#v %s %q", c, c, c, c.Database.DSN, c.Database.DSN) + log.String()
	if strings.Contains(shown, "hunter2") {
		t.Errorf("shown: %s", shown)
	}
	if string(c.Database.DSN) != "postgres://u:hunter2@h/d" {
		t.Error("the secret cannot be used")
	}
}

func TestSlogLevel_FollowsTheLevel(t *testing.T) {
	for text, want := range map[string]slog.Level{"debug": slog.LevelDebug, "error": slog.LevelError, "?": slog.LevelInfo} {
		if got := (Log{Level: text}).SlogLevel(); got != want {
			t.Errorf("%s is %v", text, got)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("serverName: a.example\ndatabase: {shards: 4, list: [{dsn: x, shards: 0-3}]}", "PARLEY_LISTEN=:1")
	f.Add("a: &a {node: *a}\nnode: *a", "PARLEY_DATABASE_SHARDS=-1")
	f.Add("log: {level: }\n---\n", "PARLEY_")
	f.Fuzz(func(t *testing.T, text, variable string) {
		if strings.Contains(text, "ile") {
			t.Skip("it would read files")
		}
		c, err := load("f", []byte(text), []string{variable})
		var mistakes *Mistakes
		if err != nil && (!errors.As(err, &mistakes) || len(mistakes.List) == 0) {
			t.Fatalf("an error that is no list of mistakes: %v", err)
		}
		if err == nil && (c.ServerName == "" || c.PublicURL == "" || c.Registration.Mode == "") {
			t.Fatalf("accepted with holes: %+v", c)
		}
	})
}

func mustLoad(t *testing.T, text string) Config {
	t.Helper()
	c, err := Load(write(t, text), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
