// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"sync"

	"parley.chat/core/conversation"
)

// pending is a command on its way, and who waits for it. It holds its conversation until it is finished, even if its caller
// left: what is decided on the tentative state must not be evicted before it is committed.
type pending struct {
	cmd     Command
	conv    *conv
	key     int64
	prefs   *prefsChange // instead of an event
	known   *Seen        // found in the store before queueing
	about   *Target      // so too, of an event about a message that its sender may read
	deleted bool         // so too: about has no content any more
	asOf    int64        // events about messages of the conversation that are in about, at least
	result  Result       // once decided
	sentAt  int64        // of the sender's last message, found before queueing; 0 if none

	foreign *Foreign            // the entry, where another server is the hub
	begin   *conversation.State // with which a replica begins at foreign
	isFresh bool                // the entry's tempId is known not to be a repeat

	mu        sync.Mutex
	finished  bool
	out       outcome
	followers []follower // answered after this one
	then      func(Result, error)
}

type outcome struct {
	Result
	err error
}

func (t *Timeline) newPending(cmd Command, c *conv, then func(Result, error)) *pending {
	return &pending{cmd: cmd, conv: c, key: t.key(cmd.Sender, cmd.Device, cmd.TempID), then: then}
}

// finish answers the command and its repeats, once.
func (p *pending) finish(r Result, err error) {
	p.mu.Lock()
	p.finished, p.out = true, outcome{r, err}
	followers := p.followers
	p.followers, p.cmd = nil, Command{} // The conversation keeps its newest command, not its content.
	p.foreign, p.begin, p.about = nil, nil, nil
	p.mu.Unlock()
	p.conv.shard.release(p.conv)
	p.then(r, err)
	for _, f := range followers {
		f.finishAfter(outcome{r, err})
	}
}

// follower is a command whose answer rests on what another one will have committed: a repeat of it, or one that the state
// after it refuses. Until that is durable it must not be told.
type follower struct {
	*pending
	refusal error // nil for a repeat
}

// follow answers f as p is or will be answered: also a failure, because then f was not committed either.
func (p *pending) follow(f follower) {
	p.mu.Lock()
	if !p.finished {
		p.followers = append(p.followers, f)
		p.mu.Unlock()
		return
	}
	out := p.out
	p.mu.Unlock()
	f.finishAfter(out)
}

func (f follower) finishAfter(o outcome) {
	if o.err == nil && f.refusal != nil {
		f.finish(Result{}, f.refusal)
		return
	}
	o.Duplicate = o.err == nil
	f.finish(o.Result, o.err)
}
