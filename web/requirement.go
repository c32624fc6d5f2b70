// SPDX-License-Identifier: Apache-2.0

package web

import (
	"fmt"
	"html"
	"regexp"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// requirement is the id at the end of a normative sentence; it becomes an anchor.
type requirement struct {
	ast.BaseInline
	id string
}

var requirementKind = ast.NewNodeKind("Requirement")

// Kind implements ast.Node.
func (*requirement) Kind() ast.NodeKind { return requirementKind }

// Dump implements ast.Node.
func (r *requirement) Dump(source []byte, level int) {
	ast.DumpHelper(r, source, level, map[string]string{"id": r.id}, nil)
}

// requirementPattern leaves links to requirements to the parser of links.
var requirementPattern = regexp.MustCompile(`^\[([A-Z][A-Z0-9]*(?:-[A-Z0-9]+)*-[0-9]+)\]([^(]|$)`)

type requirementParser struct{}

// Trigger implements parser.InlineParser.
func (requirementParser) Trigger() []byte { return []byte{'['} }

// Parse implements parser.InlineParser.
func (requirementParser) Parse(_ ast.Node, block text.Reader, _ parser.Context) ast.Node {
	line, _ := block.PeekLine()
	m := requirementPattern.FindSubmatch(line)
	if m == nil {
		return nil
	}
	block.Advance(len(m[1]) + 2)
	return &requirement{id: string(m[1])}
}

type requirementRenderer struct{}

// RegisterFuncs implements renderer.NodeRenderer.
func (requirementRenderer) RegisterFuncs(reg renderer.NodeRendererFuncRegisterer) {
	reg.Register(requirementKind, func(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			id := html.EscapeString(n.(*requirement).id)
			_, _ = fmt.Fprintf(w, `<a class="rule" id="%s" href="#%s">%s</a>`, id, id, id)
		}
		return ast.WalkContinue, nil
	})
}
