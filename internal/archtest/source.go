// SPDX-License-Identifier: Apache-2.0

package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const (
	maxFile       = 700
	maxFunction   = 100
	maxParameters = 7
	licence       = "// SPDX-License-Identifier: Apache-2.0"
)

// source is one Go file; its path is relative to the module.
type source struct {
	path string
	text string
}

func (s source) test() bool      { return strings.HasSuffix(s.path, "_test.go") }
func (s source) generated() bool { return strings.HasSuffix(s.path, "_gen.go") }

// readSources reads every Go file of the module, without test data.
func readSources(root string) ([]source, error) {
	var list []source
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != root && (strings.HasPrefix(name, ".") || slices.Contains([]string{"testdata", "node_modules", "data", "bin"}, name)) {
			return filepath.SkipDir
		}
		if d.IsDir() || filepath.Ext(name) != ".go" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, path)
		list = append(list, source{filepath.ToSlash(relative), string(text)})
		return err
	})
	return list, err
}

// checkSource finds what is wrong with one file.
func checkSource(s source) []string {
	var found []string
	lines := strings.Count(s.text, "\n")
	if lines > maxFile && !s.generated() {
		found = append(found, fmt.Sprintf("%s: %d lines, at most %d", s.path, lines, maxFile))
	}
	if !strings.HasPrefix(s.text, licence+"\n") && !(s.generated() && strings.Contains(s.text, licence+"\n")) {
		found = append(found, s.path+": the first line is not "+licence)
	}
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, s.path, s.text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return append(found, err.Error())
	}
	for _, group := range file.Comments {
		for _, comment := range group.List {
			if word := leftOver.FindString(comment.Text); word != "" {
				found = append(found, fmt.Sprintf("%s: %s in a comment; finish it, or open an issue", files.Position(comment.Pos()), word))
			}
		}
	}
	return append(found, checkFunctions(s, files, file)...)
}

var leftOver = regexp.MustCompile(`\b(?:TODO|FIXME|XXX)\b`)

func checkFunctions(s source, files *token.FileSet, file *ast.File) []string {
	var found []string
	if s.test() || s.generated() {
		return nil
	}
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		at := files.Position(f.Pos())
		if lines := files.Position(f.End()).Line - at.Line + 1; lines > maxFunction {
			found = append(found, fmt.Sprintf("%s: %s has %d lines, at most %d", at, f.Name.Name, lines, maxFunction))
		}
		if n := f.Type.Params.NumFields(); n > maxParameters {
			found = append(found, fmt.Sprintf("%s: %s has %d parameters, at most %d", at, f.Name.Name, n, maxParameters))
		}
	}
	return found
}

// checkDocs finds folders whose package comment is missing or does not begin with the package's name.
func checkDocs(sources []source) []string {
	documented := map[string]bool{}
	for _, s := range sources {
		if s.test() {
			continue
		}
		dir := filepath.Dir(s.path)
		file, err := parser.ParseFile(token.NewFileSet(), s.path, s.text, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			continue // checkSource says it.
		}
		doc := file.Doc.Text()
		good := strings.HasPrefix(doc, "Package "+file.Name.Name+" ") || file.Name.Name == "main" && strings.HasPrefix(doc, "Command ")
		documented[dir] = documented[dir] || good
	}
	var found []string
	for dir, good := range documented {
		if !good {
			found = append(found, dir+": no package comment that begins \"Package <name> \", or \"Command <name> \"")
		}
	}
	slices.Sort(found)
	return found
}
