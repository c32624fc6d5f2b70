// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	_ "embed"
	"html/template"
	"strings"
	"time"

	"parley.chat/conformance/suite"
)

//go:embed report.html.tmpl
var page string

// HTML returns the page for people.
func (r *Report) HTML() ([]byte, error) {
	t, err := template.New("report").Funcs(template.FuncMap{
		"prose": prose, "counts": counts, "sections": r.sections, "bad": bad, "class": class, "took": took,
		"in":      func(profile, section string) []Case { return r.in(profile, section) },
		"failed":  func() []Case { return r.failed() },
		"clock":   func(at time.Time) string { return at.UTC().Format("15:04:05.000") },
		"upper":   func(v any) string { return strings.ToUpper(toText(v)) },
		"noCount": func(p Profile) bool { return len(p.Count) == 0 },
		"seconds": func(s float64) string { return time.Duration(s * float64(time.Second)).Round(time.Second).String() },
	}).Parse(page)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, r)
	return b.Bytes(), err
}

// prose turns the backticks of the specification into code; everything is escaped first.
func prose(text string) template.HTML {
	parts := strings.Split(template.HTMLEscapeString(text), "`")
	var b strings.Builder
	for i, part := range parts {
		if i%2 == 1 && i < len(parts)-1 {
			part = "<code>" + part + "</code>"
		}
		b.WriteString(part)
	}
	return template.HTML(b.String())
}

func (r *Report) in(profile, section string) []Case {
	var out []Case
	for _, c := range r.Cases {
		if c.Profile == profile && c.Section == section {
			out = append(out, c)
		}
	}
	return out
}

func (r *Report) failed() []Case {
	var out []Case
	for _, c := range r.Cases {
		if bad(c.Status) {
			out = append(out, c)
		}
	}
	return out
}

// class names the colour of a status or verdict.
func class(v any) string {
	switch toText(v) {
	case string(suite.Pass), string(suite.Holds):
		return "good"
	case string(suite.Fail), string(suite.Flaky), string(suite.Error), string(suite.Broken):
		return "bad"
	case string(suite.Impossible), string(suite.HoldsInPart):
		return "part"
	}
	return "none"
}

func toText(v any) string {
	switch v := v.(type) {
	case suite.Status:
		return string(v)
	case suite.Verdict:
		return string(v)
	case string:
		return v
	}
	return ""
}
