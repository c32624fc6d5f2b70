// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"
)

func valueOf(c *Config) reflect.Value { return reflect.ValueOf(c).Elem() }

// readNode reads one YAML node into the field of a key. A key without a value keeps its default.
func (r *reader) readNode(key string, node *yaml.Node, into reflect.Value) {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node.Kind == yaml.ScalarNode && node.Tag == "!!null" {
		return
	}
	r.source[key] = r.at(node.Line)
	switch kindOf(into.Type()) {
	case yaml.MappingNode:
		r.readMapping(key, node, into)
	case yaml.SequenceNode:
		r.readList(key, node, into)
	default:
		if node.Kind != yaml.ScalarNode {
			r.wrong(key, "one value is expected")
			return
		}
		r.setScalar(key, node.Value, into)
	}
}

func (r *reader) readMapping(key string, node *yaml.Node, into reflect.Value) {
	if node.Kind != yaml.MappingNode {
		r.wrong(key, "keys with values are expected")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i], node.Content[i+1]
		child := join(key, name.Value)
		field, ok := fieldByKey(into, name.Value)
		switch {
		case !ok:
			r.mistakes = append(r.mistakes, Mistake{r.at(name.Line), child, "unknown key" + suggestion(into.Type(), name.Value)})
		case seen[name.Value]:
			r.mistakes = append(r.mistakes, Mistake{r.at(name.Line), child, "given twice"})
		default:
			r.readNode(child, value, field)
		}
		seen[name.Value] = true
	}
}

func (r *reader) readList(key string, node *yaml.Node, into reflect.Value) {
	if node.Kind != yaml.SequenceNode {
		r.wrong(key, "a list is expected")
		return
	}
	into.Set(reflect.MakeSlice(into.Type(), len(node.Content), len(node.Content)))
	for i, item := range node.Content {
		r.readNode(fmt.Sprintf("%s[%d]", key, i), item, into.Index(i))
	}
}

// setScalar sets a field from text, which is the same from YAML and from a variable.
func (r *reader) setScalar(key, text string, into reflect.Value) {
	if into.Type() == reflect.TypeFor[Range]() {
		shards, err := ParseRange(text)
		if err != nil {
			r.wrong(key, "%v", err)
		}
		into.Set(reflect.ValueOf(shards))
		return
	}
	switch into.Kind() {
	case reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			r.wrong(key, "%q is not a whole number", text)
			return
		}
		into.SetInt(int64(n))
	case reflect.Bool:
		if text != "true" && text != "false" {
			r.wrong(key, "%q is neither true nor false", text)
			return
		}
		into.SetBool(text == "true")
	default:
		into.SetString(text)
	}
}

// kindOf says in which form a type is written.
func kindOf(t reflect.Type) yaml.Kind {
	switch {
	case t == reflect.TypeFor[Range]():
		return yaml.ScalarNode
	case t.Kind() == reflect.Struct:
		return yaml.MappingNode
	case t.Kind() == reflect.Slice:
		return yaml.SequenceNode
	default:
		return yaml.ScalarNode
	}
}

func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

func fieldByKey(v reflect.Value, name string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("yaml") == name {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

// suggestion names the key that differs in case or punctuation only, the usual slip.
func suggestion(t reflect.Type, name string) string {
	plain := func(s string) string {
		return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(s))
	}
	for i := range t.NumField() {
		if key := t.Field(i).Tag.Get("yaml"); plain(key) == plain(name) {
			return "; did you mean " + key + "?"
		}
	}
	return ""
}

// readEnv sets the scalars that variables name. They win over the file.
func (r *reader) readEnv(env []string, c *Config) {
	fields := map[string]string{}
	values := map[string]reflect.Value{}
	eachScalar("", valueOf(c), func(key string, v reflect.Value, _ reflect.StructTag) {
		fields[variable(key)], values[key] = key, v
	})
	given := map[string]string{}
	for _, pair := range env {
		if name, value, ok := strings.Cut(pair, "="); ok && strings.HasPrefix(name, envPrefix) && !foreign(name) {
			given[name] = value
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		key, ok := fields[name]
		if !ok {
			r.mistakes = append(r.mistakes, Mistake{name, "", "unknown variable"})
			continue
		}
		r.source[key] = name
		r.setScalar(key, given[name], values[key])
	}
}

const envPrefix = "PARLEY_"

// foreign reports variables with our prefix that are not ours to read: the path of the file, those of tests, and
// those Kubernetes sets for a service called parley.
func foreign(name string) bool {
	rest := strings.TrimPrefix(name, envPrefix)
	return rest == "CONFIG" || strings.HasPrefix(rest, "TEST_") ||
		strings.HasPrefix(rest, "SERVICE_") || rest == "PORT" || strings.HasPrefix(rest, "PORT_")
}

// variable returns the name of the variable of a key: registration.allowOpen is PARLEY_REGISTRATION_ALLOW_OPEN.
func variable(key string) string {
	var b strings.Builder
	b.WriteString(envPrefix)
	for _, c := range key {
		switch {
		case c == '.':
			b.WriteByte('_')
		case unicode.IsUpper(c):
			b.WriteByte('_')
			b.WriteRune(c)
		default:
			b.WriteRune(unicode.ToUpper(c))
		}
	}
	return b.String()
}

// eachScalar visits every key outside of lists, in the order of the struct.
func eachScalar(prefix string, v reflect.Value, visit func(string, reflect.Value, reflect.StructTag)) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		key := join(prefix, field.Tag.Get("yaml"))
		switch kindOf(field.Type) {
		case yaml.MappingNode:
			eachScalar(key, v.Field(i), visit)
		case yaml.ScalarNode:
			visit(key, v.Field(i), field.Tag)
		}
	}
}
