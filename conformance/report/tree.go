// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"parley.chat/conformance/suite"
)

// Tree prints profiles, sections and cases, then each failure with what it breaks.
func (r *Report) Tree(out io.Writer) {
	for _, p := range r.Profiles {
		if p.Verdict == suite.NotRun || p.Verdict == suite.Planned {
			continue
		}
		fmt.Fprintf(out, "\n%s %s (%s)\n", p.Name, strings.ToUpper(string(p.Verdict)), counts(p.Count))
		for _, section := range r.sections(p.Name) {
			fmt.Fprintf(out, "  %s\n", section)
			for _, c := range r.Cases {
				if c.Profile == p.Name && c.Section == section {
					fmt.Fprintf(out, "    %s %-24s %s%s\n", sign(c.Status), c.ID, c.Title, took(c))
					if c.Status != suite.Pass {
						fmt.Fprintf(out, "        %s: %s\n", c.Status, c.Diagnosis)
					}
				}
			}
		}
	}
	r.failures(out)
	fmt.Fprintln(out)
	for _, p := range r.Profiles {
		fmt.Fprintf(out, "%-12s %-14s %s\n", p.Name, p.Verdict, counts(p.Count))
	}
}

func (r *Report) failures(out io.Writer) {
	for _, c := range r.Cases {
		if !bad(c.Status) {
			continue
		}
		fmt.Fprintf(out, "\n%s %s: %s\n  %s\n", strings.ToUpper(string(c.Status)), c.ID, c.Title, c.Diagnosis)
		for _, q := range c.Requirements {
			fmt.Fprintf(out, "  [%s] %s (%s)\n", q.ID, q.Quote, q.Place)
		}
		fmt.Fprintf(out, "  again: %s\n", c.Rerun)
	}
}

// sections returns the sections of a profile, in the order of its cases.
func (r *Report) sections(profile string) []string {
	var out []string
	for _, c := range r.Cases {
		if c.Profile == profile {
			out = append(out, c.Section)
		}
	}
	return unique(out)
}

func took(c Case) string {
	if c.Milliseconds < 5000 {
		return ""
	}
	return fmt.Sprintf(" (%v)", (time.Duration(c.Milliseconds) * time.Millisecond).Round(time.Second))
}

// Statuses in the order of the summary.
func statuses() []suite.Status {
	return []suite.Status{suite.Pass, suite.Fail, suite.Flaky, suite.Error, suite.Impossible, suite.Skip}
}

func counts(n map[suite.Status]int) string {
	var out []string
	for _, s := range statuses() {
		if n[s] > 0 {
			out = append(out, fmt.Sprintf("%d %s", n[s], s))
		}
	}
	return strings.Join(out, ", ")
}

func sign(s suite.Status) string {
	return map[suite.Status]string{suite.Pass: "ok", suite.Fail: "XX", suite.Flaky: "X?", suite.Error: "!!", suite.Skip: "--", suite.Impossible: "//"}[s]
}

// Progress shows how far a run is.
type Progress struct {
	out      io.Writer
	terminal bool
	failed   int
	tenths   int
}

// NewProgress shows on out, on one line that changes if it is a terminal.
func NewProgress(out io.Writer, terminal bool) *Progress {
	return &Progress{out: out, terminal: terminal}
}

// Done is told of each result.
func (p *Progress) Done(done, all int, last *suite.Result) {
	if bad(last.Status) {
		p.failed++
	}
	switch tenths := 10 * done / all; {
	case p.terminal:
		fmt.Fprintf(p.out, "\r\033[K%d of %d, %d failed, %s", done, all, p.failed, last.Case.ID)
	case tenths > p.tenths:
		p.tenths = tenths
		fmt.Fprintf(p.out, "%d of %d, %d failed\n", done, all, p.failed)
	}
}

// End leaves the line.
func (p *Progress) End() {
	if p.terminal {
		fmt.Fprint(p.out, "\r\033[K")
	}
}
