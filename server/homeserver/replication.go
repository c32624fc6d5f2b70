// SPDX-License-Identifier: Apache-2.0

package homeserver

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"parley.chat/core/consent"
	"parley.chat/core/conversation"
	"parley.chat/core/fanout"
	"parley.chat/core/timeline"
	"parley.chat/federation/door"
	"parley.chat/federation/outbox"
	"parley.chat/federation/peer"
	"parley.chat/federation/replica"
	"parley.chat/federation/submit"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	wire "parley.chat/protocol/replica"
)

// replication is what this server has to do with logs that cross servers: it hands on those it orders, follows those that others
// order, and carries what own users say there. A nil one does nothing.
type replication struct {
	outbox   *outbox.Outbox
	replicas *replica.Replicas
	writer   *submit.Writer
	hub      *submit.Hub
	refusals chan refusal
}

// refusal is an own user who does not want to be in a conversation that another server put him in.
type refusal struct {
	conv id.Conversation
	user id.User
}

// refusalsAtOnce bounds those that wait; beyond, a user stays in a conversation until he leaves it himself.
const refusalsAtOnce = 1024

// openReplication makes the parts, if this server federates. The timeline is there.
func (h *Homeserver) openReplication() *replication {
	if !h.cfg.Federation.Enabled {
		return nil
	}
	if h.opt.Owner != nil {
		return h.opt.Owner.replication
	}
	r := &replication{refusals: make(chan refusal, refusalsAtOnce)}
	self := h.identity.name
	r.outbox = outbox.New(outbox.Options{
		Self: self, Timeline: h.timeline, Store: h.store, Client: h.peers.client, Signer: h.ring, Log: h.part("outbox"), Metrics: h.metrics, Now: h.now, Fail: h.opt.Fail,
	})
	r.replicas = replica.New(replica.Options{
		Self: self, Timeline: h.timeline, Store: h.store, Keys: h.peers.keys,
		Ask: func(ctx context.Context, hub id.Server, in wire.Entries) (out wire.Range, err error) {
			return out, h.peers.client.Call(ctx, hub, wire.EntriesPath, in, &out)
		},
		AskSnapshot: func(ctx context.Context, hub id.Server, c id.Conversation) (out wire.Snapshot, err error) {
			return out, h.peers.client.Call(ctx, hub, wire.SnapshotPath, wire.AskSnapshot{ConversationID: c}, &out)
		},
		Consent: h.joins, Refuse: r.refuse, Log: h.part("replica"), Metrics: h.metrics, Now: h.now, Fail: h.opt.Fail,
	})
	r.writer = submit.NewWriter(submit.Options{
		Self: self, Timeline: h.timeline, Store: h.store, Replicas: r.replicas, Signer: h.ring, Limits: conversation.Limits{MaxMembers: event.MaxMembers},
		Meter: h.timeline.Meter, Send: h.sendSubmissions, Outcome: h.tellOutcome, Log: h.part("submit"), Metrics: h.metrics, Now: h.now, Fail: h.opt.Fail,
	})
	r.hub = submit.NewHub(submit.HubOptions{
		Self: self, Timeline: h.timeline, Store: h.store, Keys: h.peers.keys, Source: r.outbox, Signer: h.ring,
		Diverged: r.replicas.Diverged, Admit: h.admit, Log: h.part("hub"), Now: h.now,
	})
	return r
}

func (r *replication) refuse(c id.Conversation, u id.User) {
	select {
	case r.refusals <- refusal{c, u}:
	default:
	}
}

// run carries until ctx is done.
func (r *replication) run(ctx context.Context) error {
	if r == nil {
		return nil
	}
	eg, ctx := errgroup.WithContext(ctx)
	eg.Go(func() error { return r.outbox.Run(ctx) })
	eg.Go(func() error { return r.replicas.Run(ctx) })
	eg.Go(func() error { return r.writer.Run(ctx) })
	eg.Go(func() error { return r.leave(ctx) })
	return eg.Wait()
}

