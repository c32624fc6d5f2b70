// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"fmt"

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
	a.showList()
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
		a.list()
	}
	return nil
}

// showList prints the conversations with their numbers.
func (a *app) showList() {
	all := a.list()
	switch {
	case len(all) > 0:
	case a.fetched:
		a.screen.print("No conversations yet: /dm NAME begins one.")
	default:
		a.screen.print("No conversation is known yet.")
	}
	for i, c := range all {
		line := fmt.Sprintf("%3d  %s", i+1, a.title(c))
		if c.UnreadCount > 0 {
			line += fmt.Sprintf(" (%d unread)", c.UnreadCount)
		}
		if m := c.LastMessage; m != nil && m.Type == frame.TypeMessage {
			line += "  " + a.person(m.SenderID) + ": " + short(clean(contentOf(*m)), 50)
		}
		a.screen.print(line)
	}
}
