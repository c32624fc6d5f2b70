// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

// CreateDirect returns the direct conversation with the user, made if there is none.
func (c *Client) CreateDirect(ctx context.Context, userID string) (frame.Conversation, error) {
	return c.create(ctx, rest.CreateConversation{Type: "direct", Members: []string{userID}})
}

// CreateGroup makes a group. Calling it again makes another one.
func (c *Client) CreateGroup(ctx context.Context, name string, members ...string) (frame.Conversation, error) {
	return c.create(ctx, rest.CreateConversation{Type: "group", Name: name, Members: members})
}

func (c *Client) create(ctx context.Context, in rest.CreateConversation) (frame.Conversation, error) {
	var out frame.Conversation
	err := c.call(ctx, http.MethodPost, "/api/v1/conversations", in, &out)
	return out, err
}

// Conversations returns a page of the own conversations, newest first. The first page has the empty cursor; limit 0
// leaves the size to the server.
func (c *Client) Conversations(ctx context.Context, cursor string, limit int) (rest.Conversations, error) {
	var out rest.Conversations
	err := c.call(ctx, http.MethodGet, "/api/v1/conversations"+pageQuery(cursor, limit), nil, &out)
	return out, err
}

// AllConversations returns all pages of Conversations as one list.
func (c *Client) AllConversations(ctx context.Context) ([]frame.Conversation, error) {
	return allConversations(func(cursor string) (rest.Conversations, error) { return c.Conversations(ctx, cursor, 0) })
}

// HiddenConversations returns those that Conversations leaves out: requests that were declined, and what somebody blocked made.
func (c *Client) HiddenConversations(ctx context.Context) ([]frame.Conversation, error) {
	return allConversations(func(cursor string) (rest.Conversations, error) {
		var out rest.Conversations
		err := c.call(ctx, http.MethodGet, "/api/v1/conversations?hidden=true&cursor="+url.QueryEscape(cursor), nil, &out)
		return out, err
	})
}

func allConversations(read func(cursor string) (rest.Conversations, error)) ([]frame.Conversation, error) {
	var all []frame.Conversation
	cursor := ""
	for {
		page, err := read(cursor)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Conversations...)
		if !page.HasMore || page.NextCursor == "" || page.NextCursor == cursor {
			return all, nil
		}
		cursor = page.NextCursor
	}
}

// Conversation returns one conversation.
func (c *Client) Conversation(ctx context.Context, conversationID string) (frame.Conversation, error) {
	var out frame.Conversation
	err := c.call(ctx, http.MethodGet, conversationPath(conversationID), nil, &out)
	return out, err
}

// Rename changes the name of a group.
func (c *Client) Rename(ctx context.Context, conversationID, name string) error {
	return c.call(ctx, http.MethodPatch, conversationPath(conversationID), rest.EditConversation{Name: &name}, nil)
}

// Members returns a page of members in order of user id; cursor and limit as in Conversations.
func (c *Client) Members(ctx context.Context, conversationID, cursor string, limit int) (rest.Members, error) {
	var out rest.Members
	err := c.call(ctx, http.MethodGet, conversationPath(conversationID)+"/members"+pageQuery(cursor, limit), nil, &out)
	return out, err
}

// AddMembers adds users to a group.
func (c *Client) AddMembers(ctx context.Context, conversationID string, userIDs ...string) error {
	return c.call(ctx, http.MethodPost, conversationPath(conversationID)+"/members", rest.AddMembers{UserIDs: userIDs}, nil)
}

// SetRole gives a member another role: owner, admin or member.
func (c *Client) SetRole(ctx context.Context, conversationID, userID, role string) error {
	return c.call(ctx, http.MethodPatch, memberPath(conversationID, userID), rest.EditMember{Role: role}, nil)
}

// RemoveMember removes a member of a group.
func (c *Client) RemoveMember(ctx context.Context, conversationID, userID string) error {
	return c.call(ctx, http.MethodDelete, memberPath(conversationID, userID), nil, nil)
}

// Leave removes the own user from a group.
func (c *Client) Leave(ctx context.Context, conversationID string) error {
	s := c.auth.session.Load()
	if s == nil {
		return errNoSession
	}
	return c.RemoveMember(ctx, conversationID, s.UserID)
}

// Range says which messages to fetch: those with AfterSeq < seq < BeforeSeq, where set, or the page of a cursor.
// With AfterSeq pages run from the oldest to the newest, without from the newest to the oldest.
type Range struct {
	AfterSeq, BeforeSeq *int64
	Cursor              string
	Limit               int // 0 leaves it to the server
}

// Messages returns a page of a conversation's events.
func (c *Client) Messages(ctx context.Context, conversationID string, r Range) (rest.Messages, error) {
	q := url.Values{}
	if r.AfterSeq != nil {
		q.Set("afterSeq", strconv.FormatInt(*r.AfterSeq, 10))
	}
	if r.BeforeSeq != nil {
		q.Set("beforeSeq", strconv.FormatInt(*r.BeforeSeq, 10))
	}
	addPage(q, r.Cursor, r.Limit)
	var out rest.Messages
	err := c.call(ctx, http.MethodGet, conversationPath(conversationID)+"/messages"+query(q), nil, &out)
	return out, err
}

func conversationPath(conversationID string) string {
	return "/api/v1/conversations/" + url.PathEscape(conversationID)
}

func memberPath(conversationID, userID string) string {
	return conversationPath(conversationID) + "/members/" + url.PathEscape(userID)
}

func pageQuery(cursor string, limit int) string {
	q := url.Values{}
	addPage(q, cursor, limit)
	return query(q)
}

func addPage(q url.Values, cursor string, limit int) {
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
}

func query(q url.Values) string {
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}
