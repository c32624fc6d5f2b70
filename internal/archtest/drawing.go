// SPDX-License-Identifier: Apache-2.0

package archtest

import (
	"errors"
	"fmt"
	"strings"
)

const (
	drawingBegin = "<!-- imports:begin -->"
	drawingEnd   = "<!-- imports:end -->"
)

// draw returns the imports between our packages as a Mermaid flow chart, floor by floor from the top. The workshop is
// left out: it sees everything.
func draw(g graph) string {
	var b strings.Builder
	b.WriteString("```mermaid\nflowchart TD\n")
	for floor := 5; floor > workshop; floor-- {
		fmt.Fprintf(&b, "  subgraph floor%d [floor %d]\n", floor, floor)
		for _, name := range g.packages() {
			if here, ok := floorOf(name); ok && here == floor {
				fmt.Fprintf(&b, "    %s[%s]\n", node(name), name)
			}
		}
		b.WriteString("  end\n")
	}
	for _, from := range g.packages() {
		var to []string
		for _, name := range g[from] {
			if g.ours(name) {
				to = append(to, node(name))
			}
		}
		if here, ok := floorOf(from); ok && here != workshop && len(to) > 0 {
			fmt.Fprintf(&b, "  %s --> %s\n", node(from), strings.Join(to, " & "))
		}
	}
	b.WriteString("```\n")
	return b.String()
}

// node makes a name Mermaid takes; "end" is one of its own words.
func node(name string) string {
	return "p_" + strings.NewReplacer("/", "_", "-", "_", ".", "_").Replace(name)
}

// replaceDrawing puts a drawing between the marks of a page.
func replaceDrawing(page, drawing string) (string, error) {
	before, rest, ok1 := strings.Cut(page, drawingBegin)
	_, after, ok2 := strings.Cut(rest, drawingEnd)
	if !ok1 || !ok2 {
		return "", errors.New("the page has no marks " + drawingBegin + " and " + drawingEnd)
	}
	return before + drawingBegin + "\n" + drawing + drawingEnd + after, nil
}
