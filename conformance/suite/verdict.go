// SPDX-License-Identifier: Apache-2.0

package suite

// Verdict is how a profile came out.
type Verdict string

// Verdicts.
const (
	Holds       Verdict = "holds"
	HoldsInPart Verdict = "holds in part" // nothing failed, and not everything could be run
	Broken      Verdict = "fails"
	NotRun      Verdict = "not run"
	Planned     Verdict = "planned"
)

// Tally counts the results of a profile.
type Tally struct {
	Profile Profile
	Verdict Verdict
	Count   map[Status]int
}

// Tallies counts results by profile, in the order of Profiles. Only requirements of level must decide.
func Tallies(results []*Result) []Tally {
	var out []Tally
	for _, p := range Profiles() {
		t := Tally{Profile: p, Verdict: NotRun, Count: map[Status]int{}}
		if p.Planned != nil {
			t.Verdict = Planned
		}
		for _, r := range results {
			if r.Case.Profile == p.Name {
				t.Count[r.Status]++
				t.Verdict = worse(t.Verdict, r)
			}
		}
		out = append(out, t)
	}
	return out
}

func worse(v Verdict, r *Result) Verdict {
	if v == Broken {
		return v
	}
	switch r.Status {
	case Fail, Flaky, Error:
		if r.Case.Level == Must {
			return Broken
		}
	case Impossible:
		return HoldsInPart
	}
	if v == HoldsInPart {
		return v
	}
	return Holds
}

// ExitCode is 0 if no profile fails, 1 if one does, 2 if the suite itself was at fault.
func ExitCode(results []*Result) int {
	code := 0
	for _, r := range results {
		if r.Status == Error {
			return 2
		}
	}
	for _, t := range Tallies(results) {
		if t.Verdict == Broken {
			code = 1
		}
	}
	return code
}
