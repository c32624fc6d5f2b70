// SPDX-License-Identifier: Apache-2.0

package history

import (
	"fmt"
	"strings"
)

// Rule is one promise, numbered as in the design of the checker.
type Rule int

// The rules. WellFormed is about the history itself: if it is broken, the harness is wrong and not the server.
const (
	WellFormed     Rule = 0
	NoLoss         Rule = 1
	NoGhost        Rule = 2
	DenseOrder     Rule = 3
	TotalOrder     Rule = 4
	NoDuplicate    Rule = 5
	ReadYourWrites Rule = 6
	MonotonicReads Rule = 7
	RealTimeOrder  Rule = 8
	SameLog        Rule = 9
	AtMostOnce     Rule = 10
	DeviceOrder    Rule = 11
)

// rules is the number of slots for a table by rule.
const rules = int(DeviceOrder) + 1

// maxKept bounds the violations kept of one rule and maxPrinted those printed; all are counted.
const (
	maxKept    = 1000
	maxPrinted = 20
)

// String returns the rule's name in plain words.
func (r Rule) String() string {
	switch r {
	case WellFormed:
		return "well-formed history"
	case NoLoss:
		return "no loss"
	case NoGhost:
		return "no ghost"
	case DenseOrder:
		return "dense order"
	case TotalOrder:
		return "total order"
	case NoDuplicate:
		return "no duplicate"
	case ReadYourWrites:
		return "read your writes"
	case MonotonicReads:
		return "monotonic reads"
	case RealTimeOrder:
		return "real-time order"
	case SameLog:
		return "same log"
	case AtMostOnce:
		return "at most once"
	case DeviceOrder:
		return "device order"
	default:
		return fmt.Sprintf("rule %d", int(r))
	}
}

// Violation is one broken promise. Text is a sentence for people; it names devices and ids and holds no content.
type Violation struct {
	Rule         Rule   `json:"rule"`
	Conversation string `json:"conversation"`
	Seq          int64  `json:"seq"`
	Text         string `json:"text"`
}

// Stats counts what was checked, so that an empty verdict can be told from an empty run.
type Stats struct {
	Records       int `json:"records"`
	Conversations int `json:"conversations"`
	Entries       int `json:"entries"`     // Entries of the final logs.
	Sends         int `json:"sends"`       // Different messages, by client id.
	Attempts      int `json:"attempts"`    // Invocations, retries included.
	Acked         int `json:"acked"`       // Sends acknowledged at least once.
	Accepted      int `json:"accepted"`    // Sends accepted before they had a place, whatever came of them.
	Failed        int `json:"failed"`      // Sends of which every attempt failed, or that failed after they were accepted.
	Unknown       int `json:"unknown"`     // Sends that are neither.
	UnknownDone   int `json:"unknownDone"` // Unknown sends found in the log.
	Receptions    int `json:"receptions"`  // Before de-duplication.
	Duplicates    int `json:"duplicates"`  // Receptions of a seq the reader already had.
	Gaps          int `json:"gaps"`        // Live receptions ahead of a seq the reader did not have yet.
	Reads         int `json:"reads"`       // Pages.
	Readers       int `json:"readers"`     // Pairs of device and conversation that joined or received.
	Unjoined      int `json:"unjoined"`    // Readers without a Join, checked only from their first reception on.
	QuietMarks    int `json:"quietMarks"`  // Without any, no reader is checked for holes.
}

// Report is the verdict over one run.
type Report struct {
	Violations []Violation `json:"violations"` // At most 1,000 of each rule, by conversation.
	Stats      Stats       `json:"stats"`

	counts [rules]int
}

// OK reports whether every rule held.
func (r Report) OK() bool {
	return r.counts == [rules]int{}
}

// Count returns how often a rule was broken, including violations that were not kept.
func (r Report) Count(rule Rule) int {
	if rule < 0 || int(rule) >= rules {
		return 0
	}
	return r.counts[rule]
}

// String prints the statistics and up to 20 violations of each rule.
func (r Report) String() string {
	var b strings.Builder
	s := r.Stats
	fmt.Fprintf(&b, "history: %d records, %d conversations, %d log entries\n", s.Records, s.Conversations, s.Entries)
	fmt.Fprintf(&b, "sends: %d in %d attempts; %d acknowledged, %d failed, %d unknown (%d of them in the log)",
		s.Sends, s.Attempts, s.Acked, s.Failed, s.Unknown, s.UnknownDone)
	if s.Accepted > 0 {
		fmt.Fprintf(&b, "; %d accepted at first", s.Accepted)
	}
	b.WriteByte('\n')
	fmt.Fprintf(&b, "receptions: %d by %d readers (%d without a join point); %d duplicates before de-duplication, %d gaps\n",
		s.Receptions, s.Readers, s.Unjoined, s.Duplicates, s.Gaps)
	fmt.Fprintf(&b, "reads: %d; quiet marks: %d", s.Reads, s.QuietMarks)
	if s.QuietMarks == 0 {
		b.WriteString(" (readers were not checked for holes)")
	}
	b.WriteByte('\n')
	if r.OK() {
		b.WriteString("verdict: every rule held\n")
		return b.String()
	}
	b.WriteString("verdict: BROKEN\n")
	for rule := range Rule(rules) {
		r.printRule(&b, rule)
	}
	return b.String()
}

func (r Report) printRule(b *strings.Builder, rule Rule) {
	total := r.counts[rule]
	if total == 0 {
		return
	}
	fmt.Fprintf(b, "rule %d, %s: %d\n", int(rule), rule, total)
	printed := 0
	for _, v := range r.Violations {
		if v.Rule != rule || printed == maxPrinted {
			continue
		}
		fmt.Fprintf(b, "  %s seq %d: %s\n", v.Conversation, v.Seq, v.Text)
		printed++
	}
	if total > printed {
		fmt.Fprintf(b, "  and %d more\n", total-printed)
	}
}

// add counts a violation and keeps it if there is room. The sentence is built only then.
func (r *Report) add(v Violation, format string, args ...any) {
	r.counts[v.Rule]++
	if r.counts[v.Rule] > maxKept {
		return
	}
	v.Text = fmt.Sprintf(format, args...)
	r.Violations = append(r.Violations, v)
}
