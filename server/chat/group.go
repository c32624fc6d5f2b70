// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

func (a *app) cmdGroup(ctx context.Context, args []string) error {
	members, err := a.userIDs(args[1:])
	if err != nil {
		return err
	}
	c, err := a.client.CreateGroup(ctx, args[0], members...)
	if err != nil {
		return err
	}
	return a.enter(ctx, c)
}

func (a *app) cmdMembers(ctx context.Context, _ []string) error {
	for cursor := ""; ; {
		page, err := a.client.Members(ctx, a.open, cursor, 0)
		if err != nil {
			return err
		}
		for _, m := range page.Members {
			a.screen.print(fmt.Sprintf("  %s (%s)", a.person(m.UserID), clean(m.Role)))
		}
		if !page.HasMore || page.NextCursor == "" {
			return nil
		}
		cursor = page.NextCursor
	}
}

func (a *app) cmdAdd(ctx context.Context, args []string) error {
	users, err := a.userIDs(args)
	if err != nil {
		return err
	}
	return a.client.AddMembers(ctx, a.open, users...)
}

func (a *app) cmdRemove(ctx context.Context, args []string) error {
	user, err := a.userID(args[0])
	if err != nil {
		return err
	}
	return a.client.RemoveMember(ctx, a.open, user)
}

func (a *app) cmdLeave(ctx context.Context, _ []string) error {
	if err := a.client.Leave(ctx, a.open); err != nil {
		return err
	}
	c := a.get(a.open)
	c.Membership, a.open = "left", ""
	a.screen.print("You left " + a.title(c) + ".")
	return nil
}

func (a *app) cmdRename(ctx context.Context, args []string) error {
	return a.client.Rename(ctx, a.open, strings.Join(args, " "))
}

func (a *app) cmdRole(ctx context.Context, args []string) error {
	role := strings.ToLower(args[1])
	if len(args) != 2 || !slices.Contains([]string{"owner", "admin", "member"}, role) {
		return errors.New("usage: " + commands()["/role"].usage)
	}
	user, err := a.userID(args[0])
	if err != nil {
		return err
	}
	return a.client.SetRole(ctx, a.open, user, role)
}
