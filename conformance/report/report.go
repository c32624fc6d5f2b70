// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"parley.chat/conformance/client"
	"parley.chat/conformance/suite"
)

// Meta is about the run and not about its results.
type Meta struct {
	Begin  time.Time
	Took   time.Duration
	Seed   uint64
	Strict bool
	Flags  []string // to be given again in a rerun
}

// Report is a run in the form of result.json.
type Report struct {
	Kind     string    `json:"kind"`
	Spec     string    `json:"spec"`
	Target   string    `json:"target"`
	Server   string    `json:"serverName"`
	Software string    `json:"software"`
	Features []string  `json:"features"`
	Date     time.Time `json:"date"`
	Seconds  float64   `json:"seconds"`
	RunID    string    `json:"runId"`
	Seed     uint64    `json:"seed"`
	Strict   bool      `json:"strict"`
	ExitCode int       `json:"exitCode"`
	Profiles []Profile `json:"profiles"`
	Cases    []Case    `json:"cases"`
	flags    []string
}

// Profile is the result of a profile.
type Profile struct {
	Name    string               `json:"name"`
	Of      string               `json:"of"`
	Verdict suite.Verdict        `json:"verdict"`
	Count   map[suite.Status]int `json:"count"`
	Planned []string             `json:"planned,omitempty"`
}

// Case is the result of a case; the traffic is kept only if it did not pass.
type Case struct {
	ID           string            `json:"id"`
	Title        string            `json:"title"`
	Profile      string            `json:"profile"`
	Level        suite.Level       `json:"level"`
	Section      string            `json:"section"`
	Status       suite.Status      `json:"status"`
	Diagnosis    string            `json:"diagnosis,omitempty"`
	Notes        []string          `json:"notes,omitempty"`
	Milliseconds int64             `json:"milliseconds"`
	Requirements []Requirement     `json:"requirements"`
	Rerun        string            `json:"rerun,omitempty"`
	Dropped      int               `json:"droppedExchanges,omitempty"`
	Traffic      []client.Exchange `json:"traffic,omitempty"`
}

// Requirement is one a case shows, with its place in the specification.
type Requirement struct {
	ID    string `json:"id"`
	Quote string `json:"quote"`
	Place string `json:"place"`
}

// New makes the report of a run.
func New(env *suite.Env, results []*suite.Result, m Meta) *Report {
	r := &Report{
		Kind: "ConformanceReport", Spec: "1.0", Target: env.Server.URL(), Server: env.ServerName(),
		Software: strings.TrimSpace(env.Discovery.At("software", "name").Text() + " " + env.Discovery.At("software", "version").Text()),
		Features: env.Discovery.At("features").Texts(), Date: m.Begin.UTC(), Seconds: m.Took.Seconds(),
		RunID: env.RunID, Seed: m.Seed, Strict: m.Strict, ExitCode: suite.ExitCode(results), flags: m.Flags,
	}
	for _, t := range suite.Tallies(results) {
		r.Profiles = append(r.Profiles, Profile{Name: t.Profile.Name, Of: t.Profile.Of, Verdict: t.Verdict, Count: t.Count, Planned: t.Profile.Planned})
	}
	for _, res := range results {
		r.Cases = append(r.Cases, r.of(env.Book, res))
	}
	return r
}

func (r *Report) of(book *suite.Book, res *suite.Result) Case {
	c := Case{
		ID: res.Case.ID, Title: res.Case.Title, Profile: res.Case.Profile, Level: res.Case.Level, Status: res.Status,
		Diagnosis: res.Diagnosis, Notes: unique(res.Notes), Milliseconds: res.Took.Milliseconds(),
	}
	for _, q := range res.Case.Requirements {
		at, _ := book.Requirement(q.ID)
		c.Requirements = append(c.Requirements, Requirement{ID: q.ID, Quote: q.Quote, Place: "spec/" + at.File + ", " + at.Section})
		if c.Section == "" {
			c.Section = at.File + ", " + at.Section
		}
	}
	if bad(res.Status) {
		c.Rerun = strings.Join(append(append([]string{"go run ./conformance"}, r.flags...), "--run "+c.ID, r.Target), " ")
		c.Traffic, c.Dropped = res.Traffic, res.Dropped
	}
	return c
}

func bad(s suite.Status) bool { return s == suite.Fail || s == suite.Flaky || s == suite.Error }

func unique(list []string) []string {
	var out []string
	seen := map[string]bool{}
	for _, s := range list {
		if !seen[s] {
			out = append(out, s)
		}
		seen[s] = true
	}
	return out
}

// Write writes result.json, junit.xml and report.html into a folder, which is made if need be.
func (r *Report) Write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the report's folder: %w", err)
	}
	plain, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode result.json: %w", err)
	}
	junit, err := xml.MarshalIndent(r.junit(), "", "  ")
	if err != nil {
		return fmt.Errorf("encode junit.xml: %w", err)
	}
	page, err := r.HTML()
	if err != nil {
		return fmt.Errorf("make report.html: %w", err)
	}
	for name, raw := range map[string][]byte{"result.json": append(plain, '\n'), "junit.xml": append([]byte(xml.Header), append(junit, '\n')...), "report.html": page} {
		if err := os.WriteFile(filepath.Join(dir, name), raw, 0o644); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
	}
	return nil
}
