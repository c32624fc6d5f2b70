// SPDX-License-Identifier: Apache-2.0

package sdk_test

import (
	"context"
	"testing"

	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

// TestGroup_CallsAreThoseOfTheAPI records what goes over the wire.
func TestGroup_CallsAreThoseOfTheAPI(t *testing.T) {
	c, wire := recorded(t)
	const conv, base = "c1", "/api/v1/conversations/c1"
	text := "x"
	for _, step := range []struct {
		want, body string
		answer     any
		do         func(ctx context.Context) error
	}{
		{"PATCH " + base, `{"description":"x"}`, frame.Conversation{}, func(ctx context.Context) error {
			_, err := c.Edit(ctx, conv, rest.EditConversation{Description: &text})
			return err
		}},
		{"POST " + base + "/hub", `{"serverName":"b.example"}`, frame.Conversation{}, func(ctx context.Context) error { return c.MoveHub(ctx, conv, "b.example") }},
		{"POST " + base + "/owner", `{"userId":"bob@x"}`, frame.Conversation{}, func(ctx context.Context) error { return c.TransferOwner(ctx, conv, "bob@x") }},
		{"PUT " + base + "/bans/bob@x", "", nil, func(ctx context.Context) error { return c.Ban(ctx, conv, "bob@x") }},
		{"DELETE " + base + "/bans/bob@x", "", nil, func(ctx context.Context) error { return c.Unban(ctx, conv, "bob@x") }},
		{"GET " + base + "/bans?limit=2", "", rest.Bans{}, func(ctx context.Context) error { _, err := c.Bans(ctx, conv, "", 2); return err }},
		{"POST " + base + "/links", `{"maxUses":3}`, rest.Link{}, func(ctx context.Context) error {
			_, err := c.CreateLink(ctx, conv, rest.CreateLink{MaxUses: 3})
			return err
		}},
		{"GET " + base + "/links", "", rest.Links{}, func(ctx context.Context) error { _, err := c.Links(ctx, conv); return err }},
		{"DELETE " + base + "/links/l", "", nil, func(ctx context.Context) error { return c.RevokeLink(ctx, conv, "l") }},
		{"POST /api/v1/links/preview", `{"token":"pl_x"}`, rest.LinkPreview{}, func(ctx context.Context) error { _, err := c.PreviewLink(ctx, "pl_x"); return err }},
		{"GET " + base + "/requests?cursor=u", "", rest.JoinRequests{}, func(ctx context.Context) error { _, err := c.Requests(ctx, conv, "u", 0); return err }},
		{"POST " + base + "/requests/bob@x", "", frame.Conversation{}, func(ctx context.Context) error { return c.Approve(ctx, conv, "bob@x") }},
		{"DELETE " + base + "/requests/bob@x", "", nil, func(ctx context.Context) error { return c.Decline(ctx, conv, "bob@x") }},
		{"PUT " + base + "/messages/m/pin", "", nil, func(ctx context.Context) error { return c.Pin(ctx, conv, "m") }},
		{"DELETE " + base + "/messages/m/pin", "", nil, func(ctx context.Context) error { return c.Unpin(ctx, conv, "m") }},
		{"GET " + base + "/pins", "", rest.Messages{}, func(ctx context.Context) error { _, err := c.Pins(ctx, conv, "", 0); return err }},
	} {
		wire.answer = step.answer
		if err := step.do(t.Context()); err != nil || wire.call != step.want || wire.body != step.body {
			t.Errorf("%s %s: %v; want %s %s", wire.call, wire.body, err, step.want, step.body)
		}
	}
	wire.answer = rest.JoinRequested{ConversationID: "c2", Status: "requested"}
	if conv, requested, err := c.JoinLink(t.Context(), "pl_x"); err != nil || !requested || conv.ConversationID != "c2" || wire.call != "POST /api/v1/links/join" {
		t.Errorf("asking: %+v %v %v", conv, requested, err)
	}
	wire.answer = frame.Conversation{ConversationID: "c2", Membership: "joined"}
	if conv, requested, err := c.JoinLink(t.Context(), "pl_x"); err != nil || requested || conv.Membership != "joined" {
		t.Errorf("joining: %+v %v %v", conv, requested, err)
	}
}
