// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"net/http"
	"net/url"

	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

// ChannelHead tells that the head of a subscribed channel moved. What was posted is fetched with Messages, when it is wanted:
// it is not told otherwise.
type ChannelHead struct{ frame.ChannelHead }

func (ChannelHead) update() {}

// CreateChannel makes a channel with the own user and the writers as members; everybody on the server may read it if it is
// public. Calling it again makes another one.
func (c *Client) CreateChannel(ctx context.Context, name string, public bool, writers ...string) (frame.Conversation, error) {
	visibility := "private"
	if public {
		visibility = "public"
	}
	return c.create(ctx, rest.CreateConversation{Type: "channel", Name: name, Members: writers, Visibility: &visibility})
}

// Subscribe makes the own user a subscriber of a channel. Doing it twice is harmless.
func (c *Client) Subscribe(ctx context.Context, conversationID string) (frame.Conversation, error) {
	var out frame.Conversation
	err := c.call(ctx, http.MethodPost, conversationPath(conversationID)+"/subscription", nil, &out)
	return out, err
}

// Unsubscribe ends the subscription. Doing it twice is harmless.
func (c *Client) Unsubscribe(ctx context.Context, conversationID string) error {
	return c.call(ctx, http.MethodDelete, conversationPath(conversationID)+"/subscription", nil, nil)
}

// Subscribers returns a page of a channel's subscribers in order of user id, or of those who are banned; cursor and limit as in
// Conversations.
func (c *Client) Subscribers(ctx context.Context, conversationID string, banned bool, cursor string, limit int) (rest.Subscribers, error) {
	q := url.Values{}
	addPage(q, cursor, limit)
	if banned {
		q.Set("banned", "true")
	}
	var out rest.Subscribers
	err := c.call(ctx, http.MethodGet, conversationPath(conversationID)+"/subscribers"+query(q), nil, &out)
	return out, err
}

// AddSubscribers makes users subscribers of a channel and lifts their bans.
func (c *Client) AddSubscribers(ctx context.Context, conversationID string, userIDs ...string) error {
	return c.call(ctx, http.MethodPost, conversationPath(conversationID)+"/subscribers", rest.AddSubscribers{UserIDs: userIDs}, nil)
}

// RemoveSubscriber ends a user's subscription; with ban the channel does not exist for them until they are added again.
func (c *Client) RemoveSubscriber(ctx context.Context, conversationID, userID string, ban bool) error {
	path := conversationPath(conversationID) + "/subscribers/" + url.PathEscape(userID)
	if ban {
		path += "?ban=true"
	}
	return c.call(ctx, http.MethodDelete, path, nil, nil)
}

// headMoved passes a hint on.
func (c *conn) headMoved(ctx context.Context, h frame.ChannelHead) error {
	return c.c.emit(ctx, ChannelHead{h})
}
