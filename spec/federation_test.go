// SPDX-License-Identifier: Apache-2.0

package spec_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

const federation = "federation.yaml"

// federationSchema compiles a component of federation.yaml.
func federationSchema(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	var doc any
	if err := yaml.Unmarshal(read(t, federation), &doc); err != nil {
		t.Fatal(err)
	}
	c := compiler(t)
	if err := c.AddResource(base+federation, doc); err != nil {
		t.Fatal(err)
	}
	u := url.URL{Fragment: "/components/schemas/" + name}
	s, err := c.Compile(base + federation + u.String())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFederation_TheSchemaOfKeysTakesWhatAReceiverTakes(t *testing.T) {
	var file struct {
		Tests []struct {
			ID     string   `json:"id"`
			Flags  []string `json:"flags"`
			Input  string   `json:"input"`
			Result string   `json:"result"`
		} `json:"tests"`
	}
	if err := json.Unmarshal(read(t, "vectors/federation/keys.json"), &file); err != nil {
		t.Fatal(err)
	}
	s := federationSchema(t, "Keys")
	refused := map[string]bool{"keys-unknown": true, "keys-missing": true} // The others break rules that a schema cannot say.
	for _, v := range file.Tests {
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(v.Input))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(doc); (err != nil) != refused[v.ID] {
			t.Errorf("%s: %v", v.ID, err)
		}
	}
}

func TestFederation_CodesAreOfTheCatalogue(t *testing.T) {
	var doc struct {
		Paths map[string]map[string]struct {
			OperationID string           `yaml:"operationId"`
			Codes       []string         `yaml:"x-errors"`
			Responses   map[string]any   `yaml:"responses"`
			Security    []map[string]any `yaml:"security"`
		} `yaml:"paths"`
	}
	if err := yaml.Unmarshal(read(t, federation), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Paths) == 0 {
		t.Fatal("there are no paths")
	}
	for path, methods := range doc.Paths {
		if !strings.HasPrefix(path, "/federation/v1/") {
			t.Errorf("%s is not below /federation/v1/", path)
		}
		for method, o := range methods {
			for _, c := range append(o.Codes, "signature_invalid", "server_refused") {
				if !knownCode(c) {
					t.Errorf("%s %s lists %s, which is not in errors.yaml", method, path, c)
				}
			}
			if signed := o.Security == nil; signed && o.Responses["401"] == nil {
				t.Errorf("%s is signed and never refuses a signature", fmt.Sprint(o.OperationID))
			}
		}
	}
}
