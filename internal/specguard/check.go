// SPDX-License-Identifier: Apache-2.0

package specguard

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/rest"
)

// check returns what is wrong with an exchange.
func (l *law) check(x exchange) (findings []string) {
	method := x.req.Method
	if method == http.MethodHead {
		return nil
	}
	o, values, known := l.find(method, x.req.URL.EscapedPath())
	switch {
	case !known:
		return onlyCode(x, fault.UnknownRoute)
	case o == nil:
		return onlyCode(x, fault.MethodNotAllowed)
	}
	if x.res.StatusCode < 400 {
		findings = append(findings, o.checkRequest(x, values)...)
	}
	return append(findings, o.checkResponse(x)...)
}

// onlyCode checks an answer to a request outside the document.
func onlyCode(x exchange, code fault.Code) []string {
	_, known := catalogue()[code]
	if !known || x.res.StatusCode < 400 {
		return []string{fmt.Sprintf("the request is not documented; want %s", code)}
	}
	allowed := map[string]bool{string(code): true}
	for _, c := range []fault.Code{fault.Unauthenticated, fault.TokenExpired, fault.RateLimited, fault.Internal, fault.Unavailable} {
		allowed[string(c)] = true
	}
	return checkProblem(x, allowed)
}

// checkRequest holds an accepted request against the law: what the law refuses may not be accepted.
func (o *operation) checkRequest(x exchange, values map[string]string) (findings []string) {
	query := x.req.URL.Query()
	for _, p := range o.params {
		text, given := values[p.name], p.in == "path"
		switch p.in {
		case "query":
			text, given = query.Get(p.name), query.Has(p.name)
		case "header":
			text, given = x.req.Header.Get(p.name), x.req.Header.Get(p.name) != ""
		}
		if given {
			findings = append(findings, complaint("accepted parameter "+p.name, p.schema, p.value(text))...)
		}
	}
	if o.body != nil {
		findings = append(findings, complainJSON("accepted request", o.body, x.sent)...)
	}
	return findings
}

// value is the parameter's text as the JSON value its schema speaks of.
func (p param) value(text string) any {
	if b, err := strconv.ParseBool(text); p.boolean && err == nil {
		return b
	}
	if n, err := strconv.ParseInt(text, 10, 64); p.integer && err == nil {
		return json.Number(strconv.FormatInt(n, 10))
	}
	return text
}

func (o *operation) checkResponse(x exchange) []string {
	res, ok := o.responses[x.res.StatusCode]
	if !ok {
		return []string{"the status is not documented for the operation"}
	}
	if x.res.StatusCode == http.StatusNoContent || len(res.content) == 0 {
		return nil
	}
	media := mediaType(x.res.Header)
	schema, ok := res.content[media]
	if !ok {
		return []string{fmt.Sprintf("content type %q is not documented for the status", media)}
	}
	if x.res.StatusCode >= 400 {
		return append(complainJSON("problem", schema, x.received), checkProblem(x, o.codes)...)
	}
	if schema == nil {
		return nil
	}
	return complainJSON("response", schema, x.received)
}

// checkProblem checks what schemas cannot say of a problem.
func checkProblem(x exchange, allowed map[string]bool) (findings []string) {
	if m := mediaType(x.res.Header); m != "application/problem+json" {
		return []string{fmt.Sprintf("content type %q, want application/problem+json", m)}
	}
	var p rest.Problem
	if err := json.Unmarshal(x.received, &p); err != nil {
		return []string{"the problem is not readable: " + err.Error()}
	}
	info, known := catalogue()[fault.Code(p.Code)]
	switch {
	case !known:
		findings = append(findings, fmt.Sprintf("code %q is not in errors.yaml", p.Code))
	case !allowed[p.Code]:
		findings = append(findings, fmt.Sprintf("code %q is not among the x-errors of the operation", p.Code))
	case info.Status != x.res.StatusCode:
		findings = append(findings, fmt.Sprintf("code %q has status %d", p.Code, info.Status))
	}
	if p.Status != x.res.StatusCode {
		findings = append(findings, fmt.Sprintf("member status is %d", p.Status))
	}
	if p.Type != "/docs/errors#"+p.Code {
		findings = append(findings, fmt.Sprintf("type is %q", p.Type))
	}
	return append(findings, checkRetry(x.res, p)...)
}

// checkRetry checks that an overloaded server says when to try again, twice and alike.
func checkRetry(res *http.Response, p rest.Problem) []string {
	if res.StatusCode != http.StatusTooManyRequests && res.StatusCode != http.StatusServiceUnavailable {
		return nil
	}
	seconds, err := strconv.ParseInt(res.Header.Get("Retry-After"), 10, 64)
	if err != nil || seconds < 1 || p.RetryAfterMs < 1 {
		return []string{fmt.Sprintf("Retry-After %q and retryAfterMs %d, want both", res.Header.Get("Retry-After"), p.RetryAfterMs)}
	}
	if want := (p.RetryAfterMs + 999) / 1000; seconds != want {
		return []string{fmt.Sprintf("Retry-After is %d, want %d, which is retryAfterMs in whole seconds rounded up", seconds, want)}
	}
	return nil
}

// catalogue is the error catalogue by code.
func catalogue() map[fault.Code]fault.Info {
	m := map[fault.Code]fault.Info{}
	for _, c := range fault.All() {
		m[c] = fault.Lookup(c)
	}
	return m
}

// complainJSON validates JSON text, which must be one value without duplicate keys in valid UTF-8.
func complainJSON(what string, s *jsonschema.Schema, raw []byte) []string {
	if !jsontext.Value(raw).IsValid() {
		return []string{what + ": not one JSON value in UTF-8 without duplicate keys"}
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return []string{what + ": " + err.Error()}
	}
	return complaint(what, s, v)
}

func complaint(what string, s *jsonschema.Schema, v any) []string {
	if err := s.Validate(v); err != nil {
		return []string{fmt.Sprintf("%s: %v", what, err)}
	}
	return nil
}
