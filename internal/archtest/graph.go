// SPDX-License-Identifier: Apache-2.0

package archtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
)

// modulePath is cut off from the names of our own packages.
const modulePath = "parley.chat"

// graph maps each of our packages ("core/feed") to what it imports: our packages by their folder, others by their path.
type graph map[string][]string

// ours reports whether an import is one of our packages.
func (g graph) ours(name string) bool { _, ok := g[name]; return ok }

// packages returns our packages in order.
func (g graph) packages() []string {
	names := make([]string, 0, len(g))
	for name := range g {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// loadGraph asks the go command for the imports of the module in dir, those of tests left out.
func loadGraph(dir string) (graph, error) {
	cmd := exec.Command("go", "list", "-e", "-test=false", "-json=ImportPath,Imports", "./...")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return nil, fmt.Errorf("go list: %w: %s", err, exit.Stderr)
		}
		return nil, fmt.Errorf("go list: %w", err)
	}
	return parseGraph(strings.NewReader(string(out)))
}

func parseGraph(in io.Reader) (graph, error) {
	g := graph{}
	for decoder := json.NewDecoder(in); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return g, nil
		} else if err != nil {
			return nil, fmt.Errorf("read go list: %w", err)
		}
		imports := []string{}
		for _, path := range p.Imports {
			imports = append(imports, folder(path))
		}
		g[folder(p.ImportPath)] = imports
	}
}

func folder(path string) string {
	if path == modulePath {
		return "."
	}
	return strings.TrimPrefix(path, modulePath+"/")
}

// top returns the top-level folder of one of our packages.
func top(name string) string {
	first, _, _ := strings.Cut(name, "/")
	return first
}

// within reports whether a package lies in a folder or is it.
func within(name, dir string) bool { return name == dir || strings.HasPrefix(name, dir+"/") }
