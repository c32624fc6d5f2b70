// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"slices"
	"time"

	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

// cmdEdits shows the texts a message had, the first one first.
func (a *app) cmdEdits(ctx context.Context, args []string) error {
	m, err := a.find(ctx, args[0], false)
	if err != nil {
		return err
	}
	var all []rest.Version
	for page := (rest.Edits{HasMore: true}); page.HasMore; all = append(all, page.Versions...) {
		if page, err = a.client.Edits(ctx, a.open, m.MessageID, page.NextCursor, 0); err != nil {
			return err
		}
	}
	if len(all) < 2 {
		a.screen.print("it was never edited")
		return nil
	}
	for _, v := range all {
		a.screen.print("  " + clock(v.Timestamp, time.Now()) + " " + clean(v.Content))
	}
	return nil
}

// cmdDeleteForMe takes a message away from the own devices; the others keep it.
func (a *app) cmdDeleteForMe(ctx context.Context, args []string) error {
	m, err := a.find(ctx, args[0], false)
	if err != nil {
		return err
	}
	if err := a.client.HideMessage(ctx, a.open, m.MessageID); err != nil {
		return err
	}
	c := a.get(a.open)
	c.messages = slices.DeleteFunc(c.messages, func(k frame.Event) bool { return k.MessageID == m.MessageID })
	a.screen.print("deleted for you alone " + a.quote(m))
	return nil
}

func (a *app) cmdProfile(ctx context.Context, args []string) error {
	user, err := a.userID(args[0])
	if err != nil {
		return err
	}
	p, err := a.client.Profile(ctx, user)
	if err != nil {
		return err
	}
	a.screen.print(clean(p.UserID))
	for _, line := range [][2]string{{"name", p.DisplayName}, {"picture", p.AvatarURL}, {"phone", p.PhoneNumber}} {
		if line[1] != "" {
			a.screen.print("  " + line[0] + ": " + clean(line[1]))
		}
	}
	return nil
}
