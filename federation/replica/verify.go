// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

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

// keyTime bounds the wait for keys of others. One that comes later is there when the same is taken again.
const keyTime = 5 * time.Second

// named is a key as a signature names it.
type named struct {
	server id.Server
	keyID  string
}

// signers are the keys that records and a checkpoint name. Entries up to held are not looked at.
func signers(cp *wire.Checkpoint, records []wire.Record, held int64) (out []named) {
	seen := map[named]bool{}
	add := func(list ...event.Signature) {
		for _, s := range list {
			if n := (named{s.Server, s.KeyID}); !seen[n] {
				seen[n], out = true, append(out, n)
			}
		}
	}
	if cp != nil {
		add(cp.Signatures...)
	}
	for i := range records {
		if s := records[i].Signature; s != nil && records[i].Entry.Seq > held {
			add(*s)
		}
	}
	return out
}

// checker verifies what stands by itself, with keys that were found before. It belongs to one goroutine.
type checker struct {
	now  time.Time
	keys map[named]found
}

type found struct {
	key key.Key
	err error
}

// checker finds keys, all at once, which may take a moment: it holds nothing meanwhile that others wait for.
func (r *Replicas) checker(ctx context.Context, list []named) *checker {
	ctx, cancel := context.WithTimeout(ctx, keyTime)
	defer cancel()
	c := &checker{now: r.o.Now(), keys: map[named]found{}}
	got := make([]found, len(list))
	var group errgroup.Group
	group.SetLimit(8)
	for i, n := range list {
		group.Go(func() error {
			got[i].key, got[i].err = r.o.Keys.FindStored(ctx, n.server, n.keyID)
			return nil
		})
	}
	_ = group.Wait() // What went wrong is in got.
	for i, n := range list {
		c.keys[n] = got[i]
	}
	return c
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

// key is a key that was found. That it cannot be had is no fault of who sent the entry.
func (c *checker) key(server id.Server, keyID string) (key.Key, error) {
	f, ok := c.keys[named{server, keyID}]
	if ok && f.err == nil {
		return f.key, nil
	}
	return f.key, fault.Retry(fault.Unavailable, 10*time.Second, "a key of %s cannot be had now", server).Because(f.err)
}

// checkpoint wants one signature of the hub at least that is good: by a key within its life when it was signed, and which had not
// ended before the newest entry was made. spec: FED-TAKE-2
func (c *checker) checkpoint(cp *wire.Checkpoint, newest int64) error {
	switch {
	case cp == nil || len(cp.Signatures) == 0:
		return refused("there is no signed checkpoint")
	case max(cp.Time, newest) > c.now.Add(ahead).UnixMilli():
		return fault.Retry(fault.Unavailable, time.Minute, "a checkpoint or an entry is of the future: clocks differ")
	}
	var last error
	for _, sig := range cp.Signatures {
		k, err := c.key(cp.Hub, sig.KeyID)
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
func (c *checker) author(hub id.Server, rec *wire.Record) error {
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
	k, err := c.key(server, rec.Signature.KeyID)
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
