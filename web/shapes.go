// SPDX-License-Identifier: Apache-2.0

package web

import (
	"html/template"
	"strings"
)

// frameDoc is one frame of the socket.
type frameDoc struct {
	Key, Name, Summary string
	FromClient         bool
	Data               typ     // if the data is a shape of its own
	Fields             []field // else
	Sample             string
	Errors             []string
	Raw                string
}

func (b *book) framesPage(t *template.Template) (page, error) {
	p := page{Path: "/docs/frames", Title: "Frames"}
	doc, err := b.file("asyncapi.yaml")
	if err != nil {
		return p, err
	}
	var client, server []frameDoc
	for key, m := range doc.at("components", "messages").members() {
		f, err := b.frame(key, m)
		if err != nil {
			return p, err
		}
		if f.FromClient {
			client = append(client, f)
		} else {
			server = append(server, f)
		}
	}
	for _, group := range []struct {
		anchor, title string
		frames        []frameDoc
	}{{"client", "From the client", client}, {"server", "From the server", server}} {
		p.add(2, group.anchor, group.title, p.Title, "section")
		for _, f := range group.frames {
			p.add(3, f.Key, f.Name, f.Summary, "frame")
		}
	}
	return p, p.render(t, "frames", struct {
		Desc           string
		Client, Server []frameDoc
	}{doc.at("info", "description").text(), client, server})
}

func (b *book) frame(key string, m tree) (frameDoc, error) {
	f := frameDoc{
		Key: key, Name: m.at("name").text(), Summary: m.at("summary").text(), FromClient: strings.HasPrefix(key, "client."),
		Errors: m.at("x-errors").texts(), Raw: "/docs/" + m.at("payload", "$ref").text(),
	}
	for e := range m.at("examples").items() {
		f.Sample = e.at("payload").json()
	}
	schema, from, err := b.follow(m.at("payload"), "asyncapi.yaml")
	if err != nil {
		return f, err
	}
	data := schema.at("properties", "data")
	if data.at("$ref").exists() {
		f.Data, err = b.typeOf(data, from)
		return f, err
	}
	f.Fields, err = b.fields(data, from)
	return f, err
}

func (b *book) schemasPage(t *template.Template) (page, error) {
	p := page{Path: "/docs/schemas", Title: "Shapes"}
	records, err := b.fileShapes(func(name string) bool { return !strings.Contains(name, ".") && name != "ids" })
	if err != nil {
		return p, err
	}
	bodies, err := b.componentShapes()
	if err != nil {
		return p, err
	}
	objects, err := b.fileShapes(func(name string) bool { return strings.HasPrefix(name, "log.") })
	if err != nil {
		return p, err
	}
	values, err := b.values()
	if err != nil {
		return p, err
	}
	groups := []shapeGroup{
		{"records", "Records of frames and answers", records},
		{"bodies", "Bodies of REST operations", bodies},
		{"log", "Objects of the log", objects},
	}
	for _, g := range groups {
		p.add(2, g.Anchor, g.Title, p.Title, "section")
		for _, s := range g.Shapes {
			p.add(3, s.Name, s.Title, s.Desc, "shape")
		}
	}
	p.add(2, "values", "Simple values", p.Title, "section")
	for _, v := range values {
		p.entries = append(p.entries, entry{Title: v.Name, URL: p.Path + "#value-" + v.Name, Text: v.Desc, Kind: "value"})
	}
	return p, p.render(t, "schemas", struct {
		Groups []shapeGroup
		Values []field
	}{groups, values})
}

type shapeGroup struct {
	Anchor, Title string
	Shapes        []shape
}

func (b *book) fileShapes(want func(name string) bool) (out []shape, err error) {
	names, err := schemaNames(b.files, "")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if !want(name) {
			continue
		}
		file := "schemas/" + name + ".json"
		root, err := b.file(file)
		if err != nil {
			return nil, err
		}
		s, err := b.shapeOf(name, root, file)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// componentShapes are the schemas that stand in openapi.yaml itself.
func (b *book) componentShapes() (out []shape, err error) {
	doc, err := b.file(openAPI)
	if err != nil {
		return nil, err
	}
	for name, c := range doc.at("components", "schemas").members() {
		if c.at("$ref").exists() {
			continue
		}
		s, err := b.shapeOf(name, c, openAPI)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// values are the identifiers and simple values that schemas share.
func (b *book) values() (out []field, err error) {
	root, err := b.file(valuesFile)
	if err != nil {
		return nil, err
	}
	for name, d := range root.at("$defs").members() {
		t, err := b.typeOf(d, valuesFile)
		if err != nil {
			return nil, err
		}
		out = append(out, field{Name: name, Type: t, Desc: d.at("description").text()})
	}
	return out, nil
}
