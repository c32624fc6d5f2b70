// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"net/url"
	"strconv"
	"unicode/utf8"

	"parley.chat/protocol/fault"
)

// Query reads query parameters and keeps the first fault; ask Err once at the end.
type Query struct {
	values url.Values
	err    error
}

// Query parses the query string; unknown parameters are passed over.
func (c *Call) Query() *Query {
	v, err := url.ParseQuery(c.r.URL.RawQuery)
	q := &Query{values: v}
	if err != nil {
		q.fail(fault.Invalid("query", "is malformed"))
	}
	return q
}

// Err is the first invalid_field, or nil.
func (q *Query) Err() error { return q.err }

func (q *Query) fail(err error) {
	if q.err == nil {
		q.err = err
	}
}

// Int reads an integer from low to high, or otherwise if it is absent.
func (q *Query) Int(name string, otherwise, low, high int64) int64 {
	s, ok := q.one(name)
	if !ok {
		return otherwise
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || s[0] == '+' || n < low || n > high { // Plain digits, as in JSON.
		q.fail(fault.Invalid(name, "must be an integer from %d to %d", low, high))
		return otherwise
	}
	return n
}

// String reads at most limit bytes of UTF-8; an absent parameter reads as the empty string.
func (q *Query) String(name string, limit int) string {
	s, _ := q.one(name)
	if len(s) > limit || !utf8.ValidString(s) {
		q.fail(fault.Invalid(name, "must be at most %d bytes of UTF-8", limit))
		return ""
	}
	return s
}

// Bool reads true or false; an absent parameter reads as false.
func (q *Query) Bool(name string) bool {
	s, ok := q.one(name)
	if ok && s != "true" && s != "false" {
		q.fail(fault.Invalid(name, "must be true or false"))
	}
	return s == "true"
}

func (q *Query) one(name string) (string, bool) {
	v := q.values[name]
	if len(v) > 1 {
		q.fail(fault.Invalid(name, "must be given once"))
	}
	if len(v) == 0 {
		return "", false
	}
	return v[0], true
}
