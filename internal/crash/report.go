// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"parley.chat/internal/history"
)

// Result is what came of a run.
type Result struct {
	Seed     uint64
	Kills    map[string]int  // by kind
	Server   []time.Duration // from the start of a process to the first acknowledgement
	Ready    []time.Duration // from the start of a process until it said it is ready, of those that were waited for
	Postgres []time.Duration // from the kill of the postmaster to the first acknowledgement after its return
	Rest     []time.Duration // until nothing moved and two servers held the same, each time that was waited for
	Took     time.Duration
	Report   history.Report
	Problems []string // what no crash explains

	History history.History
	Log     map[string][]history.Entry

	counters
	checked bool
}

// OK reports whether the run was judged and nothing is wrong.
func (r *Result) OK() bool { return r.checked && r.Report.OK() && len(r.Problems) == 0 }

// String is the report for people.
func (r *Result) String() string {
	var b strings.Builder
	total := 0
	for _, n := range r.Kills {
		total += n
	}
	fmt.Fprintf(&b, "crash run with seed %d: %d kills in %s\n", r.Seed, total, r.Took.Round(time.Second))
	for _, kind := range slices.Sorted(maps.Keys(r.Kills)) {
		fmt.Fprintf(&b, "  %4d  %s\n", r.Kills[kind], kind)
	}
	fmt.Fprintf(&b, "recovery to the first acknowledgement: server %s; postgres %s\n", spread(r.Server), spread(r.Postgres))
	fmt.Fprintf(&b, "from the start of a server until it is ready: %s\n", spread(r.Ready))
	fmt.Fprintf(&b, "%d acknowledgements, %d changes of groups, %d connections dropped, %d messages forgotten by clients, %d resyncs\n",
		r.acks, r.changes, r.drops, r.forgotten, r.resyncs)
	fmt.Fprintf(&b, "%d receipts came live, %d pointers in answers were held against them\n", r.told, r.held)
	if r.checked {
		b.WriteString(r.Report.String())
	} else {
		b.WriteString("the history was not checked\n")
	}
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "problem: %s\n", p)
	}
	return b.String()
}

// spread names the median and the longest.
func spread(list []time.Duration) string {
	if len(list) == 0 {
		return "not measured"
	}
	sorted := slices.Sorted(slices.Values(list))
	return fmt.Sprintf("median %s, longest %s of %d", sorted[len(sorted)/2].Round(time.Millisecond),
		sorted[len(sorted)-1].Round(time.Millisecond), len(sorted))
}

// Keep writes history, log and report to a folder, for a look at what went wrong.
func (r *Result) Keep(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, "history.jsonl"))
	if err != nil {
		return err
	}
	err = errors.Join(r.History.Encode(f), f.Close())
	log, e := json.MarshalIndent(r.Log, "", " ")
	return errors.Join(err, e,
		os.WriteFile(filepath.Join(dir, "log.json"), log, 0o644),
		os.WriteFile(filepath.Join(dir, "report.txt"), []byte(r.String()), 0o644))
}

func (w *world) acks() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stats.acks
}

func (w *world) allProblems() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.problems)
}

// total sums up several runs.
type total struct {
	kills                                  map[string]int
	server, ready, postgres                []time.Duration
	runs, acked, unknown, done, duplicates int
	receptions                             int
}

func (s *total) add(r *Result) {
	if s.kills == nil {
		s.kills = map[string]int{}
	}
	for kind, n := range r.Kills {
		s.kills[kind] += n
	}
	s.server, s.postgres = append(s.server, r.Server...), append(s.postgres, r.Postgres...)
	s.ready = append(s.ready, r.Ready...)
	stats := r.Report.Stats
	s.runs++
	s.acked, s.unknown, s.done = s.acked+stats.Acked, s.unknown+stats.Unknown, s.done+stats.UnknownDone
	s.receptions, s.duplicates = s.receptions+stats.Receptions, s.duplicates+stats.Duplicates
}

// String is one paragraph.
func (s *total) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "crash: %d runs held. %d messages acknowledged, %d of unknown outcome (%d of them in the log); %d receptions, %d of them duplicates before de-duplication\nkills:",
		s.runs, s.acked, s.unknown, s.done, s.receptions, s.duplicates)
	for _, kind := range slices.Sorted(maps.Keys(s.kills)) {
		fmt.Fprintf(&b, " %d %s;", s.kills[kind], kind)
	}
	fmt.Fprintf(&b, "\nrecovery to the first acknowledgement: server %s; postgres %s; until ready: %s\n",
		spread(s.server), spread(s.postgres), spread(s.ready))
	return b.String()
}
