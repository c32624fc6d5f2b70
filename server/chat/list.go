// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"fmt"
	"time"

	"parley.chat/protocol/frame"
)

// greet shows the list when the first connection stands.
func (a *app) greet(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	if err := a.fetchList(ctx); err != nil {
		a.screen.print("! cannot read the list: " + explain(err) + "; /list tries again")
		return
	}
	a.showList(false)
}

// fetchList takes in all conversations as the server lists them.
func (a *app) fetchList(ctx context.Context) error {
	all, err := a.client.AllConversations(ctx)
	if err != nil {
		return err
	}
	for _, c := range all {
		a.learn(c)
	}
	a.fetched = true
	return nil
}

// needList makes numbers mean something: it fetches the list unless that was done, and numbers it unless one is shown.
func (a *app) needList(ctx context.Context) error {
	if !a.fetched {
		if err := a.fetchList(ctx); err != nil {
			return err
		}
	}
	if len(a.listed) == 0 {
		a.list(false)
	}
	return nil
}

// showList prints the conversations with their numbers.
func (a *app) showList(everything bool) {
	all := a.list(everything)
	switch {
	case len(all) > 0:
	case len(a.current()) > 0:
		a.screen.print("All conversations are archived: /list all shows them.")
	case a.fetched:
		a.screen.print("No conversations yet: /dm NAME begins one.")
	default:
		a.screen.print("No conversation is known yet.")
	}
	for i, c := range all {
		line := fmt.Sprintf("%3d  %s", i+1, a.title(c)) + standing(c, time.Now())
		if m := c.LastMessage; m != nil && m.Type == frame.TypeMessage {
			line += "  " + a.person(m.SenderID) + ": " + short(a.preview(*m), 50)
		}
		a.screen.print(line)
	}
}

// standing is what the list tells of a conversation behind its name.
func standing(c *conv, now time.Time) string {
	var out string
	switch {
	case c.UnreadCount > 0:
		out += fmt.Sprintf(" (%d unread)", c.UnreadCount)
	case c.MarkedUnread:
		out += " (unread)"
	}
	if c.IsPinned {
		out += " (pinned)"
	}
	if c.muted(now) {
		out += " (muted)"
	}
	if c.IsArchived {
		out += " (archived)"
	}
	return out
}
