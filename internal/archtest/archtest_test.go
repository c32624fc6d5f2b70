// SPDX-License-Identifier: Apache-2.0

package archtest

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "draw the imports in docs/architecture.md again")

const root = "../.."

func loaded(t *testing.T) graph {
	t.Helper()
	g, err := loadGraph(root)
	if err != nil {
		t.Fatal(err)
	}
	if !g.ours("protocol/id") || !g.ours("internal/archtest") {
		t.Fatalf("the graph is not that of the house: %v", g.packages())
	}
	return g
}

func report(t *testing.T, found []string) {
	t.Helper()
	for _, f := range found {
		t.Error(f)
	}
}

func TestHouse_ImportsRunDownward(t *testing.T) { report(t, checkFloors(loaded(t))) }

func TestHouse_ForbiddenImports(t *testing.T) { report(t, checkRules(loaded(t))) }

func TestHouse_TopLevelFoldersHaveNoCycle(t *testing.T) { report(t, checkCycles(loaded(t))) }

func TestHouse_FilesKeepTheirForm(t *testing.T) {
	sources, err := readSources(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(sources) < 20 {
		t.Fatalf("only %d files found", len(sources))
	}
	for _, s := range sources {
		report(t, checkSource(s))
		report(t, checkOneWay(s))
	}
	report(t, checkDocs(sources))
}

func TestHouse_TheDrawingIsCurrent(t *testing.T) {
	path := filepath.Join(root, "docs", "architecture.md")
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := replaceDrawing(string(have), draw(loaded(t)))
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(have)); diff != "" {
		t.Errorf("the drawing is not current; run go test ./internal/archtest -update\n%s", diff)
	}
}
