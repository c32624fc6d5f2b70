// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"parley.chat/server/config"
	"parley.chat/server/testca"
)

const root = "../.."

// compose is docker-compose.yml as far as it is used there: another key is a mistake, of the file or of this test.
type compose struct {
	Name     string
	Services map[string]*service
	Networks map[string]struct {
		Internal bool
		IPAM     struct{ Config []struct{ Subnet string } }
	}
	Volumes map[string]struct{}
	Servers yaml.Node `yaml:"x-homeserver"`
	PG      yaml.Node `yaml:"x-postgres"`
	PGEnv   yaml.Node `yaml:"x-postgres-environment"`
}

type service struct {
	Build       string
	Image       string
	Command     []string
	Restart     string
	Grace       string   `yaml:"stop_grace_period"`
	ReadOnly    bool     `yaml:"read_only"`
	CapDrop     []string `yaml:"cap_drop"`
	Security    []string `yaml:"security_opt"`
	NetworkMode string   `yaml:"network_mode"`
	Sysctls     map[string]string
	Environment map[string]string
	Ports       []string
	Volumes     []string
	Networks    attached
	Depends     map[string]struct{ Condition string } `yaml:"depends_on"`
	Health      struct {
		Test              []string
		Interval, Timeout string
		Retries           int
		Disable           bool
	} `yaml:"healthcheck"`
}

// attached are networks with the further names there, in both forms that may be written.
type attached map[string][]string

func (a *attached) UnmarshalYAML(n *yaml.Node) error {
	*a = attached{}
	if n.Kind == yaml.SequenceNode {
		var names []string
		err := n.Decode(&names)
		for _, name := range names {
			(*a)[name] = nil
		}
		return err
	}
	var full map[string]struct{ Aliases []string }
	err := n.Decode(&full)
	for name, one := range full {
		(*a)[name] = one.Aliases
	}
	return err
}

var placeholder = regexp.MustCompile(`\$\{([A-Z_]+):-([^}]*)\}`)

