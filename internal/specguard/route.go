// SPDX-License-Identifier: Apache-2.0

package specguard

import (
	"net/url"
	"strings"
)

// find returns the operation for a request and the values of its path parameters. A literal segment wins over a
// parameter. The second result tells whether the path exists with any method.
func (l *law) find(method, escapedPath string) (o *operation, values map[string]string, known bool) {
	parts := strings.Split(strings.TrimPrefix(escapedPath, "/"), "/")
	var best []string
	for _, c := range l.operations {
		v, ok := c.match(parts)
		if !ok || (best != nil && !moreLiteral(c.segments, best)) {
			continue
		}
		if !equal(c.segments, best) {
			o, best = nil, c.segments
		}
		if c.method == method {
			o, values = c, v
		}
	}
	return o, values, best != nil
}

func (o *operation) match(parts []string) (map[string]string, bool) {
	if len(parts) != len(o.segments) {
		return nil, false
	}
	values := map[string]string{}
	for i, s := range o.segments {
		text, err := url.PathUnescape(parts[i])
		switch {
		case err != nil:
			return nil, false
		case isParam(s) && text != "":
			values[strings.Trim(s, "{}")] = text
		case s != text:
			return nil, false
		}
	}
	return values, true
}

func isParam(segment string) bool { return strings.HasPrefix(segment, "{") }

// moreLiteral tells whether a is the same template as b or has a literal where b first has a parameter.
func moreLiteral(a, b []string) bool {
	for i := range a {
		if isParam(a[i]) != isParam(b[i]) {
			return isParam(b[i])
		}
	}
	return true
}

func equal(a, b []string) bool { return strings.Join(a, "/") == strings.Join(b, "/") }
