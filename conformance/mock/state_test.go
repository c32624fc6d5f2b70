// SPDX-License-Identifier: Apache-2.0

package mock_test

import (
	"testing"

	"parley.chat/conformance/mock"
)

type ruleVectors struct {
	Tests []struct {
		ID    string
		Steps []struct {
			Proposal struct{ Result, Content, Submission, Entry string }
		}
	}
}

// The states of the vectors are followed as far as their tests hold what the suite's homeservers do.
func TestState_IsThatOfTheVectors(t *testing.T) {
	checked := 0
	for _, name := range []string{"create", "members", "direct", "roles"} {
		for _, c := range vectors[ruleVectors](t, "rules/"+name+".json").Tests {
			s := &mock.State{}
			for _, step := range c.Steps {
				p := step.Proposal
				if p.Result != "accepted" {
					continue
				}
				sub, err1 := mock.Parse([]byte(p.Submission))
				entry, err2 := mock.Parse([]byte(p.Entry))
				if err1 != nil || err2 != nil {
					t.Fatalf("%s: %v %v", c.ID, err1, err2)
				}
				s.ID, _ = sub["conversationId"].(string)
				want, changes := entry["stateHash"]
				if folds := s.Fold(mock.Record{Submission: sub, Entry: entry, Content: p.Content}); !folds && changes {
					break // Of a kind that no case of the suite has.
				}
				if !changes {
					continue
				}
				checked++
				if s.Hash() != want {
					t.Errorf("%s: at %v after %v: %s", c.ID, entry["seq"], sub["type"], s.Text())
					break
				}
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d states", checked)
	}
}
