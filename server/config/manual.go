// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"reflect"
	"strings"

	"gopkg.in/yaml.v3"
)

const manualHead = `# Configuration

<!-- Made from server/config by: go test ./server/config -update -->

` + "`parley serve --config parley.yaml`" + ` reads one YAML file; without it every key has its default. A variable wins over
the file. Unknown keys and wrong values stop the start, all reported at once. Keys with a dot are nested.

| key | variable | default | meaning |
| --- | --- | --- | --- |
`

const manualTail = `
Several databases:

` + "```yaml" + `
serverName: chat.example.org
database:
  shards: 16
  list:
    - {dsnFile: /run/secrets/parley-a, shards: 0-7}
    - {dsnFile: /run/secrets/parley-b, shards: 8-15}
` + "```" + `
`

// Manual returns the page docs/config.md, made from the tags of Config.
func Manual() string {
	c := Default()
	var b strings.Builder
	b.WriteString(manualHead)
	writeRows(&b, "", reflect.ValueOf(c), true)
	b.WriteString(manualTail)
	return b.String()
}

func writeRows(b *strings.Builder, prefix string, v reflect.Value, withVariable bool) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		key, doc := join(prefix, field.Tag.Get("yaml")), field.Tag.Get("doc")
		switch kindOf(field.Type) {
		case yaml.MappingNode:
			writeRows(b, key, v.Field(i), withVariable)
		case yaml.SequenceNode:
			fmt.Fprintf(b, "| `%s` | | empty | %s |\n", key, doc)
			writeRows(b, key+"[]", reflect.Zero(field.Type.Elem()), false)
		default:
			name, value := "", ""
			if withVariable {
				name = "`" + variable(key) + "`"
				value = shownDefault(v.Field(i), field.Tag)
			}
			fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", key, name, value, doc)
		}
	}
}

func shownDefault(v reflect.Value, tag reflect.StructTag) string {
	if shown := tag.Get("shown"); shown != "" {
		return strings.NewReplacer("<", "&lt;", ">", "&gt;").Replace(shown)
	}
	if text := fmt.Sprint(v.Interface()); text != "" {
		return "`" + text + "`"
	}
	return "empty"
}
