// SPDX-License-Identifier: Apache-2.0

package sdk_test

import (
	"context"
	"encoding/json"
	"testing"

	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

// TestPersonal_CallsAreThoseOfTheAPI records what goes over the wire.
func TestPersonal_CallsAreThoseOfTheAPI(t *testing.T) {
	c, wire := recorded(t)
	const conv, base, me = "c1", "/api/v1/conversations/c1", "/api/v1/users/me"
	on := true
	for _, step := range []struct {
		want, body string
		answer     any
		do         func(ctx context.Context) error
	}{
		{"PUT " + base + "/settings", `{"isPinned":true}`, frame.Conversation{}, func(ctx context.Context) error {
			_, err := c.SetPrefs(ctx, conv, rest.EditPrefs{IsPinned: &on})
			return err
		}},
		{"GET " + me + "/settings", "", rest.Settings{}, func(ctx context.Context) error { _, err := c.Settings(ctx); return err }},
		{"PUT " + me + "/settings", `{"readReceipts":true}`, rest.Settings{}, func(ctx context.Context) error {
			_, err := c.SetSettings(ctx, rest.EditSettings{ReadReceipts: &on})
			return err
		}},
		{"PUT " + me + "/blocks/bob@x", "", nil, func(ctx context.Context) error { return c.Block(ctx, "bob@x") }},
		{"DELETE " + me + "/blocks/bob@x", "", nil, func(ctx context.Context) error { return c.Unblock(ctx, "bob@x") }},
		{"GET " + me + "/blocks?limit=2", "", rest.Blocks{}, func(ctx context.Context) error { _, err := c.Blocks(ctx, "", 2); return err }},
		{"POST " + base + "/accept", "", frame.Conversation{}, func(ctx context.Context) error { _, err := c.AcceptRequest(ctx, conv); return err }},
		{"POST " + base + "/decline", "", nil, func(ctx context.Context) error { return c.DeclineRequest(ctx, conv) }},
		{"GET " + base + "/messages/m1/receipts?limit=3", "", rest.MessageReceipts{}, func(ctx context.Context) error {
			_, err := c.Receipts(ctx, conv, "m1", "", 3)
			return err
		}},
		{"PUT " + base + "/messages/m1/star", "", nil, func(ctx context.Context) error { return c.Star(ctx, conv, "m1") }},
		{"DELETE " + base + "/messages/m1/star", "", nil, func(ctx context.Context) error { return c.Unstar(ctx, conv, "m1") }},
		{"GET " + me + "/starred?cursor=x", "", rest.Messages{}, func(ctx context.Context) error { _, err := c.Starred(ctx, "x", 0); return err }},
		{"DELETE " + base + "/messages/m1?for=me", "", nil, func(ctx context.Context) error { return c.HideMessage(ctx, conv, "m1") }},
		{"GET " + me + "/data/theme", "", rest.Datum{Key: "theme", Value: json.RawMessage("1")}, func(ctx context.Context) error { _, err := c.Data(ctx, "theme"); return err }},
		{"PUT " + me + "/data/theme", `{"value":{"a":1}}`, rest.Datum{Value: json.RawMessage("1")}, func(ctx context.Context) error {
			return c.SetData(ctx, "theme", map[string]int{"a": 1})
		}},
		{"DELETE " + me + "/data/theme", "", nil, func(ctx context.Context) error { return c.DeleteData(ctx, "theme") }},
		{"GET " + me + "/data", "", rest.Data{}, func(ctx context.Context) error { _, err := c.DataKeys(ctx, "", 0); return err }},
	} {
		wire.answer = step.answer
		if err := step.do(t.Context()); err != nil || wire.call != step.want || wire.body != step.body {
			t.Errorf("%s %q (%v), want %s %q", wire.call, wire.body, err, step.want, step.body)
		}
	}
}
