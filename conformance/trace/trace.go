// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"parley.chat/conformance/suite"
)

// reason is a line of reasons.yaml.
type reason struct {
	ID     string `yaml:"id"`
	Kind   string `yaml:"kind"`
	Reason string `yaml:"reason"`
}

// table is everything that is linked.
type table struct {
	requirements []suite.Requirement
	code         map[string][]string // id to file:line
	cases        map[string][]string // id to case ids
	reasons      map[string]reason
	published    []string
}

// load reads a tree with spec/ and conformance/ in it.
func load(tree fs.FS, list []*suite.Case) (*table, error) {
	specification, err := fs.Sub(tree, "spec")
	if err != nil {
		return nil, err
	}
	book, err := suite.ReadBook(specification)
	if err != nil {
		return nil, err
	}
	t := &table{requirements: book.Requirements, cases: map[string][]string{}, reasons: map[string]reason{}}
	for _, c := range list {
		for _, r := range c.Requirements {
			t.cases[r.ID] = append(t.cases[r.ID], c.ID)
		}
	}
	raw, err := fs.ReadFile(tree, "conformance/reasons.yaml")
	if err != nil {
		return nil, err
	}
	var reasons []reason
	if err := yaml.Unmarshal(raw, &reasons); err != nil {
		return nil, fmt.Errorf("read reasons.yaml: %w", err)
	}
	for _, r := range reasons {
		t.reasons[r.ID] = r
	}
	lock, err := fs.ReadFile(tree, "spec/requirements.lock")
	if err != nil {
		return nil, err
	}
	t.published = strings.Fields(string(lock))
	t.code, err = scan(tree)
	return t, err
}

// scan finds the comments `// spec: ID ID` in the Go files of a tree.
func scan(tree fs.FS) (map[string][]string, error) {
	mark := regexp.MustCompile(`^\s*// spec: (.+)$`)
	out := map[string][]string{}
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		if d.IsDir() && name != "." && (strings.HasPrefix(base, ".") || slices.Contains([]string{"testdata", "node_modules", "data", "bin"}, base)) {
			return fs.SkipDir
		}
		if d.IsDir() || path.Ext(base) != ".go" {
			return nil
		}
		raw, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		n := 0
		for line := range strings.Lines(string(raw)) {
			n++
			if m := mark.FindStringSubmatch(strings.TrimRight(line, "\n")); m != nil {
				for _, id := range strings.FieldsFunc(m[1], func(r rune) bool { return r == ' ' || r == ',' }) {
					out[id] = append(out[id], fmt.Sprintf("%s:%d", name, n))
				}
			}
		}
		return nil
	})
	return out, err
}

// amiss returns what is wrong, in order.
func (t *table) amiss() []string {
	known := map[string]bool{}
	var out []string
	for _, r := range t.requirements {
		known[r.ID] = true
		_, reasoned := t.reasons[r.ID]
		shown := len(t.cases[r.ID]) > 0
		switch {
		case shown && reasoned:
			out = append(out, r.ID+" has cases and a reason for having none")
		case strings.HasPrefix(r.Level, "MUST") && !shown && !reasoned:
			out = append(out, r.ID+" has neither a case nor a reason: "+r.Text)
		}
	}
	for id, places := range t.code {
		if !known[id] {
			out = append(out, fmt.Sprintf("%s: there is no requirement %s", places[0], id))
		}
	}
	for id, cases := range t.cases {
		if !known[id] {
			out = append(out, fmt.Sprintf("case %s: there is no requirement %s", cases[0], id))
		}
	}
	for id := range t.reasons {
		if !known[id] {
			out = append(out, "reasons.yaml: there is no requirement "+id)
		}
	}
	for _, id := range t.published {
		if !known[id] {
			out = append(out, id+" was published and is gone: mark it as withdrawn in the prose")
		}
	}
	slices.Sort(out)
	return out
}

// unpublished returns the ids that are not in the list of published ones yet.
func (t *table) unpublished() []string {
	var out []string
	for _, r := range t.requirements {
		if !slices.Contains(t.published, r.ID) {
			out = append(out, r.ID)
		}
	}
	return out
}

// changed returns the requirements whose sentence is not the one the cases were written against.
func (t *table) changed(quotes map[string]string) []string {
	var out []string
	for _, r := range t.requirements {
		if len(t.cases[r.ID]) > 0 && quotes[r.ID] != r.Text {
			out = append(out, fmt.Sprintf("%s changed; read its cases (%s), then run go run ./conformance/trace -quotes", r.ID, strings.Join(t.cases[r.ID], ", ")))
		}
	}
	return out
}