// leave takes users out of what they refused.
func (r *replication) leave(ctx context.Context) error {
	for {
		select {
		case one := <-r.refusals:
			cmd := timeline.Command{
				ConversationID: one.conv, Device: id.NewDevice(), TempID: id.NewULID(), AuthorTime: time.Now().UnixMilli(), Content: []byte("{}"), Unmetered: true,
				Proposal: conversation.Proposal{Type: frame.TypeMemberLeave, Sender: one.user},
			}
			if err := r.writer.Submit(ctx, cmd, func(timeline.Result, error) {}); err != nil {
				continue // He may leave himself.
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// committed hands on what was committed here.
func (r *replication) committed(events []conversation.Committed) {
	if r == nil {
		return
	}
	for i := range events {
		if s := events[i].State; s != nil {
			r.outbox.Moved(events[i].Event, s)
		}
	}
	r.writer.Committed(events)
}

func (r *replication) lost() {
	if r != nil {
		r.outbox.Lost()
	}
}

// heard notes that another server is there.
func (h *Homeserver) heard(s id.Server) {
	h.replication.outbox.Heard(s)
	h.replication.replicas.Heard(s)
	h.replication.writer.Heard(s)
	h.abroad.directory.Heard(s)
}

// replicationRoutes are the operations about logs.
func (h *Homeserver) replicationRoutes() []door.Route {
	r := h.replication
	return []door.Route{
		door.Transactions(r.replicas, h.abroad.moments),
		door.Post(wire.SubmissionsPath, func(ctx context.Context, origin id.Server, in wire.Submissions) (any, error) {
			return r.hub.Receive(ctx, origin, in)
		}),
		door.Post(wire.EntriesPath, func(ctx context.Context, origin id.Server, in wire.Entries) (any, error) {
			return r.outbox.Entries(ctx, origin, in)
		}),
		door.Post(wire.HubPath, func(ctx context.Context, origin id.Server, in wire.AskHub) (any, error) {
			return r.hub.Accept(ctx, origin, in)
		}),
		door.Post(wire.SnapshotPath, func(ctx context.Context, origin id.Server, in wire.AskSnapshot) (any, error) {
			return r.outbox.Snapshot(ctx, origin, in.ConversationID)
		}),
	}
}

// sendSubmissions implements submit.Options.Send.
func (h *Homeserver) sendSubmissions(ctx context.Context, hub id.Server, in wire.Submissions) (out wire.Ordered, err error) {
	err = h.peers.client.Call(ctx, hub, wire.SubmissionsPath, in, &out)
	if refusal, ok := errors.AsType[*peer.Refusal](err); ok && fault.Lookup(fault.Code(refusal.Code)).Status != 0 && refusal.Status < 500 {
		err = fault.New(fault.Code(refusal.Code), "%s: %s", hub, fault.Lookup(fault.Code(refusal.Code)).Meaning).Because(err)
	}
	return out, err
}

// joins implements replica.Options.Consent.
func (h *Homeserver) joins(ctx context.Context, j replica.Joining) (*timeline.Prefs, error) {
	return h.consent().Joins(ctx, j.State, j.User, j.By)
}

func (h *Homeserver) consent() consent.Rules {
	return consent.Rules{Self: h.identity.name, People: h.people, Users: h.accounts, Asked: h.asked}
}

// admit implements submit.HubOptions.Admit: those whom users of another server make members are asked, here or at their own servers.
func (h *Homeserver) admit(ctx context.Context, _ id.Server, cmd *timeline.Command) error {
	v, err := h.timeline.View(ctx, cmd.ConversationID)
	if err != nil && (cmd.Type != frame.TypeCreate || !fault.Is(err, fault.UnknownConversation)) {
		return err
	}
	if err := h.consent().Admit(ctx, v.State, cmd); err != nil || cmd.Type != frame.TypeMemberAdd {
		return err
	}
	var far []id.User
	for _, name := range cmd.Change.UserIDs {
		if u := id.User(name); !h.isHere(u) {
			far = append(far, u)
		}
	}
	if len(far) == 0 {
		return nil
	}
	return h.abroad.directory.MayInvite(ctx, v.State.Create, cmd.Sender, far)
}

// tellOutcome implements submit.Options.Outcome: the device that sent what was accepted hears what became of it. spec: MSG-ACK-4
func (h *Homeserver) tellOutcome(o submit.Outcome) {
	ack := frame.Ack{TempID: o.TempID, ConversationID: string(o.ConversationID), Status: frame.Sent, Timestamp: h.now().UnixMilli()}
	if o.Err != nil {
		f := fault.From(o.Err)
		ack.Status, ack.Code, ack.Message = frame.Failed, string(f.Code), f.Message
	} else {
		ack.MessageID, ack.Seq, ack.Timestamp = o.Result.MessageID.String(), o.Result.Seq, o.Result.MessageID.Time()
	}
	data, err := json.Marshal(ack)
	if err != nil {
		h.log.Error("an outcome is not told", slog.Any("error", err))
		return
	}
	h.fanout.Tell(fanout.Passing{
		Frame: fanout.NewFrame(frame.MessageAck, frame.AppendFrame(nil, frame.MessageAck, data)), To: []id.User{o.Sender}, Device: o.Device,
	})
}
