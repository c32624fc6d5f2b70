// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley.chat/internal/testenv"
)

// TestChannel_APostTouchesTheSameRowsForManySubscribersAsForFew counts rows in the database instead of seconds.
func TestChannel_APostTouchesTheSameRowsForManySubscribersAsForFew(t *testing.T) {
	t.Parallel()
	const posts = 40
	cost := func(subscribers int) map[string]int64 {
		srv := testenv.Start(t)
		alice := srv.User(t, "alice")
		conv := newChannel(alice, t, "public")
		srv.Stop()
		many := fmt.Sprintf("generate_series(1, %d) AS i", subscribers)
		srv.Exec(`INSERT INTO channel_subscribers (shard, conv, user_id, since_seq, read_seq, read_count, subscribed_at)
				SELECT shard, conv, 'u' || i || '@localhost', 0, 0, 0, 0 FROM conversations, `+many,
			fmt.Sprintf(`INSERT INTO channel_counts (shard, conv, subscribers) SELECT shard, conv, %d FROM conversations`, subscribers),
			`INSERT INTO user_channels (shard, user_id, conversation_id, subscribed_at)
				SELECT i % 4, 'u' || i || '@localhost', id, 0 FROM conversations, `+many)
		srv.Restart()
		if c := alice.Get(conv); c.SubscriberCount != int64(subscribers) {
			t.Errorf("%d subscribers, want %d", c.SubscriberCount, subscribers)
		}
		srv.Stop()
		srv.Exec(`ANALYZE`) // So that no worker does it meanwhile.
		before := srv.Touched()
		srv.Restart()
		for i := range posts {
			alice.Post(conv, fmt.Sprint("post ", i))
		}
		srv.Stop()
		all := testenv.Since(srv.Touched(), before)
		if n := all["members"]; n >= posts { // The writer's own pointer, once for each flush.
			t.Errorf("%d rows of members are touched", n)
		}
		return map[string]int64{
			"events": all["events"], "subscribers": all["channel_subscribers"],
			"counts": all["channel_counts"], "views": all["channel_views"], "index": all["user_channels"],
		}
	}
	few, many := cost(1_000), cost(100_000)
	if diff := cmp.Diff(few, many); diff != "" {
		t.Errorf("rows touched by %d posts (-1,000 subscribers +100,000):\n%s", posts, diff)
	}
	if few["events"] < posts || many["subscribers"] != 0 || many["index"] != 0 {
		t.Errorf("%d posts touched %v", posts, many)
	}
}
