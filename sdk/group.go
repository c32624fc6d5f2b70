// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"net/http"
	"net/url"

	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

// Edit changes the name and settings of a conversation that are given.
func (c *Client) Edit(ctx context.Context, conversationID string, in rest.EditConversation) (frame.Conversation, error) {
	var out frame.Conversation
	err := c.call(ctx, http.MethodPatch, conversationPath(conversationID), in, &out)
	return out, err
}

// TransferOwner makes a member owner and the own user admin.
func (c *Client) TransferOwner(ctx context.Context, conversationID, userID string) error {
	return c.call(ctx, http.MethodPost, conversationPath(conversationID)+"/owner", rest.TransferOwner{UserID: userID}, nil)
}

// MoveHub has another server give the conversation its order: the server of a member, which accepts it.
func (c *Client) MoveHub(ctx context.Context, conversationID, server string) error {
	return c.call(ctx, http.MethodPost, conversationPath(conversationID)+"/hub", rest.MoveHub{ServerName: server}, nil)
}

// Ban keeps a user out of a group, member or not.
func (c *Client) Ban(ctx context.Context, conversationID, userID string) error {
	return c.call(ctx, http.MethodPut, banPath(conversationID, userID), nil, nil)
}

// Unban lifts a ban. It does not make the user a member.
func (c *Client) Unban(ctx context.Context, conversationID, userID string) error {
	return c.call(ctx, http.MethodDelete, banPath(conversationID, userID), nil, nil)
}

// Bans returns a page of bans in order of user id; cursor and limit as in Conversations.
func (c *Client) Bans(ctx context.Context, conversationID, cursor string, limit int) (rest.Bans, error) {
	var out rest.Bans
	err := c.call(ctx, http.MethodGet, conversationPath(conversationID)+"/bans"+pageQuery(cursor, limit), nil, &out)
	return out, err
}

// CreateLink makes an invite link. Its Token is a secret for those who are invited; it is answered this once.
func (c *Client) CreateLink(ctx context.Context, conversationID string, in rest.CreateLink) (rest.Link, error) {
	var out rest.Link
	err := c.call(ctx, http.MethodPost, conversationPath(conversationID)+"/links", in, &out)
	return out, err
}

// Links returns the invite links that were not revoked, without their tokens.
func (c *Client) Links(ctx context.Context, conversationID string) ([]rest.Link, error) {
	var out rest.Links
	err := c.call(ctx, http.MethodGet, conversationPath(conversationID)+"/links", nil, &out)
	return out.Links, err
}

// RevokeLink ends an invite link.
func (c *Client) RevokeLink(ctx context.Context, conversationID, linkID string) error {
	return c.call(ctx, http.MethodDelete, conversationPath(conversationID)+"/links/"+url.PathEscape(linkID), nil, nil)
}

// PreviewLink tells what the group of an invite link is.
func (c *Client) PreviewLink(ctx context.Context, token string) (rest.LinkPreview, error) {
	var out rest.LinkPreview
	err := c.call(ctx, http.MethodPost, "/api/v1/links/preview", rest.LinkToken{Token: token}, &out)
	return out, err
}

// JoinLink joins by an invite link. If a member has to approve, requested is true and of the conversation only the id is
// known. Doing it again answers the same.
func (c *Client) JoinLink(ctx context.Context, token string) (conv frame.Conversation, requested bool, err error) {
	var out struct {
		frame.Conversation
		Status string `json:"status"`
	}
	err = c.call(ctx, http.MethodPost, "/api/v1/links/join", rest.LinkToken{Token: token}, &out)
	return out.Conversation, out.Status == "requested", err
}

// Requests returns a page of those who ask to join, in order of user id; cursor and limit as in Conversations.
func (c *Client) Requests(ctx context.Context, conversationID, cursor string, limit int) (rest.JoinRequests, error) {
	var out rest.JoinRequests
	err := c.call(ctx, http.MethodGet, conversationPath(conversationID)+"/requests"+pageQuery(cursor, limit), nil, &out)
	return out, err
}

// Approve makes a user who asks to join a member.
func (c *Client) Approve(ctx context.Context, conversationID, userID string) error {
	return c.call(ctx, http.MethodPost, conversationPath(conversationID)+"/requests/"+url.PathEscape(userID), nil, nil)
}

// Decline takes back the request of a user, who may ask again.
func (c *Client) Decline(ctx context.Context, conversationID, userID string) error {
	return c.call(ctx, http.MethodDelete, conversationPath(conversationID)+"/requests/"+url.PathEscape(userID), nil, nil)
}

// Pin pins a message for everybody in the conversation.
func (c *Client) Pin(ctx context.Context, conversationID, messageID string) error {
	return c.call(ctx, http.MethodPut, pinPath(conversationID, messageID), nil, nil)
}

// Unpin takes a pin away.
func (c *Client) Unpin(ctx context.Context, conversationID, messageID string) error {
	return c.call(ctx, http.MethodDelete, pinPath(conversationID, messageID), nil, nil)
}

// Pins returns a page of the pinned messages, newest pin first; cursor and limit as in Conversations.
func (c *Client) Pins(ctx context.Context, conversationID, cursor string, limit int) (rest.Messages, error) {
	var out rest.Messages
	err := c.call(ctx, http.MethodGet, conversationPath(conversationID)+"/pins"+pageQuery(cursor, limit), nil, &out)
	return out, err
}

func banPath(conversationID, userID string) string {
	return conversationPath(conversationID) + "/bans/" + url.PathEscape(userID)
}

func pinPath(conversationID, messageID string) string {
	return conversationPath(conversationID) + "/messages/" + url.PathEscape(messageID) + "/pin"
}
