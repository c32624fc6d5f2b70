// SPDX-License-Identifier: Apache-2.0

package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
)

// verifier is the one room that gives the timeline entries of other servers, because it verifies who signed them.
const verifier = "federation/replica/"

// checkOneWay finds whoever else does: calls of a method Follow, and snapshots made for Timeline.Begin.
func checkOneWay(s source) []string {
	if s.test() || strings.HasPrefix(s.path, verifier) || strings.HasPrefix(s.path, "core/timeline/") || strings.HasPrefix(s.path, "internal/") {
		return nil
	}
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, s.path, s.text, parser.SkipObjectResolution)
	if err != nil {
		return nil // checkSource says it.
	}
	var found []string
	ast.Inspect(file, func(n ast.Node) bool {
		var used ast.Expr
		switch n := n.(type) {
		case *ast.CallExpr:
			used = n.Fun
		case *ast.CompositeLit:
			used = n.Type
		}
		if name, ok := used.(*ast.SelectorExpr); ok && (name.Sel.Name == "Follow" || isSnapshot(name)) {
			found = append(found, fmt.Sprintf("%s: %s: entries of other servers come in through %s only", files.Position(n.Pos()), name.Sel.Name, verifier))
		}
		return true
	})
	return found
}

func isSnapshot(name *ast.SelectorExpr) bool {
	of, ok := name.X.(*ast.Ident)
	return ok && of.Name == "timeline" && name.Sel.Name == "Snapshot"
}
