// SPDX-License-Identifier: Apache-2.0

package specguard

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"parley.chat/spec"
)

const (
	base    = "https://parley.chat/spec/"
	openAPI = "openapi.yaml"
)

// law is the compiled specification. It is read-only.
type law struct {
	operations []*operation
	frames     map[string]*jsonschema.Schema // by file name without extension: "server.sync"
}

// operation is one method of one path of openapi.yaml.
type operation struct {
	method    string
	segments  []string // of the path template
	params    []param
	body      *jsonschema.Schema // nil if it takes none
	responses map[int]response
	codes     map[string]bool // x-errors
}

type param struct {
	name, in string
	integer  bool
	boolean  bool
	schema   *jsonschema.Schema
}

// response maps media types to schemas; a nil schema stands for a body that is not read.
type response struct {
	content map[string]*jsonschema.Schema
}

// theLaw compiles spec/ once. It panics on a broken specification, which the tests of package spec find first.
var theLaw = sync.OnceValue(func() *law {
	l, err := compile(spec.Files())
	if err != nil {
		panic(err)
	}
	return l
})

// LoadOpenAPI loads openapi.yaml from files with kin-openapi and validates the document.
func LoadOpenAPI(files fs.FS) (*openapi3.T, error) {
	loader := openapi3.NewLoader()
	loader.IsExternalRefsAllowed = true
	loader.ReadFromURIFunc = func(_ *openapi3.Loader, u *url.URL) ([]byte, error) {
		return fs.ReadFile(files, path.Clean(strings.TrimPrefix(u.Path, "/")))
	}
	doc, err := loader.LoadFromURI(&url.URL{Path: openAPI})
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", openAPI, err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		return nil, fmt.Errorf("validate %s: %w", openAPI, err)
	}
	return doc, nil
}

// Compiler returns a JSON Schema compiler that knows openapi.yaml and every file of schemas/ by its address.
func Compiler(files fs.FS) (*jsonschema.Compiler, error) {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	names, err := fs.Glob(files, "schemas/*.json")
	if err != nil {
		return nil, err
	}
	for _, name := range append(names, openAPI) {
		doc, err := readAny(files, name)
		if err != nil {
			return nil, err
		}
		if err := c.AddResource(base+name, doc); err != nil {
			return nil, fmt.Errorf("add %s: %w", name, err)
		}
	}
	return c, nil
}

func readAny(files fs.FS, name string) (any, error) {
	raw, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, err
	}
	if path.Ext(name) == ".json" {
		return jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	}
	var doc any
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return doc, nil
}

func compile(files fs.FS) (*law, error) {
	doc, err := LoadOpenAPI(files)
	if err != nil {
		return nil, err
	}
	c, err := Compiler(files)
	if err != nil {
		return nil, err
	}
	l := &law{frames: map[string]*jsonschema.Schema{}}
	for template, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			b := builder{c: c, at: pointer("/paths", template, strings.ToLower(method))}
			o, err := b.operation(method, template, op)
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", method, template, err)
			}
			l.operations = append(l.operations, o)
		}
	}
	return l, l.compileFrames(files, c)
}

func (l *law) compileFrames(files fs.FS, c *jsonschema.Compiler) error {
	for _, side := range []string{"client", "server"} {
		names, err := fs.Glob(files, "schemas/"+side+".*.json")
		if err != nil {
			return err
		}
		for _, name := range names {
			s, err := c.Compile(base + name)
			if err != nil {
				return err
			}
			l.frames[strings.TrimSuffix(path.Base(name), ".json")] = s
		}
	}
	return nil
}

// pointer appends keys to a JSON pointer.
func pointer(at string, keys ...string) string {
	for _, k := range keys {
		at += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(k)
	}
	return at
}
