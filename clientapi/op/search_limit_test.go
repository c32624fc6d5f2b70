// SPDX-License-Identifier: Apache-2.0

package op

import (
	"testing"

	"parley.chat/protocol/fault"
)

func TestSearches_OfOneUserAreTwoAtATime(t *testing.T) {
	l, alice := NewSearches(100, nil), Caller{User: "alice@localhost"}
	var ends []func()
	for range searchesAtOnce {
		end, err := l.begin(alice)
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, end)
	}
	if _, err := l.begin(alice); !fault.Is(err, fault.RateLimited) {
		t.Errorf("one more at a time: %v", err)
	}
	if _, err := l.begin(Caller{User: "bob@localhost"}); err != nil {
		t.Errorf("another user: %v", err)
	}
	ends[0]()
	if _, err := l.begin(alice); err != nil {
		t.Errorf("after one has ended: %v", err)
	}
}
