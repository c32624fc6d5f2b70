// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/xml"
	"strings"

	"parley.chat/conformance/suite"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string      `xml:"name,attr"`
	Class   string      `xml:"classname,attr"`
	Seconds float64     `xml:"time,attr"`
	Failure *junitFault `xml:"failure,omitempty"`
	Error   *junitFault `xml:"error,omitempty"`
	Skipped *junitFault `xml:"skipped,omitempty"`
}

type junitFault struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// junit has one suite for each profile that was run. What is impossible counts as skipped, as JUnit knows no better.
func (r *Report) junit() junitSuites {
	out := junitSuites{Name: "parley conformance " + r.Target}
	for _, p := range r.Profiles {
		s := junitSuite{Name: p.Name}
		for _, c := range r.Cases {
			if c.Profile == p.Name {
				s.add(c)
			}
		}
		if s.Tests == 0 {
			continue
		}
		out.Suites = append(out.Suites, s)
		out.Tests, out.Failures, out.Errors, out.Skipped = out.Tests+s.Tests, out.Failures+s.Failures, out.Errors+s.Errors, out.Skipped+s.Skipped
	}
	return out
}

func (s *junitSuite) add(c Case) {
	j := junitCase{Name: c.ID + " " + c.Title, Class: c.Profile, Seconds: float64(c.Milliseconds) / 1000}
	s.Tests++
	fault := &junitFault{Message: string(c.Status) + ": " + c.Diagnosis, Text: quoted(c)}
	switch c.Status {
	case suite.Fail, suite.Flaky:
		j.Failure = fault
		s.Failures++
	case suite.Error:
		j.Error = fault
		s.Errors++
	case suite.Skip, suite.Impossible:
		fault.Text = ""
		j.Skipped = fault
		s.Skipped++
	}
	s.Cases = append(s.Cases, j)
}

func quoted(c Case) string {
	var b strings.Builder
	for _, q := range c.Requirements {
		b.WriteString("[" + q.ID + "] " + q.Quote + " (" + q.Place + ")\n")
	}
	if c.Rerun != "" {
		b.WriteString(c.Rerun + "\n")
	}
	return b.String()
}
