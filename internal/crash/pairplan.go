// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Everything is the target of a strike that kills both servers and their databases at once.
const Everything Target = "everything"

// Strike is one step of the plan of a run over two servers: a kill, a cut of the link between them, or both at once.
type Strike struct {
	Kill Target // "" for none
	Side int    // whose, 0 or 1
	// Arm is the failpoint with which the server of Side starts after this kill; it dies there by itself, at the latest before the next
	// strike against it.
	Arm   string
	Cut   *cut
	After time.Duration // of load before it
}

// cut is a link that is cut, to the server of a side or both ways.
type cut struct {
	To   int // 0, 1, or 2 for both ways
	Hard bool
	For  time.Duration
}

// String is what the progress line shows.
func (s Strike) String() string {
	out := string(s.Kill)
	if s.Kill != "" && s.Kill != Everything {
		out += " of " + names[s.Side]
	}
	if s.Cut != nil {
		out += fmt.Sprintf(" link cut for %s", s.Cut.For.Round(time.Millisecond))
	}
	return out
}

// names are those of the two servers.
var names = [2]string{"a.test", "b.test"}

// pairPoints are the failpoints of a server that federates: those of the timeline, and those of federation.
func pairPoints() []string {
	return append(failpoints(), "after-push-before-cursor", "after-hub-before-follow", "after-follow-before-answer")
}

// PairPlan draws n kills and m cuts. Of the kills a third hit a server alone, a third a server with its database, a sixth a database
// under a living server, and a sixth everything; both sides are hit alike. The servers that start again die mostly at a failpoint, all
// of which have their turn. Half of the cuts go with a kill.
func PairPlan(rng *rand.Rand, n, m int) []Strike {
	var plan []Strike
	targets := []Target{Server, Both, Everything, Server, Both, Postgres}
	points := pairPoints()
	rng.Shuffle(len(points), func(i, j int) { points[i], points[j] = points[j], points[i] })
	first := rng.IntN(2)
	for i := range n {
		s := Strike{Kill: targets[i%len(targets)], Side: (first + i/len(targets) + i) % 2}
		if s.Kill != Postgres && i%4 != 3 {
			s.Arm = fmt.Sprintf("%s:%d", points[i%len(points)], 1+rng.IntN(12))
		}
		plan = append(plan, s)
	}
	for i := range m {
		c := &cut{To: rng.IntN(3), Hard: rng.IntN(2) == 0, For: 200*time.Millisecond + time.Duration(rng.Int64N(int64(1500*time.Millisecond)))}
		if i%2 == 1 && i < n {
			plan[i].Cut = c
			continue
		}
		plan = append(plan, Strike{Cut: c})
	}
	rng.Shuffle(len(plan), func(i, j int) { plan[i], plan[j] = plan[j], plan[i] })
	for i := range plan {
		plan[i].After = minLoad + time.Duration(rng.Int64N(int64(maxLoad-minLoad)))
	}
	return plan
}
