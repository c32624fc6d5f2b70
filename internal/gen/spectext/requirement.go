// SPDX-License-Identifier: Apache-2.0

package spectext

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
)

// Requirement is one normative sentence of the prose.
type Requirement struct {
	ID      string `yaml:"id"`
	Level   string `yaml:"level"` // MUST, SHOULD or MAY: the strongest word of the sentence
	Text    string `yaml:"text"`
	File    string `yaml:"file"`
	Section string `yaml:"section"`
	Since   string `yaml:"since"`
}

// since is the version of the specification that all requirements so far belong to.
const since = "1.0"

var (
	idPattern   = regexp.MustCompile(`\[([A-Z][A-Z0-9]*(?:-[A-Z0-9]+)*-[0-9]+)\]`)
	normative   = regexp.MustCompile(`\b(MUST|SHOULD|MAY)\b`)
	sentenceEnd = regexp.MustCompile("[.!?]\\s+[A-Z`]")
)

// Requirements returns the requirements of every Markdown file at the top of files, in order of file and place. The error
// lists everything that is wrong with the prose; the requirements are valid even then.
func Requirements(files fs.FS) ([]Requirement, error) {
	names, err := fs.Glob(files, "*.md")
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var all []Requirement
	var problems []error
	seen := map[string]string{}
	for _, name := range names {
		raw, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		reqs, errs := read(name, string(raw))
		problems = append(problems, errs...)
		for _, r := range reqs {
			if other, ok := seen[r.ID]; ok {
				problems = append(problems, fmt.Errorf("%s: %s is in %s already", name, r.ID, other))
			}
			seen[r.ID] = name
		}
		all = append(all, reqs...)
	}
	return all, errors.Join(problems...)
}

func read(file, text string) (reqs []Requirement, problems []error) {
	for _, b := range blocks(text) {
		r, errs := b.requirements(file)
		reqs, problems = append(reqs, r...), append(problems, errs...)
	}
	return reqs, problems
}

func (b block) requirements(file string) (reqs []Requirement, problems []error) {
	start := 0
	unmarked := func(text string) {
		if normative.MatchString(text) && !strings.Contains(text, "BCP 14") {
			problems = append(problems, fmt.Errorf("%s: no id: %q", file, strings.TrimSpace(text)))
		}
	}
	for _, m := range idPattern.FindAllStringSubmatchIndex(b.text, -1) {
		if strings.HasPrefix(b.text[m[1]:], "(") {
			continue // A link to a requirement, not the requirement.
		}
		before, sentence := lastSentence(b.text[start:m[0]])
		unmarked(before)
		start = m[1]
		r := Requirement{ID: b.text[m[2]:m[3]], Level: level(sentence), Text: sentence, File: file, Section: b.section, Since: since}
		if r.Level == "" {
			problems = append(problems, fmt.Errorf("%s: %s has no MUST, SHOULD or MAY: %q", file, r.ID, sentence))
		}
		reqs = append(reqs, r)
	}
	unmarked(b.text[start:])
	return reqs, problems
}

// lastSentence splits the last sentence off a text.
func lastSentence(text string) (before, last string) {
	text = strings.TrimSpace(text)
	cut := 0
	for _, m := range sentenceEnd.FindAllStringIndex(text, -1) {
		cut = m[1] - 1
	}
	return text[:cut], text[cut:]
}

func level(sentence string) string {
	for _, l := range []string{"MUST", "SHOULD", "MAY"} {
		if slices.Contains(normative.FindAllString(sentence, -1), l) {
			return l
		}
	}
	return ""
}
