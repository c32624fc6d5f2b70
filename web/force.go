// SPDX-License-Identifier: Apache-2.0

package web

import (
	"regexp"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
)

// forcePattern matches the words that give a sentence its force.
var forcePattern = regexp.MustCompile(`\b(MUST NOT|SHOULD NOT|MUST|SHOULD|MAY)\b`)

// force makes these words stand out.
type force struct{}

// Transform implements parser.ASTTransformer.
func (force) Transform(doc *ast.Document, r text.Reader, _ parser.Context) {
	var found []*ast.Text // Changed after the walk, which follows the siblings.
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if n.Kind() == ast.KindCodeSpan {
			return ast.WalkSkipChildren, nil
		}
		if t, ok := n.(*ast.Text); ok && entering {
			found = append(found, t)
		}
		return ast.WalkContinue, nil
	})
	for _, t := range found {
		strengthen(t, r.Source())
	}
}

// strengthen splits the text around each such word; t keeps what follows the last one, and so its line break.
func strengthen(t *ast.Text, source []byte) {
	start := t.Segment.Start
	for _, m := range forcePattern.FindAllIndex(t.Segment.Value(source), -1) {
		from, to := start+m[0], start+m[1]
		parent := t.Parent()
		parent.InsertBefore(parent, t, ast.NewTextSegment(text.NewSegment(t.Segment.Start, from)))
		strong := ast.NewEmphasis(2)
		strong.AppendChild(strong, ast.NewTextSegment(text.NewSegment(from, to)))
		parent.InsertBefore(parent, t, strong)
		t.Segment = t.Segment.WithStart(to)
	}
}
