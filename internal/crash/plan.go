// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Target says what a kill hits.
type Target string

// The targets.
const (
	Server   Target = "server"
	Postgres Target = "postgres"
	Both     Target = "both"
)

// Kill is one step of a plan.
type Kill struct {
	Target Target
	// Failpoint is where the server kills itself, as PARLEY_TEST_FAILPOINT has it; "" is a random moment.
	Failpoint string
	// After is how long the load runs between the first acknowledgement after the kill before and this one.
	After time.Duration
	// Gap separates the two halves of a kill of both; the server dies first if ServerFirst.
	Gap         time.Duration
	ServerFirst bool
	// Ready waits for a server that calls itself ready before the next kill comes near; otherwise the first acknowledgement
	// is enough, and some shards may not have come back yet.
	Ready bool
}

// String is what the progress line shows.
func (k Kill) String() string {
	if k.Failpoint != "" {
		return fmt.Sprintf("%s at %s", k.Target, k.Failpoint)
	}
	return string(k.Target)
}

// failpoints are those of core/timeline.
func failpoints() []string {
	return []string{"before-commit", "after-commit-before-ack", "after-ack-before-push"}
}

// loadTime and bothGap bound what is drawn.
const (
	minLoad = 150 * time.Millisecond
	maxLoad = 900 * time.Millisecond
	bothGap = 60 * time.Millisecond
)

// Plan draws n kills: half of the server, three tenths of PostgreSQL, the rest of both. Half of the server's are at
// failpoints. Those are set when a server starts, so each stands behind a kill that ended the server before it.
func Plan(rng *rand.Rand, n int) []Kill {
	servers, databases := (n+1)/2, n*3/10
	var restarts []Kill // kills that end the server
	for i := range n - databases {
		k := Kill{Target: Server}
		switch {
		case i >= servers:
			k.Target = Both
			k.Gap, k.ServerFirst = time.Duration(rng.Int64N(int64(bothGap))), rng.IntN(2) == 0
		case i%2 == 1:
			points := failpoints()
			k.Failpoint = fmt.Sprintf("%s:%d", points[(i/2)%len(points)], 1+rng.IntN(40))
		}
		restarts = append(restarts, k)
	}
	rng.Shuffle(len(restarts), func(i, j int) { restarts[i], restarts[j] = restarts[j], restarts[i] })
	plan := place(rng, restarts, databases)
	for i := range plan {
		plan[i].Ready = rng.IntN(2) == 0
		plan[i].After = minLoad + time.Duration(rng.Int64N(int64(maxLoad-minLoad)))
	}
	return plan
}

// place puts n kills of PostgreSQL between the others, never before one at a failpoint.
func place(rng *rand.Rand, restarts []Kill, n int) []Kill {
	if restarts[0].Failpoint != "" { // The first server runs without one.
		for i := range restarts {
			if restarts[i].Failpoint == "" {
				restarts[0], restarts[i] = restarts[i], restarts[0]
				break
			}
		}
	}
	before := make([]int, len(restarts)+1) // kills of PostgreSQL before each of the others, and at the end
	for n > 0 {
		i := rng.IntN(len(before))
		if i < len(restarts) && restarts[i].Failpoint != "" {
			continue
		}
		before[i]++
		n--
	}
	var plan []Kill
	for i, count := range before {
		for range count {
			plan = append(plan, Kill{Target: Postgres})
		}
		if i < len(restarts) {
			plan = append(plan, restarts[i])
		}
	}
	return plan
}
