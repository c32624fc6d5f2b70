// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func drawn(seed uint64, n int) []Kill { return Plan(rand.New(rand.NewPCG(seed, 0)), n) }

func TestPlan_HasTheShares(t *testing.T) {
	count := map[string]int{}
	for _, k := range drawn(1, 1000) {
		count[string(k.Target)]++
		if k.Failpoint != "" {
			point, _, _ := strings.Cut(k.Failpoint, ":")
			count[point]++
		}
	}
	want := map[string]int{
		"server": 500, "postgres": 300, "both": 200,
		"before-commit": 84, "after-commit-before-ack": 83, "after-ack-before-push": 83,
	}
	if diff := cmp.Diff(want, count); diff != "" {
		t.Error(diff)
	}
}

func TestPlan_AFailpointStandsBehindAKillThatEndedTheServer(t *testing.T) {
	for seed := range uint64(200) {
		for n := 1; n < 40; n += 3 {
			plan := drawn(seed, n)
			if len(plan) != n {
				t.Fatalf("seed %d: %d kills, not %d", seed, len(plan), n)
			}
			for i, k := range plan {
				if k.Failpoint != "" && (i == 0 || plan[i-1].Target == Postgres) {
					t.Fatalf("seed %d of %d: nobody sets the failpoint of kill %d", seed, n, i)
				}
				if k.After < minLoad || k.After > maxLoad {
					t.Fatalf("seed %d of %d: kill %d after %s", seed, n, i, k.After)
				}
			}
		}
	}
}

func TestPlan_FollowsFromTheSeed(t *testing.T) {
	if diff := cmp.Diff(drawn(7, 100), drawn(7, 100)); diff != "" {
		t.Error(diff)
	}
	if cmp.Equal(drawn(7, 100), drawn(8, 100)) {
		t.Error("two seeds draw the same plan")
	}
}

func TestKill_IsNamedByTargetAndFailpoint(t *testing.T) {
	for want, k := range map[string]Kill{
		"both": {Target: Both}, "server at before-commit:3": {Target: Server, Failpoint: "before-commit:3"},
	} {
		if got := k.String(); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}
