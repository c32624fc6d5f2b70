// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"

	"parley.chat/protocol/frame"
)

// follow keeps who is a member and who owns, and tells whether an owner went.
func (c *conv) follow(e frame.Event) (ownerLeft bool) {
	var change frame.Change
	if e.Change != nil {
		change = *e.Change
	}
	switch e.Type {
	case frame.TypeMemberLeave:
		return c.without(e.SenderID)
	case frame.TypeMemberRemove, frame.TypeMemberBan:
		for _, u := range change.UserIDs {
			ownerLeft = c.without(u) || ownerLeft
		}
	case frame.TypeMemberJoin:
		c.with(e.SenderID)
	case frame.TypeMemberAdd:
		for _, u := range change.UserIDs {
			c.with(u)
		}
	case frame.TypeMemberRole, frame.TypeOwnerTransfer:
		for _, u := range change.UserIDs {
			delete(c.owners, u)
			if change.Role == "owner" || e.Type == frame.TypeOwnerTransfer {
				c.owners[u] = true
			}
		}
		if e.Type == frame.TypeOwnerTransfer {
			delete(c.owners, e.SenderID)
		}
	}
	return ownerLeft
}

// with takes in a new member, of whom nothing is known.
func (c *conv) with(user string) {
	delete(c.gone, user)
	if _, known := c.receipts[user]; !known {
		c.receipts[user] = frame.Receipt{ConversationID: c.ConversationID, UserID: user, DeliveredSeq: -1, ReadSeq: -1}
	}
}

// without forgets a member, and tells whether that was an owner.
func (c *conv) without(user string) (owned bool) {
	owned = c.owners[user]
	delete(c.owners, user)
	c.gone[user] = true // How far they got stays true of older messages.
	return owned
}

// succession says who owns the group after its last owner went.
func (a *app) succession(ctx context.Context, c *conv) {
	if len(c.owners) > 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, nameTimeout)
	defer cancel()
	_ = a.pages("", func(cursor string) (string, error) {
		page, err := a.client.Members(ctx, c.ConversationID, cursor, 0)
		for _, m := range page.Members {
			if m.Role == "owner" {
				c.owners[m.UserID] = true
				a.screen.print("* " + a.person(m.UserID) + " " + either(m.UserID == a.self, "are", "is") + " the owner now")
			}
		}
		return page.NextCursor, err // Who owns is also in /members.
	})
}
