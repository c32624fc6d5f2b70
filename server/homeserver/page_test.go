// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"net/url"
	"strings"
	"testing"

	"parley.chat/internal/testenv"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

func TestPages_OfLargeMessagesEndEarlyAndLoseNothing(t *testing.T) {
	t.Parallel()
	const count, most = 9, 256 << 10
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	alice := us[0]
	conv := alice.Group("", us[1])
	text := strings.Repeat("x", 65_000)
	for range count {
		var sent frame.Ack
		alice.Do("POST", "/conversations/"+conv+"/messages", testenv.Text("", text), &sent)
		alice.Do("PUT", "/conversations/"+conv+"/messages/"+sent.MessageID+"/star", nil, nil)
		alice.Do("PUT", "/conversations/"+conv+"/messages/"+sent.MessageID+"/pin", nil, nil)
		alice.Do("PATCH", "/conversations/"+conv+"/messages/"+sent.MessageID, rest.EditMessage{Content: text}, nil)
	}
	for path, lists := range map[string]bool{
		"/conversations/" + conv + "/messages?limit=200": false, "/conversations/" + conv + "/messages?limit=200&afterSeq=-1": false,
		"/users/me/starred?limit=50": true, "/conversations/" + conv + "/pins?limit=50": true, "/search?limit=100": true,
	} {
		seen, cursor := map[int64]bool{}, ""
		for pages := 0; pages == 0 || cursor != ""; pages++ {
			var page rest.Messages
			alice.Do("GET", path+"&cursor="+url.QueryEscape(cursor), nil, &page)
			bytes := 0
			for _, e := range page.Messages {
				bytes += len(e.Content)
				if seen[e.Seq] {
					t.Errorf("%s: %d is on two pages", path, e.Seq)
				}
				seen[e.Seq] = true
			}
			if bytes > most || len(page.Messages) == 0 && page.HasMore || page.HasMore != (page.NextCursor != "") {
				t.Errorf("%s: a page of %d records has %d bytes, hasMore %v", path, len(page.Messages), bytes, page.HasMore)
			}
			if cursor = page.NextCursor; pages > 50 {
				t.Fatalf("%s: the pages do not end", path)
			}
		}
		if want := 1 + 4*count; len(seen) < count || !lists && len(seen) < want-count {
			t.Errorf("%s: %d records in all", path, len(seen))
		}
	}
}
