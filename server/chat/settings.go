// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"parley.chat/protocol/rest"
)

// setting is one of the account, as it is shown and typed.
type setting struct {
	name, means string
	values      []string
	of          func(s rest.Settings) string
	put         func(in *rest.EditSettings, value string)
}

func settings() []setting {
	who := []string{"everyone", "contacts", "nobody"}
	return []setting{
		{"readReceipts", "others see what you read, and you what they read", []string{"on", "off"},
			func(s rest.Settings) string { return either(s.ReadReceipts, "on", "off") },
			func(in *rest.EditSettings, v string) { on := v == "on"; in.ReadReceipts = &on }},
		{"lastSeen", "who sees when you were here last", who,
			func(s rest.Settings) string { return s.LastSeen }, func(in *rest.EditSettings, v string) { in.LastSeen = &v }},
		{"online", "who sees that you are here", who,
			func(s rest.Settings) string { return s.Online }, func(in *rest.EditSettings, v string) { in.Online = &v }},
		{"whoMayMessage", "who writes to you without asking", who,
			func(s rest.Settings) string { return s.WhoMayMessage }, func(in *rest.EditSettings, v string) { in.WhoMayMessage = &v }},
		{"whoMayAdd", "who adds you to groups", who,
			func(s rest.Settings) string { return s.WhoMayAdd }, func(in *rest.EditSettings, v string) { in.WhoMayAdd = &v }},
	}
}

func (a *app) cmdSettings(ctx context.Context, args []string) error {
	if len(args) > 0 {
		return a.changeSetting(ctx, args)
	}
	now, err := a.client.Settings(ctx)
	if err != nil {
		return err
	}
	for _, s := range settings() {
		a.screen.print(fmt.Sprintf("  %-13s  %-8s  %s (%s)", s.name, clean(s.of(now)), s.means, strings.Join(s.values, "|")))
	}
	return nil
}

func (a *app) changeSetting(ctx context.Context, args []string) error {
	all := settings()
	i := slices.IndexFunc(all, func(s setting) bool { return strings.EqualFold(s.name, args[0]) })
	if i < 0 {
		var names []string
		for _, s := range all {
			names = append(names, s.name)
		}
		return errors.New("the settings are " + strings.Join(names, ", "))
	}
	value := ""
	if len(args) == 2 {
		value = strings.ToLower(args[1])
	}
	switch value {
	case "true", "yes":
		value = "on"
	case "false", "no":
		value = "off"
	}
	s := all[i]
	if !slices.Contains(s.values, value) {
		return errors.New("usage: /settings " + s.name + " " + strings.Join(s.values, "|"))
	}
	var in rest.EditSettings
	s.put(&in, value)
	now, err := a.client.SetSettings(ctx, in)
	if err == nil {
		a.screen.print(s.name + " is " + clean(s.of(now)))
	}
	return err
}
