// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"parley.chat/protocol/rest"
)

// Search asks for messages; zero fields mean anything, and what is set holds together.
type Search struct {
	Text           string // words, and phrases in double quotes; only in conversations with serverSearch
	SenderID       string
	ConversationID string
	ContentType    string    // text, image, video, audio, document
	From, To       time.Time // From <= sent < To
	Cursor         string    // NextCursor of the page before, with the same other fields
	Limit          int       // 0 means 50
}

// Search answers a page of the messages that match, newest first. While HasMore is set there may be more, also after a page
// without messages.
func (c *Client) Search(ctx context.Context, s Search) (rest.Found, error) {
	var out rest.Found
	return out, c.call(ctx, "GET", "/api/v1/search?"+s.values().Encode(), nil, &out)
}

func (s Search) values() url.Values {
	q := url.Values{}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	set("q", s.Text)
	set("senderId", s.SenderID)
	set("conversationId", s.ConversationID)
	set("contentType", s.ContentType)
	set("cursor", s.Cursor)
	if !s.From.IsZero() {
		q.Set("from", strconv.FormatInt(max(s.From.UnixMilli(), 0), 10))
	}
	if !s.To.IsZero() {
		q.Set("to", strconv.FormatInt(max(s.To.UnixMilli(), 1), 10))
	}
	if s.Limit > 0 {
		q.Set("limit", strconv.Itoa(s.Limit))
	}
	return q
}
