// SPDX-License-Identifier: Apache-2.0

package submit

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/canonical"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	wire "parley.chat/protocol/replica"
)

// moved has the entries fetched by which a server stopped to be the hub: what it says is believed when the log says so. spec: FED-MOVE-8
func (w *Writer) moved(ctx context.Context, hub id.Server, c id.Conversation) {
	v, err := w.o.Timeline.View(ctx, c)
	if err == nil && v.State.Hub() == hub {
		err = w.o.Replicas.Pull(ctx, hub, c, v.Head.Seq+1)
	}
	if err != nil {
		w.o.Log.Debug("a hub says that it is none any more, and does not show it", slog.String("conversation", string(c)),
			slog.String("server", string(hub)), slog.Any("error", err))
	}
}

// Accept gives this server's word that it will be the hub of a conversation in the term that follows. Who asks is the server of an
// owner, or an owner of our own. It holds the whole log then, and so everything that members of any server may read, and every tempId
// that was used. Faults: unknown_conversation, state_changed, hub_refused, diverged, unavailable. spec: FED-MOVE-6 FED-MOVE-7
func (h *Hub) Accept(ctx context.Context, origin id.Server, in wire.AskHub) (wire.HubAccepted, error) {
	var none wire.HubAccepted
	v, err := h.o.Timeline.View(ctx, in.ConversationID)
	if err != nil {
		return none, err
	}
	if err := h.acceptable(ctx, origin, in, v); err != nil {
		return none, err
	}
	keyID, private := h.o.Signer.Signing()
	sig, err := event.Acceptance{ConversationID: in.ConversationID, Hub: h.o.Self, Term: in.Term}.Sign(keyID, private)
	if err != nil {
		return none, away(err)
	}
	return wire.HubAccepted{KeyID: sig.KeyID, Signature: canonical.EncodeBase64(sig.Bytes)}, nil
}

func (h *Hub) acceptable(ctx context.Context, origin id.Server, in wire.AskHub, v timeline.View) error {
	servers := v.State.Servers()
	switch {
	case !slices.Contains(servers, origin) || !slices.Contains(servers, h.o.Self):
		return fault.New(fault.UnknownConversation, "no such conversation")
	case in.Term <= v.State.Term():
		return fault.New(fault.StateChanged, "the conversation is in term %d already", v.State.Term())
	case in.Term > v.State.Term()+1:
		return fault.Retry(fault.Unavailable, time.Second, "the conversation is in term %d here", v.State.Term())
	case !ownerOf(v.State, origin), v.State.Type() == event.Direct:
		return fault.New(fault.HubRefused, "no owner of the conversation has an account at %s", origin)
	case v.State.Hub() == h.o.Self:
		return fault.New(fault.HubRefused, "this server is the hub")
	case v.Base != 0:
		return fault.New(fault.HubRefused, "this server does not hold the conversation from its first entry")
	}
	diverged, err := h.o.Diverged(ctx, in.ConversationID)
	switch {
	case err != nil:
		return away(err)
	case diverged:
		return fault.New(fault.Diverged, "the hub of the conversation has shown two histories of it")
	}
	return nil
}

// ownerOf tells whether an owner has his account at a server.
func ownerOf(s *conversation.State, server id.Server) bool {
	for u, m := range s.Members {
		if m.Membership == conversation.Joined && m.Role == conversation.Owner && u.Server() == server {
			return true
		}
	}
	return false
}

// accepted wants the word of the new hub to be its own, by a key that signs now. spec: FED-MOVE-4
func (h *Hub) accepted(ctx context.Context, cmd *timeline.Command) error {
	v, err := h.o.Timeline.View(ctx, cmd.ConversationID)
	if err != nil {
		return err
	}
	return CheckAcceptance(ctx, h.o.Keys, v.State, cmd.Change, h.o.Now().UnixMilli())
}

// CheckAcceptance wants the acceptance in a hub_transfer that is to follow s to be the new hub's word, by a key that signs now.
func CheckAcceptance(ctx context.Context, keys Keys, s *conversation.State, c frame.Change, now int64) error {
	word, sig, err := conversation.AcceptanceOf(s, c)
	if err != nil {
		return err
	}
	k, err := keys.Find(ctx, word.Hub, sig.KeyID)
	if err != nil {
		return fault.Retry(fault.Unavailable, 10*time.Second, "the key of the new hub cannot be had now").Because(err)
	}
	if k.IsRevoked || !k.Signs(now) {
		return refused("the key of the new hub is not one that signs now")
	}
	if err := word.Verify(sig, k.Public); err != nil {
		return refused("the word of the new hub is not signed by it")
	}
	return nil
}
