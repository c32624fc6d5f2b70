// SPDX-License-Identifier: Apache-2.0

package web

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// shape is a JSON object of the specification as the reference shows it.
type shape struct {
	Name   string // also the anchor
	Title  string
	Desc   string
	Raw    string // address of the schema, empty if it stands in openapi.yaml
	Fields []field
	Sample string
}

type field struct {
	Name     string
	Type     typ
	Required bool
	Desc     string
}

// typ says what a value may be: "list of " + Text, perhaps with a link and rules.
type typ struct {
	Prefix string
	Text   string
	Link   string
	Rules  string
}

const valuesFile = "schemas/ids.json"

// shapeOf reads an object schema; t may be a reference.
func (b *book) shapeOf(name string, t tree, from string) (shape, error) {
	t, from, err := b.follow(t, from)
	if err != nil {
		return shape{}, err
	}
	s := shape{Name: name, Title: name, Desc: t.at("description").text()}
	if title := t.at("title").text(); title != "" {
		s.Title = title
	}
	if strings.HasPrefix(from, "schemas/") {
		s.Raw = "/docs/" + from
	}
	s.Fields, err = b.fields(t, from)
	return s, err
}

func (b *book) fields(t tree, from string) ([]field, error) {
	required := t.at("required").texts()
	var out []field
	for name, p := range t.at("properties").members() {
		f := field{Name: name, Required: slices.Contains(required, name), Desc: p.at("description").text()}
		var err error
		if f.Type, err = b.typeOf(p, from); err != nil {
			return nil, fmt.Errorf("member %s: %w", name, err)
		}
		if f.Desc == "" {
			target, _, err := b.follow(p, from)
			if err != nil {
				return nil, err
			}
			f.Desc = target.at("description").text()
		}
		out = append(out, f)
	}
	return out, nil
}

func (b *book) typeOf(t tree, from string) (typ, error) {
	if t.at("$ref").exists() {
		return b.referenced(t, from)
	}
	if t.at("type").text() == "array" {
		item, err := b.typeOf(t.at("items"), from)
		item.Prefix = "list of " + item.Prefix
		item.Rules = join(item.Rules, rules(t))
		return item, err
	}
	if more := t.at("additionalProperties"); more.at("type").exists() || more.at("$ref").exists() {
		v, err := b.typeOf(more, from)
		v.Prefix = "map of " + v.Prefix
		return v, err
	}
	return typ{Text: t.at("type").text(), Rules: rules(t)}, nil
}

// referenced links a reference to the entry of the shapes page. A component that is only a reference to a schema file
// is shown as that.
func (b *book) referenced(t tree, from string) (typ, error) {
	ref := t.at("$ref").text()
	file, pointer, _ := strings.Cut(ref, "#")
	if file != "" {
		file = path.Join(path.Dir(from), file)
	}
	name := path.Base(pointer)
	switch {
	case file == valuesFile:
		return typ{Text: name, Link: "/docs/schemas#value-" + name}, nil
	case file != "":
		name = strings.TrimSuffix(path.Base(file), ".json")
	default:
		_, target, err := b.follow(t, from)
		if err != nil {
			return typ{}, err
		}
		if target != from {
			name = strings.TrimSuffix(path.Base(target), ".json")
		}
	}
	target, _, err := b.follow(t, from)
	title := target.at("title").text()
	if title == "" {
		title = name
	}
	return typ{Text: title, Link: "/docs/schemas#" + name}, err
}

// rules says the constraints of a simple schema in words.
func rules(t tree) string {
	var out []string
	if c := t.at("const"); c.exists() {
		out = append(out, "always "+c.flat())
	}
	if e := t.at("enum").texts(); len(e) > 0 {
		out = append(out, "one of "+strings.Join(e, ", "))
	}
	for _, r := range [...]struct{ key, format string }{
		{"minLength", "at least %s long"}, {"maxLength", "at most %s long"}, {"minimum", "from %s"}, {"maximum", "up to %s"},
		{"minItems", "at least %s items"}, {"maxItems", "at most %s items"}, {"pattern", "matches %s"}, {"default", "%s if absent"},
	} {
		if v := t.at(r.key).text(); v != "" {
			out = append(out, fmt.Sprintf(r.format, v))
		}
	}
	return strings.Join(out, ", ")
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + ", " + b
}

// schemaNames lists the files of schemas/ without extension whose name begins with prefix.
func schemaNames(files fs.FS, prefix string) ([]string, error) {
	names, err := fs.Glob(files, "schemas/"+prefix+"*.json")
	for i, n := range names {
		names[i] = strings.TrimSuffix(path.Base(n), ".json")
	}
	return names, err
}
