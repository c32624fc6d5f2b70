// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	"fmt"
	"html/template"
	"io/fs"
	"regexp"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// prosePages renders every Markdown file at the top of the specification.
func prosePages(files fs.FS) ([]page, error) {
	names, err := fs.Glob(files, "*.md")
	if err != nil {
		return nil, err
	}
	md := goldmark.New(
		// Alignment as an attribute: the policy forbids inline styles.
		goldmark.WithExtensions(extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute))),
		goldmark.WithParserOptions(
			parser.WithAutoHeadingID(),
			// Before the parser of links, whose priority is 200.
			parser.WithInlineParsers(util.Prioritized(requirementParser{}, 150)),
			parser.WithASTTransformers(util.Prioritized(linkRewriter{}, 500), util.Prioritized(force{}, 510)),
		),
		goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(requirementRenderer{}, 500))),
	)
	var pages []page
	for _, name := range names {
		raw, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		p, err := prosePage(md, name, raw)
		if err != nil {
			return nil, fmt.Errorf("render %s: %w", name, err)
		}
		pages = append(pages, p)
	}
	return pages, nil
}

func prosePage(md goldmark.Markdown, name string, raw []byte) (page, error) {
	p := page{Path: address(name)}
	doc := md.Parser().Parse(text.NewReader(raw), parser.WithContext(parser.NewContext(parser.WithIDs(anchors{}))))
	err := ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			p.note(n, raw)
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		return p, err
	}
	var b bytes.Buffer
	err = md.Renderer().Render(&b, raw, doc)
	out := strings.NewReplacer("<table>", `<div class="scroll"><table>`, "</table>", "</table></div>").Replace(b.String())
	p.Body = template.HTML(out) // The specification is our own text, and raw HTML in it is not rendered.
	return p, err
}

// note takes headings and requirements into the tables of contents and the search.
func (p *page) note(n ast.Node, source []byte) {
	switch n := n.(type) {
	case *ast.Heading:
		words := plain(n, source)
		if n.Level == 1 {
			p.Title = words
			return
		}
		id, _ := n.AttributeString("id")
		anchor := string(id.([]byte))
		p.Headings = append(p.Headings, heading{Level: n.Level, Anchor: anchor, Text: words})
		kind := "section"
		if p.Path == "/docs/errors" && n.Level == 3 {
			kind = "code"
		}
		p.entries = append(p.entries, entry{Title: words, URL: p.Path + "#" + anchor, Text: p.Title, Kind: kind})
	case *requirement:
		p.entries = append(p.entries, entry{Title: n.id, URL: p.Path + "#" + n.id, Text: sentence(n, source), Kind: "rule"})
	}
}

// sentence is the words right before a requirement's id, as many as the search shows.
func sentence(n *requirement, source []byte) string {
	const most = 160
	var words string
	for s := n.PreviousSibling(); s != nil; s = s.PreviousSibling() {
		if _, ok := s.(*requirement); ok {
			break
		}
		words = plain(s, source) + words
	}
	words = strings.TrimSpace(words)
	if runes := []rune(words); len(runes) > most {
		words = string(runes[:most]) + "…"
	}
	return words
}

// plain is the text of a node without marks.
func plain(n ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if t, ok := n.(*ast.Text); ok && entering {
			b.Write(t.Segment.Value(source))
			if t.SoftLineBreak() {
				b.WriteByte(' ')
			}
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

// anchors names headings as GitHub does, so that the links of the prose work in both places.
type anchors struct{}

var dropped = regexp.MustCompile(`[^a-z0-9_ -]`)

// Generate implements parser.IDs.
func (anchors) Generate(value []byte, _ ast.NodeKind) []byte {
	s := dropped.ReplaceAllString(strings.ToLower(strings.TrimSpace(string(value))), "")
	return []byte(strings.ReplaceAll(s, " ", "-"))
}

// Put implements parser.IDs.
func (anchors) Put([]byte) {}

// linkRewriter makes links of the repository into links of the site.
type linkRewriter struct{}

// Transform implements parser.ASTTransformer.
func (linkRewriter) Transform(doc *ast.Document, _ text.Reader, _ parser.Context) {
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if l, ok := n.(*ast.Link); ok && entering {
			l.Destination = []byte(address(string(l.Destination)))
		}
		return ast.WalkContinue, nil
	})
}
