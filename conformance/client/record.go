// SPDX-License-Identifier: Apache-2.0

package client

import (
	"fmt"
	"regexp"
	"slices"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	maxExchanges = 400
	maxText      = 16 << 10
)

// Exchange is something that went over the wire.
type Exchange struct {
	At    time.Time `json:"at"`
	Who   string    `json:"who"`            // whose client
	Kind  string    `json:"kind"`           // http, frame, event, note
	Sent  string    `json:"sent,omitempty"` // bytes as sent, secrets taken out
	Got   string    `json:"got,omitempty"`
	Fault []string  `json:"fault,omitempty"` // what the specification says against it
}

// Recorder keeps the exchanges of one case, the last 400 of them, and what broke the specification.
type Recorder struct {
	mu         sync.Mutex
	exchanges  []Exchange
	dropped    int
	violations []string
	notes      []string
}

// Add keeps an exchange. Findings of the law are sorted into violations and notes.
func (r *Recorder) Add(x Exchange, findings []Finding) {
	x.Sent, x.Got = Redact(x.Sent), Redact(x.Got)
	for i := range findings {
		findings[i].Text = Redact(findings[i].Text)
		x.Fault = append(x.Fault, findings[i].Text)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range findings {
		if f.Note {
			r.notes = append(r.notes, f.Text)
		} else {
			r.violations = append(r.violations, f.Text)
		}
	}
	r.exchanges = append(r.exchanges, x)
	if len(r.exchanges) > maxExchanges {
		r.exchanges = slices.Delete(r.exchanges, 0, 1)
		r.dropped++
	}
}

// Note keeps a remark between the exchanges.
func (r *Recorder) Note(who, format string, args ...any) {
	r.Add(Exchange{At: time.Now(), Who: who, Kind: "note", Sent: fmt.Sprintf(format, args...)}, nil)
}

// Exchanges returns a copy, in order, and how many older ones were dropped.
func (r *Recorder) Exchanges() ([]Exchange, int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.exchanges), r.dropped
}

// Violations returns what broke the published schemas and catalogues.
func (r *Recorder) Violations() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.violations)
}

// Notes returns what the schemas do not have but a client has to bear, such as members they do not know.
func (r *Recorder) Notes() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.notes)
}

// Forgive drops the violations seen so far: for a case that provokes something the document has no words for.
func (r *Recorder) Forgive() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.violations = nil
}

// Redact replaces passwords, tokens and tickets in a text and bounds its length.
func Redact(text string) string {
	for _, s := range secrets() {
		text = s.pattern.ReplaceAllString(text, s.with)
	}
	if len(text) <= maxText {
		return text
	}
	cut := maxText
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return fmt.Sprintf("%s… (%d bytes more)", text[:cut], len(text)-cut)
}

type secret struct {
	pattern *regexp.Regexp
	with    string
}

var secrets = sync.OnceValue(func() []secret {
	const names = `password|currentPassword|newPassword|accessToken|refreshToken|registrationToken|ticket`
	return []secret{
		{regexp.MustCompile(`("(?:` + names + `)"\s*:\s*)"(?:[^"\\]|\\.)*"?`), `$1"[redacted]"`},
		{regexp.MustCompile(`(?i)(bearer\s+)[^\s,"]+`), `${1}[redacted]`},
		{regexp.MustCompile(`(?i)((?:access_?token|token|ticket)=)[^\s&;"]+`), `${1}[redacted]`},
		{regexp.MustCompile(`(parley\.ticket\.)[^\s,"]+`), `${1}[redacted]`},
	}
})
