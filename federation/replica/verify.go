// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"context"
	"errors"
	"fmt"
	"time"

	"parley.chat/core/conversation"
	"parley.chat/core/submission"
	"parley.chat/core/timeline"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/key"
	wire "parley.chat/protocol/replica"
)

var errCrowd = errors.New("too many wait for this conversation")

// ahead is how far the clocks of servers may be apart.
const ahead = 5 * time.Minute

// checker verifies what stands by itself. It belongs to one goroutine.
type checker struct {
	keys Keys
	now  time.Time
	seen map[string]key.Key
}

func (r *Replicas) checker() *checker {
	return &checker{keys: r.o.Keys, now: r.o.Now(), seen: map[string]key.Key{}}
}

// checking waits for a turn to check signatures.
func (r *Replicas) checking(ctx context.Context) (done func(), err error) {
	select {
	case r.checks <- struct{}{}:
		return func() { <-r.checks }, nil
	case <-ctx.Done():
		return nil, fault.Retry(fault.Unavailable, time.Second, "this server is busy").Because(ctx.Err())
	}
}

// key finds a key, each once. That it cannot be had is no fault of who sent the entry.
func (c *checker) key(ctx context.Context, server id.Server, keyID string) (key.Key, error) {
	name := string(server) + "/" + keyID
	if k, ok := c.seen[name]; ok {
		return k, nil
	}
	k, err := c.keys.Find(ctx, server, keyID)
	if err != nil {
		return k, fault.Retry(fault.Unavailable, 10*time.Second, "a key of %s cannot be had now", server).Because(err)
	}
	c.seen[name] = k
	return k, nil
}

// checkpoint wants one signature of the hub at least that is good: by a key within its life when it was signed, and which had not
// ended before the newest entry was made. spec: FED-TAKE-2
func (c *checker) checkpoint(ctx context.Context, cp *wire.Checkpoint, newest int64) error {
	switch {
	case cp == nil || len(cp.Signatures) == 0:
		return refused("there is no signed checkpoint")
	case max(cp.Time, newest) > c.now.Add(ahead).UnixMilli():
		return fault.Retry(fault.Unavailable, time.Minute, "a checkpoint or an entry is of the future: clocks differ")
	}
	var last error
	for _, sig := range cp.Signatures {
		k, err := c.key(ctx, cp.Hub, sig.KeyID)
		if err != nil {
			last = err
			continue
		}
		switch {
		case !k.Covers(cp.Time):
			last = refused(fmt.Sprintf("key %s was not in its life when the checkpoint was signed", sig.KeyID))
		case newest > k.Until:
			last = refused(fmt.Sprintf("key %s had ended before the entry was made", sig.KeyID))
		default:
			if err := cp.Verify(sig, k.Public); err != nil {
				return refuse(err) // One bad signature is enough: an honest hub makes none.
			}
			return nil
		}
	}
	return last
}

// author checks who signed the submission: the author's server, unless that is the hub. spec: FED-TAKE-3
func (c *checker) author(ctx context.Context, hub id.Server, rec *wire.Record) error {
	server := rec.Submission.Sender.Server()
	if server == hub {
		if rec.Signature != nil {
			return refused("a submission of the hub's own user is signed")
		}
		return nil
	}
	if rec.Signature == nil {
		return refused(fmt.Sprintf("a submission of %s is not signed by its server", rec.Submission.Sender))
	}
	k, err := c.key(ctx, server, rec.Signature.KeyID)
	switch {
	case err != nil:
		return err
	case !k.Covers(rec.Entry.HubTime):
		return refused(fmt.Sprintf("key %s of %s was not in its life at the time of the entry", k.ID, server))
	}
	if err := rec.Submission.Verify(*rec.Signature, k.Public); err != nil {
		return refuse(err)
	}
	return nil
}

// form refuses content that no server lets in. Without content come messages and edits only, the rest is never erased.
// spec: FED-TAKE-4
func form(rec *wire.Record) error {
	sub := rec.Submission
	if rec.Content == nil {
		if sub.Type != frame.TypeMessage && sub.Type != frame.TypeEdit {
			return refused("the content of a " + sub.Type + " is missing")
		}
		return nil
	}
	if _, err := submission.Read(sub, rec.Content, ""); err != nil {
		return refuse(err)
	}
	return nil
}

// foreign is the record as the timeline takes it. hash is the entry's.
func foreign(rec *wire.Record, hash event.Hash) timeline.Foreign {
	sub, entry := rec.Submission, rec.Entry
	e := &conversation.Event{
		ConversationID: entry.ConversationID, Seq: entry.Seq, Count: entry.Count, HubTime: entry.HubTime, AuthorTime: sub.AuthorTime,
		MessageID: entry.MessageID, Type: sub.Type, Sender: sub.Sender, Device: sub.DeviceID, TempID: sub.TempID, Expects: sub.Expects,
		Salt: rec.Salt, Hash: hash, Content: rec.Content,
	}
	if rec.Content == nil {
		e.ContentHash = sub.ContentHash
	}
	f := timeline.Foreign{Event: e, Prev: entry.Prev, Term: entry.Term}
	if rec.Signature != nil {
		f.KeyID, f.Signature = rec.Signature.KeyID, rec.Signature.Bytes
	}
	return f
}
