// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
	"parley.chat/sdk"
	"parley.chat/sdk/sdktest"
)

// newsroom answers for one channel that bob made and alice reads.
type newsroom struct {
	posts []string
	calls []string
	gone  bool
}

// answer is asked with the method and the last part of the path.
func (n *newsroom) answer(w http.ResponseWriter, key string) bool {
	n.calls = append(n.calls, key)
	switch {
	case n.gone:
		sdktest.Refuse(w, fault.New(fault.UnknownConversation, "no such conversation"))
	case key == "GET messages":
		var page rest.Messages
		for i, text := range n.posts {
			page.Messages = append(page.Messages, frame.Event{
				ConversationID: "cNews", Seq: int64(i) + 1, MessageID: fmt.Sprint("m", i), Type: frame.TypeMessage, SenderID: "bob@x", Content: text, ContentType: "text",
			})
		}
		slices.Reverse(page.Messages)
		_ = json.NewEncoder(w).Encode(page)
	case key == "POST subscription", key == "GET cNews":
		_ = json.NewEncoder(w).Encode(n.channel())
	default:
		return false
	}
	return true
}

func (n *newsroom) channel() frame.Conversation {
	return frame.Conversation{
		ConversationID: "cNews", Type: "channel", Name: "News", CreatedBy: "bob@x", Membership: "subscribed", Role: "reader", IsSubscribed: true,
		HeadSeq: int64(len(n.posts)), UnreadCount: int64(len(n.posts)),
		LastMessage: &frame.Event{ConversationID: "cNews", Type: frame.TypeMessage, SenderID: "bob@x", Content: n.posts[len(n.posts)-1]},
	}
}

func TestChannel_ReadersSeeWhatIsPostedWhenTheHeadMoves(t *testing.T) {
	f := sdktest.New(t)
	a, p := appOf(t, f, true)
	a.greeted = true
	n := &newsroom{posts: []string{"first"}}
	f.OnCall, n.gone = n.answer, true
	a.line(t.Context(), "/subscribe cGone")
	if got := strings.Join(p.took(), "|"); !strings.HasPrefix(got, "! ") {
		t.Errorf("a channel that is not there: %q", got)
	}
	n.gone = false
	a.line(t.Context(), "/subscribe cNews")
	if got := strings.Join(p.took(), "|"); a.open != "cNews" || !strings.Contains(got, "News") || !strings.Contains(got, "first") {
		t.Errorf("subscribing shows %q", got)
	}
	for _, call := range n.calls {
		if call == "GET members" {
			t.Error("a reader asks for members")
		}
	}
	head := func(seq int64) {
		a.update(t.Context(), sdk.ChannelHead{ChannelHead: frame.ChannelHead{ConversationID: "cNews", HeadSeq: seq}})
	}
	head(1)
	if got := p.took(); len(got) != 0 {
		t.Errorf("nothing moved, but %q", got)
	}
	n.posts = []string{"first", "second"}
	head(2)
	if got := strings.Join(p.took(), "|"); !strings.Contains(got, "second") {
		t.Errorf("after the head moved: %q", got)
	}
	a.open = ""
	n.posts = append(n.posts, "third")
	head(3)
	if got := strings.Join(p.took(), "|"); got != "(News) third" {
		t.Errorf("with another conversation open: %q", got)
	}
}

func TestChannel_OnlyReadersUnsubscribe(t *testing.T) {
	f := sdktest.New(t)
	a, p := appOf(t, f, true)
	a.open = f.Converse("alice@x", "bob@x")
	a.line(t.Context(), "/unsubscribe")
	if got := strings.Join(p.took(), "|"); got != "! you are a member here: /leave" {
		t.Errorf("%q", got)
	}
	c := a.get("cNews")
	c.Role, c.Name, a.open = "reader", "News", "cNews"
	f.OnCall = func(w http.ResponseWriter, key string) bool {
		if strings.HasPrefix(key, "DELETE ") {
			w.WriteHeader(http.StatusNoContent)
			return true
		}
		return false
	}
	a.line(t.Context(), "/unsubscribe")
	if got := strings.Join(p.took(), "|"); got != "You no longer read News." || a.open != "" || a.convs["cNews"] != nil {
		t.Errorf("%q", got)
	}
	a.line(t.Context(), "/channel News secret")
	if got := strings.Join(p.took(), "|"); got != "! usage: /channel NAME [public]" {
		t.Errorf("%q", got)
	}
}