func readFile(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// loadCompose reads the file with the variables as compose would set them.
func loadCompose(t *testing.T, variables map[string]string) compose {
	t.Helper()
	text := placeholder.ReplaceAllStringFunc(readFile(t, "docker-compose.yml"), func(found string) string {
		m := placeholder.FindStringSubmatch(found)
		if v, ok := variables[m[1]]; ok {
			return v
		}
		return m[2]
	})
	if strings.Contains(text, "${") {
		t.Errorf("a variable without a default")
	}
	var out compose
	d := yaml.NewDecoder(bytes.NewReader([]byte(text)))
	d.KnownFields(true)
	if err := d.Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

// configuration is what the service's server would load, with the certificates that the service certificates would make.
func (c compose) configuration(t *testing.T, s *service) config.Config {
	t.Helper()
	made := c.Services["certificates"].Command
	if len(made) < 4 || made[0] != "test-ca" || made[1] != "-dir" || made[2] != "/tls" {
		t.Fatalf("the certificates are made by %q", made)
	}
	dir := t.TempDir()
	if _, err := testca.Make(dir, time.Now(), made[3:]...); err != nil {
		t.Fatal(err)
	}
	var env []string
	for name, value := range s.Environment {
		env = append(env, name+"="+strings.Replace(value, "/tls/", dir+"/", 1))
	}
	cfg, err := config.Load("", env)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestCompose_TheServersStartWithWhatTheFileSays(t *testing.T) {
	for name, variables := range map[string]map[string]string{
		"by default":  nil,
		"as in .env":  {"A_PORT": "9001", "B_PORT": "9002", "SUBNET": "10.1.2.0/24", "DB_PASSWORD": "Secret1"},
		"one of them": {"B_PORT": "9002"},
	} {
		t.Run(name, func(t *testing.T) {
			c := loadCompose(t, variables)
			for _, s := range []string{"a", "b"} {
				c.checkServer(t, s)
			}
		})
	}
}

func (c compose) checkServer(t *testing.T, name string) {
	t.Helper()
	s := c.Services[name]
	cfg := c.configuration(t, s)
	want := func(what string, ok bool) {
		t.Helper()
		if !ok {
			t.Errorf("%s: %s", name, what)
		}
	}
	want("its name leads to it", cfg.ServerName == name+".test" && slices.Equal(s.Networks["federation"], []string{cfg.ServerName}))
	f := cfg.Federation
	want("it federates at the port where others look", f.Enabled && f.Listen == ":443" && f.Address == "" && s.Sysctls["net.ipv4.ip_unprivileged_port_start"] == "0")
	want("its certificate is its own", filepath.Base(f.TLS.Cert) == cfg.ServerName+".pem" && filepath.Base(f.TLS.Key) == cfg.ServerName+".key" && filepath.Base(f.CAFile) == "ca.pem")
	subnet := c.Networks["federation"].IPAM.Config
	want("others may be in the network of both", len(subnet) == 1 && f.AllowNetworks == subnet[0].Subnet && f.Hosts == "")
	public, err := url.Parse(cfg.PublicURL)
	_, port, _ := net.SplitHostPort(cfg.Listen)
	want("its port is published as its address says", err == nil && slices.Equal(s.Ports, []string{"127.0.0.1:" + public.Port() + ":" + port}))
	want("its data and certificates are in volumes", slices.Equal(s.Volumes, []string{"data-" + name + ":" + cfg.DataDir, "tls:/tls:ro"}))
	want("it waits for certificates and database", len(s.Depends) == 2 && s.Depends["certificates"].Condition == "service_completed_successfully" &&
		s.Depends["db-"+name].Condition == "service_healthy")
	c.checkDatabase(t, name, string(cfg.Database.DSN))
}

// checkDatabase wants a database that the server reaches, and nobody else.
func (c compose) checkDatabase(t *testing.T, name, dsn string) {
	t.Helper()
	db := c.Services["db-"+name]
	at, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := at.User.Password()
	e := db.Environment
	if at.Hostname() != "db-"+name || at.Port() != "5432" || at.User.Username() != e["POSTGRES_USER"] || password != e["POSTGRES_PASSWORD"] || at.Path != "/"+e["POSTGRES_DB"] {
		t.Errorf("%s connects to %s, the database is %v", name, at.Redacted(), e)
	}
	inside := "inside-" + name
	for other, s := range c.Services {
		if _, there := s.Networks[inside]; there != (other == name || other == "db-"+name) {
			t.Errorf("%s is in the network %s: %v", other, inside, there)
		}
	}
	if !c.Networks[inside].Internal || len(db.Networks) != 1 || len(db.Ports) != 0 {
		t.Errorf("the database of %s is reached from elsewhere", name)
	}
	if !slices.Contains(db.Volumes, "db-"+name+":/var/lib/postgresql/data") || !slices.Contains(db.Health.Test, e["POSTGRES_USER"]) || db.Image != "postgres:17" {
		t.Errorf("the database of %s is not kept, or not watched: %+v", name, db)
	}
}

func TestCompose_EverythingNamedIsThere(t *testing.T) {
	c := loadCompose(t, nil)
	used := map[string]bool{}
	for name, s := range c.Services {
		if s.Build != "" && s.Build != "." || s.Build == "" && s.Image == "parley" {
			t.Errorf("%s is built from %q", name, s.Build)
		}
		for on, how := range s.Depends {
			other := c.Services[on]
			if other == nil || how.Condition == "service_completed_successfully" && other.Restart != "" {
				t.Errorf("%s waits for %s, which is not there or never ends", name, on)
			}
		}
		for _, v := range s.Volumes {
			volume, _, _ := strings.Cut(v, ":")
			if _, ok := c.Volumes[volume]; !ok {
				t.Errorf("%s has the volume %s, which is not there", name, volume)
			}
			used[volume] = true
		}
		for n := range s.Networks {
			if _, ok := c.Networks[n]; !ok {
				t.Errorf("%s is in the network %s, which is not there", name, n)
			}
		}
	}
	if len(used) != len(c.Volumes) || len(c.Services) != 5 {
		t.Errorf("volumes %v, used %v, services %v", c.Volumes, used, slices.Sorted(maps.Keys(c.Services)))
	}
}

func TestCompose_TheExampleHasEveryVariableWithItsDefault(t *testing.T) {
	example := map[string]string{}
	for line := range strings.Lines(readFile(t, ".env.example")) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(line, "#") {
			example[name] = value
		}
	}
	defaults := map[string]string{}
	for _, m := range placeholder.FindAllStringSubmatch(readFile(t, "docker-compose.yml"), -1) {
		if before, ok := defaults[m[1]]; ok && before != m[2] {
			t.Errorf("%s has the defaults %q and %q", m[1], before, m[2])
		}
		defaults[m[1]] = m[2]
	}
	if !maps.Equal(example, defaults) {
		t.Errorf(".env.example has %v, docker-compose.yml %v", example, defaults)
	}
}

// The program is built by the lines of the Dockerfile, and what they say of it is true.
func TestDockerfile_MakesWhatComposeStarts(t *testing.T) {
	text := readFile(t, "Dockerfile")
	line := func(pattern string) []string {
		t.Helper()
		m := regexp.MustCompile(`(?m)^` + pattern + `$`).FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("no line %s", pattern)
		}
		return m
	}
	goVersion := regexp.MustCompile(`(?m)^go ([0-9]+\.[0-9]+)`).FindStringSubmatch(readFile(t, "go.mod"))[1]
	if have := line(`FROM golang:([0-9.]+) AS build`)[1]; have != goVersion {
		t.Errorf("it is built by Go %s, go.mod wants %s", have, goVersion)
	}
	line(`COPY --from=build /out/parley /parley`)
	line(`ENTRYPOINT \["/parley"\]`)
	line(`CMD \["serve"\]`)
	line(`HEALTHCHECK .* CMD \["/parley", "ready"\]`)
	user := line(`USER ([1-9][0-9]*:[1-9][0-9]*)`)[1]
	for _, dir := range []string{"data", "tls"} { // The volumes of docker-compose.yml, which the user writes into.
		line(`COPY --from=build --chown=` + user + ` /out/` + dir + ` /` + dir)
	}
	env := map[string]string{}
	for pair := range strings.FieldsSeq(line(`ENV (PARLEY_.*)`)[1]) {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = value
	}
	if env["PARLEY_DATA_DIR"] != "/data" || env["PARLEY_LISTEN"] != ":"+line(`EXPOSE ([0-9]+)`)[1] {
		t.Errorf("it has %v", env)
	}
	build := line(`RUN CGO_ENABLED=0 go build .* -X parley\.chat/(\S+)\.(\w+)=\$\{VERSION\}" -o /out/parley \./(\S+)`)
	declared := false
	sources, _ := filepath.Glob(filepath.Join(root, build[1], "*.go"))
	for _, path := range sources {
		raw, _ := os.ReadFile(path)
		declared = declared || regexp.MustCompile(`(?m)^var `+build[2]+` = "`).Match(raw)
	}
	if main := readFile(t, build[3]+"/main.go"); !declared || !strings.Contains(main, "package main") {
		t.Errorf("%q does not build a server with a version", build[0])
	}
	for _, command := range []string{"serve", "ready", "test-ca"} {
		if !strings.Contains(readFile(t, build[3]+"/main.go"), `case "`+command+`":`) {
			t.Errorf("there is no command %s", command)
		}
	}
}
