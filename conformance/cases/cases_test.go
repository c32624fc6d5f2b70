// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"parley.chat/conformance/suite"
	"parley.chat/spec"
)

func book(t *testing.T) *suite.Book {
	t.Helper()
	b, err := suite.ReadBook(spec.Files())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCases_QuoteTheSpecificationWordForWord(t *testing.T) {
	b := book(t)
	for _, c := range All() {
		if len(c.Requirements) == 0 {
			t.Errorf("%s shows no requirement", c.ID)
		}
		for _, q := range c.Requirements {
			r, known := b.Requirement(q.ID)
			switch {
			case !known:
				t.Errorf("%s shows %s, which does not exist", c.ID, q.ID)
			case q.Quote != r.Text:
				t.Errorf("%s quotes %s as it was: read the case, then run go run ./conformance/trace -quotes\n  then %s\n  now  %s", c.ID, q.ID, q.Quote, r.Text)
			}
		}
	}
}

func TestCases_HaveTheirForm(t *testing.T) {
	form := regexp.MustCompile(`^[A-Z0-9]+(-[A-Z0-9]+)+$`)
	seen := map[string]bool{}
	var profiles []string
	for _, p := range suite.Profiles() {
		if p.Planned == nil {
			profiles = append(profiles, p.Name)
		}
	}
	for _, c := range All() {
		if !form.MatchString(c.ID) || seen[c.ID] {
			t.Errorf("the id %q is not of the form or there twice", c.ID)
		}
		seen[c.ID] = true
		if c.Title == "" || strings.HasSuffix(c.Title, ".") || strings.ToLower(c.Title[:1]) != c.Title[:1] && !strings.HasPrefix(c.Title, "Last") {
			t.Errorf("%s has the title %q", c.ID, c.Title)
		}
		if !slices.Contains(profiles, c.Profile) || c.Run == nil {
			t.Errorf("%s has the profile %q", c.ID, c.Profile)
		}
	}
	if len(seen) < 150 {
		t.Errorf("only %d cases", len(seen))
	}
}

func TestCases_LevelIsThatOfTheStrongestRequirement(t *testing.T) {
	b := book(t)
	for _, c := range All() {
		want := suite.Should
		for _, q := range c.Requirements {
			if r, _ := b.Requirement(q.ID); strings.HasPrefix(r.Level, "MUST") {
				want = suite.Must
			}
		}
		if c.Level != want {
			t.Errorf("%s has the level %s, its requirements have %s", c.ID, c.Level, want)
		}
	}
}

func TestCases_FeaturesAreKnown(t *testing.T) {
	b := book(t)
	for _, c := range All() {
		if _, known := b.Features[c.Feature]; c.Feature != "" && !known {
			t.Errorf("%s has the feature %s, which is not in features.yaml", c.ID, c.Feature)
		}
	}
}

func TestAll_ReturnsNewCases(t *testing.T) {
	first := All()
	first[0].Title = "changed"
	if All()[0].Title == "changed" {
		t.Error("two calls share their cases")
	}
}
