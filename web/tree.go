// SPDX-License-Identifier: Apache-2.0

package web

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"iter"
	"path"
	"strings"

	"gopkg.in/yaml.v3"
)

// tree is a value of a YAML or JSON file that keeps the order of its members. The zero tree is an absent value.
type tree struct{ n *yaml.Node }

func readTree(files fs.FS, name string) (tree, error) {
	raw, err := fs.ReadFile(files, name)
	if err != nil {
		return tree{}, err
	}
	var n yaml.Node
	if err := yaml.Unmarshal(raw, &n); err != nil {
		return tree{}, fmt.Errorf("read %s: %w", name, err)
	}
	return tree{n: n.Content[0]}, nil
}

// at walks down by names.
func (t tree) at(keys ...string) tree {
	for _, k := range keys {
		next := tree{}
		for name, v := range t.members() {
			if name == k {
				next = v
			}
		}
		t = next
	}
	return t
}

// text is the scalar as written, empty for anything else.
func (t tree) text() string {
	if t.n == nil || t.n.Kind != yaml.ScalarNode {
		return ""
	}
	return t.n.Value
}

func (t tree) exists() bool { return t.n != nil }

// members ranges over an object in order.
func (t tree) members() iter.Seq2[string, tree] {
	return func(yield func(string, tree) bool) {
		if t.n == nil || t.n.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(t.n.Content); i += 2 {
			if !yield(t.n.Content[i].Value, tree{t.n.Content[i+1]}) {
				return
			}
		}
	}
}

// items ranges over a list.
func (t tree) items() iter.Seq[tree] {
	return func(yield func(tree) bool) {
		if t.n == nil || t.n.Kind != yaml.SequenceNode {
			return
		}
		for _, c := range t.n.Content {
			if !yield(tree{c}) {
				return
			}
		}
	}
}

func (t tree) texts() (out []string) {
	for i := range t.items() {
		out = append(out, i.text())
	}
	return out
}

// json writes the value as JSON: short ones on one line, others indented, members in the order of the file.
func (t tree) json() string {
	var b strings.Builder
	t.write(&b, "")
	return b.String()
}

const shortJSON = 72

func (t tree) write(b *strings.Builder, indent string) {
	flat := t.flat()
	if len(flat)+len(indent) <= shortJSON || t.n.Kind == yaml.ScalarNode {
		b.WriteString(flat)
		return
	}
	inner, first := indent+"  ", true
	begin := func() {
		if !first {
			b.WriteByte(',')
		}
		first = false
		b.WriteString("\n" + inner)
	}
	open, end := "{", "}"
	if t.n.Kind == yaml.SequenceNode {
		open, end = "[", "]"
	}
	b.WriteString(open)
	for k, v := range t.members() {
		begin()
		b.WriteString(quote(k) + ": ")
		v.write(b, inner)
	}
	for v := range t.items() {
		begin()
		v.write(b, inner)
	}
	b.WriteString("\n" + indent + end)
}

func (t tree) flat() string {
	var parts []string
	switch t.n.Kind {
	case yaml.MappingNode:
		for k, v := range t.members() {
			parts = append(parts, quote(k)+": "+v.flat())
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case yaml.SequenceNode:
		for v := range t.items() {
			parts = append(parts, v.flat())
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	if t.n.Tag == "!!str" {
		return quote(t.n.Value)
	}
	return t.n.Value
}

func quote(s string) string {
	raw, _ := json.Marshal(s)
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(raw))
}

// book holds the machine-readable files of the specification, each read once.
type book struct {
	files fs.FS
	read  map[string]tree
}

func (b *book) file(name string) (tree, error) {
	if t, ok := b.read[name]; ok {
		return t, nil
	}
	t, err := readTree(b.files, name)
	if err == nil {
		b.read[name] = t
	}
	return t, err
}

// follow returns what t refers to, and the file that is in; t itself if it refers to nothing. Members next to a
// reference are not merged.
func (b *book) follow(t tree, from string) (tree, string, error) {
	for range 8 {
		ref := t.at("$ref").text()
		if ref == "" {
			return t, from, nil
		}
		name, pointer, _ := strings.Cut(ref, "#")
		if name != "" {
			from = path.Join(path.Dir(from), name)
		}
		root, err := b.file(from)
		if err != nil {
			return tree{}, "", err
		}
		t = root
		if pointer != "" {
			t = root.at(strings.Split(strings.TrimPrefix(pointer, "/"), "/")...)
		}
		if !t.exists() {
			return tree{}, "", fmt.Errorf("%s leads nowhere", ref)
		}
	}
	return tree{}, "", fmt.Errorf("references in a circle at %s", from)
}
