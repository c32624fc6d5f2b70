// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
)

// Missing is what Int answers where there is no integer; no field of the protocol has this value.
const Missing = math.MinInt64

// Value is a piece of JSON. Asking for what is not there gives a Value that does not exist, so paths never panic.
type Value struct{ v any }

type absent struct{}

// Parse reads one JSON value with nothing after it.
func Parse(raw []byte) (Value, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return Value{absent{}}, fmt.Errorf("read JSON: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return Value{absent{}}, fmt.Errorf("read JSON: more than one value")
	}
	return Value{v}, nil
}

// At walks down members by name.
func (v Value) At(path ...string) Value {
	for _, key := range path {
		m, ok := v.v.(map[string]any)
		if !ok {
			return Value{absent{}}
		}
		inner, ok := m[key]
		if !ok {
			return Value{absent{}}
		}
		v = Value{inner}
	}
	return v
}

// Exists reports whether the value was there; null exists.
func (v Value) Exists() bool {
	_, gone := v.v.(absent)
	return !gone
}

// Null reports whether the value is null.
func (v Value) Null() bool { return v.v == nil }

// Text returns a string, or "" for anything else.
func (v Value) Text() string {
	s, _ := v.v.(string)
	return s
}

// Int returns an integer, or Missing for anything else.
func (v Value) Int() int64 {
	n, ok := v.v.(json.Number)
	if !ok {
		return Missing
	}
	i, err := n.Int64()
	if err != nil {
		return Missing
	}
	return i
}

// Bool reports whether the value is true.
func (v Value) Bool() bool {
	b, _ := v.v.(bool)
	return b
}

// IsBool reports whether the value is true or false.
func (v Value) IsBool() bool {
	_, ok := v.v.(bool)
	return ok
}

// IsList reports whether the value is an array.
func (v Value) IsList() bool {
	_, ok := v.v.([]any)
	return ok
}

// List returns the elements of an array, nil for anything else.
func (v Value) List() []Value {
	list, _ := v.v.([]any)
	out := make([]Value, len(list))
	for i, e := range list {
		out[i] = Value{e}
	}
	return out
}

// Texts returns the strings of an array.
func (v Value) Texts() []string {
	var out []string
	for _, e := range v.List() {
		out = append(out, e.Text())
	}
	return out
}

// Keys returns the names of the members of an object, sorted.
func (v Value) Keys() []string {
	m, _ := v.v.(map[string]any)
	return slices.Sorted(maps.Keys(m))
}

// Any returns the value as encoding/json has it, with json.Number for numbers; nil if it does not exist.
func (v Value) Any() any {
	if !v.Exists() {
		return nil
	}
	return v.v
}

// String returns the value as compact JSON with sorted keys, so that two values can be compared.
func (v Value) String() string {
	if !v.Exists() {
		return "(absent)"
	}
	raw, err := json.Marshal(v.v)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

// Compact returns v as JSON; for parts of hand-made bodies.
func Compact(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}
