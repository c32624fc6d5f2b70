// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// maxServerFrame is serverFrameBytes of limits.yaml.
const maxServerFrame = 262144

// Finding is something the specification says against an answer. A note is bearable: a client ignores it.
type Finding struct {
	Text string
	Note bool
}

func (l *Law) undocumented(format string, args ...any) Finding {
	return Finding{Text: fmt.Sprintf(format, args...), Note: !l.strict}
}

func broken(format string, args ...any) Finding { return Finding{Text: fmt.Sprintf(format, args...)} }

// CheckResponse holds an answer against the operation of the document; path is escaped and without query.
func (l *Law) CheckResponse(method, path string, r *Response) []Finding {
	if method == http.MethodHead || method == http.MethodOptions {
		return nil
	}
	o := l.find(method, path)
	if o == nil {
		if r.Status < 400 {
			return nil // not of the specification: the cases that ask for such paths judge it
		}
		return l.checkProblem(r, nil)
	}
	name := o.id + ": "
	medias, known := o.responses[r.Status]
	if !known {
		return []Finding{broken("%sstatus %d is not documented", name, r.Status)}
	}
	if len(medias) == 0 {
		return nil
	}
	schema, known := medias[mediaType(r.Header)]
	if !known {
		return []Finding{broken("%scontent type %q is not documented for status %d", name, r.Header.Get("Content-Type"), r.Status)}
	}
	var found []Finding
	if schema != nil {
		found = l.validate(name+"answer", schema, r.Body)
	}
	if o.id == "sync" && len(r.Body) > maxServerFrame {
		found = append(found, broken("%sthe answer has %d bytes, more than serverFrameBytes", name, len(r.Body)))
	}
	if r.Status >= 400 {
		found = append(found, l.checkProblem(r, o)...)
	}
	return found
}

// CheckFrame holds a frame of the server against its schema.
func (l *Law) CheckFrame(raw []byte) []Finding {
	v, err := Parse(raw)
	if err != nil {
		return []Finding{broken("frame: %v", err)}
	}
	kind := v.At("type").Text()
	schema, known := l.frames["server."+kind]
	if !known {
		return []Finding{l.undocumented("frame of type %q is not documented", kind)}
	}
	found := l.validate("frame "+kind, schema, raw)
	if len(raw) > maxServerFrame {
		found = append(found, broken("frame %s has %d bytes, more than serverFrameBytes", kind, len(raw)))
	}
	if code := v.At("data", "code").Text(); code != "" && !strings.HasPrefix(code, "x_") {
		if _, known := l.codes[code]; !known {
			found = append(found, l.undocumented("frame %s: code %q is not in errors.yaml", kind, code))
		}
	}
	return found
}

func (l *Law) checkProblem(r *Response, o *operation) []Finding {
	if m := mediaType(r.Header); m != "application/problem+json" {
		return []Finding{broken("an answer with status %d has content type %q, want application/problem+json", r.Status, m)}
	}
	var found []Finding
	code := r.At("code").Text()
	line, known := l.codes[code]
	vendor := strings.HasPrefix(code, "x_")
	switch {
	case !known && !vendor:
		found = append(found, l.undocumented("code %q is not in errors.yaml", code))
	case known && line.Status != r.Status:
		found = append(found, broken("code %s has status %d, the answer %d", code, line.Status, r.Status))
	case known && o != nil && !o.codes[code]:
		found = append(found, l.undocumented("%s: code %s is not among its x-errors", o.id, code))
	}
	if r.At("status").Int() != int64(r.Status) {
		found = append(found, broken("member status of the problem is %v, that of the answer %d", r.At("status"), r.Status))
	}
	return append(found, checkRetry(r)...)
}

func checkRetry(r *Response) []Finding {
	if r.Status != http.StatusTooManyRequests && r.Status != http.StatusServiceUnavailable {
		return nil
	}
	seconds, err := strconv.ParseInt(r.Header.Get("Retry-After"), 10, 64)
	ms := r.At("retryAfterMs").Int()
	switch {
	case err != nil || seconds < 1:
		return []Finding{broken("status %d with Retry-After %q, want whole seconds", r.Status, r.Header.Get("Retry-After"))}
	case ms < 1:
		return []Finding{broken("status %d without retryAfterMs", r.Status)}
	case seconds*1000 < ms || (seconds-1)*1000 >= ms:
		return []Finding{broken("Retry-After is %d and retryAfterMs %d: not the same time", seconds, ms)}
	}
	return nil
}

// validate checks JSON text, which must be one value in UTF-8 without duplicate keys. If only unknown members are
// wrong with it, that is undocumented; anything else breaks the schema.
func (l *Law) validate(what string, s *jsonschema.Schema, raw []byte) []Finding {
	if !jsontext.Value(raw).IsValid() {
		return []Finding{broken("%s is not one JSON value in UTF-8 without duplicate keys", what)}
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return []Finding{broken("%s: %v", what, err)}
	}
	var fault *jsonschema.ValidationError
	if err := s.Validate(v); !errors.As(err, &fault) {
		return nil
	}
	var found []Finding
	for _, leaf := range leaves(fault) {
		place := "/" + strings.Join(leaf.InstanceLocation, "/")
		if extra, ok := leaf.ErrorKind.(*kind.AdditionalProperties); ok {
			found = append(found, l.undocumented("%s: members %q at %s are not documented", what, extra.Properties, place))
			continue
		}
		found = append(found, broken("%s: at %s: %s", what, place, oneLine(leaf)))
	}
	return found
}

func leaves(e *jsonschema.ValidationError) []*jsonschema.ValidationError {
	if len(e.Causes) == 0 {
		return []*jsonschema.ValidationError{e}
	}
	var out []*jsonschema.ValidationError
	for _, c := range e.Causes {
		out = append(out, leaves(c)...)
	}
	return out
}

func oneLine(e *jsonschema.ValidationError) string {
	text := e.Error()
	if i := strings.LastIndex(text, ": "); i >= 0 {
		text = text[i+2:]
	}
	return strings.TrimSpace(strings.ReplaceAll(text, "\n", " "))
}

// find returns the operation of a path, nil if the document has none.
func (l *Law) find(method, path string) *operation {
	segments := strings.Split(strings.Trim(path, "/"), "/")
	var best *operation
	fewest := len(segments) + 1
	for _, o := range l.operations {
		if params, ok := o.matches(segments); ok && o.method == method && params < fewest {
			best, fewest = o, params
		}
	}
	return best
}

// matches counts the parameters; of two templates that match, the one with fewer is meant.
func (o *operation) matches(segments []string) (params int, ok bool) {
	if len(segments) != len(o.segments) {
		return 0, false
	}
	for i, s := range o.segments {
		switch {
		case strings.HasPrefix(s, "{"):
			params++
		case s != segments[i]:
			return 0, false
		}
	}
	return params, true
}

func mediaType(h http.Header) string {
	m, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return h.Get("Content-Type")
	}
	return m
}
