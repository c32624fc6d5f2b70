// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
)

// operation is one REST operation as the page shows it.
type operation struct {
	ID, Method, Path, Summary, Desc string
	Public                          bool // needs no access token
	Params                          []field
	Places                          []string // of Params: path, query, header
	Body                            *body
	Answers                         []answer
	Errors                          []string
}

type body struct {
	Type   typ
	Sample string
}

type answer struct {
	Status int
	Text   string
	Desc   string
	Body   *body
}

type tag struct {
	Name, Desc string
	Operations []operation
}

// words escapes a description and sets what stands in backticks as code.
func words(s string) template.HTML {
	var b strings.Builder
	for i, part := range strings.Split(s, "`") {
		if part = template.HTMLEscapeString(part); i%2 == 1 {
			part = "<code>" + part + "</code>"
		}
		b.WriteString(part)
	}
	return template.HTML(b.String())
}

// referencePages makes the pages from the machine-readable files.
func referencePages(files fs.FS) ([]page, error) {
	b := &book{files: files, read: map[string]tree{}}
	t, err := template.New("").Funcs(template.FuncMap{"lower": strings.ToLower, "words": words}).ParseFS(assets, "assets/reference.html")
	if err != nil {
		return nil, err
	}
	var pages []page
	for _, page := range []func(*template.Template) (page, error){b.apiPage, b.framesPage, b.schemasPage} {
		p, err := page(t)
		if err != nil {
			return nil, fmt.Errorf("make %s: %w", p.Path, err)
		}
		pages = append(pages, p)
	}
	return pages, nil
}

func (p *page) render(t *template.Template, name string, data any) error {
	var b bytes.Buffer
	err := t.ExecuteTemplate(&b, name, data)
	p.Body = template.HTML(b.String()) // Made by a template that escapes.
	return err
}

// add takes something into the table of contents and the search.
func (p *page) add(level int, anchor, title, text, kind string) {
	p.Headings = append(p.Headings, heading{Level: level, Anchor: anchor, Text: title})
	p.entries = append(p.entries, entry{Title: title, URL: p.Path + "#" + anchor, Text: text, Kind: kind})
}

const openAPI = "openapi.yaml"

func (b *book) apiPage(t *template.Template) (page, error) {
	p := page{Path: "/docs/api", Title: "REST operations"}
	doc, err := b.file(openAPI)
	if err != nil {
		return p, err
	}
	var tags []tag
	for g := range doc.at("tags").items() {
		name := g.at("name").text()
		ops, err := b.operations(doc, name)
		if err != nil {
			return p, err
		}
		tags = append(tags, tag{Name: name, Desc: g.at("description").text(), Operations: ops})
		p.add(2, "tag-"+strings.ToLower(name), name, p.Title, "section")
		for _, o := range ops {
			p.add(3, o.ID, o.Summary, o.Method+" "+o.Path, "call")
		}
	}
	return p, p.render(t, "api", struct {
		Desc string
		Tags []tag
	}{doc.at("info", "description").text(), tags})
}

func (b *book) operations(doc tree, tag string) (out []operation, err error) {
	for path, item := range doc.at("paths").members() {
		for method, o := range item.members() {
			if o.at("tags").texts()[0] != tag {
				continue
			}
			op, err := b.operation(strings.ToUpper(method), path, o)
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", method, path, err)
			}
			out = append(out, op)
		}
	}
	return out, nil
}

func (b *book) operation(method, path string, o tree) (operation, error) {
	op := operation{
		ID: o.at("operationId").text(), Method: method, Path: path, Summary: o.at("summary").text(),
		Desc: o.at("description").text(), Public: o.at("security").exists(), Errors: o.at("x-errors").texts(),
	}
	for ref := range o.at("parameters").items() {
		prm, _, err := b.follow(ref, openAPI)
		if err != nil {
			return op, err
		}
		t, err := b.typeOf(prm.at("schema"), openAPI)
		if err != nil {
			return op, err
		}
		op.Params = append(op.Params, field{Name: prm.at("name").text(), Type: t, Required: prm.at("required").text() == "true", Desc: prm.at("description").text()})
		op.Places = append(op.Places, prm.at("in").text())
	}
	var err error
	if op.Body, err = b.body(o.at("requestBody")); err != nil {
		return op, err
	}
	for status, ref := range o.at("responses").members() {
		n, _ := strconv.Atoi(status)
		if n >= 400 && len(op.Errors) > 0 {
			continue // Told by the codes.
		}
		r, _, err := b.follow(ref, openAPI)
		if err != nil {
			return op, err
		}
		a := answer{Status: n, Text: http.StatusText(n), Desc: r.at("description").text()}
		if a.Body, err = b.body(r); err != nil {
			return op, err
		}
		op.Answers = append(op.Answers, a)
	}
	return op, nil
}

// body reads the JSON content of a request or an answer, nil if there is none.
func (b *book) body(t tree) (*body, error) {
	c := t.at("content", "application/json")
	if !c.exists() {
		return nil, nil
	}
	typ, err := b.typeOf(c.at("schema"), openAPI)
	out := &body{Type: typ}
	if e := c.at("example"); e.exists() {
		out.Sample = e.json()
	}
	return out, err
}
