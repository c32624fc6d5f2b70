// SPDX-License-Identifier: Apache-2.0

package homeserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/federation/outbox"
	"parley.chat/federation/peer"
	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/replica"
	"parley.chat/server/config"
)

// Transcript writes a conversation as `parley verify` reads it, beside a running server or without one: from its create event to its
// head; of a replica, to the newest checkpoint of its hub, if it begins with the create event. The keys of other servers that
// signed in it are fetched from them. spec: FED-TRANSCRIPT-1
func Transcript(ctx context.Context, cfg config.Config, c id.Conversation, out io.Writer, log *slog.Logger) error {
	t, done, err := openTool(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer done()
	n := c.Shard(cfg.Database.Shards)
	loaded, err := t.store.LoadConversation(ctx, n, c, time.Now().UnixMilli(), 1)
	if errors.Is(err, timeline.ErrNoConversation) {
		return fmt.Errorf("there is no conversation %s here", c)
	}
	if err != nil {
		return err
	}
	if loaded.Base > 0 {
		return fmt.Errorf("this replica begins at seq %d; the whole conversation is had from its hub, %s", loaded.Base, loaded.State.Hub())
	}
	w := &transcript{tool: t, conv: c, shard: n, loaded: loaded, out: out}
	return w.write(ctx, cfg)
}

// transcript is one that is being written.
type transcript struct {
	*tool
	conv   id.Conversation
	shard  id.Shard
	loaded *timeline.Loaded
	out    io.Writer
}

func (w *transcript) write(ctx context.Context, cfg config.Config) error {
	end, err := w.end(ctx)
	if err != nil {
		return err
	}
	signers := map[id.Server]bool{end.Hub: true}
	err = w.each(ctx, end.Seq, func(f timeline.Foreign) error {
		if f.Signature != nil {
			signers[f.Sender.Server()] = true
		}
		if f.Type == frame.TypeHubTransfer {
			change, err := event.ParseChange(f.Type, f.Content)
			signers[id.Server(change.Hub)] = true
			return err
		}
		return nil
	})
	if err != nil {
		return err
	}
	head := &replica.TranscriptHead{ConversationID: w.conv, ServerName: w.name, Time: time.Now().UnixMilli(), V: 1}
	if err := replica.WriteLine(w.out, replica.Line{Transcript: head}); err != nil {
		return err
	}
	if err := w.keys(ctx, cfg, slices.Sorted(maps.Keys(signers))); err != nil {
		return err
	}
	if err := w.records(ctx, end.Seq); err != nil {
		return err
	}
	return replica.WriteLine(w.out, replica.Line{Checkpoint: &end})
}

// end is the checkpoint the transcript ends with: of the head, or the newest that the hub gave.
func (w *transcript) end(ctx context.Context) (replica.Checkpoint, error) {
	head := w.loaded.Head
	reign := w.loaded.State.ReignAt(head.Seq)
	hub := reign.Hub
	if hub == w.name {
		point := event.Checkpoint{ConversationID: w.conv, Hash: head.Hash, Hub: hub, Seq: head.Seq, Term: reign.Term, Time: time.Now().UnixMilli()}
		sig, err := w.ring.Sign(point)
		return replica.Checkpoint{Checkpoint: point, Signatures: []event.Signature{sig}}, err
	}
	raw, _, err := w.store.Replica(ctx, w.conv)
	if err != nil {
		return replica.Checkpoint{}, err
	}
	var out replica.Checkpoint
	if raw == nil {
		return out, fmt.Errorf("no checkpoint of %s is kept yet; try again in a moment", hub)
	}
	return out, json.Unmarshal(raw, &out)
}

// keys writes the documents of the servers.
func (w *transcript) keys(ctx context.Context, cfg config.Config, servers []id.Server) error {
	o, err := PeerOptions(cfg)
	if err != nil {
		return err
	}
	client := peer.NewClient(o)
	defer client.Close()
	for _, s := range servers {
		var raw []byte
		if s == w.name {
			raw, err = w.ring.Document()
		} else {
			raw, err = client.KeyDocument(ctx, s)
		}
		if err != nil {
			return fmt.Errorf("the keys of %s, which signed something: %w", s, err)
		}
		if err := replica.WriteLine(w.out, replica.Line{Keys: string(raw)}); err != nil {
			return err
		}
	}
	return nil
}

// records writes the entries. The hash of the state after what changes it is not kept, so the state is folded anew.
func (w *transcript) records(ctx context.Context, to int64) error {
	var state *conversation.State
	return w.each(ctx, to, func(f timeline.Foreign) (err error) {
		if state, err = conversation.Apply(state, f.Event); err != nil {
			return err
		}
		if conversation.ChangesState(f.Type) {
			h, err := state.Hash()
			if err != nil {
				return err
			}
			f.StateHash = &h
		}
		r, err := outbox.Record(f, true)
		if err != nil {
			return err
		}
		return replica.WriteLine(w.out, replica.Line{Record: &r})
	})
}

// each calls do for the entries up to a seq, in order.
func (w *transcript) each(ctx context.Context, to int64, do func(timeline.Foreign) error) error {
	for from := int64(0); from <= to; {
		list, err := w.store.Records(ctx, w.shard, w.loaded.Conv, from, to, replica.MaxRecords, replica.MaxBody)
		if err != nil {
			return err
		}
		if len(list) == 0 || list[0].Seq != from {
			return fmt.Errorf("the log has no entry %d", from)
		}
		for _, f := range list {
			if err := do(f); err != nil {
				return err
			}
		}
		from = list[len(list)-1].Seq + 1
	}
	return nil
}
