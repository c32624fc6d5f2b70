// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
	wire "parley.chat/protocol/replica"
)

// saveEvery is the pause between two looks for checkpoints to save: what is lost by a crash is evidence, not entries.
const saveEvery = time.Second

// known remembers what is kept of replicas.
type known struct {
	most int

	mu   sync.Mutex
	of   map[id.Conversation]kept
	dirt map[id.Conversation]bool // not saved yet
}

// kept is what is known of one replica; it is replaced, never changed.
type kept struct {
	checkpoint *wire.Checkpoint // nil if none is
	diverged   bool
}

func newKnown(most int) *known {
	return &known{most: most, of: map[id.Conversation]kept{}, dirt: map[id.Conversation]bool{}}
}

func (k *known) get(c id.Conversation) (kept, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	out, ok := k.of[c]
	return out, ok
}

// put remembers, and forgets others beyond the bound that are saved.
func (k *known) put(c id.Conversation, v kept, dirty bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.of[c] = v
	if dirty {
		k.dirt[c] = true
	}
	for other := range k.of {
		if len(k.of) <= k.most {
			return
		}
		if other != c && !k.dirt[other] {
			delete(k.of, other)
		}
	}
}

// unsaved takes up to limit of those that are to be saved.
func (k *known) unsaved(limit int) map[id.Conversation]kept {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := map[id.Conversation]kept{}
	for c := range k.dirt {
		if len(out) == limit {
			break
		}
		out[c] = k.of[c]
	}
	return out
}

// saved says which checkpoints are safe; one that changed meanwhile is saved again.
func (k *known) saved(list map[id.Conversation]kept) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for c, v := range list {
		if k.of[c] == v {
			delete(k.dirt, c)
		}
	}
}

// remember reads what is known of a replica.
func (r *Replicas) remember(ctx context.Context, c id.Conversation) (kept, error) {
	if k, ok := r.known.get(c); ok {
		return k, nil
	}
	raw, diverged, err := r.o.Store.Replica(ctx, c)
	if err != nil {
		return kept{}, fault.Retry(fault.Unavailable, time.Second, "this server cannot do that now").Because(err)
	}
	k := kept{diverged: diverged}
	if raw != nil {
		k.checkpoint = &wire.Checkpoint{}
		if err := json.Unmarshal(raw, k.checkpoint); err != nil {
			return kept{}, err
		}
	}
	r.known.put(c, k, false)
	return k, nil
}

// recall fails with diverged if nothing is taken of the conversation any more.
func (r *Replicas) recall(ctx context.Context, c id.Conversation) error {
	k, err := r.remember(ctx, c)
	if err == nil && k.diverged {
		err = fault.New(fault.Diverged, "the hub of the conversation has shown two histories of it")
	}
	return err
}

// Diverged tells whether the hub of a conversation was found to show two histories of it.
func (r *Replicas) Diverged(ctx context.Context, c id.Conversation) (bool, error) {
	k, err := r.remember(ctx, c)
	return k.diverged, err
}

// note keeps a checkpoint that covers what is held, if it is newer.
func (r *Replicas) note(c id.Conversation, cp *wire.Checkpoint) {
	had, ok := r.known.get(c)
	if !ok || had.diverged || had.checkpoint != nil && (had.checkpoint.Term > cp.Term || had.checkpoint.Seq >= cp.Seq) {
		if ok {
			return
		}
	}
	r.known.put(c, kept{checkpoint: cp}, true)
}

func (r *Replicas) saveLoop(ctx context.Context) {
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.save(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
			defer cancel()
			r.save(last)
			return
		}
	}
}

// save writes the checkpoints that are newer than those kept.
func (r *Replicas) save(ctx context.Context) {
	for {
		list := r.known.unsaved(500)
		if len(list) == 0 {
			return
		}
		rows := make(map[id.Conversation][]byte, len(list))
		for c, k := range list {
			raw, err := json.Marshal(k.checkpoint)
			if err != nil {
				r.o.Log.Error("a checkpoint cannot be written", slog.Any("error", err))
				continue
			}
			rows[c] = raw
		}
		if err := r.o.Store.SaveCheckpoints(ctx, rows); err != nil {
			if !errors.Is(err, context.Canceled) {
				r.o.Log.Warn("checkpoints are not saved; they are tried again", slog.Any("error", err))
			}
			return
		}
		r.known.saved(list)
	}
}
