// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

const mePath = "/api/v1/users/me"

// SetPrefs changes the own settings of a conversation, on all devices; what is nil stays.
func (c *Client) SetPrefs(ctx context.Context, conversationID string, in rest.EditPrefs) (frame.Conversation, error) {
	var out frame.Conversation
	err := c.call(ctx, http.MethodPut, conversationPath(conversationID)+"/settings", in, &out)
	return out, err
}

// Settings returns the user's settings.
func (c *Client) Settings(ctx context.Context) (rest.Settings, error) {
	var out rest.Settings
	err := c.call(ctx, http.MethodGet, mePath+"/settings", nil, &out)
	return out, err
}

// SetSettings changes the user's settings; what is nil stays.
func (c *Client) SetSettings(ctx context.Context, in rest.EditSettings) (rest.Settings, error) {
	var out rest.Settings
	err := c.call(ctx, http.MethodPut, mePath+"/settings", in, &out)
	return out, err
}

// Block keeps a user out of what is between the two.
func (c *Client) Block(ctx context.Context, userID string) error {
	return c.call(ctx, http.MethodPut, mePath+"/blocks/"+url.PathEscape(userID), nil, nil)
}

// Unblock lets through what a user sends from now on.
func (c *Client) Unblock(ctx context.Context, userID string) error {
	return c.call(ctx, http.MethodDelete, mePath+"/blocks/"+url.PathEscape(userID), nil, nil)
}

// Blocks returns a page of the blocked users; cursor and limit as in Conversations.
func (c *Client) Blocks(ctx context.Context, cursor string, limit int) (rest.Blocks, error) {
	var out rest.Blocks
	err := c.call(ctx, http.MethodGet, mePath+"/blocks"+pageQuery(cursor, limit), nil, &out)
	return out, err
}

// AcceptRequest lets the peer of a direct conversation through.
func (c *Client) AcceptRequest(ctx context.Context, conversationID string) (frame.Conversation, error) {
	var out frame.Conversation
	err := c.call(ctx, http.MethodPost, conversationPath(conversationID)+"/accept", nil, &out)
	return out, err
}

// DeclineRequest puts a request out of sight until it is accepted; who asks is told nothing.
func (c *Client) DeclineRequest(ctx context.Context, conversationID string) error {
	return c.call(ctx, http.MethodPost, conversationPath(conversationID)+"/decline", nil, nil)
}

// Receipts returns a page of who got a message; cursor and limit as in Conversations.
func (c *Client) Receipts(ctx context.Context, conversationID, messageID, cursor string, limit int) (rest.MessageReceipts, error) {
	var out rest.MessageReceipts
	err := c.call(ctx, http.MethodGet, onMessage(conversationID, messageID)+"/receipts"+pageQuery(cursor, limit), nil, &out)
	return out, err
}

// Star keeps a message in the own list.
func (c *Client) Star(ctx context.Context, conversationID, messageID string) error {
	return c.call(ctx, http.MethodPut, onMessage(conversationID, messageID)+"/star", nil, nil)
}

// Unstar takes a message out of the own list.
func (c *Client) Unstar(ctx context.Context, conversationID, messageID string) error {
	return c.call(ctx, http.MethodDelete, onMessage(conversationID, messageID)+"/star", nil, nil)
}

// Starred returns a page of the starred messages, the last starred first; cursor and limit as in Conversations.
func (c *Client) Starred(ctx context.Context, cursor string, limit int) (rest.Messages, error) {
	var out rest.Messages
	err := c.call(ctx, http.MethodGet, mePath+"/starred"+pageQuery(cursor, limit), nil, &out)
	return out, err
}

// HideMessage deletes a message for the own user alone.
func (c *Client) HideMessage(ctx context.Context, conversationID, messageID string) error {
	return c.call(ctx, http.MethodDelete, onMessage(conversationID, messageID)+"?for=me", nil, nil)
}

// Data returns the value that the user's clients keep under a key.
func (c *Client) Data(ctx context.Context, key string) (json.RawMessage, error) {
	var out rest.Datum
	err := c.call(ctx, http.MethodGet, dataPath(key), nil, &out)
	return out.Value, err
}

// SetData keeps a JSON value for all of the user's clients.
func (c *Client) SetData(ctx context.Context, key string, value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return c.call(ctx, http.MethodPut, dataPath(key), rest.Datum{Value: raw}, nil)
}

// DeleteData forgets the value under a key.
func (c *Client) DeleteData(ctx context.Context, key string) error {
	return c.call(ctx, http.MethodDelete, dataPath(key), nil, nil)
}

// DataKeys returns a page of the keys; cursor and limit as in Conversations.
func (c *Client) DataKeys(ctx context.Context, cursor string, limit int) (rest.Data, error) {
	var out rest.Data
	err := c.call(ctx, http.MethodGet, mePath+"/data"+pageQuery(cursor, limit), nil, &out)
	return out, err
}

func dataPath(key string) string { return mePath + "/data/" + url.PathEscape(key) }

func onMessage(conversationID, messageID string) string {
	return conversationPath(conversationID) + "/messages/" + url.PathEscape(messageID)
}
