// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"strings"
	"testing"
	"time"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/internal/testenv"
	"parley.chat/protocol/canonical"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
	"parley.chat/server/homeserver"
)

// longAccess lets access tokens outlive a clock that is set forward.
func longAccess() testenv.Option {
	return testenv.Assemble(func(o *homeserver.Options) { o.AccessLife = 10000 * time.Hour })
}

// verifyChain reads the log from the store, waits until what must be erased is, verifies the chain with what is left, and
// compares its end with the checkpoint that a member gets.
func verifyChain(t *testing.T, srv *testenv.Server, u *testenv.User, conv string) {
	t.Helper()
	c := id.Conversation(conv)
	st := srv.Home.Store()
	n := c.Shard(st.Shards())
	l, err := st.LoadConversation(t.Context(), n, c, 0, 1)
	check(t, err)
	read := func() []*conversation.Event {
		events, err := st.Events(t.Context(), n, l.Conv, timeline.Range{To: id.MaxSeq, Limit: 1 << 20})
		check(t, err)
		return events
	}
	srv.Until("the secrets are erased", func() bool {
		for _, e := range read() {
			if strings.Contains(string(e.Content), "secret") {
				return false
			}
		}
		return true
	})
	var state *conversation.State
	var head conversation.Head
	erased := 0
	for _, e := range read() {
		e.ConversationID = c
		if e.Content == nil {
			erased++
		}
		if state, err = conversation.Verify(e, head, state); err != nil {
			t.Fatalf("seq %d: %v", e.Seq, err)
		}
		head = conversation.HeadAt(e)
	}
	var point rest.Checkpoint
	u.Do("GET", "/conversations/"+conv+"/checkpoint", nil, &point)
	if point.Seq != head.Seq || point.Hash != canonical.EncodeBase64(head.Hash[:]) || erased == 0 {
		t.Errorf("the checkpoint is %+v, the log ends at %+v; %d erased", point, head, erased)
	}
}
