// SPDX-License-Identifier: Apache-2.0

package spec_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"parley.chat/internal/specguard"
	"parley.chat/protocol/fault"
	"parley.chat/spec"
)

type operation struct {
	name string // GET /api/v1/sync
	*openapi3.Operation
	codes []string
}

// operations loads and validates openapi.yaml, examples included.
func operations(t *testing.T) []operation {
	t.Helper()
	doc, err := specguard.LoadOpenAPI(spec.Files())
	if err != nil {
		t.Fatal(err)
	}
	var out []operation
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			o := operation{name: method + " " + path, Operation: op}
			list, ok := op.Extensions["x-errors"].([]any)
			if !ok {
				t.Errorf("%s has no x-errors", o.name)
			}
			for _, c := range list {
				o.codes = append(o.codes, fmt.Sprint(c))
			}
			out = append(out, o)
		}
	}
	return out
}

func TestOpenAPI_CodesAreOfTheCatalogueAndTheirStatusesAreDocumented(t *testing.T) {
	for _, o := range operations(t) {
		want := map[string]bool{}
		for _, c := range o.codes {
			if !knownCode(c) {
				t.Errorf("%s lists %s, which is not in errors.yaml", o.name, c)
				continue
			}
			want[strconv.Itoa(fault.Lookup(fault.Code(c)).Status)] = true
		}
		for status, r := range o.Responses.Map() {
			problem := r.Value.Content["application/problem+json"] != nil
			if problem != want[status] {
				t.Errorf("%s: status %s: a problem is documented: %v, x-errors has a code for it: %v", o.name, status, problem, want[status])
			}
			delete(want, status)
		}
		for status := range want {
			t.Errorf("%s: x-errors has a code of status %s, which is not documented", o.name, status)
		}
		if dup := duplicate(o.codes); dup != "" {
			t.Errorf("%s lists %s twice", o.name, dup)
		}
	}
}

func TestOpenAPI_AuthenticatedOperationsCanRefuseTokensAndLoad(t *testing.T) {
	for _, o := range operations(t) {
		if o.Security != nil {
			continue
		}
		for _, c := range []fault.Code{fault.Unauthenticated, fault.TokenExpired, fault.RateLimited, fault.Unavailable} {
			if !slices.Contains(o.codes, string(c)) {
				t.Errorf("%s does not list %s", o.name, c)
			}
		}
	}
}

func TestOpenAPI_EveryOperationIsTold(t *testing.T) {
	ids := map[string]string{}
	for _, o := range operations(t) {
		if o.Summary == "" || o.Description == "" || len(o.Tags) != 1 || o.OperationID == "" {
			t.Errorf("%s lacks summary, description, tag or operationId", o.name)
		}
		if other, ok := ids[o.OperationID]; ok {
			t.Errorf("%s and %s are both called %s", o.name, other, o.OperationID)
		}
		ids[o.OperationID] = o.name
		if o.RequestBody != nil && o.RequestBody.Value.Content["application/json"].Example == nil {
			t.Errorf("%s has no example of its body", o.name)
		}
		for status, r := range o.Responses.Map() {
			for media, c := range r.Value.Content {
				if strings.HasSuffix(media, "json") && c.Example == nil {
					t.Errorf("%s: no example of %s", o.name, status)
				}
			}
		}
	}
}

func TestOpenAPI_AnswersAreClosedAndRequestsAreOpen(t *testing.T) {
	for _, o := range operations(t) {
		for status, r := range o.Responses.Map() {
			for _, c := range r.Value.Content {
				eachObject(c.Schema, func(place string, s *openapi3.Schema) {
					closed := s.AdditionalProperties.Has != nil && !*s.AdditionalProperties.Has
					if len(s.Properties) > 0 && !closed {
						t.Errorf("%s: %s%s lacks additionalProperties: false", o.name, status, place)
					}
				})
			}
		}
		if o.RequestBody == nil {
			continue
		}
		eachObject(o.RequestBody.Value.Content["application/json"].Schema, func(place string, s *openapi3.Schema) {
			if s.AdditionalProperties.Has != nil {
				t.Errorf("%s: the request%s refuses unknown members", o.name, place)
			}
		})
	}
}

func eachObject(r *openapi3.SchemaRef, f func(place string, s *openapi3.Schema)) {
	var walk func(place string, r *openapi3.SchemaRef)
	walk = func(place string, r *openapi3.SchemaRef) {
		if r == nil || r.Value == nil || strings.Count(place, "/") > 8 {
			return
		}
		if r.Value.Type.Is("object") {
			f(place, r.Value)
		}
		for name, p := range r.Value.Properties {
			walk(place+"/"+name, p)
		}
		walk(place+"/[]", r.Value.Items)
	}
	walk("", r)
}

func duplicate(list []string) string {
	s := slices.Sorted(slices.Values(list))
	for i := range s {
		if i > 0 && s[i] == s[i-1] {
			return s[i]
		}
	}
	return ""
}
