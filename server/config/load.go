// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxFileSize keeps a wrong path, such as that of a disk image, from being read whole.
const maxFileSize = 1 << 20

// Load reads the file at path, "" for none, and the variables of env ("NAME=value", as os.Environ gives them) over it,
// fills in what is derived, and checks everything. The error is a *Mistakes when values are wrong.
func Load(path string, env []string) (Config, error) {
	var text []byte
	if path != "" {
		var err error
		if text, err = readBounded(path); err != nil {
			return Config{}, fmt.Errorf("read configuration: %w", err)
		}
	}
	return load(filepath.Base(path), text, env)
}

func load(name string, text []byte, env []string) (Config, error) {
	c := Default()
	r := &reader{file: name, source: map[string]string{}}
	r.readFile(text, &c)
	r.readEnv(env, &c)
	r.readSecrets(&c)
	c.derive()
	r.check(c)
	if len(r.mistakes) > 0 {
		return Config{}, &Mistakes{List: r.mistakes}
	}
	if c.Database.DSN != "" {
		c.Database.List = []ShardDatabase{{DSN: c.Database.DSN, Shards: Range{0, c.Database.Shards - 1}}}
	}
	return c, nil
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err == nil && len(text) > maxFileSize {
		err = fmt.Errorf("%s is longer than 1 MiB", path)
	}
	return text, err
}

// Mistakes is every wrong value of a configuration.
type Mistakes struct{ List []Mistake }

// Mistake is one wrong value: where it came from, its key, and what is wrong.
type Mistake struct{ Where, Key, Text string }

// Error lists the mistakes, one a line.
func (m *Mistakes) Error() string {
	var b strings.Builder
	if len(m.List) == 1 {
		b.WriteString("the configuration has 1 mistake:")
	} else {
		fmt.Fprintf(&b, "the configuration has %d mistakes:", len(m.List))
	}
	for _, one := range m.List {
		b.WriteString("\n  " + one.Where + ": ")
		if one.Key != "" {
			b.WriteString(one.Key + ": ")
		}
		b.WriteString(one.Text)
	}
	return b.String()
}

// reader collects values, where they came from, and mistakes.
type reader struct {
	file     string
	source   map[string]string // By key: "parley.yaml:3" or "PARLEY_LISTEN".
	mistakes []Mistake
}

// wrong notes a mistake of a key; one that nobody set is blamed on the default.
func (r *reader) wrong(key, format string, args ...any) {
	where := "default"
	// A value within a list is reported at the nearest thing that has a place.
	for k := key; k != ""; k = parentKey(k) {
		if s, ok := r.source[k]; ok {
			where = s
			break
		}
	}
	r.mistakes = append(r.mistakes, Mistake{where, key, fmt.Sprintf(format, args...)})
}

func parentKey(key string) string { return key[:max(0, strings.LastIndexAny(key, ".["))] }

func (r *reader) at(line int) string { return fmt.Sprintf("%s:%d", r.file, line) }

func (r *reader) readFile(text []byte, c *Config) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document yaml.Node
	if err := decoder.Decode(&document); err != nil {
		if !errors.Is(err, io.EOF) {
			r.mistakes = append(r.mistakes, Mistake{r.file, "", err.Error()})
		}
		return
	}
	if len(document.Content) == 1 {
		r.readNode("", document.Content[0], valueOf(c))
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		r.mistakes = append(r.mistakes, Mistake{r.file, "", "one document is expected, not several"})
	}
}

// readSecrets fills each dsn from its dsnFile.
func (r *reader) readSecrets(c *Config) {
	r.readSecret("database.", c.Database.DSNFile, &c.Database.DSN)
	for i := range c.Database.List {
		d := &c.Database.List[i]
		r.readSecret(fmt.Sprintf("database.list[%d].", i), d.DSNFile, &d.DSN)
	}
}

func (r *reader) readSecret(prefix, path string, into *Secret) {
	if path == "" {
		return
	}
	if *into != "" {
		r.wrong(prefix+"dsnFile", "dsn is given too; choose one")
		return
	}
	text, err := readBounded(path)
	if err != nil {
		r.wrong(prefix+"dsnFile", "%v", err)
		return
	}
	*into = Secret(strings.TrimSpace(string(text)))
	if *into == "" {
		r.wrong(prefix+"dsnFile", "%s is empty", path)
	}
}
