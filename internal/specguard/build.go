// SPDX-License-Identifier: Apache-2.0

package specguard

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// builder turns an operation of the document into one that checks. Schemas are compiled by their place in the document,
// so that each is resolved exactly as JSON Schema says.
type builder struct {
	c  *jsonschema.Compiler
	at string // JSON pointer of the operation
}

func (b builder) operation(method, template string, op *openapi3.Operation) (*operation, error) {
	o := &operation{
		method:    method,
		segments:  strings.Split(strings.Trim(template, "/"), "/"),
		responses: map[int]response{},
		codes:     map[string]bool{},
	}
	codes, _ := op.Extensions["x-errors"].([]any)
	for _, c := range codes {
		o.codes[fmt.Sprint(c)] = true
		if c == "token_expired" {
			o.codes["account_suspended"] = true
		}
	}
	if err := b.params(o, op); err != nil {
		return nil, err
	}
	if op.RequestBody != nil {
		at := pointer(b.at, "requestBody", "content", "application/json", "schema")
		s, err := b.compile(at)
		if err != nil {
			return nil, err
		}
		o.body = s
	}
	return o, b.responses(o, op)
}

func (b builder) params(o *operation, op *openapi3.Operation) error {
	for i, p := range op.Parameters {
		s, err := b.compile(pointer(b.place(p.Ref, "parameters", strconv.Itoa(i)), "schema"))
		if err != nil {
			return err
		}
		o.params = append(o.params, param{
			name: p.Value.Name, in: p.Value.In, integer: p.Value.Schema.Value.Type.Is("integer"), boolean: p.Value.Schema.Value.Type.Is("boolean"), schema: s,
		})
	}
	return nil
}

func (b builder) responses(o *operation, op *openapi3.Operation) error {
	for status, r := range op.Responses.Map() {
		n, err := strconv.Atoi(status)
		if err != nil {
			return fmt.Errorf("status %q: %w", status, err)
		}
		at := b.place(r.Ref, "responses", status)
		res := response{content: map[string]*jsonschema.Schema{}}
		for media := range r.Value.Content {
			res.content[media] = nil
			if !strings.HasSuffix(media, "json") {
				continue
			}
			s, err := b.compile(pointer(at, "content", media, "schema"))
			if err != nil {
				return err
			}
			res.content[media] = s
		}
		o.responses[n] = res
	}
	return nil
}

// place is where something stands that may be a reference into the components.
func (b builder) place(ref string, keys ...string) string {
	if ref != "" {
		return strings.TrimPrefix(ref, "#")
	}
	return pointer(b.at, keys...)
}

func (b builder) compile(at string) (*jsonschema.Schema, error) {
	u := url.URL{Fragment: at}
	return b.c.Compile(base + openAPI + u.String())
}
