// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"parley.chat/protocol/fault"
)

// MaxBody is the largest request body in bytes.
const MaxBody = 128 << 10

// bodyTime is how long a client may take to send a body.
const bodyTime = 30 * time.Second

// Body makes a Handle that decodes the body into In first. Faults: unsupported_media_type, body_too_large,
// malformed_json, invalid_field.
func Body[In any](f func(*Call, In) (any, error)) Handle {
	return func(c *Call) (any, error) {
		var in In
		raw, err := c.read()
		if err != nil {
			return nil, err
		}
		if err := Decode(raw, &in); err != nil {
			return nil, err
		}
		return f(c, in)
	}
}

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

func (c *Call) read() ([]byte, error) {
	if c.r.ContentLength > MaxBody {
		return nil, tooLarge()
	}
	control := http.NewResponseController(c.w)
	_ = control.SetReadDeadline(time.Now().Add(bodyTime)) // A transport without deadlines has its own limits.
	raw, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, MaxBody))
	_ = control.SetReadDeadline(time.Time{})
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, tooLarge()
		}
		return nil, fault.New(fault.MalformedJSON, "the body ended early").Because(err)
	}
	return raw, checkMediaType(c.r.Header, len(raw))
}

func tooLarge() error { return fault.New(fault.BodyTooLarge, "a body has at most %d bytes", MaxBody) }

func checkMediaType(h http.Header, size int) error {
	if e := h.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return fault.New(fault.UnsupportedMediaType, "a body is not compressed")
	}
	given := h.Get("Content-Type")
	if given == "" && size == 0 {
		return nil
	}
	kind, params, err := mime.ParseMediaType(given)
	charset := params["charset"]
	if err != nil || kind != "application/json" || (charset != "" && !strings.EqualFold(charset, "utf-8")) {
		return fault.New(fault.UnsupportedMediaType, "the Content-Type must be application/json")
	}
	return nil
}
