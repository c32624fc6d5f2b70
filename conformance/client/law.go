// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

const (
	address = "https://parley.chat/spec/"
	openAPI = "openapi.yaml"
)

// Law is the published specification in a form that checks. It is read-only.
type Law struct {
	strict     bool
	operations []*operation
	frames     map[string]*jsonschema.Schema // "server.sync"
	sync       *jsonschema.Schema
	codes      map[string]Code
}

// Code is a line of the error catalogue.
type Code struct {
	Code   string `yaml:"code"`
	Status int    `yaml:"status"`
	Retry  string `yaml:"retry"`
	Close  int    `yaml:"close"`
}

type operation struct {
	id        string
	method    string
	segments  []string
	responses map[int]map[string]*jsonschema.Schema // status, media type; a nil schema is not read
	codes     map[string]bool
}

// NewLaw compiles the files of spec/. In strict mode what is not documented is a violation, else a note.
func NewLaw(files fs.FS, strict bool) (*Law, error) {
	doc, err := loadOpenAPI(files)
	if err != nil {
		return nil, err
	}
	c, err := compiler(files)
	if err != nil {
		return nil, err
	}
	l := &Law{strict: strict, frames: map[string]*jsonschema.Schema{}, codes: map[string]Code{}}
	for template, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			at := pointer("/paths", template, strings.ToLower(method))
			o, err := compileOperation(c, at, op)
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", method, template, err)
			}
			o.method, o.segments = method, strings.Split(strings.Trim(template, "/"), "/")
			l.operations = append(l.operations, o)
		}
	}
	if err := l.compileFrames(files, c); err != nil {
		return nil, err
	}
	return l, l.readCodes(files)
}

// Catalogue returns the line of a code, and whether there is one.
func (l *Law) Catalogue(code string) (Code, bool) {
	c, ok := l.codes[code]
	return c, ok
}

func loadOpenAPI(files fs.FS) (*openapi3.T, error) {
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

func compiler(files fs.FS) (*jsonschema.Compiler, error) {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	names, err := fs.Glob(files, "schemas/*.json")
	if err != nil {
		return nil, err
	}
	for _, name := range append(names, openAPI) {
		raw, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		var doc any
		if path.Ext(name) == ".json" {
			doc, err = jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		} else {
			err = yaml.Unmarshal(raw, &doc)
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		if err := c.AddResource(address+name, doc); err != nil {
			return nil, fmt.Errorf("add %s: %w", name, err)
		}
	}
	return c, nil
}

// compileOperation compiles schemas by their place in the document, so that references resolve as JSON Schema says.
func compileOperation(c *jsonschema.Compiler, at string, op *openapi3.Operation) (*operation, error) {
	o := &operation{id: op.OperationID, responses: map[int]map[string]*jsonschema.Schema{}, codes: map[string]bool{}}
	codes, _ := op.Extensions["x-errors"].([]any)
	for _, code := range codes {
		o.codes[fmt.Sprint(code)] = true
		if code == "token_expired" {
			o.codes["account_suspended"] = true
		}
	}
	for status, r := range op.Responses.Map() {
		n, err := strconv.Atoi(status)
		if err != nil {
			return nil, fmt.Errorf("status %q: %w", status, err)
		}
		place := pointer(at, "responses", status)
		if r.Ref != "" {
			place = strings.TrimPrefix(r.Ref, "#")
		}
		o.responses[n] = map[string]*jsonschema.Schema{}
		for media := range r.Value.Content {
			o.responses[n][media] = nil
			if !strings.HasSuffix(media, "json") {
				continue
			}
			u := url.URL{Fragment: pointer(place, "content", media, "schema")}
			if o.responses[n][media], err = c.Compile(address + openAPI + u.String()); err != nil {
				return nil, err
			}
		}
	}
	return o, nil
}

func (l *Law) compileFrames(files fs.FS, c *jsonschema.Compiler) error {
	names, err := fs.Glob(files, "schemas/server.*.json")
	if err != nil {
		return err
	}
	for _, name := range names {
		s, err := c.Compile(address + name)
		if err != nil {
			return err
		}
		l.frames[strings.TrimSuffix(path.Base(name), ".json")] = s
	}
	l.sync, err = c.Compile(address + "schemas/sync.json")
	return err
}

func (l *Law) readCodes(files fs.FS) error {
	raw, err := fs.ReadFile(files, "errors.yaml")
	if err != nil {
		return err
	}
	var list []Code
	if err := yaml.Unmarshal(raw, &list); err != nil {
		return fmt.Errorf("read errors.yaml: %w", err)
	}
	for _, c := range list {
		l.codes[c.Code] = c
	}
	return nil
}

func pointer(at string, keys ...string) string {
	for _, k := range keys {
		at += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(k)
	}
	return at
}
