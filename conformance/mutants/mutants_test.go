// SPDX-License-Identifier: Apache-2.0

package mutants

import (
	"context"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"parley.chat/conformance/cases"
	"parley.chat/conformance/suite"
	"parley.chat/spec"
)

// check runs cases against a server behind hooks.
func check(t *testing.T, upstream string, hooks Hooks, once bool, ids []string) []*suite.Result {
	t.Helper()
	proxy, err := NewProxy(upstream, hooks)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(proxy)
	defer func() {
		front.CloseClientConnections()
		front.Close()
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	env, err := suite.NewEnv(ctx, spec.Files(), suite.Options{URL: front.URL, Once: once, Parallel: 3, MaxAccounts: 200, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	var list []*suite.Case
	for _, c := range cases.All() {
		if slices.Contains(ids, c.ID) {
			list = append(list, c)
		}
	}
	if len(list) != len(ids) {
		t.Fatalf("of the cases %v only %d exist", ids, len(list))
	}
	return env.Run(ctx, list)
}

func TestMutants_EachIsCaughtAndTheRightServerIsNot(t *testing.T) {
	upstream := startServer(t)
	list := All()
	if len(list) < 15 {
		t.Fatalf("%d mutants, want 15 at least", len(list))
	}
	t.Run("none", func(t *testing.T) {
		var ids []string
		for _, m := range list {
			ids = append(ids, m.Cases...)
		}
		slices.Sort(ids)
		for _, r := range check(t, upstream, Hooks{}, false, slices.Compact(ids)) {
			switch r.Status {
			case suite.Pass:
			case suite.Flaky: // Other tests load the machine meanwhile.
				t.Logf("%s: %s", r.Case.ID, r.Diagnosis)
			default:
				t.Errorf("without a fault %s is %s: %s", r.Case.ID, r.Status, r.Diagnosis)
			}
		}
	})
	for _, m := range list {
		t.Run(m.Name, func(t *testing.T) {
			for _, r := range check(t, upstream, m.Hooks, true, m.Cases) {
				if r.Status == suite.Fail {
					t.Logf("%s: %s", r.Case.ID, r.Diagnosis)
					return
				}
			}
			t.Errorf("a server that %s is caught by none of %v", m.Fault, m.Cases)
		})
	}
}
