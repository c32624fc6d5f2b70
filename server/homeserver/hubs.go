// SPDX-License-Identifier: Apache-2.0

package homeserver

import (
	"context"
	"errors"
	"time"

	"parley.chat/clientapi/op"
	"parley.chat/core/conversation"
	"parley.chat/federation/peer"
	"parley.chat/federation/submit"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	wire "parley.chat/protocol/replica"
)

// hubs asks servers whether they will be hubs, this one among them.
type hubs struct{ h *Homeserver }

// hubs is nil if there are no other servers.
func (h *Homeserver) hubs() op.Hubs {
	if h.replication == nil {
		return nil
	}
	return hubs{h}
}

// askTime bounds the wait for a server that is to be the hub.
const askTime = 15 * time.Second

// Accept implements op.Hubs.
func (o hubs) Accept(ctx context.Context, s *conversation.State, server id.Server) (out frame.Acceptance, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	in := wire.AskHub{ConversationID: s.ID, Term: s.Term() + 1}
	var word wire.HubAccepted
	if server == o.h.identity.name {
		word, err = o.h.replication.hub.Accept(ctx, server, in)
	} else {
		err = asked(server, o.h.peers.client.Call(ctx, server, wire.HubPath, in, &word))
	}
	if err != nil {
		return out, err
	}
	out = frame.Acceptance{KeyID: word.KeyID, Signature: word.Signature}
	return out, submit.CheckAcceptance(ctx, o.h.peers.keys, s, frame.Change{Hub: string(server), Acceptance: &out}, o.h.now().UnixMilli())
}

// asked makes a fault of what a server answered that was to be the hub.
func asked(server id.Server, err error) error {
	refusal, ok := errors.AsType[*peer.Refusal](err)
	switch {
	case err == nil:
		return nil
	case !ok:
		return fault.Retry(fault.ServerUnreachable, 5*time.Second, "the server %s does not answer now", server).Because(err)
	}
	switch code := fault.Code(refusal.Code); code {
	case fault.HubRefused, fault.StateChanged:
		return fault.New(code, "the server %s answers: %s", server, fault.Lookup(code).Meaning).Because(err)
	case fault.UnknownConversation, fault.Diverged:
		return fault.New(fault.HubRefused, "the server %s answers: %s", server, fault.Lookup(fault.HubRefused).Meaning).Because(err)
	}
	return fault.Retry(fault.ServerUnreachable, 5*time.Second, "the server %s cannot do it now", server).Because(err)
}
