// SPDX-License-Identifier: Apache-2.0

package web

import (
	"encoding/json"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func bookOf(t *testing.T, files map[string]string) *book {
	t.Helper()
	m := fstest.MapFS{}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return &book{files: m, read: map[string]tree{}}
}

func (b *book) must(t *testing.T, name string) tree {
	t.Helper()
	root, err := b.file(name)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func TestTree_KeepsTheOrderOfMembers(t *testing.T) {
	root := bookOf(t, map[string]string{"a.yaml": "z: 1\na: [x, y]\nm: {k: v}"}).must(t, "a.yaml")
	var names []string
	for name := range root.members() {
		names = append(names, name)
	}
	if diff := cmp.Diff([]string{"z", "a", "m"}, names); diff != "" {
		t.Error(diff)
	}
	if got := root.at("m", "k").text(); got != "v" {
		t.Errorf("m.k is %q", got)
	}
	if diff := cmp.Diff([]string{"x", "y"}, root.at("a").texts()); diff != "" {
		t.Error(diff)
	}
	if root.at("m", "nothing", "deeper").exists() {
		t.Error("something absent exists")
	}
}

func TestTree_JSONIsTheSameValueInTheSameOrder(t *testing.T) {
	const text = `{"z": "a \"quoted\" <b> & ü", "n": 12, "t": true, "o": {}, "l": [], "x": null,
		"long": [{"one": "a text that does not fit beside the others"}, {"two": "another text that does not fit on the line"}]}`
	got := bookOf(t, map[string]string{"a.json": text}).must(t, "a.json").json()
	var want, have any
	if err := json.Unmarshal([]byte(text), &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(got), &have); err != nil {
		t.Fatalf("%v in\n%s", err, got)
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Error(diff)
	}
	if got[:6] != "{\n  \"z" {
		t.Errorf("the first member is not the first:\n%s", got)
	}
}

func TestTree_ShortJSONStaysOnOneLine(t *testing.T) {
	got := bookOf(t, map[string]string{"a.yaml": "a: 1\nb: [x, 2]"}).must(t, "a.yaml").json()
	if got != `{"a": 1, "b": ["x", 2]}` {
		t.Errorf("got %s", got)
	}
}

func TestBook_FollowsReferencesThroughFiles(t *testing.T) {
	b := bookOf(t, map[string]string{
		"api.yaml":         "c: {s: {$ref: 'schemas/a.json'}}\np: {$ref: '#/c/s'}\nbad: {$ref: '#/c/nothing'}\nround: {$ref: '#/round'}\nlost: {$ref: 'gone.json'}",
		"schemas/a.json":   `{"$ref": "ids.json#/$defs/x"}`,
		"schemas/ids.json": `{"$defs": {"x": {"type": "string"}}}`,
	})
	root := b.must(t, "api.yaml")
	got, file, err := b.follow(root.at("p"), "api.yaml")
	if err != nil || file != "schemas/ids.json" || got.at("type").text() != "string" {
		t.Errorf("got %q in %s, %v", got.at("type").text(), file, err)
	}
	for _, name := range []string{"bad", "round", "lost"} {
		if _, _, err := b.follow(root.at(name), "api.yaml"); err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}

func TestBook_TypesAreToldWithLinksAndRules(t *testing.T) {
	b := bookOf(t, map[string]string{
		"openapi.yaml": `
components: {schemas: {Event: {$ref: schemas/event.json}, Page: {type: object}}}
t:
  own: {$ref: '#/components/schemas/Page'}
  file: {$ref: '#/components/schemas/Event'}
  value: {$ref: 'schemas/ids.json#/$defs/user'}
  list: {type: array, items: {$ref: '#/components/schemas/Page'}, maxItems: 3}
  map: {type: object, additionalProperties: {type: integer, minimum: 0}}
  choice: {type: string, enum: [a, b]}
  fixed: {type: string, const: sent}
  bounds: {type: integer, minimum: 1, maximum: 9, default: 5}`,
		"schemas/event.json": `{"title": "Event", "type": "object"}`,
		"schemas/ids.json":   `{"$defs": {"user": {"type": "string"}}}`,
	})
	for name, want := range map[string]typ{
		"own":    {Text: "Page", Link: "/docs/schemas#Page"},
		"file":   {Text: "Event", Link: "/docs/schemas#event"},
		"value":  {Text: "user", Link: "/docs/schemas#value-user"},
		"list":   {Prefix: "list of ", Text: "Page", Link: "/docs/schemas#Page", Rules: "at most 3 items"},
		"map":    {Prefix: "map of ", Text: "integer", Rules: "from 0"},
		"choice": {Text: "string", Rules: "one of a, b"},
		"fixed":  {Text: "string", Rules: `always "sent"`},
		"bounds": {Text: "integer", Rules: "from 1, up to 9, 5 if absent"},
	} {
		got, err := b.typeOf(b.must(t, "openapi.yaml").at("t", name), "openapi.yaml")
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestBook_MembersTakeTheDescriptionOfWhatTheyReferTo(t *testing.T) {
	b := bookOf(t, map[string]string{
		"schemas/a.json":   `{"type": "object", "required": ["x"], "properties": {"x": {"$ref": "ids.json#/$defs/u"}, "y": {"$ref": "ids.json#/$defs/u", "description": "Own."}}}`,
		"schemas/ids.json": `{"$defs": {"u": {"type": "string", "description": "Shared."}}}`,
	})
	s, err := b.shapeOf("a", b.must(t, "schemas/a.json"), "schemas/a.json")
	if err != nil {
		t.Fatal(err)
	}
	user := typ{Text: "u", Link: "/docs/schemas#value-u"}
	want := []field{{Name: "x", Type: user, Required: true, Desc: "Shared."}, {Name: "y", Type: user, Desc: "Own."}}
	if diff := cmp.Diff(want, s.Fields); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if s.Raw != "/docs/schemas/a.json" {
		t.Errorf("raw file %q", s.Raw)
	}
}

func TestBuild_ABrokenSpecificationIsAnErrorNotAPage(t *testing.T) {
	for name, files := range map[string]fstest.MapFS{
		"no files":     {},
		"broken YAML":  {"openapi.yaml": {Data: []byte("a: [")}},
		"lost schemas": {"openapi.yaml": {Data: []byte("tags: [{name: A}]\npaths: {/a: {get: {tags: [A], parameters: [{$ref: '#/nothing'}]}}}")}},
	} {
		if _, err := build(files); err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}
