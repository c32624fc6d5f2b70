// SPDX-License-Identifier: Apache-2.0

package op

import (
	"errors"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"parley.chat/protocol/fault"
)

// Decode reads one JSON object strictly: UTF-8, no duplicate names, names compared with their case; unknown members are
// passed over. Faults: malformed_json, invalid_field with the path of the field.
func Decode(raw []byte, into any) error {
	v := jsontext.Value(raw)
	if !v.IsValid() {
		return fault.New(fault.MalformedJSON, "the body is not one well-formed JSON value in UTF-8 without duplicate names")
	}
	if v.Kind() != '{' {
		return fault.Invalid("body", "must be a JSON object")
	}
	err := json.Unmarshal(raw, into)
	if err == nil {
		return nil
	}
	var wrong *json.SemanticError
	if !errors.As(err, &wrong) {
		return fault.New(fault.MalformedJSON, "the body is not well-formed JSON").Because(err)
	}
	return fault.Invalid(fieldPath(wrong.JSONPointer), "must be %s", typeName(wrong.GoType)).Because(err)
}

// fieldPath writes a JSON pointer as clients write fields: members[0].name.
func fieldPath(p jsontext.Pointer) string {
	var b strings.Builder
	for name := range p.Tokens() {
		switch {
		case name != "" && strings.Trim(name, "0123456789") == "":
			b.WriteString("[" + name + "]")
		case b.Len() == 0:
			b.WriteString(name)
		default:
			b.WriteString("." + name)
		}
	}
	if b.Len() == 0 {
		return "body"
	}
	return b.String()
}

func typeName(t reflect.Type) string {
	if t == nil {
		return "of another type"
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "an integer in range"
	}
	return "of another type"
}
